//! `/oauth2/device/auth` and `/oauth2/device/verify`: devices without a browser over HTTP.
//!
//! Implements RFC 8628 §3.1 and §3.3; what happens is in [`claviger_core::device`] and [`claviger_core::authorize`]. Attacks:
//! codes kept by caches (`Cache-Control: no-store`).

use axum::extract::State;
use axum::response::Response;
use claviger_core::authorize::verify_device;
use claviger_core::device;
use http::StatusCode;

use super::authorize::{browse, error_page};
use super::client;
use super::cookies::Jar;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// `POST /oauth2/device/auth`
pub async fn begin(State(provider): State<Shared>, mut call: Call) -> Response {
    match begun(&provider, &mut call).await {
        Ok(response) => response,
        Err(problem) => reply::protocol_error(&call, &problem),
    }
}

async fn begun(provider: &Provider, call: &mut Call) -> Result<Response, Problem> {
    let form = call.form().await?;
    let credentials = client::credentials(call, &form)?;
    let response = device::begin(&provider.world(), &credentials).await?;
    Ok(reply::protocol(StatusCode::OK, &response))
}

/// `GET /oauth2/device/verify`
pub async fn verify(State(provider): State<Shared>, call: Call) -> Response {
    let params = match call.query() {
        Ok(params) => params,
        Err(failure) => return error_page(&provider.policy, &call, &failure.into()),
    };
    let jar = Jar::read(&provider.cookies, &call.headers);
    let answer = verify_device(&provider.world(), &params, &jar.browser()).await;
    browse(&provider.policy, &call, &jar, answer)
}

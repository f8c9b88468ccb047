//! `/oauth2/token`: a grant becomes tokens.
//!
//! Implements RFC 6749 §3.2 over HTTP. Attacks: credentials in the query (it is not read), answers kept by caches
//! (`Cache-Control: no-store`, §5.1).

use axum::extract::State;
use axum::response::Response;
use claviger_core::grant;
use http::StatusCode;

use super::client;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// `POST /oauth2/token`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    match answer(&provider, &mut call).await {
        Ok(response) => response,
        Err(problem) => reply::protocol_error(&call, &problem),
    }
}

async fn answer(provider: &Provider, call: &mut Call) -> Result<Response, Problem> {
    let form = call.form().await?;
    let credentials = client::credentials(call, &form)?;
    let response = grant::run(&provider.world(), &credentials).await?;
    Ok(reply::protocol(StatusCode::OK, &response))
}

//! `/oauth2/token`: a grant becomes tokens.
//!
//! Implements RFC 6749 §3.2 over HTTP. Attacks: credentials in the query (it is not read), answers kept by caches
//! (`Cache-Control: no-store`, §5.1).

use axum::extract::State;
use axum::response::Response;
use claviger_core::grant;
use claviger_core::params::Params;
use http::StatusCode;

use super::client;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};
use crate::telemetry::events;

/// `POST /oauth2/token`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = match call.form().await {
        Ok(form) => form,
        Err(unreadable) => return reply::protocol_error(&call, &unreadable.into()),
    };
    let response = match answer(&provider, &call, &form).await {
        Ok(response) => response,
        Err(problem) => reply::protocol_error(&call, &problem),
    };
    let grant = grant::name_of(form.get("grant_type").unwrap_or_default());
    provider.metrics.token_request(grant, reply::outcome(&response));
    // Who asked is of interest where it was refused.
    let response = if response.status().is_success() {
        response
    } else {
        let client = client::presented(&call, &form);
        let response = reply::about_client(response, client.as_deref());
        events::exchange_refused(reply::party(&response), grant, reply::outcome(&response));
        response
    };
    client::readable(&provider, &call, form.get("client_id"), response).await
}

async fn answer(provider: &Provider, call: &Call, form: &Params) -> Result<Response, Problem> {
    let credentials = client::credentials(call, form)?;
    let response = grant::run(&provider.world(), &credentials).await?;
    Ok(reply::protocol(StatusCode::OK, &response))
}

//! `/oauth2/introspect`: for clients that authenticate, most of all resource servers.
//!
//! Implements RFC 7662 §2 over HTTP.

use axum::extract::State;
use axum::response::Response;
use claviger_core::fault::Fault;
use claviger_core::introspect::{Caller, introspect};
use http::StatusCode;

use super::client;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// `POST /oauth2/introspect`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    match answer(&provider, &mut call).await {
        Ok(response) => response,
        Err(problem) => reply::protocol_error(&call, &problem),
    }
}

async fn answer(provider: &Provider, call: &mut Call) -> Result<Response, Problem> {
    let form = call.form().await?;
    let world = provider.world();
    let caller = client::sender(&world, call, &form).await?;
    let token = form.get("token").ok_or(Fault::TokenMissing)?;
    let told = introspect(&world, token, Caller::Client(&caller)).await?;
    Ok(reply::protocol(StatusCode::OK, &told))
}

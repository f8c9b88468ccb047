//! `/admin/oauth2/introspect`: any token, for the operator's own services.
//!
//! Implements RFC 7662 §2 over HTTP; access is what the admin port as a whole asks for. As in Hydra, a request without
//! `token` is answered as one with an unknown token.

use axum::extract::State;
use axum::response::Response;
use claviger_core::fault::Fault;
use claviger_core::introspect::{Caller, introspect};
use http::StatusCode;

use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// `POST /admin/oauth2/introspect`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    match answer(&provider, &mut call).await {
        Ok(response) => response,
        Err(problem) => reply::protocol_error(&call, &problem),
    }
}

async fn answer(provider: &Provider, call: &mut Call) -> Result<Response, Problem> {
    let form = call.form().await?;
    if form.is_empty() {
        return Err(Fault::EmptyRequest.into());
    }
    let caller = Caller::Admin {
        scope: form.get("scope"),
    };
    let token = form.get("token").unwrap_or_default();
    let told = introspect(&provider.world(), token, caller).await?;
    Ok(reply::protocol(StatusCode::OK, &told))
}

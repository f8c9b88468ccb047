//! `/oauth2/revoke`: a client says that it needs a token no more.
//!
//! Implements RFC 7009 §2 over HTTP.

use axum::extract::State;
use axum::response::Response;
use claviger_core::fault::Fault;
use claviger_core::revoke::{Revocation, revoke};

use super::client;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// `POST /oauth2/revoke`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    match answer(&provider, &mut call).await {
        Ok(()) => reply::protocol_empty(),
        Err(problem) => reply::protocol_error(&call, &problem),
    }
}

async fn answer(provider: &Provider, call: &mut Call) -> Result<(), Problem> {
    let form = call.form().await?;
    let world = provider.world();
    let caller = client::sender(&world, call, &form).await?;
    let token = form.get("token").ok_or(Fault::TokenMissing)?;
    if let Revocation::OfAnother { owner } = revoke(&world, &caller, token).await? {
        // Either a mistake in an application or a token in the wrong hands: the operator can tell, the client must not.
        tracing::warn!(
            client_id = %caller.client.id,
            owner = %owner,
            "a client asked to revoke a token of another client; nothing was revoked"
        );
    }
    Ok(())
}

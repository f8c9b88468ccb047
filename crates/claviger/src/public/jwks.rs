//! `/.well-known/jwks.json`: the keys that verify what this server signs.
//!
//! Implements RFC 7517 §5 and OpenID Connect Discovery §3 (`jwks_uri`). Public halves only; a symmetric key is never
//! shown. Not to be cached without asking, as in Hydra, because a key that is replaced on command is replaced at once; who asks
//! with the `ETag` of what it has is told that it still holds.

use axum::extract::State;
use axum::response::Response;
use claviger_core::context::Cx;

use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::keys::KeyRing;
use crate::provider::Shared;

/// `GET /.well-known/jwks.json`
pub async fn jwks(State(provider): State<Shared>, call: Call) -> Response {
    let shown = show(&provider.ring, &provider.cx(), &call).await;
    shown.unwrap_or_else(|problem| reply::admin_error(&problem))
}

/// The published keys.
///
/// # Errors
/// If no keys were ever read and the database does not answer.
async fn show(ring: &KeyRing, cx: &Cx<'_>, call: &Call) -> Result<Response, Problem> {
    let keys = ring.keys(cx).await.map_err(claviger_core::fault::Failure::from)?;
    Ok(keys.jwks().answer(call))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::Value;

    use super::*;
    use crate::keys::testing::{Server, Shelf};

    #[tokio::test]
    async fn a_new_database_publishes_one_public_key_for_the_configured_algorithm() {
        let server = Server::new(&Shelf::new());
        let call = crate::testing::call(axum::extract::Request::default()).await;
        let response = show(&server.ring, &server.desk.cx(), &call)
            .await
            .expect("keys are published");
        assert_eq!(
            response.headers()[http::header::CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
        let body = response
            .into_body()
            .collect()
            .await
            .expect("the body is whole")
            .to_bytes();
        let set: Value = serde_json::from_slice(&body).expect("the set is JSON");
        let keys = set["keys"].as_array().expect("the set has keys");
        assert_eq!(keys.len(), 1);
        assert_eq!((&keys[0]["alg"], &keys[0]["use"]), (&"ES256".into(), &"sig".into()));
        assert!(keys[0].get("d").is_none());
    }
}

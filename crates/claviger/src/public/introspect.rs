//! `/oauth2/introspect`: for clients that authenticate, most of all resource servers.
//!
//! Implements RFC 7662 §2 over HTTP.

use axum::extract::State;
use axum::response::Response;
use claviger_core::fault::{Failure, Fault};
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

/// "no client authentication included" is a failed authentication (RFC 6749 §5.2): here no client may do without.
fn unauthenticated(problem: Problem) -> Problem {
    match problem {
        Problem::Failure(Failure::Refused(Fault::ClientUnnamed, detail)) => {
            Failure::Refused(Fault::ClientUnknown, detail).into()
        }
        other => other,
    }
}

async fn answer(provider: &Provider, call: &mut Call) -> Result<Response, Problem> {
    let form = call.form().await?;
    let world = provider.world();
    let caller = client::sender(&world, call, &form).await.map_err(unauthenticated)?;
    let token = form.get("token").ok_or(Fault::TokenMissing)?;
    let told = introspect(&world, token, Caller::Client(&caller)).await?;
    Ok(reply::protocol(StatusCode::OK, &told))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Stage, form, sent};

    async fn told(stage: &Stage, client: Option<&str>, body: &str) -> (u16, String, serde_json::Value) {
        let response = post(State(stage.provider.clone()), form(client, body).await).await;
        sent(response, "cache-control").await
    }

    #[tokio::test]
    async fn d24_no_answer_is_ever_stored() {
        let stage = Stage::new(&[]).await;
        let owner = stage.client("app").await;
        stage.client("other").await;
        let token = stage.granted(&owner).await.access;
        let body = format!("token={}", &*token.text);
        let (status, caching, answer) = told(&stage, Some("app"), &body).await;
        assert_eq!(
            (status, caching.as_str(), &answer["sub"]),
            (200, "no-store", &json!("alice"))
        );
        let inactive = (200, "no-store".to_owned(), json!({"active": false}));
        assert_eq!(told(&stage, Some("other"), &body).await, inactive);
        assert_eq!(told(&stage, Some("app"), "token=nonsense").await, inactive);
    }

    #[tokio::test]
    async fn who_does_not_authenticate_learns_nothing() {
        let stage = Stage::new(&[]).await;
        let token = stage.granted(&stage.client("app").await).await.access;
        for client in [None, Some("nobody")] {
            let (status, _, body) = told(&stage, client, &format!("token={}", &*token.text)).await;
            assert_eq!((status, &body["error"]), (401, &json!("invalid_client")), "{client:?}");
        }
    }

    #[tokio::test]
    async fn a_request_without_a_token_is_invalid() {
        let stage = Stage::new(&[]).await;
        stage.client("app").await;
        for body in ["", "token=", "token_type_hint=access_token", "token=a&token=b"] {
            let (status, _, answer) = told(&stage, Some("app"), body).await;
            assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{body}");
        }
    }
}

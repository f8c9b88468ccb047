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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Stage, form, sent};

    async fn told(stage: &Stage, body: &str) -> (u16, String, Value) {
        let response = post(State(stage.provider.clone()), form(None, body).await).await;
        sent(response, "cache-control").await
    }

    #[tokio::test]
    async fn d24_no_answer_is_ever_stored() {
        let stage = Stage::new(&[]).await;
        let pair = stage.granted(&stage.client("app").await).await;
        for (token, kind) in [(&pair.access, "access_token"), (&pair.refresh, "refresh_token")] {
            let (status, caching, answer) = told(&stage, &format!("token={}", &*token.text)).await;
            assert_eq!((status, caching.as_str()), (200, "no-store"));
            assert_eq!((&answer["active"], &answer["token_use"]), (&json!(true), &json!(kind)));
        }
        let inactive = (200, "no-store".to_owned(), json!({"active": false}));
        let another_scope = format!("token={}&scope=admin", &*pair.access.text);
        for body in ["token=nonsense", "token=", "scope=openid", &another_scope] {
            assert_eq!(told(&stage, body).await, inactive, "{body}");
        }
    }

    #[tokio::test]
    async fn a_request_that_is_no_form_is_invalid() {
        let stage = Stage::new(&[]).await;
        for body in ["", "token=%", "token=a&token=b"] {
            let (status, _, answer) = told(&stage, body).await;
            assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{body}");
        }
    }
}

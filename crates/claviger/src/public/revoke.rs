//! `/oauth2/revoke`: a client says that it needs a token no more.
//!
//! Implements RFC 7009 §2 over HTTP.

use axum::extract::State;
use axum::response::Response;
use claviger_core::fault::Fault;
use claviger_core::params::Params;
use claviger_core::revoke::{Revocation, revoke};

use super::client;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// `POST /oauth2/revoke`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = match call.form().await {
        Ok(form) => form,
        Err(unreadable) => return reply::protocol_error(&call, &unreadable.into()),
    };
    let response = match answer(&provider, &call, &form).await {
        Ok(()) => reply::protocol_empty(),
        Err(problem) => reply::protocol_error(&call, &problem),
    };
    client::readable(&provider, &call, form.get("client_id"), response).await
}

async fn answer(provider: &Provider, call: &Call, form: &Params) -> Result<(), Problem> {
    let world = provider.world();
    let caller = client::sender(&world, call, form).await?;
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Stage, form, sent};

    async fn revoke_for(stage: &Stage, client: &str, body: &str) -> (u16, String, Value) {
        let response = post(State(stage.provider.clone()), form(Some(client), body).await).await;
        sent(response, "cache-control").await
    }

    fn done() -> (u16, String, Value) {
        (200, "no-store".to_owned(), Value::Null)
    }

    #[tokio::test]
    async fn a_revoked_token_and_an_unknown_one_are_answered_alike() {
        let stage = Stage::new(&[]).await;
        let client = stage.client("app").await;
        let token = stage.granted(&client).await.access;
        let body = format!("token={}&token_type_hint=refresh_token", &*token.text);
        assert_eq!(revoke_for(&stage, "app", &body).await, done());
        let row = stage.provider.store.access(token.id).await;
        assert_eq!(row.expect("the store answers"), None);
        assert_eq!(revoke_for(&stage, "app", &body).await, done());
        assert_eq!(revoke_for(&stage, "app", "token=nonsense").await, done());
    }

    #[tokio::test]
    async fn d26_the_log_names_both_clients_and_never_the_token() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = log.clone();
        let lines = tracing_subscriber::fmt()
            .with_writer(move || Tee(writer.clone()))
            .finish();
        let _guard = tracing::subscriber::set_default(lines);
        let stage = Stage::new(&[]).await;
        let token = stage.granted(&stage.client("the-owner").await).await.access;
        stage.client("the-stranger").await;
        let body = format!("token={}", &*token.text);
        assert_eq!(revoke_for(&stage, "the-stranger", &body).await, done());
        assert!(
            stage
                .provider
                .store
                .access(token.id)
                .await
                .expect("the store answers")
                .is_some()
        );

        let log = String::from_utf8(log.lock().expect("no test panics in here").clone()).expect("UTF-8");
        assert!(log.contains("the-owner") && log.contains("the-stranger"), "{log}");
        let (_, secret) = token.text.split_once('.').expect("a token has a dot");
        assert!(!log.contains(secret), "{log}");
    }

    #[tokio::test]
    async fn a_client_that_cannot_be_told_and_a_token_that_is_missing_are_refused() {
        let stage = Stage::new(&[]).await;
        stage.client("app").await;
        let (status, _, body) = revoke_for(&stage, "nobody", "token=a").await;
        assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
        for body in ["", "a=b"] {
            let (status, _, answer) = revoke_for(&stage, "app", body).await;
            assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{body}");
        }
        let response = post(State(stage.provider.clone()), form(None, "token=a").await).await;
        let (status, _, body) = sent(response, "cache-control").await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));
    }

    #[tokio::test]
    async fn d5_a_database_that_is_away_is_no_failure_of_the_client() {
        let stage = Stage::new(&[]).await;
        stage.client("app").await;
        stage.go_down().await;
        let (status, _, body) = revoke_for(&stage, "app", "token=a").await;
        assert_eq!((status, &body["error"]), (503, &json!("temporarily_unavailable")));
    }

    /// Keeps what is logged.
    struct Tee(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Tee {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no test panics in here").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}

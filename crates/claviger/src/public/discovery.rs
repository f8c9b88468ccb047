//! `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`: one document at both.
//!
//! Implements OpenID Connect Discovery 1.0 §4 and RFC 8414 §3. It is written once and again when the algorithms of the
//! signing keys change.

use std::sync::{PoisonError, RwLock};

use axum::extract::State;
use axum::response::Response;
use claviger_core::context::Policy;
use claviger_core::discovery;
use claviger_core::fault::Failure;
use claviger_jose::Alg;

use crate::edge::call::Call;
use crate::edge::document::Document;
use crate::edge::problem::{Problem, Resource};
use crate::edge::reply;
use crate::provider::{Provider, Shared};

const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// The document as it was last written.
#[derive(Debug, Default)]
pub struct Prepared(RwLock<Option<(Vec<Alg>, Document)>>);

impl Prepared {
    fn document(&self, policy: &Policy, algorithms: Vec<Alg>) -> Result<Document, Failure> {
        if let Some((_, written)) = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .filter(|(of, _)| *of == algorithms)
        {
            return Ok(written.clone());
        }
        let mut written = serde_json::to_vec(&discovery::metadata(policy, &algorithms))
            .map_err(|error| Failure::Internal(format!("the discovery document cannot be written: {error}")))?;
        written.push(b'\n');
        let written = Document::new(written.into());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((algorithms, written.clone()));
        Ok(written)
    }
}

/// `GET /.well-known/openid-configuration` and `GET /.well-known/oauth-authorization-server`
pub async fn show(State(provider): State<Shared>, call: Call) -> Response {
    answer(&provider, &call)
        .await
        .unwrap_or_else(|problem| reply::admin_error(&problem))
}

/// `GET /.well-known/oauth-authorization-server/{*path}`: for an issuer with a path, which clients insert behind the
/// well-known part (RFC 8414 §3.1).
pub async fn show_at_path(State(provider): State<Shared>, call: Call) -> Response {
    let path = call.uri.path().strip_prefix(OAUTH).unwrap_or_default();
    if !discovery::is_issuer_path(&provider.policy, path) {
        let issuer = &provider.policy.issuer;
        let problem = Resource::NotFound.because(format!("The issuer of this server is {issuer}."));
        return reply::admin_error(&problem);
    }
    show(State(provider), call).await
}

async fn answer(provider: &Provider, call: &Call) -> Result<Response, Problem> {
    let world = provider.world();
    let algorithms = world.keys.algorithms(&world.cx).await?;
    let document = provider.discovery.document(&provider.policy, algorithms)?;
    Ok(document.answer(call))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Stage, call, sent};

    async fn request() -> Call {
        call(Request::default()).await
    }

    async fn at_path(stage: &Stage, path: &str) -> (u16, Value) {
        let request = Request::builder().uri(format!("{OAUTH}{path}")).body(Body::empty());
        let call = call(request.expect("a request")).await;
        let (status, _, body) = sent(show_at_path(State(stage.provider.clone()), call).await, "-").await;
        (status, body)
    }

    #[tokio::test]
    async fn the_document_is_json_and_names_the_algorithms_of_the_keys() {
        let stage = Stage::new(&[]).await;
        let response = show(State(stage.provider.clone()), request().await).await;
        let (status, content_type, document) = sent(response, "content-type").await;
        assert_eq!(
            (status, content_type.as_str()),
            (200, "application/json; charset=utf-8")
        );
        assert_eq!(
            document["id_token_signing_alg_values_supported"],
            json!(["RS256", "ES256"])
        );
    }

    #[tokio::test]
    async fn an_issuer_with_a_path_is_found_there_and_nowhere_else() {
        let stage = Stage::new(&[("URLS_SELF_ISSUER", "https://op.example/tenant/")]).await;
        let (status, document) = at_path(&stage, "/tenant").await;
        assert_eq!(
            (status, &document["issuer"]),
            (200, &json!("https://op.example/tenant/"))
        );
        assert_eq!(at_path(&stage, "/other").await.0, 404);
    }

    #[tokio::test]
    async fn the_document_is_written_again_only_when_the_algorithms_change() {
        let stage = Stage::new(&[]).await;
        let prepared = Prepared::default();
        let write = |algorithms: &[Alg]| {
            prepared
                .document(&stage.provider.policy, algorithms.to_vec())
                .expect("the document is JSON")
        };
        let first = write(&[Alg::ES256]);
        assert_eq!(first.body().as_ptr(), write(&[Alg::ES256]).body().as_ptr());
        assert_ne!(first.body(), write(&[Alg::ES256, Alg::EdDSA]).body());
    }

    #[tokio::test]
    async fn d5_without_a_database_nothing_is_claimed() {
        let stage = Stage::new(&[]).await;
        stage.go_down().await;
        assert_eq!(
            show(State(stage.provider.clone()), request().await).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}

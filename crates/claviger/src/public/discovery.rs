//! `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`: one document at both.
//!
//! Implements OpenID Connect Discovery 1.0 §4 and RFC 8414 §3. It is written once and again when the algorithms of the
//! signing keys change.

use std::sync::{PoisonError, RwLock};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use claviger_core::context::Policy;
use claviger_core::discovery;
use claviger_core::fault::Failure;
use claviger_jose::Alg;
use http::{HeaderValue, StatusCode};

use crate::edge::call::Call;
use crate::edge::problem::{Problem, Resource};
use crate::edge::reply;
use crate::provider::{Provider, Shared};

const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// The document as it was last written.
#[derive(Debug, Default)]
pub struct Prepared(RwLock<Option<(Vec<Alg>, Bytes)>>);

impl Prepared {
    fn document(&self, policy: &Policy, algorithms: Vec<Alg>) -> Result<Bytes, Failure> {
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
        let written = Bytes::from(written);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((algorithms, written.clone()));
        Ok(written)
    }
}

/// `GET /.well-known/openid-configuration` and `GET /.well-known/oauth-authorization-server`
pub async fn show(State(provider): State<Shared>) -> Response {
    answer(&provider)
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
    show(State(provider)).await
}

async fn answer(provider: &Provider) -> Result<Response, Problem> {
    let world = provider.world();
    let algorithms = world.keys.algorithms(&world.cx).await?;
    let document = provider.discovery.document(&provider.policy, algorithms)?;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    Ok(reply::with_type(StatusCode::OK, json, Body::from(document)))
}

//! `/userinfo`: claims about the person who granted an access token.
//!
//! Implements OpenID Connect Core §5.3 and RFC 6750 §2 and §3 over HTTP.

use axum::extract::State;
use axum::response::Response;
use claviger_core::params::Params;
use claviger_core::userinfo::{bearer, userinfo};
use http::StatusCode;
use http::header::AUTHORIZATION;

use crate::edge::call::{Call, Unreadable};
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// `GET /userinfo`
pub async fn get(State(provider): State<Shared>, call: Call) -> Response {
    let answer = answer(&provider, &call, &Params::default()).await;
    answer.unwrap_or_else(|problem| reply::bearer_error(&problem))
}

/// `POST /userinfo`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = match call.form().await {
        Ok(form) => form,
        // Only a form can carry a token (RFC 6750 §2.2); what else is in a body does not concern us.
        Err(Unreadable::NotAForm) => Params::default(),
        Err(unreadable) => return reply::bearer_error(&unreadable.into()),
    };
    let answer = answer(&provider, &call, &form).await;
    answer.unwrap_or_else(|problem| reply::bearer_error(&problem))
}

async fn answer(provider: &Provider, call: &Call, form: &Params) -> Result<Response, Problem> {
    let token = bearer(call.header(&AUTHORIZATION), form)?;
    let claims = userinfo(&provider.world(), token).await?;
    Ok(reply::admin(StatusCode::OK, &claims))
}

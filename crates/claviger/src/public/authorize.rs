//! `/oauth2/auth`: the authorization endpoint over HTTP.
//!
//! Implements RFC 6749 §3.1 (GET and POST) and OAuth 2.0 Form Post Response Mode §2. The hops are in
//! [`claviger_core::authorize`]; here are cookies, redirects and pages.

use axum::extract::State;
use axum::response::Response;
use claviger_core::authorize::{Delivery, Destination, Reply, authorize, refuse_unreadable};
use claviger_core::context::Policy;
use claviger_core::params::Params;

use super::cookies::Jar;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::pages;
use crate::provider::Shared;

/// `GET /oauth2/auth` and `POST /oauth2/auth`
pub async fn authorization(State(provider): State<Shared>, mut call: Call) -> Response {
    let both = match call.query_and_form().await {
        Ok(both) => both,
        Err(unreadable) => return reply::error_page(&call, &unreadable.into()),
    };
    let jar = Jar::read(&provider.cookies, &call.headers);
    let encoded = call.encoded(both.as_ref());
    let answer = match Params::parse(encoded) {
        Ok(params) => authorize(&provider.world(), params, &jar.browser()).await,
        Err(error) => refuse_unreadable(&provider.world(), encoded, error.into()).await,
    };
    browse(&provider.policy, &call, &jar, answer)
}

/// The answer of a hop over HTTP.
pub(super) fn browse(policy: &Policy, call: &Call, jar: &Jar<'_>, answer: Reply) -> Response {
    if let Some(failure) = answer.failure {
        told(&failure.into(), "a client was sent an error");
    }
    let mut response = match answer.to {
        Destination::Url(url) => reply::found(&url),
        Destination::Client(Delivery::Redirect(url)) => reply::see_other(&url),
        Destination::Client(Delivery::Form { action, fields }) => pages::form_post(&action, &fields),
        Destination::ErrorPage(failure) => error_page(policy, call, &failure.into()),
    };
    jar.write(policy.challenge_life, &answer.cookies, response.headers_mut());
    response
}

/// Sends the browser to the operator's error page, with an id that the log carries too.
pub(super) fn error_page(policy: &Policy, call: &Call, problem: &Problem) -> Response {
    told(problem, "a browser was sent to the error page");
    let separator = if policy.error_url.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("error", problem.error())
        .append_pair("error_description", &problem.description())
        .append_pair("request_id", call.id().as_str())
        .finish();
    reply::found(&format!("{}{separator}{query}", policy.error_url))
}

/// What somebody is told by a redirect stands in the log as well.
fn told(problem: &Problem, what: &str) {
    problem.report();
    tracing::info!(error = problem.error(), description = problem.description(), "{what}");
}

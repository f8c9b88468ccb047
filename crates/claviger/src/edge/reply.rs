//! Answers. Nothing else may build an error body.
//!
//! Implements RFC 6749 §5.1 and §5.2 (token endpoint and its like), RFC 6750 §3 (`WWW-Authenticate: Bearer`), RFC 9110
//! §15.5.6 (405 with `Allow`, D40), and the envelope of Hydra's admin API.

use axum::body::Body;
use axum::response::Response;
use claviger_core::fault::{Code, Failure, Fault};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, PRAGMA, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::problem::Problem;
use super::request_id::RequestId;
use crate::pages;

mod miss;

pub(crate) use self::miss::Nested;
pub(super) use self::miss::{Audience, routing_miss};

const PROTOCOL_JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const ADMIN_JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const ADMIN_ERROR_JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// Seconds after which a client may try again when the database did not answer.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// The name of the refusal, carried in the answer's extensions to the log line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused(pub(super) &'static str);

/// The client that a request is about, or says that it is; carried to the audit log.
#[derive(Debug, Clone)]
pub struct Party(pub(super) std::sync::Arc<str>);

/// `success`, or the name of the refusal.
#[must_use]
pub fn outcome(response: &Response) -> &'static str {
    response
        .extensions()
        .get::<Refused>()
        .map_or("success", |refused| refused.0)
}

/// Most characters of a client's name that a stranger may write into the audit log.
const LONGEST_PARTY: usize = 100;

/// The answer, with the name of the client that was presented.
#[must_use]
pub fn about_client(mut response: Response, client: Option<&str>) -> Response {
    if let Some(client) = client {
        let client: String = client.chars().take(LONGEST_PARTY).collect();
        response.extensions_mut().insert(Party(client.into()));
    }
    response
}

/// The client that [`about_client`] named.
pub fn party(response: &Response) -> Option<&str> {
    response.extensions().get::<Party>().map(|party| &*party.0)
}

/// Why a request was refused (RFC 6749 §5.2).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "errorOAuth2")]
pub(crate) struct ErrorBody<'a> {
    /// A code of OAuth 2.0; on the admin port also a sentence that programs made for Hydra compare.
    error: &'a str,
    /// What happened and what to do.
    error_description: &'a str,
}

/// A success of the token endpoint and its like: never to be stored (RFC 6749 §5.1).
#[must_use]
pub fn protocol<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = json(status, PROTOCOL_JSON, body, b"");
    forbid_storing(response.headers_mut());
    response
}

/// A success of the token endpoint and its like that has no body: revocation.
#[must_use]
pub fn protocol_empty() -> Response {
    let mut response = Response::new(Body::empty());
    forbid_storing(response.headers_mut());
    response
}

/// A refusal of the token endpoint and its like (RFC 6749 §5.2).
#[must_use]
pub fn protocol_error(call: &Call, problem: &Problem) -> Response {
    let mut response = error(problem, PROTOCOL_JSON, b"");
    forbid_storing(response.headers_mut());
    // "If the client attempted to authenticate via the 'Authorization' request header field, the authorization server
    // MUST respond with 401 and include the 'WWW-Authenticate' response header field" (§5.2).
    if response.status() == StatusCode::UNAUTHORIZED && call.tried_basic() {
        response.headers_mut().insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"oauth2\", charset=\"UTF-8\""),
        );
    }
    response
}

/// A success of the admin API, and of everything that is plain JSON.
#[must_use]
pub fn admin<T: Serialize>(status: StatusCode, body: &T) -> Response {
    json(status, ADMIN_JSON, body, b"\n")
}

/// A refusal of the admin API, and of everything that is plain JSON.
#[must_use]
pub fn admin_error(problem: &Problem) -> Response {
    error(problem, ADMIN_ERROR_JSON, b"\n")
}

/// 304.
#[must_use]
pub fn not_modified() -> Response {
    empty(StatusCode::NOT_MODIFIED)
}

/// 204.
#[must_use]
pub fn no_content() -> Response {
    empty(StatusCode::NO_CONTENT)
}

/// A refusal of a resource that is protected by a bearer token (RFC 6750 §3).
#[must_use]
pub fn bearer_error(problem: &Problem) -> Response {
    let mut response = error(problem, ADMIN_ERROR_JSON, b"\n");
    if !matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return response;
    }
    let challenge = match problem {
        // "If the request lacks any authentication information, the resource server SHOULD NOT include an error code"
        // (§3.1).
        Problem::Failure(failure) if failure.fault().code() != Code::RequestUnauthorized => {
            let description = problem.description();
            format!(
                "Bearer error=\"{}\", error_description=\"{}\"",
                problem.error(),
                in_quotes(&description)
            )
        }
        _ => "Bearer".to_owned(),
    };
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A refusal of the admin port's guard (RFC 6750 §3).
pub(super) fn key_refused(problem: &Problem, challenge: &str) -> Response {
    let mut response = admin_error(problem);
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// 429 (RFC 6585 §4), with the seconds that are left, in the format of the endpoint.
pub(super) fn too_fast(wait: std::time::Duration, is_page: bool, id: RequestId) -> Response {
    let problem = Problem::from(Fault::AddressTooFast);
    let mut response = if is_page {
        let text = pages::ErrorText {
            error: problem.error(),
            description: &problem.description(),
            ..pages::ErrorText::default()
        };
        let mut page = pages::error(problem.status(), &text, id);
        mark_refused(&mut page, &problem);
        page
    } else {
        error(&problem, PROTOCOL_JSON, b"")
    };
    forbid_storing(response.headers_mut());
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// A refusal that a person reads, because there is nowhere to send them.
#[must_use]
pub fn error_page(call: &Call, problem: &Problem) -> Response {
    problem.report();
    let text = pages::ErrorText {
        error: problem.error(),
        description: &problem.description(),
        ..pages::ErrorText::default()
    };
    let mut response = pages::error(problem.status(), &text, call.id());
    mark_refused(&mut response, problem);
    response
}

/// What RFC 6750 §3 allows in a quoted `error_description`.
fn in_quotes(text: &str) -> String {
    text.chars()
        .map(|c| {
            if matches!(c, ' '..='~') && c != '"' && c != '\\' {
                c
            } else {
                '?'
            }
        })
        .collect()
}

/// 302, for hops between us and the login and consent application.
#[must_use]
pub fn found(location: &str) -> Response {
    redirect(StatusCode::FOUND, location)
}

/// 303, for answers to clients: the browser must follow with GET (RFC 9700 §4.12).
#[must_use]
pub fn see_other(location: &str) -> Response {
    redirect(StatusCode::SEE_OTHER, location)
}

fn redirect(status: StatusCode, location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        let failure = Failure::Internal("a redirect target has characters that no header can carry".to_owned());
        return admin_error(&failure.into());
    };
    let mut response = empty(status);
    response.headers_mut().insert(LOCATION, location);
    // Locations carry codes, challenges and tokens.
    forbid_storing(response.headers_mut());
    response
}

/// What a handler answers when it panicked, in a format that every client of ours reads.
pub(super) fn panicked() -> Response {
    let failure = Failure::Internal("a handler panicked".to_owned());
    let mut response = error(&failure.into(), PROTOCOL_JSON, b"");
    forbid_storing(response.headers_mut());
    response
}

/// What a request gets that did not come encrypted where it must: Hydra's status, with a reason.
pub(super) fn unencrypted() -> Response {
    let body = ErrorBody {
        error: "invalid_request",
        error_description: "This server answers plain HTTP only to a proxy that ends TLS: the connection must come from a \
                            network of serve.tls.allow_termination_from, with the header X-Forwarded-Proto: https.",
    };
    json(StatusCode::BAD_GATEWAY, ADMIN_ERROR_JSON, &body, b"\n")
}

/// The same document for scripts of every page (Fetch §3.2): it says nothing about anybody, and a client in a page begins
/// with it, before any server can know which one it is.
#[must_use]
pub fn readable_anywhere(mut response: Response) -> Response {
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response
}

/// An answer of the given type, for what is neither JSON nor a page: metrics, for one.
#[must_use]
pub fn with_type(status: StatusCode, content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn error(problem: &Problem, content_type: HeaderValue, end: &[u8]) -> Response {
    problem.report();
    let description = problem.description();
    let body = ErrorBody {
        error: problem.error(),
        error_description: &description,
    };
    let mut response = json(problem.status(), content_type, &body, end);
    mark_refused(&mut response, problem);
    response
}

/// What every refusal carries, whatever its format.
fn mark_refused(response: &mut Response, problem: &Problem) {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
    }
    if problem.ends_connection() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.extensions_mut().insert(Refused(problem.name()));
}

fn json<T: Serialize>(status: StatusCode, content_type: HeaderValue, body: &T, end: &[u8]) -> Response {
    let mut bytes = Vec::with_capacity(512);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        tracing::error!(%error, "an answer could not be written as JSON");
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    }
    bytes.extend_from_slice(end);
    with_type(status, content_type, bytes.into())
}

/// RFC 6749 §5.1: "MUST include the HTTP 'Cache-Control' response header field with a value of 'no-store' ... as well as
/// the 'Pragma' response header field with a value of 'no-cache'".
fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(PRAGMA, NO_CACHE);
}

#[cfg(test)]
mod tests;

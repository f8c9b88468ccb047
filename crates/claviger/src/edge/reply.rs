//! Answers. Nothing else may build an error body.
//!
//! Implements RFC 6749 §5.1 and §5.2 (token endpoint and its like), RFC 6750 §3 (`WWW-Authenticate: Bearer`), RFC 9110
//! §15.5.6 (405 with `Allow`, D40), and the envelope of Hydra's admin API.

use axum::body::Body;
use axum::response::Response;
use claviger_core::fault::{Code, Failure, Fault};
use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, PRAGMA, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::problem::Problem;
use super::request_id::RequestId;
use crate::pages;

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

/// What answers a path that does not exist, or a method that a path does not have, depends on who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Browsers come to the public port.
    People,
    /// Programs come to the admin port.
    Programs,
}

/// 404 or 405, in the format that the client accepts. The `Allow` header of a 405 is added by the router.
pub(super) fn routing_miss(status: StatusCode, audience: Audience, headers: &HeaderMap, id: RequestId) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let reason = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            "This address does not take the method; the header Allow names those it takes."
        }
        _ => "There is nothing at this address. Check the path, and whether it belongs to the other port.",
    };
    let code = status.as_u16();
    match preferred(headers, audience) {
        Format::Html => pages::notice(status, title, reason, id),
        Format::Json => {
            let detail = Detail {
                code,
                status: title,
                message: title,
                reason,
            };
            json(status, ADMIN_ERROR_JSON, &Nested { error: detail }, b"\n")
        }
        Format::Text => with_type(status, TEXT, format!("{code} {title}: {reason}\n").into()),
    }
}

/// The shape of errors that no handler had a part in. Only here does Hydra, and so do we, nest the error.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "genericError")]
pub(crate) struct Nested {
    /// The error.
    error: Detail,
}

/// What there is to say about it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "genericErrorContent")]
struct Detail {
    /// The status.
    code: u16,
    /// The name of the status.
    status: &'static str,
    /// The same.
    message: &'static str,
    /// What happened and what to do.
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Json,
    Text,
}

fn preferred(headers: &HeaderMap, audience: Audience) -> Format {
    let accepts = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_types = accepts
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim());
    for media_type in media_types {
        match media_type {
            "text/html" => return Format::Html,
            "application/json" => return Format::Json,
            "text/plain" => return Format::Text,
            _ => {}
        }
    }
    match audience {
        Audience::People => Format::Html,
        Audience::Programs => Format::Json,
    }
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
mod tests {
    use axum::extract::{FromRequest as _, Request};
    use claviger_core::port::StoreError;
    use http::header::AUTHORIZATION;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::edge::problem::Resource;

    async fn call_with(authorization: &str) -> Call {
        let request = Request::builder()
            .header(AUTHORIZATION, authorization)
            .body(Body::empty())
            .unwrap();
        let Ok(call) = Call::from_request(request, &()).await;
        call
    }

    async fn body_of(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn who_asks_too_often_is_told_for_how_long_to_wait() {
        for is_page in [false, true] {
            let wait = std::time::Duration::from_millis(2100);
            let response = too_fast(wait, is_page, RequestId::in_process());
            assert_eq!(
                (response.status(), outcome(&response)),
                (StatusCode::TOO_MANY_REQUESTS, "AddressTooFast")
            );
            assert_eq!(response.headers()[RETRY_AFTER], "3");
        }
    }

    mod rfc6749_5_2 {
        use super::*;

        #[tokio::test]
        async fn a_refusal_has_two_members_and_is_never_stored() {
            let response = protocol_error(&call_with("").await, &Fault::EmptyRequest.because("\"x\"").into());
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json;charset=UTF-8");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[PRAGMA], "no-cache");
            let body = body_of(response).await;
            assert!(
                body.starts_with(r#"{"error":"invalid_request","error_description":""#),
                "{body}"
            );
            assert!(body.ends_with("'x'\"}"), "{body}");
        }

        #[tokio::test]
        async fn basic_is_challenged_when_it_was_tried_and_only_then() {
            let refused = protocol_error(&call_with("bAsIc YTpi").await, &Fault::ClientUnknown.into());
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
            assert!(
                refused.headers()[WWW_AUTHENTICATE]
                    .to_str()
                    .unwrap()
                    .starts_with("Basic realm=")
            );
            let refused = protocol_error(&call_with("").await, &Fault::ClientUnknown.into());
            assert!(!refused.headers().contains_key(WWW_AUTHENTICATE));
        }

        #[tokio::test]
        async fn d5_a_database_failure_is_503_and_says_when_to_try_again() {
            let failure = StoreError::Unavailable("connection refused".into());
            let response = protocol_error(&call_with("Basic YTpi").await, &failure.into());
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(RETRY_AFTER));
            let body = body_of(response).await;
            assert!(
                body.contains("temporarily_unavailable") && !body.contains("connection refused"),
                "{body}"
            );
        }
    }

    mod rfc6750_3 {
        use super::*;

        #[test]
        fn a_wrong_token_is_named_in_the_challenge() {
            let fault = *Fault::ALL.iter().find(|fault| fault.code().status() == 401).unwrap();
            let response = bearer_error(&fault.because("with \"quotes\" and \u{e4}").into());
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.starts_with("Bearer error=\""), "{challenge}");
            assert_eq!(challenge.matches('"').count(), 4, "{challenge}");
        }

        #[test]
        fn a_request_without_a_token_is_challenged_without_an_error() {
            let fault = *Fault::ALL
                .iter()
                .find(|fault| fault.code() == Code::RequestUnauthorized)
                .unwrap();
            assert_eq!(bearer_error(&fault.into()).headers()[WWW_AUTHENTICATE], "Bearer");
        }
    }

    #[tokio::test]
    async fn a_missing_resource_is_told_in_hydras_words() {
        let response = admin_error(&Resource::Missing.into());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(
            body_of(response).await,
            "{\"error\":\"Unable to locate the resource\",\"error_description\":\"\"}\n"
        );
    }

    #[test]
    fn a_redirect_cannot_smuggle_a_header() {
        let response = found("https://a.example/\r\nSet-Cookie: a=b");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key(LOCATION));
    }
}

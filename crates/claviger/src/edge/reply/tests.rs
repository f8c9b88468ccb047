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

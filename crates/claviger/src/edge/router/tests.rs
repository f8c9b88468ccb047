use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower_service::Service as _;

use super::*;
use crate::testing::{Stage, plain};

async fn ask(router: &Router, method: Method, uri: &str, accept: &str) -> (StatusCode, Response) {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(ACCEPT, accept)
        .body(Body::empty())
        .unwrap();
    let Ok(response) = router.clone().call(request).await;
    (response.status(), response)
}

async fn body_of(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn admin_port(metrics: &Metrics) -> Router {
    Routes::admin(metrics, true)
        .on(
            &Method::GET,
            "/admin/clients/{id}",
            |Path(id): Path<String>| async move { id },
            plain,
        )
        .on(
            &Method::PUT,
            "/admin/clients/{id}",
            |_call: Call| async { "put" },
            plain,
        )
        .on(&Method::GET, "/version", || async { "version" }, plain)
        .on(
            &Method::GET,
            "/panic",
            || async {
                if true {
                    panic!("on purpose")
                }
            },
            plain,
        )
        .finish(())
}

#[tokio::test]
async fn admin_paths_are_served_with_and_without_their_prefix() {
    let port = admin_port(&Metrics::new("-"));
    for path in ["/admin/clients/a%2Fb", "/clients/a%2Fb"] {
        let (status, response) = ask(&port, Method::GET, path, "*/*").await;
        assert_eq!((status, body_of(response).await.as_str()), (StatusCode::OK, "a/b"));
    }
    assert_eq!(
        ask(&port, Method::GET, "/admin/admin/clients/a", "*/*").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn d40_a_wrong_method_is_405_with_allow_on_both_ports() {
    let metrics = Metrics::new("-");
    let public = Routes::public(&metrics)
        .on(&Method::POST, "/oauth2/token", || async {}, plain)
        .finish(());
    let (status, response) = ask(&public, Method::GET, "/oauth2/token", "*/*").await;
    assert_eq!(
        (status, &response.headers()[ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );

    let (status, response) = ask(&admin_port(&metrics), Method::POST, "/clients/a", "*/*").await;
    assert_eq!(
        (status, &response.headers()[ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET,HEAD,PUT".parse().unwrap())
    );
}

#[tokio::test]
async fn an_unknown_path_is_answered_in_the_format_that_is_accepted() {
    let port = admin_port(&Metrics::new("-"));
    for (accept, content_type) in [
        ("application/json", "application/json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
    ] {
        let (status, response) = ask(&port, Method::GET, "/nowhere", accept).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["content-type"], content_type);
        let body = body_of(response).await;
        assert!(body.contains("Not Found"), "{body}");
    }
}

#[tokio::test]
async fn every_answer_is_named_and_a_get_is_uncached() {
    let (_, response) = ask(&admin_port(&Metrics::new("-")), Method::GET, "/version", "*/*").await;
    assert_eq!(response.headers()["x-request-id"].len(), 20);
    let uncached = "private, no-cache, no-store, must-revalidate";
    assert_eq!(response.headers()[CACHE_CONTROL], uncached);
}

#[tokio::test]
async fn a_panic_is_a_500_in_the_format_of_the_protocol() {
    let (status, response) = ask(&admin_port(&Metrics::new("-")), Method::GET, "/panic", "*/*").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        body_of(response)
            .await
            .starts_with(r#"{"error":"server_error","error_description":""#)
    );
}

#[tokio::test]
async fn a_change_on_the_admin_port_goes_to_its_end_when_the_caller_hangs_up() {
    let (stage, metrics) = (Stage::new(&[]).await, Metrics::new("-"));
    let (gate, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waits = (Arc::clone(&gate), Arc::clone(&end));
    let change = move || {
        let (gate, end) = waits.clone();
        async move {
            gate.notified().await;
            end.notify_one();
        }
    };
    let port = Routes::admin(&metrics, true)
        .guarded(Arc::clone(&stage.provider.admission))
        .on(&Method::PUT, "/admin/thing", change, plain)
        .finish(());
    assert!(ask(&port, Method::PUT, "/admin/thing", "*/*").now_or_never().is_none());
    gate.notify_one();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), end.notified()).await;
    assert!(ended.is_ok(), "the change ended with its caller");
}

#[tokio::test]
async fn requests_are_counted_by_pattern() {
    let metrics = Metrics::new("-");
    let port = admin_port(&metrics);
    for path in ["/clients/a", "/admin/clients/b", "/nowhere"] {
        ask(&port, Method::GET, path, "*/*").await;
    }
    let text = metrics.exposition();
    let line = ",code=\"200\",method=\"GET\",endpoint=\"/admin/clients/{id}\"} 2\n";
    assert!(text.contains(line), "{text}");
    let line = ",code=\"404\",method=\"other\",endpoint=\"(unmatched)\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("nowhere"));
}

#[test]
fn exactly_one_trailing_slash_is_stripped() {
    let strip = |uri: &'static str| without_trailing_slash(&Uri::from_static(uri)).map(|uri| uri.to_string());
    assert_eq!(strip("/clients/").as_deref(), Some("/clients"));
    assert_eq!(strip("/clients/?a=/").as_deref(), Some("/clients?a=/"));
    let whole = strip("http://op.example/clients/");
    assert_eq!(whole.as_deref(), Some("http://op.example/clients"));
    for unchanged in ["/", "/clients", "/clients//", "//", "*"] {
        assert_eq!(strip(unchanged), None, "{unchanged}");
    }
}

proptest::proptest! {
    /// Only the path loses anything, and that is one slash at its end.
    #[test]
    fn an_address_without_its_slash_is_the_same_otherwise(path in "(/[a-z%20.;]{0,3}){1,4}/?", query in "(\\?[a-z=&/?%]{0,8})?") {
        let whole = format!("{path}{query}");
        if let Ok(uri) = whole.parse::<Uri>() && let Some(stripped) = without_trailing_slash(&uri) {
            proptest::prop_assert_eq!(format!("{}/", stripped.path()), uri.path());
            proptest::prop_assert_eq!(stripped.query(), uri.query());
            proptest::prop_assert!(without_trailing_slash(&stripped).is_none());
        }
    }
}

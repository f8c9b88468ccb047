//! Tests of `http`.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::CONNECTION;

use super::*;
use crate::fake::{reply, serve};

fn link(origin: &str) -> Link {
    Link::new(Arc::new(Origin::parse(origin).unwrap()))
}

#[test]
fn an_origin_is_a_scheme_a_host_and_a_port() {
    assert_eq!(
        Origin::parse("http://127.0.0.1:4444/").unwrap().to_string(),
        "http://127.0.0.1:4444"
    );
    assert_eq!(Origin::parse("http://server").unwrap().authority, "server:80");
    for wrong in [
        "https://127.0.0.1:4444",
        "127.0.0.1:4444",
        "http://host/path",
        "",
        "http://",
    ] {
        assert!(matches!(Origin::parse(wrong), Err(Failure::Address { .. })), "{wrong}");
    }
}

#[test]
fn a_location_is_on_an_origin_when_it_is_relative_or_has_its_host() {
    let origin = Origin::parse("http://127.0.0.1:4444").unwrap();
    assert_eq!(
        origin.path_of("http://127.0.0.1:4444/oauth2/auth?a=b"),
        Some("/oauth2/auth?a=b")
    );
    assert_eq!(origin.path_of("/oauth2/auth"), Some("/oauth2/auth"));
    for elsewhere in [
        "http://127.0.0.1:44445/x",
        "http://127.0.0.1:4445/x",
        "https://127.0.0.1:4444/x",
        "//other/x",
    ] {
        assert_eq!(origin.path_of(elsewhere), None, "{elsewhere}");
    }
}

#[tokio::test]
async fn requests_share_one_connection() {
    let (origin, connections) = serve(|seen| reply(200, format!("{} {}", seen.method, seen.path)));
    let mut link = link(&origin);
    for _ in 0..3 {
        let answer = link.send(&Call::get("/a?b=c")).await.unwrap();
        assert_eq!(answer.body, "GET /a");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_replaced() {
    let (origin, connections) = serve(|_| {
        let mut answer = reply(200, "");
        answer
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        answer
    });
    let mut link = link(&origin);
    for _ in 0..3 {
        link.expect(&Call::get("/"), StatusCode::OK).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_unexpected_status_is_reported_with_the_body_but_without_the_query() {
    let asked = AtomicUsize::new(0);
    let (origin, _) = serve(move |_| reply(500, format!("trouble {}", asked.fetch_add(1, Ordering::SeqCst))));
    let error = link(&origin)
        .expect(&Call::get("/a?code=secret"), StatusCode::OK)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("GET /a: expected status OK, received 500"), "{text}");
    assert!(text.contains("trouble 0") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = link(&format!("http://{free}")).send(&Call::get("/")).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot connect to {free}")),
        "{error}"
    );
}

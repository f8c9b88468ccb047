//! How often one address may ask for what costs most (RFC 6585 §4).

use claviger_e2e::{Answer, Database, Http, Request, Server, ServerOptions};

use crate::{metric, server, settled};

fn limited(database: &Database) -> ServerOptions {
    ServerOptions::new(database)
        .with("SERVE_PUBLIC_RATE_LIMIT_ENABLED", "true")
        .with("SERVE_PUBLIC_RATE_LIMIT_PER_MINUTE", "1")
        .with("SERVE_PUBLIC_RATE_LIMIT_BURST", "3")
}

async fn token(server: &Server, forwarded: &str) -> Answer {
    let request = Request::post(&server.public("/oauth2/token")).form(&[("grant_type", "client_credentials")]);
    let request = request.header("x-forwarded-for", forwarded);
    Http::new().send(request.header("x-forwarded-proto", "https")).await
}

#[tokio::test]
async fn who_asks_too_often_gets_429_and_the_time_to_wait_in_the_format_of_the_endpoint() {
    let database = Database::sqlite();
    let server = server(&database, limited(&database)).await;
    for _ in 0..3 {
        assert_eq!(token(&server, "").await.error(), "invalid_request");
    }
    let refused = token(&server, "").await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.error(), "temporarily_unavailable");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.header("cache-control"), "no-store");
    // One bucket for all that costs much, a page where people read it, and nothing else is touched.
    let page = Http::new().get(&server.public("/oauth2/auth?client_id=x")).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (429, "text/html; charset=utf-8")
    );
    assert!(page.text().contains("Too many requests"), "{}", page.text());
    for path in ["/.well-known/jwks.json", "/userinfo", "/health/alive"] {
        assert_ne!(Http::new().get(&server.public(path)).await.status, 429, "{path}");
    }
    assert_eq!(
        metric(&server, "http_requests_limited_total", &["port=\"public\""], None).await,
        2.0
    );
    settled(&server, &page).await;
    assert!(server.log().contains("address.rate_limited"), "{}", server.log());
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart_and_trusted_networks_are_not_limited() {
    let database = Database::sqlite();
    let options = limited(&database)
        .with("SERVE_TLS_ALLOW_TERMINATION_FROM", "127.0.0.0/8")
        .with("SERVE_PUBLIC_RATE_LIMIT_TRUSTED_NETWORKS", "192.0.2.0/24");
    let server = server(&database, options).await;
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8:1:1::1"] {
        for _ in 0..3 {
            assert_ne!(token(&server, client).await.status, 429, "{client}");
        }
        assert_eq!(token(&server, client).await.status, 429, "{client}");
    }
    assert_eq!(token(&server, "2001:db8:1:1::2").await.status, 429, "the same network");
    for _ in 0..10 {
        assert_ne!(token(&server, "192.0.2.7").await.status, 429);
    }
}

#[tokio::test]
async fn nothing_is_limited_unless_it_is_asked_for() {
    let database = Database::sqlite();
    let server = server(&database, ServerOptions::new(&database)).await;
    for _ in 0..150 {
        assert_ne!(token(&server, "").await.status, 429);
    }
}

//! The server as a whole, on a database in memory or a file, without a process of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use claviger_core::context::Timestamp;
use claviger_core::port::{Change, Digest, Outcome, UsedAssertion};
use claviger_store::Database;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::ports::{Ports, Side};
use super::serve::provider;
use super::{database, purge, rotate, routes};
use crate::clock::Careful;
use crate::config::{self, Purpose, Settings, Sources};
use crate::edge::inherited::Inherited;
use crate::provider::{Current, Shared, now};

const SECRET: &str = "aSecretOfTests0123456789";

fn settings(dsn: &str) -> Settings {
    settings_with(dsn, SECRET)
}

fn settings_with(dsn: &str, secret: &str) -> Settings {
    let env = [
        ("DSN", dsn),
        ("SECRETS_SYSTEM", secret),
        ("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256"),
        ("SERVE_PUBLIC_HOST", "127.0.0.1"),
        ("DANGEROUS_FORCE_HTTP", "true"),
        ("SERVE_SHUTDOWN_TIMEOUT", "5s"),
    ];
    config::load(Sources {
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        purpose: Purpose::Serve {
            public: true,
            admin: true,
        },
        ..Sources::default()
    })
    .unwrap()
}

async fn open(settings: &Settings) -> (Arc<Database>, Shared) {
    let database = Arc::new(database::open(settings.dsn().unwrap()).await.unwrap());
    let provider = provider(settings, &database).unwrap();
    (database, provider)
}

async fn ask(router: &Router, method: Method, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let Ok(response) = router.clone().call(request).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(router: &Router, path: &str) -> (u16, String) {
    ask(router, Method::GET, path, "").await
}

fn file(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("db").display())
}

#[tokio::test]
async fn it_gets_ready_when_the_database_is_migrated_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&file(directory.path()));
    let (database, provider) = open(&settings).await;
    let ports = [
        routes::public(&provider, false),
        routes::admin(&provider, false, true, None),
    ];
    for router in &ports {
        let (status, body) = get(router, "/health/ready").await;
        assert!(
            status == 503 && body.contains("claviger migrate sql"),
            "{status} {body}"
        );
        assert_eq!(get(router, "/health/alive").await.0, 200);
    }
    assert_eq!(get(&ports[0], "/.well-known/jwks.json").await.0, 503);

    // Another process does this, on the same file.
    let other = database::open(settings.dsn().unwrap()).await.unwrap();
    database::migrate(&other).await.unwrap();
    other.close().await;
    for router in &ports {
        let ready = get(router, "/health/ready").await;
        assert_eq!(ready, (200, "{\"status\":\"ok\"}\n".to_owned()));
    }
    let (status, keys) = get(&ports[0], "/.well-known/jwks.json").await;
    assert!(status == 200 && keys.contains("\"ES256\""), "{status} {keys}");
    database.close().await;
}

#[tokio::test]
async fn it_is_not_ready_with_the_secrets_of_another_database() {
    let directory = tempfile::tempdir().unwrap();
    let right = settings(&file(directory.path()));
    let wrong = settings_with(&file(directory.path()), "anotherSecretOfTests0123");
    // It starts before the tables are there, and so learns of its mistake only afterwards.
    let (late, provider) = open(&wrong).await;
    let router = routes::public(&provider, false);
    assert!(get(&router, "/health/ready").await.1.contains("migrate"));
    let (database, other) = open(&right).await;
    database::migrate(&database).await.unwrap();
    assert_eq!(get(&routes::public(&other, false), "/health/ready").await.0, 200);

    let (status, body) = get(&router, "/health/ready").await;
    assert!(status == 503 && body.contains("SECRETS_SYSTEM"), "{status} {body}");
    assert_eq!(get(&router, "/health/alive").await.0, 200);
    late.close().await;
    database.close().await;
}

#[tokio::test]
async fn a_key_that_is_made_on_one_port_is_published_on_the_other() {
    let (_database, provider) = open(&settings("memory")).await;
    let (public, admin) = (
        routes::public(&provider, false),
        routes::admin(&provider, false, true, None),
    );
    let set = "/keys/hydra.openid.id-token";
    let wanted = json!({ "alg": "ES256", "use": "sig", "kid": "mine" }).to_string();
    assert_eq!(ask(&admin, Method::POST, set, &wanted).await.0, 201);
    assert!(get(&public, "/.well-known/jwks.json").await.1.contains("\"mine\""));
    assert_eq!(get(&admin, &format!("/admin{set}/mine")).await.0, 200);
    assert_eq!(ask(&admin, Method::DELETE, &format!("{set}/mine"), "").await.0, 204);
    assert!(!get(&public, "/.well-known/jwks.json").await.1.contains("\"mine\""));
}

#[tokio::test]
async fn operators_find_version_and_metrics_on_the_admin_port_only() {
    let (_database, provider) = open(&settings("memory")).await;
    let (public, admin) = (
        routes::public(&provider, false),
        routes::admin(&provider, false, true, None),
    );
    for path in ["/version", "/admin/version"] {
        let version: Value = serde_json::from_str(&get(&admin, path).await.1).unwrap();
        assert_eq!(version["version"], concat!("v", env!("CARGO_PKG_VERSION")));
        assert_eq!(get(&public, path).await.0, 404);
    }
    get(&admin, "/health/ready").await;
    let (_, metrics) = get(&admin, "/metrics/prometheus").await;
    assert!(
        metrics.contains("sql_statements_total{kind=\"schema\"} 1\n"),
        "{metrics}"
    );
    assert_eq!(get(&public, "/metrics/prometheus").await.0, 404);
}

#[tokio::test]
async fn the_error_page_shows_what_its_address_says_with_status_500() {
    let (_database, provider) = open(&settings("memory")).await;
    let public = routes::public(&provider, false);
    let (status, page) = get(
        &public,
        "/oauth2/fallbacks/error?error=invalid_scope&error_description=No+such+%3Cscope%3E",
    )
    .await;
    assert_eq!(status, 500);
    assert!(
        page.contains("invalid_scope") && page.contains("No such &#60;scope&#62;"),
        "{page}"
    );
    // An address that was edited still leads to an error page.
    assert_eq!(get(&public, "/oauth2/fallbacks/error?error=a&error=b").await.0, 500);
    assert!(
        get(&public, "/oauth2/fallbacks/consent")
            .await
            .1
            .contains("URLS_CONSENT")
    );
}

#[tokio::test]
async fn a_server_answers_until_it_is_told_to_stop() {
    let mut settings = settings("memory");
    (settings.public.port, settings.admin.port) = (0, 0);
    let (_database, provider) = open(&settings).await;
    let ports = Ports::bind(&settings, &[Side::Public, Side::Admin], Inherited::default())
        .await
        .unwrap();
    let addresses = ports.addresses();
    let stop = CancellationToken::new();
    let serving = {
        let stop = stop.clone();
        tokio::spawn(async move { ports.serve(&settings, &provider, &stop).await })
    };
    for address in &addresses {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET /health/alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), serving)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(&addresses[0]).await.is_err());
}

/// More than two batches of what expired, and one row that did not.
#[tokio::test]
async fn the_server_removes_what_has_expired_by_itself_until_it_is_told_to_stop() {
    let (database, provider) = open(&settings("memory")).await;
    let store = Arc::clone(&provider.store);
    let used = |number: u32, expires_at: i64| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        UsedAssertion {
            digest: Digest(digest),
            expires_at: Timestamp(expires_at),
        }
    };
    for number in 0..1200 {
        let change = Change::UseAssertion(used(number, 1000));
        assert_eq!(store.apply(change).await.unwrap(), Outcome::Applied);
    }
    let live = used(1200, now().0 + 3600);
    assert_eq!(store.apply(Change::UseAssertion(live)).await.unwrap(), Outcome::Applied);
    let admin = routes::admin(&provider, false, true, None);
    let (current, stop) = (Current::new(provider), CancellationToken::new());
    let watching = async {
        let deadline = Instant::now() + Duration::from_secs(60);
        let metrics = async || get(&admin, "/metrics/prometheus").await.1;
        while !metrics().await.contains("claviger_purged_rows_total 1200\n") {
            assert!(Instant::now() < deadline, "{}", metrics().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(
            !metrics()
                .await
                .contains("claviger_purge_rounds_total{outcome=\"done\"} 0\n")
        );
        assert!(
            metrics()
                .await
                .contains("claviger_purge_rounds_total{outcome=\"failed\"} 0\n")
        );
        stop.cancel();
    };
    tokio::join!(
        purge::run(&current, &database, Duration::from_millis(50), &stop),
        watching
    );
    assert!(!store.is_used(used(7, 0).digest).await.unwrap());
    assert!(store.is_used(live.digest).await.unwrap());
}

#[tokio::test]
async fn a_clock_that_is_far_from_the_databases_removes_and_replaces_nothing() {
    let (database, provider) = open(&settings("memory")).await;
    let digest = Digest([7; 32]);
    let expired = Change::UseAssertion(UsedAssertion {
        digest,
        expires_at: Timestamp(1000),
    });
    assert_eq!(provider.store.apply(expired).await.unwrap(), Outcome::Applied);
    let theirs = async |ahead: i64| Ok(Some(Timestamp(now().0 + ahead)));
    let mut careful = Careful::new(now(), Instant::now());
    for ahead in [-30 * 86_400, 3600] {
        for is_behind in [false, true] {
            let refused = purge::round(&provider, &database, theirs(ahead), &mut careful, is_behind).await;
            assert!(matches!(refused, Err(purge::Undone::Clock(_))), "{refused:?}");
        }
        let refused = rotate::round(&provider, theirs(ahead), &mut careful).await;
        let is_for_the_clock = matches!(refused, Err(rotate::Unrotated::Clock(purge::Undone::Clock(_))));
        assert!(is_for_the_clock, "{refused:?}");
    }
    assert!(provider.store.is_used(digest).await.unwrap());
    rotate::round(&provider, theirs(0), &mut careful).await.unwrap();
    purge::round(&provider, &database, theirs(0), &mut careful, true)
        .await
        .unwrap();
    assert!(!provider.store.is_used(digest).await.unwrap());
}

#[tokio::test]
async fn a_port_in_use_names_the_setting_that_moves_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings("memory");
    settings.admin.port = taken.local_addr().unwrap().port();
    let error = Ports::bind(&settings, &[Side::Admin], Inherited::default())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains(&settings.admin.port.to_string()) && error.contains("SERVE_ADMIN_PORT"),
        "{error}"
    );
}

/// The table, the router and the document of a port are one.
#[tokio::test]
async fn a_port_takes_exactly_the_methods_that_its_document_lists() {
    let (_database, provider) = open(&settings("memory")).await;
    for (router, document) in [
        (routes::public(&provider, false), "/.well-known/openapi.json"),
        (routes::admin(&provider, false, true, None), "/admin/openapi.json"),
    ] {
        let (status, text) = get(&router, document).await;
        assert_eq!(status, 200, "{text}");
        let document: Value = serde_json::from_str(&text).unwrap();
        for (path, listed) in document["paths"].as_object().unwrap() {
            let address = path.replace(['{', '}'], "");
            for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let (status, body) = ask(&router, method.clone(), &address, "").await;
                let is_listed = listed[method.as_str().to_ascii_lowercase()].is_object();
                let is_missing = status == 404 && body.contains("There is nothing at this address");
                let is_routed = status != 405 && !is_missing;
                assert_eq!(is_routed, is_listed, "{method} {path}: {status} {body}");
            }
        }
    }
}

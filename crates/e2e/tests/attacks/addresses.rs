//! Addresses that a client names and the server would fetch: none leads into the operator's own network, whatever way it is
//! written, and no redirect leads there either (RFC 9700 §4.15, design of the guarded client).

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use claviger_e2e::flow::{REDIRECT_URI, text};
use claviger_e2e::signer::{Key, now};
use claviger_e2e::{Callback, Database, Http, Request, Server, ServerOptions, logout, ports};
use serde_json::json;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The loopback address of this machine, in every way of writing it.
fn written(port: u16) -> Vec<String> {
    [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
    ]
    .iter()
    .map(|host| format!("http://{host}:{port}/x"))
    .collect()
}

fn port_of(callback: &Callback) -> u16 {
    url::Url::parse(&callback.url()).unwrap().port().unwrap()
}

fn assert_untouched(inside: &Callback) {
    assert_eq!(
        (inside.visits(), inside.forms()),
        (Vec::new(), Vec::new()),
        "somebody was asked"
    );
}

/// Two steps after which a client's keys would have been fetched: it is registered, and it authenticates.
async fn authenticate(server: &Server, jwks_uri: &str) -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let id = format!("signer-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let metadata = json!({"client_id": id, "grant_types": ["client_credentials"], "jwks_uri": jwks_uri,
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"});
    server.create_client(&metadata).await;
    let claims = json!({"iss": id, "sub": id, "aud": server.public("/"), "exp": now() + 60, "jti": id});
    let assertion = Key::new("k").sign(&claims);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &assertion),
    ];
    let answer = Http::new()
        .send(Request::post(&server.public("/oauth2/token")).form(&form))
        .await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (401, "invalid_client"),
        "{jwks_uri}"
    );
    answer.text()
}

#[tokio::test]
async fn keys_request_objects_and_sectors_are_not_fetched_from_inside() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = ServerOptions::new(&database).with("CLIENTS_HTTP_DISALLOW_PRIVATE_IP_RANGES", "true");
    let options = options.with("OIDC_SUBJECT_IDENTIFIERS_SUPPORTED_TYPES", "public,pairwise");
    let server = options
        .with("OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT", "a-long-enough-salt")
        .start()
        .await;
    let inside = Callback::listen();
    let port = port_of(&inside);
    let mut told = Vec::new();
    for address in written(port) {
        told.push(authenticate(&server, &address).await);
        let metadata = json!({"redirect_uris": [REDIRECT_URI], "request_uris": [address]});
        let client = server.create_client(&metadata).await;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("client_id", &text(&client, "client_id"))
            .append_pair("request_uri", &address);
        query
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("response_type", "code");
        let landed = Http::new()
            .get(&server.public(&format!("/oauth2/auth?{}", query.finish())))
            .await
            .location();
        assert!(
            landed.as_str().contains("error=invalid_request_uri"),
            "{address}: {landed}"
        );
        let sector = address.replacen("http:", "https:", 1);
        let metadata =
            json!({"redirect_uris": [REDIRECT_URI], "subject_type": "pairwise", "sector_identifier_uri": sector});
        let refused = Http::new()
            .send(Request::post(&server.admin("/admin/clients")).json(&metadata))
            .await;
        assert_eq!(refused.status, 400, "{sector}: {}", refused.text());
        assert!(
            !refused.text().contains("127.0.0.1:") || sector.contains("127.0.0.1:"),
            "{}",
            refused.text()
        );
    }
    // Who scans a network learns nothing: all are refused in the same words, and so is a port where nobody listens.
    told.push(authenticate(&server, &format!("http://127.0.0.1:{}/x", ports::free())).await);
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_untouched(&inside);
}

#[tokio::test]
async fn nobody_inside_is_told_of_a_logout() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = ServerOptions::new(&database).with("CLIENTS_HTTP_DISALLOW_PRIVATE_IP_RANGES", "true");
    let server = options.start().await;
    let inside = Callback::listen();
    for address in written(port_of(&inside)) {
        let mut visit = logout::Visit::begin(&server, &json!({"backchannel_logout_uri": address})).await;
        let hint = visit.id_token.clone();
        let challenge = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
        visit.agree(&server, &challenge).await;
    }
    // The notices are tried: the log says so.
    let deadline = std::time::Instant::now() + claviger_e2e::process::PATIENCE;
    while !server.log().contains("logout") && std::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_untouched(&inside);
}

/// Answers every request with a redirect.
fn redirecting_to(target: String) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation:";
            let _ = write!(stream, "{head} {target}\r\n\r\n");
        }
    });
    port
}

#[tokio::test]
async fn a_redirect_leads_nobody_inside() {
    let inside = Callback::listen();
    let addresses = written(port_of(&inside)).into_iter();
    let outside: Vec<String> = addresses
        .map(|address| format!("http://127.0.0.1:{}/keys", redirecting_to(address)))
        .collect();
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = ServerOptions::new(&database).with("CLIENTS_HTTP_DISALLOW_PRIVATE_IP_RANGES", "true");
    // The operator allows these, and not what is behind them.
    let allowed = outside.join(",");
    let server = options
        .with("CLIENTS_HTTP_PRIVATE_IP_EXCEPTION_URLS", &allowed)
        .start()
        .await;
    for address in outside {
        authenticate(&server, &address).await;
    }
    assert_untouched(&inside);
}

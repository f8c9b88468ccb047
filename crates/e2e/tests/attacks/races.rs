//! A hundred at once, at two servers: what works once works once.

use std::collections::HashSet;

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, SUBJECT, challenge, text, web_client};
use claviger_e2e::signer::{Key, now};
use claviger_e2e::{Answer, Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Two servers with one issuer on one database, without a grace period for refresh tokens; on each kind of database that
/// servers can share.
async fn twos() -> Vec<(Database, [Server; 2])> {
    vec![two(Database::postgres()).await, two(Database::mariadb()).await]
}

async fn two(database: Database) -> (Database, [Server; 2]) {
    claviger_e2e::server::migrate(&database);
    let strict = |options: ServerOptions| options.with("OAUTH2_GRANT_REFRESH_TOKEN_ROTATION_GRACE_PERIOD", "0s");
    let one = strict(ServerOptions::new(&database)).start().await;
    let other = strict(ServerOptions::new(&database)).with("URLS_SELF_ISSUER", &one.public("/"));
    let other = other.start().await;
    (database, [one, other])
}

/// The same token request a hundred times, half of them at each server: the answers that gave tokens.
async fn hundred(servers: &[Server; 2], client: &Flow, form: &[(&str, &str)]) -> Vec<Value> {
    let tries: Vec<_> = (0..100)
        .map(|task| {
            let url = servers[task % 2].public("/oauth2/token");
            let request = Request::post(&url)
                .form(form)
                .basic(&client.client_id, &client.client_secret);
            tokio::spawn(async move { Http::new().send(request).await })
        })
        .collect();
    let mut granted = Vec::new();
    for answer in tries {
        let answer: Answer = answer.await.unwrap();
        match answer.status {
            200 => granted.push(answer.json()),
            _ => assert_eq!(
                (answer.status, answer.error().as_str()),
                (400, "invalid_grant"),
                "{}",
                answer.text()
            ),
        }
    }
    granted
}

async fn client(server: &Server) -> Flow {
    let mut metadata = web_client();
    metadata["grant_types"] = json!(["authorization_code", "refresh_token", DEVICE_CODE]);
    // Generated, so that a hundred requests do not hash a hundred times.
    metadata.as_object_mut().unwrap().remove("client_secret");
    Flow::of(server, &server.create_client(&metadata).await)
}

/// RFC 6749 §4.1.2 and §10.5.
#[tokio::test]
async fn of_100_redemptions_of_a_code_at_two_servers_one_succeeds() {
    for (_database, servers) in twos().await {
        let mut flow = client(&servers[0]).await;
        let code = flow.code().await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", REDIRECT_URI),
        ];
        let granted = hundred(&servers, &flow, &form).await;
        assert_eq!(granted.len(), 1);
        // Ninety-nine replays ended what the one gave.
        for name in ["access_token", "refresh_token"] {
            assert!(!servers[1].is_active(&text(&granted[0], name)).await, "{name}");
        }
    }
}

/// RFC 9700 §4.14.2.
#[tokio::test]
async fn of_100_refreshes_with_one_token_at_two_servers_one_succeeds() {
    for (_database, servers) in twos().await {
        let mut flow = client(&servers[0]).await;
        let refresh = text(&flow.tokens().await, "refresh_token");
        let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
        let granted = hundred(&servers, &flow, &form).await;
        // Those of one second see the same time: without a grace period they may still be told the same successor.
        let successors: HashSet<String> = granted.iter().map(|answer| text(answer, "refresh_token")).collect();
        assert_eq!(successors.len(), 1, "{successors:?}");
    }
}

/// RFC 8628 §3.5.
#[tokio::test]
async fn of_100_polls_with_an_approved_device_code_at_two_servers_one_succeeds() {
    for (_database, servers) in twos().await {
        let flow = client(&servers[0]).await;
        let codes = flow.post("/oauth2/device/auth", &[("scope", "openid")]).await.json();
        let mut browser = Http::new();
        let page = browser.get(&text(&codes, "verification_uri_complete")).await.location();
        let entered = parameter(&page, "device_challenge").unwrap();
        let body = json!({"user_code": text(&codes, "user_code")});
        let onward = flow.decided("device", "accept", &entered, &body).await;
        let login = challenge(&browser.get(&onward).await, "login_challenge");
        let onward = flow
            .decided("login", "accept", &login, &json!({"subject": SUBJECT}))
            .await;
        let consent = challenge(&browser.get(&onward).await, "consent_challenge");
        let onward = flow
            .decided("consent", "accept", &consent, &json!({"grant_scope": ["openid"]}))
            .await;
        browser.get(&onward).await;
        let code = text(&codes, "device_code");
        let form = [("grant_type", DEVICE_CODE), ("device_code", &*code)];
        let granted = hundred(&servers, &flow, &form).await;
        assert_eq!(granted.len(), 1);
        assert!(servers[1].is_active(&text(&granted[0], "access_token")).await);
    }
}

/// A browser that comes back with its consent many times at once: one visit gets a code, as in RFC 6749 §4.1.2 a person
/// consents to one.
#[tokio::test]
async fn of_64_visits_with_one_consent_verifier_at_two_servers_one_gets_a_code() {
    for (_database, servers) in twos().await {
        let mut flow = client(&servers[0]).await;
        let consent = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
        let onward = flow
            .decided("consent", "accept", &consent, &json!({"grant_scope": ["openid"]}))
            .await;
        let visits: Vec<_> = (0..64)
            .map(|visit| {
                let url = onward.replace(&servers[0].public(""), &servers[visit % 2].public(""));
                let mut browser = flow.http.clone();
                tokio::spawn(async move { browser.get(&url).await.location() })
            })
            .collect();
        let mut codes = Vec::new();
        for visit in visits {
            let landed = visit.await.unwrap();
            match parameter(&landed, "code") {
                Some(code) => codes.push(code),
                None => assert_eq!(
                    parameter(&landed, "error").as_deref(),
                    Some("access_denied"),
                    "{landed}"
                ),
            }
        }
        assert_eq!(codes.len(), 1);
        assert_eq!(flow.redeem(&codes[0]).await.status, 200);
    }
}

/// RFC 7523 §3 and §5.2: an assertion is good once.
#[tokio::test]
async fn of_100_grants_by_one_assertion_at_two_servers_one_succeeds() {
    for (_database, servers) in twos().await {
        let mut metadata = web_client();
        metadata["grant_types"] = json!([JWT_BEARER]);
        metadata.as_object_mut().unwrap().remove("client_secret");
        let flow = Flow::of(&servers[0], &servers[0].create_client(&metadata).await);
        let key = Key::new("k");
        let trust = json!({"issuer": "https://idp.example", "allow_any_subject": true, "scope": ["profile"],
            "jwk": key.public(), "expires_at": "2090-01-01T00:00:00Z"});
        let url = servers[0].admin("/admin/trust/grants/jwt-bearer/issuers");
        let trusted = Http::new().send(Request::post(&url).json(&trust)).await;
        assert_eq!(trusted.status, 201, "{}", trusted.text());
        let claims = json!({"iss": "https://idp.example", "sub": SUBJECT, "aud": servers[0].public("/"),
            "iat": now(), "exp": now() + 600, "jti": "once"});
        let assertion = key.sign(&claims);
        let form = [
            ("grant_type", JWT_BEARER),
            ("assertion", &*assertion),
            ("scope", "profile"),
        ];
        let granted = hundred(&servers, &flow, &form).await;
        assert_eq!(granted.len(), 1);
        assert!(servers[1].is_active(&text(&granted[0], "access_token")).await);
    }
}

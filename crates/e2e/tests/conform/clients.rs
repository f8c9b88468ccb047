//! Clients at the token endpoint: how they prove who they are, and from which pages they may call.

use claviger_e2e::flow::{REDIRECT_URI, text, web_client};
use claviger_e2e::pkce::VERIFIER;
use claviger_e2e::{Database, Flow, Http, Request};
use serde_json::{Value, json};

use crate::token::{server, with_pkce};

/// RFC 6749 §5.2: a 401 to a client names the method that it may use.
#[tokio::test]
async fn d15_a_client_that_fails_to_authenticate_is_challenged() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    flow.client_secret = "wrong".to_owned();
    let answer = flow.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!((answer.status, answer.error().as_str()), (401, "invalid_client"));
    assert!(
        answer.header("www-authenticate").starts_with("Basic"),
        "{:?}",
        answer.headers
    );
    flow.client_id = "nobody".to_owned();
    let nobody = flow.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!(
        (nobody.status, nobody.text()),
        (401, answer.text()),
        "both fail in the same words"
    );
}

/// RFC 6749 §2.3: one method at a time, and only the registered one.
#[tokio::test]
async fn a_client_authenticates_by_its_own_method_only() {
    let (_database, server) = server().await;
    let mut metadata = web_client();
    metadata["token_endpoint_auth_method"] = Value::from("client_secret_post");
    let client = Flow::of(&server, &server.create_client(&metadata).await);
    let basic = client.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!((basic.status, basic.error().as_str()), (401, "invalid_client"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client.client_id.as_str()),
        ("client_secret", client.client_secret.as_str()),
    ];
    let url = server.public("/oauth2/token");
    let posted = Http::new().send(Request::post(&url).form(&form)).await;
    assert_eq!(posted.status, 200, "{}", posted.text());
    let both = client.token(&form).await;
    assert_eq!(
        (both.status, both.error().as_str()),
        (400, "invalid_request"),
        "{}",
        both.text()
    );
}

/// A public client redeems with PKCE and no secret, and cannot do without PKCE where that is enforced.
#[tokio::test]
async fn a_public_client_uses_pkce_instead_of_a_secret() {
    let (_database, server) = server().await;
    let metadata = json!({
        "token_endpoint_auth_method": "none", "redirect_uris": [REDIRECT_URI], "scope": "openid offline",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let client = server.create_client(&metadata).await;
    assert!(client.get("client_secret").is_none(), "{client}");
    let mut flow = with_pkce(Flow::of(&server, &client));
    let code = flow.code().await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("client_id", &flow.client_id),
    ];
    let answer = Http::new()
        .send(Request::post(&server.public("/oauth2/token")).form(&form))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let refresh = text(&answer.json(), "refresh_token");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &refresh),
        ("client_id", &flow.client_id),
    ];
    let answer = Http::new()
        .send(Request::post(&server.public("/oauth2/token")).form(&form))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Fetch §3.2: an origin that only its client lists passes preflight and request, and no other does.
#[tokio::test]
async fn d14_a_page_of_the_clients_own_origin_may_redeem_and_ask() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = claviger_e2e::ServerOptions::new(&database)
        .with("SERVE_PUBLIC_CORS_ENABLED", "true")
        .with("SERVE_PUBLIC_CORS_ALLOWED_ORIGINS", "https://console.example");
    let server = options.start().await;
    let page = "https://spa.example";
    let mut metadata = web_client();
    metadata["token_endpoint_auth_method"] = json!("none");
    metadata["allowed_cors_origins"] = json!([page]);
    metadata.as_object_mut().unwrap().remove("client_secret");
    let mut flow = with_pkce(Flow::of(&server, &server.create_client(&metadata).await));
    let code = flow.code().await;
    let allowed = |answer: &claviger_e2e::Answer| answer.header("access-control-allow-origin").to_owned();
    let url = server.public("/oauth2/token");
    let preflight = Request::new(http::Method::OPTIONS, &url)
        .header("origin", page)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = Http::new().send(preflight).await;
    assert_eq!((answer.status, allowed(&answer).as_str()), (204, page));
    for (origin, expected) in [("https://evil.example", ""), (page, page)] {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", flow.client_id.as_str()),
            ("code_verifier", VERIFIER),
        ];
        let answer = Http::new()
            .send(Request::post(&url).form(&form).header("origin", origin))
            .await;
        assert_eq!(allowed(&answer), expected, "{origin}: {}", answer.text());
    }
}

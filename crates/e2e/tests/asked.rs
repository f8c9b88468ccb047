//! What clients and their registrations ask for, and what comes of it.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, SUBJECT, challenge, text, web_client};
use claviger_e2e::logout::{self, GOODBYE, Visit};
use claviger_e2e::process::PATIENCE;
use claviger_e2e::signer::now;
use claviger_e2e::tokens::{claims, header};
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

const API: &str = "https://api.example";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn server(settings: &[(&str, &str)]) -> (Database, Server) {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = ServerOptions::new(&database);
    let options = settings
        .iter()
        .fold(options, |options, (name, value)| options.with(name, value));
    let server = options.start().await;
    (database, server)
}

async fn client(server: &Server, more: Value) -> Flow {
    let mut metadata = web_client();
    for (name, value) in more.as_object().unwrap() {
        metadata[name.as_str()] = value.clone();
    }
    Flow::of(server, &server.create_client(&metadata).await)
}

fn remembered() -> Value {
    json!({"subject": SUBJECT, "remember": true})
}

fn consent() -> Value {
    json!({"grant_scope": ["openid", "offline"]})
}

/// Whether the login app is told that the person is logged in.
async fn is_known(flow: &mut Flow) -> bool {
    let challenge = flow.login_challenge().await;
    flow.request("login", &challenge).await["skip"] == true
}

/// OpenID Connect Core §3.1.2.1, Initiating User Registration §4.1.
#[tokio::test]
async fn the_login_app_is_told_everything_that_the_client_asked_for() {
    let (_database, server) = server(&[("URLS_REGISTRATION", "http://127.0.0.1:3000/register")]).await;
    let mut flow = client(&server, json!({"default_acr_values": ["silver", "gold"]})).await;
    let id_token = text(&flow.tokens().await, "id_token");
    let challenge_of = async |flow: &Flow| {
        let challenge = flow.clone().login_challenge().await;
        flow.request("login", &challenge).await
    };
    let asked = flow
        .clone()
        .with("ui_locales", "de-CH de en")
        .with("display", "popup")
        .with("login_hint", "ann")
        .with("acr_values", "bronze iron")
        .with("claims", r#"{"id_token":{"email":null}}"#)
        .with("id_token_hint", &id_token);
    assert_eq!(
        challenge_of(&asked).await["oidc_context"],
        json!({"acr_values": ["bronze", "iron"], "ui_locales": ["de-CH", "de", "en"], "display": "popup",
            "login_hint": "ann", "claims": {"id_token": {"email": null}}, "id_token_hint_claims": claims(&id_token)})
    );
    assert_eq!(
        challenge_of(&flow).await["oidc_context"],
        json!({"acr_values": ["silver", "gold"]}),
        "of the registration"
    );
    let mut create = flow.with("prompt", "create");
    let registering = create.start().await.location();
    assert_eq!(registering.path(), "/register", "{registering}");
    let told = create
        .request("login", &parameter(&registering, "login_challenge").unwrap())
        .await;
    assert_eq!(told["skip"], false);
}

/// Dynamic Client Registration §2: "The max_age request parameter overrides this default value."
#[tokio::test]
async fn default_max_age_is_that_of_requests_without_one() {
    let (_database, server) = server(&[]).await;
    let mut long = client(&server, json!({"default_max_age": 3600})).await;
    long.finish_with(&remembered(), &consent()).await;
    assert!(is_known(&mut long).await);
    let mut never = client(&server, json!({"default_max_age": 0})).await;
    never.http = long.http.clone();
    assert!(!is_known(&mut never).await);
    assert!(is_known(&mut never.clone().with("max_age", "3600")).await);
    assert!(!is_known(&mut long.with("max_age", "0")).await);
}

#[tokio::test]
async fn what_a_person_agreed_to_is_remembered_until_they_take_it_back() {
    let (_database, server) = server(&[]).await;
    let mut flow = client(&server, json!({})).await;
    let kept = json!({"grant_scope": ["openid", "offline"], "remember": true, "remember_for": 0});
    flow.finish_with(&remembered(), &kept).await;
    let is_skipped = async |flow: &Flow| {
        let mut flow = flow.clone();
        let challenge = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
        flow.request("consent", &challenge).await["skip"] == true
    };
    assert!(is_skipped(&flow).await);
    assert!(
        !is_skipped(&flow.clone().with("scope", "openid offline email")).await,
        "more than that"
    );
    let consents = server.admin("/admin/oauth2/auth/sessions/consent");
    let listed = Http::new().get(&format!("{consents}?subject={SUBJECT}")).await.json();
    assert_eq!(listed[0]["remember_for"], 0, "{listed}");
    let ended = Http::new()
        .send(Request::delete(&format!("{consents}?subject={SUBJECT}&all=true")))
        .await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    assert!(!is_skipped(&flow).await);
}

#[tokio::test]
async fn a_session_that_is_extended_outlives_the_first_remember_for() {
    let (_database, server) = server(&[]).await;
    let short = json!({"subject": SUBJECT, "remember": true, "remember_for": 8});
    let mut extended = client(&server, json!({})).await;
    extended.finish_with(&short, &consent()).await;
    let mut other = extended.clone();
    other.http = Http::new();
    other.finish_with(&short, &consent()).await;
    let before = extended.clone();
    let extending = json!({"subject": SUBJECT, "extend_session_lifespan": true, "remember_for": 3600});
    let challenge = extended.login_challenge().await;
    let onward = extended.decided("login", "accept", &challenge, &extending).await;
    let answer = extended.http.get(&onward).await;
    let mut cookies = answer.headers.get_all("set-cookie").iter();
    assert!(cookies.any(|cookie| cookie.to_str().unwrap().contains("Max-Age=3600")));
    let deadline = Instant::now() + PATIENCE;
    while is_known(&mut other).await {
        assert!(Instant::now() < deadline, "it was for eight seconds");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(is_known(&mut extended).await);
    // The session itself was extended, not one browser's cookie.
    assert!(is_known(&mut before.clone()).await);
}

/// OpenID Connect Core §3.1.3.6 and §3.3.2.11, FAPI 1.0 Advanced §5.1.1: the left half of the digest.
#[tokio::test]
async fn the_hashes_of_an_id_token_are_those_of_what_came_beside_it() {
    let settings = [("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256")];
    let (_database, server) = server(&settings).await;
    let half = |value: &str| URL_SAFE_NO_PAD.encode(&digest(&SHA256, value.as_bytes()).as_ref()[..16]);
    // Discovery §3: RS256 is there for who asks for it, whatever is configured.
    let document = Http::new()
        .get(&server.public("/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(
        document["id_token_signing_alg_values_supported"],
        json!(["ES256", "RS256"])
    );
    for alg in ["ES256", "RS256"] {
        let metadata = json!({"response_types": ["code", "code id_token token"], "id_token_signed_response_alg": alg,
            "grant_types": ["authorization_code", "implicit"]});
        let mut flow = client(&server, metadata)
            .await
            .with("response_type", "code id_token token");
        let mut landed = flow.finish().await;
        landed.set_query(landed.fragment().map(str::to_owned).as_deref());
        let [code, token, id_token] =
            ["code", "access_token", "id_token"].map(|name| parameter(&landed, name).unwrap());
        let told = claims(&id_token);
        assert_eq!(header(&id_token)["alg"], alg);
        assert_eq!(text(&told, "c_hash"), half(&code));
        assert_eq!(text(&told, "at_hash"), half(&token));
        assert_eq!(text(&told, "s_hash"), half("state-1234567890"));
        let tokens = flow.redeem(&code).await.json();
        let redeemed = text(&tokens, "id_token");
        assert_eq!(
            text(&claims(&redeemed), "at_hash"),
            half(&text(&tokens, "access_token"))
        );
        let published = Http::new().get(&server.public("/.well-known/jwks.json")).await.json();
        let keys = published["keys"].as_array().unwrap();
        assert!(
            keys.iter()
                .any(|key| key["kid"] == header(&redeemed)["kid"] && key["alg"] == alg),
            "{published}"
        );
    }
}

/// RFC 8252 §7.3.
#[tokio::test]
async fn a_native_app_listens_at_any_port_of_its_loopback_address() {
    let (_database, server) = server(&[]).await;
    let flow = client(
        &server,
        json!({"application_type": "native", "redirect_uris": ["http://127.0.0.1/callback"]}),
    )
    .await;
    let mut free = flow.clone().with("redirect_uri", REDIRECT_URI);
    let landed = free.finish().await;
    assert!(landed.as_str().starts_with(REDIRECT_URI), "{landed}");
    let answer = free.redeem(&parameter(&landed, "code").unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = flow
        .with("redirect_uri", "http://127.0.0.1:9010/other")
        .start()
        .await
        .location();
    assert_eq!(page.path(), "/oauth2/fallbacks/error", "{page}");
}

/// RFC 8628 §6.1 and RFC 8707 §2: the alphabet is the operator's, and the token is for what the device named.
#[tokio::test]
async fn a_device_shows_codes_of_the_configured_alphabet_and_asks_for_a_resource() {
    let settings = [
        ("OAUTH2_DEVICE_AUTHORIZATION_USER_CODE_CHARACTER_SET", "ABCDEFGH"),
        ("OAUTH2_DEVICE_AUTHORIZATION_USER_CODE_LENGTH", "12"),
    ];
    let (_database, server) = server(&settings).await;
    let flow = client(
        &server,
        json!({"grant_types": [DEVICE_CODE], "audience": [API, "https://b.example"]}),
    )
    .await;
    let asked = [
        ("scope", "openid"),
        ("resource", API),
        ("resource", "https://b.example"),
    ];
    let codes = flow.post("/oauth2/device/auth", &asked).await.json();
    let code = text(&codes, "user_code");
    let letters: Vec<char> = code.chars().filter(char::is_ascii_alphanumeric).collect();
    assert!(
        letters.len() == 12 && letters.iter().all(|letter| ('A'..='H').contains(letter)),
        "{code}"
    );
    let mut browser = Http::new();
    let page = browser.get(&text(&codes, "verification_uri_complete")).await.location();
    let entered = parameter(&page, "device_challenge").unwrap();
    // As people type: case does not count.
    let typed = json!({"user_code": code.to_lowercase()});
    let onward = flow.decided("device", "accept", &entered, &typed).await;
    let login = challenge(&browser.get(&onward).await, "login_challenge");
    let onward = flow
        .decided("login", "accept", &login, &json!({"subject": SUBJECT}))
        .await;
    let consent = challenge(&browser.get(&onward).await, "consent_challenge");
    let wanted = flow.request("consent", &consent).await["requested_access_token_audience"].clone();
    assert_eq!(wanted, json!([API, "https://b.example"]));
    let granted = json!({"grant_scope": ["openid"], "grant_access_token_audience": wanted});
    browser
        .get(&flow.decided("consent", "accept", &consent, &granted).await)
        .await;
    let code = text(&codes, "device_code");
    let form = [("grant_type", DEVICE_CODE), ("device_code", &*code)];
    let elsewhere = flow
        .token(&[&form[..], &[("resource", "https://c.example")]].concat())
        .await;
    assert_eq!((elsewhere.status, elsewhere.error().as_str()), (400, "invalid_target"));
    let tokens = flow.token(&[&form[..], &[("resource", API)]].concat()).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let told = server.introspect(&text(&tokens.json(), "access_token")).await;
    assert_eq!(told["aud"], json!([API]), "narrowed to the one that was named");
}

/// RP-Initiated Logout §2: the server "SHOULD accept ID Tokens ... when the RP's ID Token has expired".
#[tokio::test]
async fn an_expired_id_token_still_says_who_logs_out() {
    let (_database, server) = logout::server().await;
    let brief = json!({"authorization_code_grant_id_token_lifespan": "1s"});
    let mut visit = Visit::begin(&server, &brief).await;
    let hint = visit.id_token.clone();
    let expires = claims(&hint)["exp"].as_i64().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while now() <= expires {
        assert!(Instant::now() < deadline, "it expires at {expires}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let asked = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE)];
    let challenge = visit.challenge(&server, &asked).await;
    let answer = visit.agree(&server, &challenge).await;
    assert_eq!(answer.header("location"), GOODBYE);
    assert!(!visit.is_logged_in().await);
}

#[tokio::test]
async fn claims_at_the_top_of_a_token_are_not_repeated_where_the_operator_says_so() {
    for (mirror, ext) in [("false", Value::Null), ("true", json!({"role": "x", "team": "y"}))] {
        let settings = [
            ("STRATEGIES_ACCESS_TOKEN", "jwt"),
            ("OAUTH2_ALLOWED_TOP_LEVEL_CLAIMS", "role"),
            ("OAUTH2_MIRROR_TOP_LEVEL_CLAIMS", mirror),
        ];
        let (_database, server) = server(&settings).await;
        let mut flow = client(&server, json!({})).await;
        let session = json!({"access_token": {"role": "x", "team": "y"}});
        let granted = json!({"grant_scope": ["openid"], "session": session});
        let landed = flow.finish_with(&json!({"subject": SUBJECT}), &granted).await;
        let tokens = flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
        let told = claims(&text(&tokens, "access_token"));
        assert_eq!(
            (&told["role"], &told["ext"], &told["team"]),
            (&json!("x"), &ext, &Value::Null),
            "{mirror}"
        );
    }
}

#[tokio::test]
async fn clients_are_listed_by_owner() {
    let (_database, server) = server(&[]).await;
    for (id, owner) in [("a", "ann"), ("b", "bob"), ("c", "ann"), ("d", "")] {
        server.create_client(&json!({"client_id": id, "owner": owner})).await;
    }
    for (query, expected) in [
        ("owner=ann", vec!["a", "c"]),
        ("owner=bob", vec!["b"]),
        ("owner=an", vec![]),
    ] {
        let listed = Http::new()
            .get(&server.admin(&format!("/admin/clients?{query}")))
            .await
            .json();
        let ids: Vec<&str> = listed
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|client| client["client_id"].as_str())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
}

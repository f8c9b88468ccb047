//! The authorization endpoint, and the login and consent requests behind it.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, SUBJECT, challenge, web_client};
use claviger_e2e::{Database, Flow, Http, Request, Server, tokens};
use serde_json::{Value, json};

async fn server() -> (Database, Server) {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    (database, server)
}

async fn refused(flow: Flow) -> String {
    let mut flow = flow;
    let landed = flow.start().await.location();
    assert!(
        landed.as_str().starts_with(REDIRECT_URI),
        "the client is not told: {landed}"
    );
    parameter(&landed, "error").unwrap_or_else(|| panic!("no error in {landed}"))
}

/// A session that ended elsewhere: the person logs in, and the flow goes on.
#[tokio::test]
async fn d4_a_stale_session_cookie_does_not_disturb_a_new_login() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let consent = json!({"grant_scope": ["openid"]});
    flow.finish_with(&json!({"subject": SUBJECT, "remember": true}), &consent)
        .await;
    let stale = flow.http.clone();
    // A login that is not remembered ends the session of the browser.
    let mut ending = flow.clone().with("prompt", "login");
    ending.finish_with(&json!({"subject": SUBJECT}), &consent).await;
    flow.http = stale;
    let mut flow = flow.with("prompt", "login");
    let landed = flow.finish_with(&json!({"subject": SUBJECT}), &consent).await;
    assert!(parameter(&landed, "code").is_some(), "{landed}");
}

/// RFC 6749 §3.3: an app cannot grant what is not registered for the client.
#[tokio::test]
async fn d9_the_consent_app_cannot_grant_what_the_client_is_not_registered_for() {
    let (_database, server) = server().await;
    for (member, value) in [
        ("grant_scope", "admin"),
        ("grant_access_token_audience", "https://api.example/"),
    ] {
        let mut flow = Flow::new(&server).await;
        let consent = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
        let answer = flow
            .decide("consent", "accept", &consent, &json!({member: [value]}))
            .await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.text());
        assert!(answer.text().contains(value), "the refusal names it: {}", answer.text());
    }
}

/// RFC 6749 §4.1.2.1: the code for a client that may not use the response type.
#[tokio::test]
async fn d17_a_client_without_the_grant_is_unauthorized() {
    let (_database, server) = server().await;
    let metadata = json!({"grant_types": ["client_credentials"], "redirect_uris": [REDIRECT_URI], "scope": "openid"});
    let flow = Flow::of(&server, &server.create_client(&metadata).await).with("scope", "openid");
    assert_eq!(refused(flow).await, "unauthorized_client");
}

/// RFC 6749 §4.1.1: `state` is recommended, not required.
#[tokio::test]
async fn d18_state_is_optional_and_short_only_if_something_else_protects() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    let landed = flow.clone().without("state").finish().await;
    assert!(
        parameter(&landed, "code").is_some() && parameter(&landed, "state").is_none(),
        "{landed}"
    );
    let landed = flow.clone().with("state", "short").finish().await;
    assert_eq!(
        parameter(&landed, "state").as_deref(),
        Some("short"),
        "a nonce protects: {landed}"
    );
    assert_eq!(
        refused(flow.without("nonce").with("state", "short")).await,
        "invalid_state"
    );
}

/// RFC 6749 §3.1: parameters must not be sent more than once.
#[tokio::test]
async fn d20_a_repeated_parameter_is_refused() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    for (name, value) in [("scope", "openid"), ("nonce", "another-nonce"), ("prompt", "login")] {
        let mut twice = flow.clone().with(name, value).adding(name, value);
        let answer = twice.start().await;
        let told = answer.header("location").to_owned() + &answer.text();
        assert!(told.contains("invalid_request"), "{name}: {} {told}", answer.status);
        assert!(!told.contains("login_challenge"), "{name}: {told}");
        // RFC 6749 §4.1.2.1: only who may not be trusted with the answer gets none.
        assert!(
            told.starts_with(REDIRECT_URI) && told.contains("state="),
            "{name}: {told}"
        );
    }
    let mut form = flow
        .clone()
        .with("response_mode", "form_post")
        .adding("prompt", "login")
        .adding("prompt", "login");
    let posted = form.start().await.text();
    assert!(
        posted.contains("invalid_request") && posted.contains("<form"),
        "{posted}"
    );
    let states = flow
        .clone()
        .with("state", "a-state-1234")
        .adding("state", "a-state-1234")
        .start()
        .await
        .location();
    assert_eq!(
        parameter(&states, "error").as_deref(),
        Some("invalid_request"),
        "{states}"
    );
    assert_eq!(parameter(&states, "state"), None, "nobody knows which one: {states}");
    // RFC 8707 §2: these may repeat.
    let mut metadata = web_client();
    metadata["audience"] = json!(["https://a.example/", "https://b.example/"]);
    let flow = Flow::of(&server, &server.create_client(&metadata).await);
    let mut two = flow
        .adding("audience", "https://a.example/")
        .adding("audience", "https://b.example/");
    let login = two.login_challenge().await;
    let told = two.request("login", &login).await;
    assert_eq!(told["requested_access_token_audience"], metadata["audience"]);
}

/// OpenID Connect Core §3.1.2.1: the endpoint takes POST, and nothing of the form is lost on the way.
#[tokio::test]
async fn d21_a_posted_authorization_request_keeps_its_parameters() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let request = Request::post(&server.public("/oauth2/auth")).form(&flow.fields());
    let login = challenge(&flow.http.send(request).await, "login_challenge");
    let next = flow
        .decided("login", "accept", &login, &json!({"subject": SUBJECT}))
        .await;
    let consent = challenge(&flow.http.get(&next).await, "consent_challenge");
    let next = flow
        .decided("consent", "accept", &consent, &json!({"grant_scope": ["openid"]}))
        .await;
    let landed = flow.http.get(&next).await.location();
    assert_eq!(parameter(&landed, "state").as_deref(), Some("state-1234567890"));
    let code = parameter(&landed, "code").unwrap();
    let answer = flow.redeem(&code).await.json();
    assert_eq!(
        tokens::claims(answer["id_token"].as_str().unwrap())["nonce"],
        "nonce-1234567890"
    );
}

/// Nobody logs in first to learn afterwards that the request was wrong.
#[tokio::test]
async fn d22_a_request_is_judged_before_anybody_logs_in() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    let cases = [
        ("prompt", "sometimes", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("nonce", "short", "insufficient_entropy"),
        ("code_challenge", "abc", "invalid_request"),
        ("max_age", "old", "invalid_request"),
        ("scope", "openid everything", "invalid_scope"),
        ("response_type", "teapot", "unsupported_response_type"),
        ("response_mode", "pigeon", "unsupported_response_mode"),
        ("audience", "https://other.example/", "invalid_request"),
    ];
    for (name, value, error) in cases {
        assert_eq!(refused(flow.clone().with(name, value)).await, error, "{name}={value}");
    }
    let plain = flow
        .with("code_challenge", claviger_e2e::pkce::CHALLENGE)
        .with("code_challenge_method", "plain");
    assert_eq!(refused(plain).await, "invalid_request");
}

/// RFC 9700 §4.11: nothing is ever sent to an address that was refused.
#[tokio::test]
async fn d23_no_error_goes_to_a_redirect_uri_that_is_refused() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    let evil = [
        "https://evil.example/callback",
        "http://127.0.0.1:9010/callback/../other",
        "http://127.0.0.1:9010/callback#fragment",
        "//evil.example",
        "javascript:alert(1)",
    ];
    for uri in evil {
        let answer = flow.clone().with("redirect_uri", uri).start().await;
        let location = answer.header("location");
        assert!(
            answer.status == 400 || location.starts_with(&server.public("/")),
            "{uri}: {answer:?}"
        );
        assert!(!location.starts_with(uri), "{uri}: {location}");
    }
    let unknown = flow.with("client_id", "nobody").start().await;
    let location = unknown.header("location");
    assert!(
        unknown.status >= 400 || location.starts_with(&server.public("/")),
        "{unknown:?}"
    );
}

/// RFC 9700 §2.6: an address that anybody on the way can read gets nothing, not even an error.
#[tokio::test]
async fn d23_an_insecure_redirect_uri_gets_nothing() {
    let (_database, server) = server().await;
    let mut metadata = web_client();
    let insecure = "http://shop.example/callback";
    metadata["redirect_uris"] = json!([insecure]);
    let created = Http::new()
        .send(Request::post(&server.admin("/admin/clients")).json(&metadata))
        .await;
    if created.status != 201 {
        assert_eq!(created.status, 400, "{}", created.text());
        return;
    }
    let mut flow = Flow::of(&server, &created.json()).with("redirect_uri", insecure);
    let answer = flow.start().await;
    assert!(!answer.header("location").starts_with(insecure), "{answer:?}");
    assert!(!answer.header("location").contains("login_challenge"), "{answer:?}");
}

/// RFC 9101, and OpenID Connect Core §3.1.2.6: what is wrong with an object has a code of its own.
#[tokio::test]
async fn d6_request_objects_are_judged_by_their_own_codes() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    assert_eq!(
        refused(flow.clone().with("request", "eyJhbGciOiJub25lIn0.e30.")).await,
        "invalid_request_object"
    );
    let uri = flow.with("request_uri", "https://shop.example/request.jwt");
    assert_eq!(refused(uri).await, "invalid_request_uri");
}

/// By the response mode in force.
#[tokio::test]
async fn d23_an_error_comes_by_the_response_mode_in_force() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server)
        .await
        .with("response_mode", "form_post")
        .with("scope", "openid everything");
    let answer = flow.start().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.text();
    assert!(
        page.contains("method=\"post\"") && page.contains("invalid_scope"),
        "{page}"
    );
    assert!(page.contains("state-1234567890"), "{page}");
}

/// OpenID Connect Core §3.1.2.1: a hint is good for as long as its key is published.
#[tokio::test]
async fn d28_a_hint_signed_with_the_previous_key_is_accepted() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let login = json!({"subject": SUBJECT, "remember": true});
    let consent = json!({"grant_scope": ["openid"], "remember": true});
    let landed = flow.finish_with(&login, &consent).await;
    let answer = flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
    let hint = answer["id_token"].as_str().unwrap().to_owned();
    let rotate = Request::post(&server.admin("/admin/keys/hydra.openid.id-token"));
    let rotated = Http::new()
        .send(rotate.json(&json!({"alg": "ES256", "use": "sig", "kid": ""})))
        .await;
    assert_eq!(rotated.status, 201, "{}", rotated.text());
    let mut flow = flow.with("id_token_hint", &hint);
    let next = flow.start().await.location();
    assert!(parameter(&next, "login_challenge").is_some(), "{next}");
}

/// RFC 9207: the issuer is named in every answer, errors too.
#[tokio::test]
async fn every_answer_names_its_issuer() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let issuer = server.public("/");
    assert_eq!(parameter(&flow.finish().await, "iss").as_deref(), Some(issuer.as_str()));
    let error = flow.with("prompt", "none").start().await.location();
    assert_eq!(parameter(&error, "iss").as_deref(), Some(issuer.as_str()), "{error}");
}

/// A challenge is single use, can be read more than once, and is short.
#[tokio::test]
async fn a_challenge_is_read_often_used_once_and_bound_to_its_browser() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let mut flow = Flow::new(&server).await;
        let login = flow.login_challenge().await;
        assert!(login.len() <= 500, "{} characters", login.len());
        assert_eq!(flow.request("login", &login).await, flow.request("login", &login).await);
        let body = json!({"subject": SUBJECT});
        let next = flow.decided("login", "accept", &login, &body).await;
        let stranger = Http::new().get(&next).await;
        let told = stranger.header("location").to_owned() + &stranger.text();
        assert!(
            told.contains("request_forbidden"),
            "another browser: {} {told}",
            stranger.status
        );
        let consent = challenge(&flow.http.get(&next).await, "consent_challenge");
        let used = Http::new()
            .get(&server.admin(&format!("/admin/oauth2/auth/requests/login?login_challenge={login}")))
            .await;
        assert_eq!(used.status, 410, "{}", used.text());
        assert!(
            used.json()["redirect_to"].as_str().unwrap().starts_with("http://"),
            "{}",
            used.text()
        );
        let next = flow
            .decided("consent", "accept", &consent, &json!({"grant_scope": ["openid"]}))
            .await;
        let landed = flow.http.get(&next).await.location();
        assert!(parameter(&landed, "code").is_some(), "{landed}");
        let replay = flow.http.get(&next).await.location();
        assert!(
            parameter(&replay, "code").is_none(),
            "the verifier worked twice: {replay}"
        );
        for (kind, other) in [("consent", &login), ("login", &consent)] {
            let url = format!("/admin/oauth2/auth/requests/{kind}?{kind}_challenge={other}");
            assert_eq!(
                Http::new().get(&server.admin(&url)).await.status,
                404,
                "purposes are not interchangeable"
            );
        }
    }
}

/// Nothing is written before an app has accepted: strangers cannot fill the database.
#[tokio::test]
async fn starting_an_authorization_writes_nothing() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let mut flow = Flow::new(&server).await;
        let before = claviger_e2e::dump::rows(&database);
        for _ in 0..20 {
            flow.login_challenge().await;
        }
        assert_eq!(claviger_e2e::dump::rows(&database), before);
    }
}

/// `skip_consent` is enforced by the server: there is no consent hop.
#[tokio::test]
async fn a_client_with_skip_consent_has_no_consent_hop() {
    let (_database, server) = server().await;
    let mut metadata = web_client();
    metadata["skip_consent"] = Value::Bool(true);
    let mut flow = Flow::of(&server, &server.create_client(&metadata).await);
    let login = flow.login_challenge().await;
    let next = flow
        .decided("login", "accept", &login, &json!({"subject": SUBJECT}))
        .await;
    let landed = flow.http.get(&next).await.location();
    assert!(parameter(&landed, "code").is_some(), "{landed}");
}

/// OpenID Connect Core §5.5.1.1: what is essential is there, or the client is told that it is not.
#[tokio::test]
async fn an_essential_acr_that_the_login_app_does_not_reach_is_an_error_of_its_own() {
    let (_database, server) = server().await;
    let wish = json!({"id_token": {"acr": {"essential": true, "values": ["gold"]}, "email": null}});
    let mut flow = Flow::new(&server).await.with("claims", &wish.to_string());
    let challenge = flow.login_challenge().await;
    let context = flow.request("login", &challenge).await["oidc_context"].clone();
    assert_eq!((&context["acr_values"], &context["claims"]), (&json!(["gold"]), &wish));
    let onward = flow
        .decided(
            "login",
            "accept",
            &challenge,
            &json!({"subject": SUBJECT, "acr": "bronze"}),
        )
        .await;
    let landed = flow.http.get(&onward).await.location();
    assert_eq!(
        parameter(&landed, "error").as_deref(),
        Some("unmet_authentication_requirements")
    );
    let consent = json!({"grant_scope": ["openid"]});
    let landed = flow
        .finish_with(&json!({"subject": SUBJECT, "acr": "gold"}), &consent)
        .await;
    let answer = flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
    assert_eq!(tokens::claims(answer["id_token"].as_str().unwrap())["acr"], "gold");

    let somebody_else = json!({"id_token": {"sub": {"value": "somebody-else"}}}).to_string();
    let mut flow = Flow::new(&server).await.with("claims", &somebody_else);
    let challenge = flow.login_challenge().await;
    let login = json!({"subject": SUBJECT});
    let onward = flow.decided("login", "accept", &challenge, &login).await;
    let landed = flow.http.get(&onward).await.location();
    assert_eq!(parameter(&landed, "error").as_deref(), Some("login_required"));
    let malformed = Flow::new(&server).await.with("claims", "{\"id_token\": 1}");
    assert_eq!(refused(malformed).await, "invalid_request");
}

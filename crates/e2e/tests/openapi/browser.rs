//! Where browsers come by, and what the apps ask and answer meanwhile.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, challenge, text};
use claviger_e2e::logout::{GOODBYE, Visit, decide, question, url};
use claviger_e2e::{Flow, Http, Request, Server};
use serde_json::{Value, json};

use super::{app, ask};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Reads and answers a request, in every way that its state allows.
async fn every_way(server: &Server, kind: &str, challenge: &str) {
    ask(Request::get(&app(server, kind, "", challenge))).await;
    let accepted = match kind {
        "login" => json!({"subject": SUBJECT}),
        _ => json!({"grant_scope": ["openid"]}),
    };
    for (verb, body) in [("/accept", accepted), ("/reject", json!({"error": "access_denied"}))] {
        let put = Request::put(&app(server, kind, verb, challenge));
        ask(put.clone().json(&body)).await;
        ask(put.body("application/json", "[")).await;
    }
}

pub async fn logins_and_consents(server: &Server) {
    let mut flow = Flow::new(server).await;
    for kind in ["login", "consent"] {
        every_way(server, kind, "nonsense").await;
        let without = format!("/admin/oauth2/auth/requests/{kind}");
        ask(Request::get(&server.admin(&without))).await;
    }
    let rejected = flow.login_challenge().await;
    every_way(server, "login", &rejected).await;
    let login = flow.login_challenge().await;
    every_way(server, "login", &login).await;
    let remembered = json!({"subject": SUBJECT, "remember": true, "acr": "2", "amr": ["pwd"], "context": {"a": 1}});
    let next = flow.decided("login", "accept", &login, &remembered).await;
    let consent = challenge(&flow.http.get(&next).await, "consent_challenge");
    every_way(server, "login", &login).await;
    every_way(server, "consent", &consent).await;
    let answer = json!({
        "grant_scope": ["openid", "offline"], "remember": true, "remember_for": 3600, "context": {"b": 2},
        "session": {"access_token": {"plan": "gold"}, "id_token": {"name": "Foo"}, "userinfo": {"email": SUBJECT}},
    });
    let next = flow.decided("consent", "accept", &consent, &answer).await;
    flow.http.get(&next).await;
    every_way(server, "consent", &consent).await;
    authorizations(server, &mut flow).await;
    sessions(server).await;
}

async fn authorizations(server: &Server, flow: &mut Flow) {
    let auth = server.public("/oauth2/auth");
    let mut posted = flow.clone().with("prompt", "none").with("response_mode", "form_post");
    posted.start().await;
    let fields: Vec<(String, String)> = posted
        .fields()
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    posted.http.send(Request::post(&auth).form(&fields)).await;
    ask(Request::post(&auth).form(&flow.fields())).await;
    let mut wrong = flow
        .clone()
        .with("scope", "unregistered")
        .with("response_mode", "form_post");
    wrong.start().await;
    ask(Request::post(&auth).form(&wrong.fields())).await;
    flow.clone().with("scope", "unregistered").start().await;
    ask(Request::post(&auth).form(&flow.clone().with("scope", "unregistered").fields())).await;
    ask(Request::post(&auth).json(&json!({}))).await;
    ask(Request::post(&auth).body("application/x-www-form-urlencoded", vec![b'x'; 200_000])).await;
}

async fn sessions(server: &Server) {
    let consents = server.admin("/admin/oauth2/auth/sessions/consent");
    for query in [
        format!("?subject={SUBJECT}&page_size=1"),
        "?subject=nobody".to_owned(),
        String::new(),
    ] {
        ask(Request::get(&format!("{consents}{query}"))).await;
    }
    ask(Request::delete(&format!("{consents}?subject=nobody&all=true"))).await;
    ask(Request::delete(&consents)).await;
    let logins = server.admin("/admin/oauth2/auth/sessions/login");
    ask(Request::delete(&format!("{logins}?subject=nobody"))).await;
    ask(Request::delete(&logins)).await;
}

pub async fn logouts(server: &Server) {
    every_way(server, "logout", "nonsense").await;
    let twice = "/admin/oauth2/auth/requests/logout";
    for (verb, method) in [("", "GET"), ("/accept", "PUT"), ("/reject", "PUT")] {
        let url = server.admin(&format!("{twice}{verb}?logout_challenge=a&logout_challenge=b"));
        let request = if method == "GET" {
            Request::get(&url)
        } else {
            Request::put(&url)
        };
        ask(request).await;
    }
    let framed = json!({"frontchannel_logout_uri": "http://127.0.0.1:9010/front"});
    let mut visit = Visit::begin(server, &framed).await;
    let hint = visit.id_token.clone();
    let hinted = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", GOODBYE),
        ("state", "s"),
    ];
    let rejected = visit.challenge(server, &hinted).await;
    question(server, &rejected).await;
    decide(server, "reject", &rejected).await;
    let accepted = visit.challenge(server, &hinted).await;
    visit.agree(server, &accepted).await;
    every_way(server, "logout", &accepted).await;
    let path = server.public("/oauth2/sessions/logout");
    ask(Request::post(&path).form(&[("state", "s")])).await;
    ask(Request::post(&path).json(&json!({}))).await;
    ask(Request::post(&path).body("application/x-www-form-urlencoded", vec![b'x'; 200_000])).await;
    let mut other = Visit::begin(server, &framed).await;
    let hint = other.id_token.clone();
    let accepted = other.challenge(server, &[("id_token_hint", hint.as_str())]).await;
    let next = text(&decide(server, "accept", &accepted).await.json(), "redirect_to");
    other.flow.http.send(Request::post(&next)).await;
    ask(Request::get(&url(
        server,
        &[("post_logout_redirect_uri", "https://evil.example")],
    )))
    .await;
}

async fn device_challenge(http: &mut Http, codes: &Value) -> (String, String) {
    let page = http.get(&text(codes, "verification_uri_complete")).await.location();
    let part = |name| parameter(&page, name).unwrap();
    (part("device_challenge"), part("user_code"))
}

pub async fn devices(server: &Server) {
    let client = json!({
        "client_id": "tv", "token_endpoint_auth_method": "none", "scope": "openid", "grant_types": [DEVICE_CODE],
    });
    server.create_client(&client).await;
    let begin = Request::post(&server.public("/oauth2/device/auth"));
    let codes = ask(begin.clone().form(&[("client_id", "tv"), ("scope", "openid")]))
        .await
        .json();
    ask(begin.clone().form(&[("client_id", "tv"), ("scope", "unregistered")])).await;
    ask(begin.form(&[("client_id", "tv")]).basic("tv", "wrong")).await;
    let code = text(&codes, "device_code");
    let poll = Request::post(&server.public("/oauth2/token"));
    ask(poll.form(&[("grant_type", DEVICE_CODE), ("client_id", "tv"), ("device_code", &code)])).await;
    let mut http = Http::new();
    let (challenge, code) = device_challenge(&mut http, &codes).await;
    let accept = |challenge: &str, code: &str| {
        Request::put(&app(server, "device", "/accept", challenge)).json(&json!({ "user_code": code }))
    };
    let next = ask(accept(&challenge, &code)).await.json();
    http.get(&text(&next, "redirect_to")).await;
    ask(accept(&challenge, &code)).await;
    ask(accept("nonsense", &code)).await;
    let (guessed, _) = device_challenge(&mut http, &codes).await;
    // Too many are refused in another way.
    for _ in 0..12 {
        ask(accept(&guessed, "BCDF-GHJK")).await;
    }
}

pub async fn pages(server: &Server) {
    for page in [
        "login",
        "consent",
        "logout",
        "device",
        "logout/callback",
        "device/done",
        "error?error=e",
    ] {
        ask(Request::get(&server.public(&format!("/oauth2/fallbacks/{page}")))).await;
    }
}

/// The pages of development mode.
pub async fn samples(public: &str, admin: &str) {
    let page = |name: &str| format!("{public}/oauth2/fallbacks/{name}");
    for name in ["login", "consent", "logout", "device"] {
        ask(Request::get(&page(name))).await;
        ask(Request::get(&format!("{}?{name}_challenge=nonsense", page(name)))).await;
        ask(Request::post(&page(name)).form(&[("answer", "accept")])).await;
    }
    ask(Request::get(&format!(
        "{}?device_challenge=a&device_challenge=b",
        page("device")
    )))
    .await;
    let client = json!({
        "client_id": "sample", "token_endpoint_auth_method": "none", "scope": "openid offline",
        "grant_types": ["authorization_code", DEVICE_CODE], "redirect_uris": ["http://127.0.0.1:9010/callback"],
    });
    ask(Request::post(&format!("{admin}/admin/clients")).json(&client)).await;
    let start = format!(
        "{public}/oauth2/auth?client_id=sample&response_type=code&scope=openid&state=state-of-sample\
         &redirect_uri=http%3A%2F%2F127.0.0.1%3A9010%2Fcallback&code_challenge_method=S256\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
    let mut http = Http::new();
    let login = http.get(&start).await.location();
    http.get(login.as_str()).await;
    let challenge = parameter(&login, "login_challenge").unwrap();
    let form = [
        ("login_challenge", challenge.as_str()),
        ("answer", "accept"),
        ("name", "ada"),
        ("remember", "on"),
    ];
    let next = http
        .send(Request::post(&page("login")).form(&[&form[..2], &[("name", "")]].concat()))
        .await;
    assert_eq!(next.status, 200, "{}", next.text());
    let next = http.send(Request::post(&page("login")).form(&form)).await.location();
    let consent = http.get(next.as_str()).await.location();
    http.get(login.as_str()).await;
    http.get(consent.as_str()).await;
    let challenge = parameter(&consent, "consent_challenge").unwrap();
    let form = [
        ("consent_challenge", challenge.as_str()),
        ("answer", "accept"),
        ("scope:openid", "on"),
    ];
    let next = http.send(Request::post(&page("consent")).form(&form)).await.location();
    http.get(next.as_str()).await;
    http.get(consent.as_str()).await;
    // Remembered: the page lets the person pass.
    let again = http.get(&start).await.location();
    http.get(again.as_str()).await;
    sample_logout(public, &mut http).await;
    sample_device(public, &mut http).await;
}

async fn sample_logout(public: &str, http: &mut Http) {
    let page = format!("{public}/oauth2/fallbacks/logout");
    let out = format!("{public}/oauth2/sessions/logout");
    for answer in ["stay", "accept"] {
        let asked = http.get(&out).await.location();
        http.get(asked.as_str()).await;
        let challenge = parameter(&asked, "logout_challenge").unwrap();
        let form = [("logout_challenge", challenge.as_str()), ("answer", answer)];
        let answered = http.send(Request::post(&page).form(&form)).await;
        if answer == "accept" {
            http.get(answered.location().as_str()).await;
            http.get(asked.as_str()).await;
        }
    }
}

async fn sample_device(public: &str, http: &mut Http) {
    let page = format!("{public}/oauth2/fallbacks/device");
    let begin = Request::post(&format!("{public}/oauth2/device/auth"));
    let codes = ask(begin.form(&[("client_id", "sample"), ("scope", "openid")]))
        .await
        .json();
    let asked = http.get(&text(&codes, "verification_uri_complete")).await.location();
    http.get(asked.as_str()).await;
    let challenge = parameter(&asked, "device_challenge").unwrap();
    let code = text(&codes, "user_code");
    for code in ["BCDF-GHJK", &code] {
        let form = [("device_challenge", challenge.as_str()), ("user_code", code)];
        http.send(Request::post(&page).form(&form)).await;
    }
}

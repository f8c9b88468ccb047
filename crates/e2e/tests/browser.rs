//! A person with a browser and the unmodified reference login and consent app.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::SUBJECT;
use claviger_e2e::{Browser, Callback, Database, Flow, Http, ReferenceApp, Request, Server, ServerOptions, tokens};
use serde_json::json;
use url::Url;

/// Everything on the way of one person: server, app, application and browser.
struct Scene {
    browser: Browser,
    app: ReferenceApp,
    callback: Callback,
    flow: Flow,
    server: Server,
    _database: Database,
}

impl Scene {
    async fn set() -> Self {
        let database = Database::postgres();
        claviger_e2e::server::migrate(&database);
        let mut app = ReferenceApp::reserve();
        let server = ServerOptions::new(&database).with_app(&app.url()).start().await;
        app.start(&server);
        let callback = Callback::listen();
        let client = server
            .create_client(&json!({
                "client_name": "Photo prints", "client_secret": "a-secret-of-this-test",
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                "scope": "openid offline photos", "redirect_uris": [callback.url()],
                "post_logout_redirect_uris": [callback.url()],
            }))
            .await;
        let flow = Flow::of(&server, &client)
            .with("redirect_uri", &callback.url())
            .with("scope", "openid offline photos");
        Self {
            browser: Browser::start().await,
            app,
            callback,
            flow,
            server,
            _database: database,
        }
    }

    async fn open(&self, flow: &Flow) {
        self.browser.open(&flow.url()).await;
    }

    async fn at_login(&self) {
        self.browser.wait_for(&format!("{}/login", self.app.url())).await;
    }

    async fn at_consent(&self) {
        self.browser.wait_for(&format!("{}/consent", self.app.url())).await;
    }

    async fn landed(&self) -> Url {
        self.browser.wait_for(&self.callback.url()).await
    }

    async fn log_in(&self, password: &str, remember: bool) {
        self.browser.fill("#email", SUBJECT).await;
        self.browser.fill("#password", password).await;
        if remember {
            self.browser.click("#remember").await;
        }
        self.browser.click("#accept").await;
    }

    async fn allow(&self, scopes: &[&str], remember: bool) {
        for scope in scopes {
            self.browser
                .click(&format!("input[name=grant_scope][value={scope}]"))
                .await;
        }
        if remember {
            self.browser.click("#remember").await;
        }
        self.browser.click("#accept").await;
    }

    /// Logs in and agrees, remembered both times, and returns where the browser lands.
    async fn first_visit(&self) -> Url {
        self.open(&self.flow).await;
        self.at_login().await;
        self.log_in("foobar", true).await;
        self.at_consent().await;
        self.allow(&["openid", "offline", "photos"], true).await;
        self.landed().await
    }

    /// Redeems the code of an address, and returns the claims of the ID token.
    async fn id_token(&self, landed: &Url) -> String {
        let code = parameter(landed, "code").unwrap_or_else(|| panic!("no code in {landed}"));
        let answer = self.flow.redeem(&code).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id_token"].as_str().unwrap().to_owned()
    }
}

fn error(landed: &Url) -> String {
    parameter(landed, "error").unwrap_or_else(|| panic!("no error in {landed}"))
}

#[tokio::test]
async fn a_person_logs_in_ticks_scopes_and_the_application_gets_a_code_for_them() {
    let scene = Scene::set().await;
    scene.open(&scene.flow).await;
    scene.at_login().await;
    scene.log_in("wrong", false).await;
    let refused = "username / password combination is not correct";
    scene.browser.wait_for_text(refused).await;
    scene.log_in("foobar", false).await;
    scene.at_consent().await;
    scene.browser.wait_for_text("Photo prints").await;
    scene.allow(&["openid", "photos"], false).await;
    let landed = scene.landed().await;
    assert_eq!(parameter(&landed, "state").unwrap(), "state-1234567890");
    assert_eq!(parameter(&landed, "scope").unwrap(), "openid photos");
    assert_eq!(parameter(&landed, "iss").unwrap(), scene.server.public("/"));
    let code = parameter(&landed, "code").unwrap();
    let tokens = scene.flow.redeem(&code).await.json();
    assert!(
        tokens.get("refresh_token").is_none(),
        "offline was not ticked: {tokens}"
    );
    let told = scene.server.introspect(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (&told["sub"], &told["scope"]),
        (&SUBJECT.into(), &"openid photos".into())
    );
}

#[tokio::test]
async fn a_person_may_tick_nothing() {
    let scene = Scene::set().await;
    scene.open(&scene.flow).await;
    scene.at_login().await;
    scene.log_in("foobar", false).await;
    scene.at_consent().await;
    scene.allow(&[], false).await;
    let landed = scene.landed().await;
    assert_eq!(parameter(&landed, "scope").unwrap(), "");
    let tokens = scene.flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
    assert!(
        tokens.get("id_token").is_none() && tokens["access_token"].is_string(),
        "{tokens}"
    );
}

#[tokio::test]
async fn a_person_may_deny_at_login_and_at_consent() {
    let scene = Scene::set().await;
    scene.open(&scene.flow).await;
    scene.at_login().await;
    scene.browser.click("#reject").await;
    let landed = scene.landed().await;
    assert_eq!(error(&landed), "access_denied");
    assert_eq!(parameter(&landed, "state").unwrap(), "state-1234567890");
    assert!(
        parameter(&landed, "error_description")
            .unwrap()
            .contains("denied the request")
    );
    let again = scene.flow.clone().with("state", "state-of-the-second-try");
    scene.open(&again).await;
    scene.at_login().await;
    scene.log_in("foobar", false).await;
    scene.at_consent().await;
    scene.browser.click("#reject").await;
    let landed = scene.browser.wait_for(&format!("{}?", scene.callback.url())).await;
    assert_eq!(error(&landed), "access_denied");
    assert_eq!(parameter(&landed, "state").unwrap(), "state-of-the-second-try");
}

#[tokio::test]
async fn a_remembered_person_is_asked_nothing_the_second_time() {
    let scene = Scene::set().await;
    let first = scene.id_token(&scene.first_visit().await).await;
    scene
        .open(&scene.flow.clone().with("nonce", "nonce-of-the-second"))
        .await;
    let landed = scene.landed().await;
    let second = scene.id_token(&landed).await;
    let (first, second) = (tokens::claims(&first), tokens::claims(&second));
    assert_eq!((&first["sub"], &first["sid"]), (&second["sub"], &second["sid"]));
    assert_eq!(
        first["auth_time"], second["auth_time"],
        "the login is still the first one"
    );
    assert_eq!(second["nonce"], "nonce-of-the-second");
    scene.open(&scene.flow.clone().with("prompt", "none")).await;
    scene.id_token(&scene.landed().await).await;
    // Another scope than those remembered is asked for again.
    scene.open(&scene.flow.clone().with("prompt", "consent")).await;
    scene.at_consent().await;
}

#[tokio::test]
async fn a_login_that_is_not_remembered_is_asked_for_again() {
    let scene = Scene::set().await;
    scene.open(&scene.flow).await;
    scene.at_login().await;
    scene.log_in("foobar", false).await;
    scene.at_consent().await;
    scene.allow(&["openid"], false).await;
    scene.landed().await;
    scene.open(&scene.flow).await;
    scene.at_login().await;
}

#[tokio::test]
async fn prompt_and_max_age_decide_whether_a_person_is_asked() {
    let scene = Scene::set().await;
    scene.open(&scene.flow.clone().with("prompt", "none")).await;
    assert_eq!(error(&scene.landed().await), "login_required");
    let first = scene.id_token(&scene.first_visit().await).await;
    let first = tokens::claims(&first);
    scene.open(&scene.flow.clone().with("max_age", "3600")).await;
    let young = tokens::claims(&scene.id_token(&scene.landed().await).await);
    assert_eq!(young["auth_time"], first["auth_time"], "young enough for max_age");
    for (name, value) in [("prompt", "login"), ("max_age", "0")] {
        scene.open(&scene.flow.clone().with(name, value)).await;
        scene.at_login().await;
        scene.log_in("foobar", true).await;
        let landed = scene.landed().await;
        let claims = tokens::claims(&scene.id_token(&landed).await);
        assert!(claims["auth_time"].as_i64() >= first["auth_time"].as_i64(), "{claims}");
        assert_ne!(claims["sid"], young["sid"], "{name}={value} made no new login");
    }
    scene
        .open(&scene.flow.clone().with("prompt", "none").with("max_age", "0"))
        .await;
    assert_eq!(error(&scene.landed().await), "login_required");
}

#[tokio::test]
async fn an_id_token_hint_must_name_the_person_who_is_logged_in() {
    let scene = Scene::set().await;
    let mine = scene.id_token(&scene.first_visit().await).await;
    scene
        .open(&scene.flow.clone().with("prompt", "none").with("id_token_hint", &mine))
        .await;
    scene.id_token(&scene.landed().await).await;
    // Somebody else, who logs in elsewhere.
    let mut other = scene.flow.clone();
    let landed = other
        .finish_with(
            &json!({"subject": "somebody-else"}),
            &json!({"grant_scope": ["openid"]}),
        )
        .await;
    let theirs = scene.id_token(&landed).await;
    scene
        .open(&scene.flow.clone().with("prompt", "none").with("id_token_hint", &theirs))
        .await;
    assert_eq!(error(&scene.landed().await), "login_required");
    scene
        .open(&scene.flow.clone().with("id_token_hint", "not-a-token"))
        .await;
    assert_eq!(error(&scene.landed().await), "invalid_request");
}

#[tokio::test]
async fn ten_tabs_opened_at_once_all_finish() {
    let scene = Scene::set().await;
    let mut tabs = Vec::new();
    for tab in 0..10 {
        let flow = scene.flow.clone().with("state", &format!("state-of-tab-{tab}"));
        tabs.push(scene.browser.open_tab(&flow.url()).await);
    }
    for tab in &tabs {
        scene.browser.switch_to(tab).await;
        scene.at_login().await;
        scene.log_in("foobar", false).await;
    }
    for (number, tab) in tabs.iter().enumerate().rev() {
        scene.browser.switch_to(tab).await;
        scene.at_consent().await;
        scene.allow(&["openid"], false).await;
        let landed = scene.landed().await;
        assert_eq!(parameter(&landed, "state").unwrap(), format!("state-of-tab-{number}"));
        scene.id_token(&landed).await;
    }
}

#[tokio::test]
async fn form_post_delivers_the_code_in_a_form() {
    let scene = Scene::set().await;
    scene.open(&scene.flow.clone().with("response_mode", "form_post")).await;
    scene.at_login().await;
    scene.log_in("foobar", false).await;
    scene.at_consent().await;
    scene.allow(&["openid"], false).await;
    let landed = scene.landed().await;
    scene.browser.element("#landed").await;
    assert_eq!(landed.query(), None, "nothing is left in the address");
    let forms = scene.callback.forms();
    let form: Vec<(String, String)> = form_urlencoded::parse(forms[0].as_bytes()).into_owned().collect();
    let code = &form.iter().find(|(name, _)| name == "code").unwrap().1;
    assert_eq!(scene.flow.redeem(code).await.status, 200);
}

#[tokio::test]
async fn an_error_without_a_way_back_is_a_page_that_a_person_can_read() {
    let scene = Scene::set().await;
    scene
        .open(&scene.flow.clone().with("redirect_uri", "https://evil.example/"))
        .await;
    let text = scene.browser.text().await;
    assert!(text.contains("redirect_uri"), "{text}");
    assert_eq!(scene.browser.url().await.host_str(), Some("127.0.0.1"));
    let answer = Http::new().get(scene.browser.url().await.as_str()).await;
    assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
    let id = scene.browser.script("return document.body.innerText").await;
    assert!(id.as_str().unwrap().contains("equest"), "{id}");
}

#[tokio::test]
async fn a_challenge_that_was_used_sends_the_person_round_again() {
    let scene = Scene::set().await;
    scene.open(&scene.flow).await;
    scene.at_login().await;
    let login = scene.browser.url().await;
    let challenge = parameter(&login, "login_challenge").unwrap();
    assert!(challenge.len() <= 500, "{} characters", challenge.len());
    scene.log_in("foobar", false).await;
    scene.at_consent().await;
    scene.allow(&["openid"], false).await;
    scene.landed().await;
    let url = format!("/admin/oauth2/auth/requests/login?login_challenge={challenge}");
    let answer = Http::new().send(Request::get(&scene.server.admin(&url))).await;
    assert_eq!(answer.status, 410, "{}", answer.text());
    let again = answer.json()["redirect_to"].as_str().unwrap().to_owned();
    assert!(again.starts_with(&scene.server.public("/")), "absolute: {again}");
    scene.browser.open(&again).await;
    scene.at_login().await;
}

#[tokio::test]
async fn a_person_logs_out_and_is_asked_to_log_in_again() {
    let scene = Scene::set().await;
    let landed = scene.first_visit().await;
    let hint = scene.id_token(&landed).await;
    let goodbye = scene.callback.url();
    let parameters = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", &goodbye),
        ("state", "after-the-logout"),
    ];
    let address = claviger_e2e::logout::url(&scene.server, &parameters);
    let page = format!("{}/logout", scene.app.url());
    scene.browser.open(&address).await;
    scene.browser.wait_for(&page).await;
    scene.browser.click("#accept").await;
    let landed = scene.landed().await;
    assert_eq!(
        parameter(&landed, "state").as_deref(),
        Some("after-the-logout"),
        "{landed}"
    );
    scene.open(&scene.flow).await;
    scene.at_login().await;
}

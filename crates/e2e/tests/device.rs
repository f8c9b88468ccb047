//! RFC 8628 from outside: a device that polls, a browser, and the apps.

use std::time::Duration;

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, challenge, text};
use claviger_e2e::process::Process;
use claviger_e2e::server::migrate;
use claviger_e2e::{Answer, Browser, Database, Http, ReferenceApp, Request, Server, ServerOptions, binary, dump};
use serde_json::{Value, json};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device with its client, and the browser of its owner.
struct Device {
    server: Server,
    browser: Http,
    codes: Value,
}

impl Device {
    /// A device that was given its codes.
    async fn on(database: &Database) -> Self {
        Self::of(Server::on(database).await).await
    }

    async fn of(server: Server) -> Self {
        let client = json!({
            "client_id": "tv", "token_endpoint_auth_method": "none", "scope": "openid offline",
            "grant_types": [GRANT, "refresh_token"],
        });
        server.create_client(&client).await;
        let form = [("client_id", "tv"), ("scope", "openid offline")];
        let request = Request::post(&server.public("/oauth2/device/auth")).form(&form);
        let answer = Http::new().send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store");
        Self {
            server,
            browser: Http::new(),
            codes: answer.json(),
        }
    }

    fn poll_request(&self) -> Request {
        let code = text(&self.codes, "device_code");
        let form = [("grant_type", GRANT), ("client_id", "tv"), ("device_code", &code)];
        Request::post(&self.server.public("/oauth2/token")).form(&form)
    }

    async fn poll(&self) -> Answer {
        Http::new().send(self.poll_request()).await
    }

    async fn accept(&self, challenge: &str, code: &str) -> Answer {
        let url = self.server.admin("/admin/oauth2/auth/requests/device/accept");
        let url = format!("{url}?device_challenge={challenge}");
        Http::new()
            .send(Request::put(&url).json(&json!({ "user_code": code })))
            .await
    }

    /// The person enters the code; returns the login challenge.
    async fn entered(&mut self) -> String {
        let complete = text(&self.codes, "verification_uri_complete");
        let page = self.browser.get(&complete).await.location();
        let code = parameter(&page, "user_code").unwrap();
        let answer = self.accept(&parameter(&page, "device_challenge").unwrap(), &code).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let onward = text(&answer.json(), "redirect_to");
        challenge(&self.browser.get(&onward).await, "login_challenge")
    }

    /// What the login or consent app answers, and where the browser lands.
    async fn decided(&mut self, kind: &str, verb: &str, challenge: &str, body: &Value) -> Answer {
        let url = self.server.admin(&format!("/admin/oauth2/auth/requests/{kind}/{verb}"));
        let url = format!("{url}?{kind}_challenge={challenge}");
        let answer = Http::new().send(Request::put(&url).json(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let onward = text(&answer.json(), "redirect_to");
        self.browser.get(&onward).await
    }

    async fn approve(&mut self) {
        let login = self.entered().await;
        let body = json!({ "subject": SUBJECT });
        let answer = self.decided("login", "accept", &login, &body).await;
        let consent = challenge(&answer, "consent_challenge");
        let body = json!({ "grant_scope": ["openid", "offline"] });
        let done = self.decided("consent", "accept", &consent, &body).await.location();
        assert_eq!(done.path(), "/oauth2/fallbacks/device/done");
        let page = self.browser.get(done.as_str()).await;
        assert_eq!(page.status, 200, "{}", page.text());
    }
}

#[tokio::test]
async fn a_device_gets_tokens_after_its_owner_allowed_it() {
    for database in [Database::postgres(), Database::mariadb(), Database::sqlite()] {
        let mut device = Device::on(&database).await;
        assert_eq!(device.poll().await.error(), "authorization_pending");
        device.approve().await;
        let answer = device.poll().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let tokens = answer.json();
        assert!(tokens["id_token"].is_string() && tokens["refresh_token"].is_string());
        let told = device.server.introspect(&text(&tokens, "access_token")).await;
        assert_eq!(
            (&told["active"], &told["sub"], &told["client_id"]),
            (&json!(true), &json!(SUBJECT), &json!("tv"))
        );
        let again = device.poll().await;
        assert_eq!((again.status, again.error().as_str()), (400, "invalid_grant"));
    }
}

#[tokio::test]
async fn rfc8628_3_5_a_device_that_polls_too_often_is_told_to_slow_down() {
    let database = Database::sqlite();
    let device = Device::on(&database).await;
    assert_eq!(device.poll().await.error(), "authorization_pending");
    let fast = device.poll().await;
    assert_eq!((fast.status, fast.error().as_str()), (400, "slow_down"));
}

#[tokio::test]
async fn d7_a_denial_reaches_the_device() {
    let database = Database::sqlite();
    let mut device = Device::on(&database).await;
    let login = device.entered().await;
    let body = json!({ "error": "access_denied", "error_description": "not mine" });
    let page = device.decided("login", "reject", &login, &body).await.location();
    assert_eq!(page.path(), "/oauth2/fallbacks/error");
    assert_eq!(parameter(&page, "error").as_deref(), Some("access_denied"));
    let answer = device.poll().await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "access_denied"));
}

#[tokio::test]
async fn d36_the_response_has_no_stray_member_and_failures_are_pages() {
    let database = Database::sqlite();
    let mut device = Device::on(&database).await;
    assert!(device.codes.get("Header").is_none(), "{}", device.codes);
    for query in [
        "device_verifier=x",
        "login_verifier=x",
        "consent_verifier=x",
        "user_code=%ff",
    ] {
        let url = device.server.public(&format!("/oauth2/device/verify?{query}"));
        let landed = device.browser.get(&url).await.location();
        assert_eq!(landed.path(), "/oauth2/fallbacks/error", "{query}");
    }
}

#[tokio::test]
async fn wrong_codes_are_refused_and_bounded() {
    let database = Database::sqlite();
    let mut device = Device::on(&database).await;
    let page = device.browser.get(&text(&device.codes, "verification_uri")).await;
    assert_eq!(parameter(&page.location(), "user_code"), None);
    let challenge = challenge(&page, "device_challenge");
    for _ in 0..10 {
        let wrong = device.accept(&challenge, "AAAA-AAAA").await;
        assert_eq!((wrong.status, wrong.error().as_str()), (400, "invalid_request"));
    }
    let right = text(&device.codes, "user_code");
    assert_eq!(device.accept(&challenge, &right).await.status, 403);
    assert_eq!(device.accept("nonsense", &right).await.status, 404);
    assert_eq!(device.accept("", &right).await.status, 400);
}

#[tokio::test]
async fn of_64_polls_one_gets_the_tokens() {
    let database = Database::postgres();
    let mut device = Device::on(&database).await;
    device.approve().await;
    let polls = (0..64).map(|_| {
        let request = device.poll_request();
        tokio::spawn(async move { Http::new().send(request).await })
    });
    let polls: Vec<_> = polls.collect();
    let mut winners = 0;
    for poll in polls {
        let answer = poll.await.unwrap();
        match answer.status {
            200 => winners += 1,
            _ => assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant")),
        }
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn the_database_holds_neither_code() {
    let database = Database::sqlite();
    let device = Device::on(&database).await;
    let dump = dump::text(&database);
    for code in ["device_code", "user_code"] {
        let code = text(&device.codes, code);
        assert!(
            !dump.contains(&code) && !dump.contains(&code.replace('-', "")),
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_code_expires_and_the_device_is_told() {
    let database = Database::sqlite();
    migrate(&database);
    let options = ServerOptions::new(&database).with("TTL_DEVICE_USER_CODE", "1s");
    let server = options.start().await;
    let client = json!({ "client_id": "tv", "token_endpoint_auth_method": "none", "grant_types": [GRANT] });
    server.create_client(&client).await;
    let request = Request::post(&server.public("/oauth2/device/auth")).form(&[("client_id", "tv")]);
    let codes = Http::new().send(request).await.json();
    assert_eq!(codes["expires_in"], 1);
    let device = Device {
        server,
        browser: Http::new(),
        codes,
    };
    for _ in 0..100 {
        match device.poll().await.error().as_str() {
            "authorization_pending" | "slow_down" => tokio::time::sleep(Duration::from_millis(50)).await,
            error => {
                assert_eq!(error, "expired_token");
                return;
            }
        }
    }
    panic!("the code never expired");
}

#[tokio::test]
async fn the_command_line_is_a_device() {
    let database = Database::sqlite();
    migrate(&database);
    let options = ServerOptions::new(&database).with("OAUTH2_DEVICE_AUTHORIZATION_TOKEN_POLLING_INTERVAL", "1s");
    let server = options.start().await;
    let client = json!({
        "client_id": "tv", "client_secret": "secret-of-the-tv", "scope": "openid offline",
        "grant_types": [GRANT, "refresh_token"],
    });
    server.create_client(&client).await;
    let mut command = binary::command();
    command.args(["perform", "device-code", "--client-id", "tv", "--format", "json"]);
    command.args(["--client-secret", "secret-of-the-tv", "-e", &server.public("")]);
    let mut process = Process::start("perform device-code", &mut command);
    let printed = process.wait_for_output("user_code=");
    let address = printed
        .split_whitespace()
        .find(|word| word.contains("user_code="))
        .unwrap();
    let mut device = Device {
        codes: json!({ "verification_uri_complete": address }),
        browser: Http::new(),
        server,
    };
    device.approve().await;
    // Tokens and the word of success come by two streams, in any order: only at its end is everything there.
    let status = process.wait();
    let printed = process.output();
    assert!(status.success(), "{printed}");
    assert!(printed.contains("access_token"), "{printed}");
    assert!(printed.contains("Successfully signed in!"), "{printed}");
}

#[tokio::test]
async fn the_sample_page_of_development_mode_takes_the_code() {
    let database = Database::sqlite();
    migrate(&database);
    let server = ServerOptions::new(&database).with("DEV", "true").start().await;
    let client = json!({ "client_id": "tv", "token_endpoint_auth_method": "none", "grant_types": [GRANT] });
    server.create_client(&client).await;
    let request = Request::post(&server.public("/oauth2/device/auth")).form(&[("client_id", "tv")]);
    let codes = Http::new().send(request).await.json();
    let code = text(&codes, "user_code");
    let mut browser = Http::new();
    let page = browser.get(&text(&codes, "verification_uri_complete")).await.location();
    let shown = browser.get(page.as_str()).await;
    assert_eq!(shown.status, 200);
    assert!(shown.text().contains(&format!("value=\"{code}\"")), "{}", shown.text());
    assert!(
        shown.text().contains("<svg ") && !shown.text().contains("<script"),
        "{}",
        shown.text()
    );
    let complete = text(&codes, "verification_uri_complete");
    assert!(
        shown.text().contains(&format!("<code>{complete}</code>")),
        "{}",
        shown.text()
    );
    let challenge = parameter(&page, "device_challenge").unwrap();
    let url = server.public("/oauth2/fallbacks/device");
    let wrong = [("device_challenge", challenge.as_str()), ("user_code", "AAAA-AAAA")];
    let answer = browser.send(Request::post(&url).form(&wrong)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("role=\"alert\""), "{}", answer.text());
    let typed = code.replace('-', "").to_lowercase();
    let right = [("device_challenge", challenge.as_str()), ("user_code", typed.as_str())];
    let onward = browser.send(Request::post(&url).form(&right)).await.location();
    let login = browser.get(onward.as_str()).await.location();
    assert!(parameter(&login, "login_challenge").is_some(), "{login}");
}

#[tokio::test]
async fn the_pages_of_the_reference_app_work_for_a_device() {
    let database = Database::sqlite();
    migrate(&database);
    let mut app = ReferenceApp::reserve();
    let server = ServerOptions::new(&database)
        .with_app(&app.url())
        .with("URLS_DEVICE_VERIFICATION", &format!("{}/device/verify", app.url()))
        .with("URLS_DEVICE_SUCCESS", &format!("{}/device/success", app.url()))
        .start()
        .await;
    app.start(&server);
    let device = Device::of(server).await;
    let browser = Browser::start().await;
    browser.open(&text(&device.codes, "verification_uri_complete")).await;
    browser.wait_for(&format!("{}/device/verify", app.url())).await;
    browser.click("#verify").await;
    browser.wait_for(&format!("{}/login", app.url())).await;
    browser.fill("#email", SUBJECT).await;
    browser.fill("#password", "foobar").await;
    browser.click("#accept").await;
    browser.wait_for(&format!("{}/consent", app.url())).await;
    browser.click("input[name=grant_scope][value=openid]").await;
    browser.click("#accept").await;
    browser.wait_for(&format!("{}/device/success", app.url())).await;
    let answer = device.poll().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["scope"], "openid");
}

//! The main job: `serve all --dev` in an empty directory, and a browser.

use std::path::Path;
use std::process::Command;

use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::{Browser, Callback, Http, Request, binary, client, ports};
use serde_json::{Value, json};

/// A server in development mode, in a directory of its own.
struct Dev {
    process: Process,
    public: u16,
    admin: u16,
}

impl Dev {
    async fn start(directory: &Path, public: u16, admin: u16) -> Self {
        let mut command: Command = binary::command();
        command.current_dir(directory).args(["serve", "all", "--dev"]);
        command
            .env("SERVE_PUBLIC_PORT", public.to_string())
            .env("SERVE_ADMIN_PORT", admin.to_string());
        let process = Process::start("claviger --dev", &mut command);
        let mut dev = Self { process, public, admin };
        let deadline = std::time::Instant::now() + PATIENCE;
        let ready = format!("http://127.0.0.1:{admin}/health/ready");
        loop {
            if let Ok(answer) = Http::new().try_send(Request::get(&ready)).await
                && answer.status == 200
            {
                return dev;
            }
            let in_time = std::time::Instant::now() < deadline;
            assert!(
                dev.process.is_running() && in_time,
                "it never got ready:\n{}",
                dev.process.output()
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    fn stop(mut self) -> String {
        self.process.signal("TERM");
        assert!(self.process.wait().success(), "{}", self.process.output());
        self.process.output()
    }

    async fn create_client(&self, callback: &Callback) -> Value {
        let metadata = json!({
            "client_name": "First app", "client_secret": "first-app-secret", "scope": "openid offline",
            "grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [callback.url()],
            "post_logout_redirect_uris": [callback.url()], "frontchannel_logout_uri": callback.url(),
            "backchannel_logout_uri": callback.url(),
        });
        let url = format!("http://127.0.0.1:{}/admin/clients", self.admin);
        let answer = Http::new().send(Request::post(&url).json(&metadata)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    fn authorize(&self, client: &Value, callback: &Callback) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", client["client_id"].as_str().unwrap());
        query.append_pair("redirect_uri", &callback.url());
        query.extend_pairs([
            ("response_type", "code"),
            ("scope", "openid offline"),
            ("state", "state-of-dev-mode"),
        ]);
        format!("http://127.0.0.1:{}/oauth2/auth?{}", self.public, query.finish())
    }

    /// Logs out by the sample page, and by way of the page that frames the application's address.
    async fn log_out(&self, browser: &Browser, id_token: &str, callback: &Callback) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("id_token_hint", id_token),
            ("post_logout_redirect_uri", &callback.url()),
        ]);
        let address = format!(
            "http://127.0.0.1:{}/oauth2/sessions/logout?{}",
            self.public,
            query.finish()
        );
        browser.open(&address).await;
        browser.wait_for_text("ada@example.com").await;
        browser.click("button[value=reject]").await;
        browser.wait_for_text("still logged in").await;
        browser.open(&address).await;
        browser.click("button[value=accept]").await;
        browser.wait_for(&callback.url()).await;
        let framed = callback.visits();
        assert!(
            framed
                .iter()
                .any(|visit| visit.contains("?iss=") && visit.contains("&sid=")),
            "{framed:?}"
        );
        assert_eq!(claviger_e2e::logout::told(callback, 1).await.len(), 1);
    }

    /// Redeems a code for tokens.
    async fn redeem(&self, code: &str, client: &Value, callback: &Callback) -> Value {
        let url = format!("http://127.0.0.1:{}/oauth2/token", self.public);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &callback.url()),
        ];
        let id = client["client_id"].as_str().unwrap();
        let answer = Http::new()
            .send(Request::post(&url).form(&form).basic(id, "first-app-secret"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

#[tokio::test]
async fn the_first_start_needs_nothing_and_says_what_to_do_next() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), ports::free(), ports::free()).await;
    let (public, admin) = (
        format!("http://127.0.0.1:{}", dev.public),
        format!("http://127.0.0.1:{}", dev.admin),
    );
    let log = dev.stop();
    for told in [&public, &admin, "create client", "perform authorization-code"] {
        assert!(log.contains(told), "{told} is not told:\n{log}");
    }
    let mut files: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert!(
        files.contains(&"claviger.secrets".to_owned()) && files.contains(&"claviger.sqlite".to_owned()),
        "{files:?}"
    );
}

#[tokio::test]
async fn the_two_commands_that_it_prints_work_as_printed() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), ports::free(), ports::free()).await;
    let log = dev.process.output();
    let create = printed_command(&log, "create client");
    let ran = shell(&create);
    assert!(ran.status.success(), "{create}: {ran:?}");
    // The second one waits for a browser, so it runs beside the test.
    let perform = printed_command(&log, "perform authorization-code");
    assert!(perform.contains("--client-id"), "{perform}");
}

/// The line of the log with this command, with the lines that it goes on with.
fn printed_command(log: &str, command: &str) -> String {
    let start = log.find(command).unwrap_or_else(|| panic!("no {command} in:\n{log}"));
    let from = log[..start].rfind('\n').map_or(0, |end| end + 1);
    let mut text = String::new();
    for line in log[from..].lines() {
        text.push_str(line.trim().trim_end_matches('\\'));
        text.push(' ');
        if !line.ends_with('\\') {
            break;
        }
    }
    text.trim().to_owned()
}

fn shell(command: &str) -> std::process::Output {
    let program = binary::path().parent().unwrap().display();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-c", command])
        .env("PATH", path)
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_sample_pages_log_a_person_in_and_out() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), ports::free(), ports::free()).await;
    let callback = Callback::listen();
    let client = dev.create_client(&callback).await;
    let browser = Browser::start().await;
    let address = dev.authorize(&client, &callback);
    browser.open(&address).await;
    browser.wait_for_text("First app").await;
    browser.click("button[value=reject]").await;
    let denied = browser.wait_for(&callback.url()).await;
    assert_eq!(
        client::parameter(&denied, "error").as_deref(),
        Some("access_denied"),
        "{denied}"
    );

    browser.open(&address).await;
    browser.fill("#name", "ada@example.com").await;
    browser.click("input[name=remember]").await;
    browser.click("button[value=accept]").await;
    browser.element("input[name='scope:openid']").await;
    browser.wait_for_text("ada@example.com").await;
    browser.click("button[value=accept]").await;
    let landed = browser.wait_for(&callback.url()).await;
    let code = client::parameter(&landed, "code").unwrap_or_else(|| panic!("no code in {landed}"));
    let tokens = dev.redeem(&code, &client, &callback).await;
    let claims = claviger_e2e::tokens::claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(claims["sub"], "ada@example.com");
    assert!(
        tokens["refresh_token"].is_string(),
        "every scope is ticked at first: {tokens}"
    );
    dev.log_out(&browser, tokens["id_token"].as_str().unwrap(), &callback)
        .await;
    browser.open(&address).await;
    browser.element("#name").await;
}

#[tokio::test]
async fn started_again_it_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (public, admin) = (ports::free(), ports::free());
    let dev = Dev::start(directory.path(), public, admin).await;
    let callback = Callback::listen();
    let client = dev.create_client(&callback).await;
    let keys = format!("http://127.0.0.1:{public}/.well-known/jwks.json");
    let keys_before = Http::new().get(&keys).await.json();
    let secrets = std::fs::read_to_string(directory.path().join("claviger.secrets")).unwrap();
    dev.stop();
    let dev = Dev::start(directory.path(), public, admin).await;
    assert_eq!(
        std::fs::read_to_string(directory.path().join("claviger.secrets")).unwrap(),
        secrets
    );
    assert_eq!(Http::new().get(&keys).await.json(), keys_before);
    let id = client["client_id"].as_str().unwrap();
    let kept = Http::new()
        .get(&format!("http://127.0.0.1:{admin}/admin/clients/{id}"))
        .await;
    assert_eq!(
        (kept.status, kept.json()["client_name"].as_str()),
        (200, Some("First app"))
    );
    drop(dev);
}

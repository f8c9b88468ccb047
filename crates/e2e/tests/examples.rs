//! The small login, consent and logout apps of `examples/login-consent`: each is started, and takes a person through
//! everything that such an app has to do. And the API of `examples/api`.

use std::process::Command;
use std::time::{Duration, Instant};

use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::{Answer, Database, Flow, Http, Request, Server, ServerOptions, binary, client, flow, ports, tokens};
use serde_json::json;

#[tokio::test]
async fn the_app_in_node_logs_in_asks_for_consent_and_logs_out() {
    let mut command = Command::new("node");
    command.arg(example("node/app.mjs"));
    a_person_uses(command).await;
}

#[tokio::test]
async fn the_app_in_python_logs_in_asks_for_consent_and_logs_out() {
    let mut command = Command::new("python3");
    command.arg(example("python/app.py"));
    a_person_uses(command).await;
}

#[tokio::test]
async fn the_app_in_go_logs_in_asks_for_consent_and_logs_out() {
    // `go run` would leave the app behind when it is ended.
    let built = tempfile::tempdir().unwrap();
    let program = built.path().join("app");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(example("go/main.go"));
    assert!(build.status().expect("Go is not installed").success());
    a_person_uses(Command::new(program)).await;
}

#[tokio::test]
async fn the_app_in_rust_logs_in_asks_for_consent_and_logs_out() {
    a_person_uses(Command::new(env!("CARGO_BIN_EXE_login-consent"))).await;
}

/// An opaque token is introspected and a JWT verified; both must be for this API and have its scope.
#[tokio::test]
async fn the_api_in_node_takes_tokens_that_are_for_it() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let port = ports::free();
    let mut command = Command::new("node");
    command.arg(binary::root().join("examples/api/node/api.mjs"));
    command
        .env("PORT", port.to_string())
        .env("AUDIENCE", "https://api.example.com")
        .env("ISSUER", server.public("/"))
        .env("HYDRA_ADMIN_URL", server.admin(""));
    let mut process = Process::start("the API", &mut command);
    process.wait_for_output("Listening on");
    let url = format!("http://127.0.0.1:{port}/");
    for strategy in ["opaque", "jwt"] {
        let metadata = json!({
            "client_secret": "correct-horse-battery-staple", "grant_types": ["client_credentials"], "scope": "read write",
            "audience": ["https://api.example.com", "https://other.example.com"], "access_token_strategy": strategy,
        });
        let client = Flow::of(&server, &server.create_client(&metadata).await);
        let token = async |scope: &str, audience: &str| {
            let form = [
                ("grant_type", "client_credentials"),
                ("scope", scope),
                ("audience", audience),
            ];
            flow::text(&client.token(&form).await.json(), "access_token")
        };
        let good = token("read", "https://api.example.com").await;
        assert_eq!(good.split('.').count() == 3, strategy == "jwt", "{good}");
        let answer = call(&url, &good).await;
        assert_eq!(answer.status, 200, "{}: {}", answer.text(), process.output());
        assert_eq!(answer.json()["client"], json!(client.client_id));
        let narrow = call(&url, &token("write", "https://api.example.com").await).await;
        assert_eq!(narrow.status, 403, "{}", narrow.text());
        assert!(narrow.header("www-authenticate").contains("insufficient_scope"));
        let other = token("read", "https://other.example.com").await;
        let mut forged = good.clone();
        let last = forged.pop().unwrap();
        // The last character of a signature may hold bits that do not count, so one before it is changed.
        let before = forged.pop().unwrap();
        forged.push(if before == 'A' { 'B' } else { 'A' });
        forged.push(last);
        for refused in [other, forged, "nonsense".to_owned(), "a.b.c".to_owned()] {
            let answer = call(&url, &refused).await;
            assert_eq!(answer.status, 401, "{refused}: {}", answer.text());
            assert!(answer.header("www-authenticate").contains("invalid_token"));
        }
        client.post("/oauth2/revoke", &[("token", &good)]).await;
        let revoked = call(&url, &good).await.status;
        assert_eq!(revoked, if strategy == "opaque" { 401 } else { 200 }, "{strategy}");
    }
    assert_eq!(Http::new().get(&url).await.status, 401);
}

async fn call(url: &str, token: &str) -> Answer {
    Http::new().send(Request::get(url).bearer(token)).await
}

/// It is built here with the dependencies of the tests; whoever copies it has those of its own manifest.
#[test]
fn the_app_in_rust_names_the_dependencies_that_it_is_tested_with() {
    let manifest = |path: &str| std::fs::read_to_string(binary::root().join(path)).unwrap();
    let (ours, workspace) = (manifest("crates/e2e/Cargo.toml"), manifest("Cargo.toml"));
    let example = manifest("examples/login-consent/rust/Cargo.toml");
    let (_, dependencies) = example.split_once("[dependencies]\n").unwrap();
    for line in dependencies.lines() {
        let (name, wanted) = line.split_once(" = ").unwrap();
        assert!(ours.contains(&format!("\n{name}")), "{name} is none of crates/e2e");
        let version = wanted.split('"').nth(1).unwrap();
        let here = workspace
            .lines()
            .find(|line| line.starts_with(&format!("{name} = ")))
            .unwrap();
        assert_eq!(here.split('"').nth(1), Some(version), "{here}");
    }
}

/// They are shown in the documentation, so they have to be short: lines of code, not of comment.
#[test]
fn each_app_is_short() {
    for path in ["node/app.mjs", "python/app.py", "go/main.go", "rust/src/main.rs"] {
        let text = std::fs::read_to_string(example(path)).unwrap();
        let comments = ["//", "# ", "/*", "*"];
        let is_code = |line: &str| !line.is_empty() && !comments.iter().any(|start| line.starts_with(start));
        let lines = text.lines().filter(|line| is_code(line.trim())).count();
        assert!(lines < 155, "{path} has {lines} lines of code");
    }
}

fn example(path: &str) -> std::path::PathBuf {
    binary::root().join("examples/login-consent").join(path)
}

/// A running app, and the server that sends people to it.
struct App {
    url: String,
    process: Process,
    // Dropped in this order: the server ends before its files go.
    server: Server,
    database: Database,
}

impl App {
    async fn start(mut command: Command) -> Self {
        let database = Database::sqlite();
        claviger_e2e::server::migrate(&database);
        let port = ports::free();
        let url = format!("http://127.0.0.1:{port}");
        let server = ServerOptions::new(&database).with_app(&url).start().await;
        command
            .env("PORT", port.to_string())
            .env("HYDRA_ADMIN_URL", server.admin("/"));
        let mut process = Process::start("the example", &mut command);
        process.wait_for_output("Listening on");
        let deadline = Instant::now() + PATIENCE;
        while Http::new().try_send(Request::get(&url)).await.is_err() {
            assert!(Instant::now() < deadline, "it never listened:\n{}", process.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            url,
            process,
            server,
            database,
        }
    }

    /// Sends the form of a page with these fields beside the hidden ones.
    async fn submit(&self, http: &mut Http, kind: &str, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let text = page.text();
        let challenge = format!("{kind}_challenge");
        let mut form = vec![
            (challenge.as_str(), hidden(&text, &challenge)),
            ("csrf", hidden(&text, "csrf")),
        ];
        form.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        http.send(Request::post(&format!("{}/{kind}", self.url)).form(&form))
            .await
    }

    /// Follows a redirect to the server, and the one from there to a page of the app.
    async fn next_page(&self, http: &mut Http, answer: &Answer) -> Answer {
        let back = http.get(answer.location().as_str()).await;
        let to = back.location();
        assert!(to.as_str().starts_with(&self.url), "{to}: {}", self.process.output());
        http.get(to.as_str()).await
    }
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("no field {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

const ALICE: [(&str, &str); 3] = [
    ("email", "alice@example.com"),
    ("password", "wonderland"),
    ("answer", "yes"),
];

async fn a_person_uses(command: Command) {
    let app = App::start(command).await;
    let mut metadata = flow::web_client();
    metadata["client_name"] = json!("Shop <b>& Sons</b>");
    let client = app.server.create_client(&metadata).await;
    let request = Flow::of(&app.server, &client).with("scope", "openid offline profile email");

    let http = logs_in_and_allows(&app, &request).await;
    let http = is_remembered_and_denies(&app, &request, http).await;
    cancels_the_login(&app, &request).await;
    logs_out(&app, &request, http).await;
    strangers_get_nowhere(&app).await;
    assert!(app.database.file().unwrap().exists());
}

async fn logs_in_and_allows(app: &App, request: &Flow) -> Http {
    let mut http = Http::new();
    let start = http.get(&request.url()).await.location();
    let login = http.get(start.as_str()).await;
    assert_eq!(login.status, 200, "{}", login.text());
    assert!(
        login
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );

    let mut stranger = Http::new();
    let forged = app.submit(&mut stranger, "login", &login, &ALICE).await;
    assert_eq!(forged.status, 403, "without the cookie: {}", forged.text());
    let wrong = [("email", "alice@example.com"), ("password", "wrong"), ("answer", "yes")];
    let again = app.submit(&mut http, "login", &login, &wrong).await;
    assert!(again.text().contains("password is wrong"), "{}", again.text());

    let remember = [&ALICE[..], &[("remember", "yes")]].concat();
    let accepted = app.submit(&mut http, "login", &again, &remember).await;
    let consent = app.next_page(&mut http, &accepted).await;
    let text = consent.text();
    assert!(
        !text.contains("<b>& Sons") && text.contains("Sons"),
        "names are text: {text}"
    );
    for scope in ["openid", "offline", "profile", "email"] {
        assert!(text.contains(&format!("value=\"{scope}\"")), "{text}");
    }
    let allowed = [("scope", "openid"), ("scope", "profile"), ("answer", "yes")];
    let accepted = app.submit(&mut http, "consent", &consent, &allowed).await;
    let landed = http.get(accepted.location().as_str()).await.location();
    let code = client::parameter(&landed, "code").unwrap_or_else(|| panic!("no code in {landed}"));
    let tokens = request.redeem(&code).await.json();
    assert_eq!(tokens["scope"], "openid profile", "only what was ticked: {tokens}");
    let claims = tokens::claims(&flow::text(&tokens, "id_token"));
    assert_eq!(
        (&claims["sub"], &claims["name"]),
        (&json!("user-1"), &json!("Alice")),
        "{claims}"
    );
    assert!(claims["email"].is_null() && claims["amr"] == json!(["pwd"]), "{claims}");

    // Whoever goes back to an answered page is led on and not stopped.
    let stale = http.get(start.as_str()).await;
    assert_eq!(stale.status, 303, "{}", stale.text());
    http
}

async fn is_remembered_and_denies(app: &App, request: &Flow, mut http: Http) -> Http {
    let start = http.get(&request.url()).await.location();
    let accepted = http.get(start.as_str()).await;
    let consent = app.next_page(&mut http, &accepted).await;
    let denied = app.submit(&mut http, "consent", &consent, &[("answer", "no")]).await;
    let landed = http.get(denied.location().as_str()).await.location();
    assert_eq!(
        client::parameter(&landed, "error").as_deref(),
        Some("access_denied"),
        "{landed}"
    );
    http
}

async fn cancels_the_login(app: &App, request: &Flow) {
    let mut http = Http::new();
    let start = http.get(&request.url()).await.location();
    let login = http.get(start.as_str()).await;
    let denied = app.submit(&mut http, "login", &login, &[("answer", "no")]).await;
    let landed = http.get(denied.location().as_str()).await.location();
    assert_eq!(
        client::parameter(&landed, "error").as_deref(),
        Some("access_denied"),
        "{landed}"
    );
}

async fn logs_out(app: &App, request: &Flow, mut http: Http) {
    let logout = app.server.public("/oauth2/sessions/logout");
    for (answer, stays) in [("no", true), ("yes", false)] {
        let asked = http.get(&logout).await.location();
        assert!(asked.as_str().starts_with(&app.url), "{asked}");
        let page = http.get(asked.as_str()).await;
        let answered = app.submit(&mut http, "logout", &page, &[("answer", answer)]).await;
        if stays {
            assert!(answered.text().contains("still logged in"), "{}", answered.text());
        } else {
            http.get(answered.location().as_str()).await;
        }
        let start = http.get(&request.url()).await.location();
        let login = http.get(start.as_str()).await;
        assert_eq!(login.status, if stays { 303 } else { 200 }, "{}", login.text());
    }
}

async fn strangers_get_nowhere(app: &App) {
    let mut http = Http::new();
    for (path, status) in [
        ("/login?login_challenge=nonsense", 404),
        ("/consent?consent_challenge=%3Cscript%3E", 404),
        ("/elsewhere", 404),
    ] {
        let answer = http.get(&format!("{}{path}", app.url)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(!answer.text().contains("<script>"), "{}", answer.text());
    }
}

//! The guide "run your own OAuth 2.0 server", step by step, with the program's own commands on PostgreSQL.

use std::path::Path;

use claviger_e2e::process::Process;
use claviger_e2e::{Browser, Database, Http, ReferenceApp, Server, ServerOptions, binary, ports, tokens};
use serde_json::Value;

/// Step 6.
#[test]
fn help_names_the_commands() {
    let help = binary::run(&["help"]).success();
    for command in [
        "clients", "help", "janitor", "keys", "migrate", "serve", "token", "version",
    ] {
        let named = help.lines().any(|line| line.trim_start().starts_with(command));
        assert!(named, "{command} is missing in:\n{help}");
    }
}

/// Step 4.
#[test]
fn migrations_are_applied_on_command_and_a_second_time_nothing_is_left() {
    for database in [Database::postgres(), Database::mariadb(), Database::sqlite()] {
        let dsn = database.dsn();
        let before = binary::run(&["migrate", "sql", "status", &dsn]).success();
        assert!(before.contains("Pending"), "{before}");
        binary::run(&["migrate", "sql", "--yes", &dsn]).success();
        let after = binary::run_with(&["migrate", "sql", "status", "-e"], &[("DSN", &dsn)]).success();
        assert!(after.contains("Applied") && !after.contains("Pending"), "{after}");
        binary::run_with(&["migrate", "sql", "up", "-e", "--yes"], &[("DSN", &dsn)]).success();
    }
}

/// Step 5, without step 4.
#[tokio::test]
async fn a_server_without_migrations_is_alive_and_says_which_command_makes_it_ready() {
    for database in [Database::postgres(), Database::mariadb(), Database::sqlite()] {
        let server = Server::alive(ServerOptions::new(&database)).await;
        let mut http = Http::new();
        for url in [server.admin("/health/ready"), server.public("/health/ready")] {
            let answer = http.get(&url).await;
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.text().contains("claviger migrate sql"), "{}", answer.text());
        }
        let alive = http.get(&server.admin("/health/alive")).await;
        assert_eq!((alive.status, alive.json()["status"].as_str()), (200, Some("ok")));
        claviger_e2e::server::migrate(&database);
        let ready = http.get(&server.admin("/health/ready")).await;
        assert_eq!(ready.status, 200, "migrated while it ran: {}", ready.text());
    }
}

/// Steps 7 to 9.
#[tokio::test]
async fn a_machine_gets_a_token_and_the_token_introspects() {
    for database in [Database::postgres(), Database::mariadb()] {
        machine(&database).await;
    }
}

async fn machine(database: &Database) {
    let mut server = Server::on(database).await;
    let (public, admin) = (server.public("/"), server.admin(""));
    for port in [&public, &admin] {
        let number = port.trim_end_matches('/').rsplit(':').next().unwrap();
        server.process.wait_for_output(number);
    }
    let created = binary::run(&[
        "clients",
        "create",
        "--endpoint",
        &admin,
        "--id",
        "some-consumer",
        "--secret",
        "some-secret",
        "--grant-types",
        "client_credentials",
        "--response-types",
        "token,code",
    ]);
    let created = created.success();
    assert!(created.contains("OAuth 2.0 Client ID: some-consumer"), "{created}");
    let client = ["--client-id", "some-consumer", "--client-secret", "some-secret"];
    let token = binary::run(&[&["token", "client", "--endpoint", &public], &client[..]].concat()).success();
    assert_eq!(
        token.lines().count(),
        1,
        "the token stands alone on its line: {token:?}"
    );
    let told = binary::run(&["token", "introspect", "--endpoint", &admin, token.trim()]).success();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["active"], true, "{told}");
    assert_eq!(
        (&told["client_id"], &told["sub"]),
        (&"some-consumer".into(), &"some-consumer".into())
    );
    assert_eq!(
        (&told["iss"], &told["token_type"]),
        (&Value::from(public.as_str()), &"Bearer".into())
    );
    assert!(
        told["exp"].as_i64() > told["iat"].as_i64() && told["iat"].is_i64(),
        "{told}"
    );
}

/// The spelling of Hydra v2 for the same.
#[tokio::test]
async fn the_newer_commands_do_the_same() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let (public, admin) = (server.public(""), server.admin(""));
    let create = [
        "create",
        "client",
        "-e",
        &admin,
        "--grant-type",
        "client_credentials",
        "--format",
        "json",
    ];
    let client: Value = serde_json::from_str(&binary::run(&create).success()).unwrap();
    let (id, secret) = (
        client["client_id"].as_str().unwrap(),
        client["client_secret"].as_str().unwrap(),
    );
    assert_eq!(secret.len(), 26, "{secret}");
    let perform = [
        "perform",
        "client-credentials",
        "-e",
        &public,
        "--client-id",
        id,
        "--client-secret",
        secret,
        "--format",
        "json",
    ];
    let granted: Value = serde_json::from_str(&binary::run(&perform).success()).unwrap();
    let token = granted["access_token"].as_str().unwrap();
    let introspect = ["introspect", "token", "-e", &admin, "--format", "json", token];
    let told: Value = serde_json::from_str(&binary::run(&introspect).success()).unwrap();
    assert_eq!(
        (&told["active"], &told["client_id"]),
        (&true.into(), &id.into()),
        "{told}"
    );
    let revoke = [
        "revoke",
        "token",
        "-e",
        &public,
        "--client-id",
        id,
        "--client-secret",
        secret,
        token,
    ];
    binary::run(&revoke).success();
    assert!(!server.is_active(token).await);
    binary::run(&["delete", "client", "-e", &admin, id]).success();
    let gone = binary::run(&["get", "client", "-e", &admin, id]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
}

/// Steps 10 to 13.
#[tokio::test]
async fn a_person_logs_in_with_the_reference_app_and_the_command_line_gets_the_tokens() {
    let database = Database::postgres();
    let mut app = ReferenceApp::reserve();
    claviger_e2e::server::migrate(&database);
    let server = ServerOptions::new(&database).with_app(&app.url()).start().await;
    app.start(&server);
    let (admin, port) = (server.admin(""), ports::free());
    let home = format!("http://127.0.0.1:{port}/");
    let created = binary::run(&[
        "clients",
        "create",
        "--endpoint",
        &admin,
        "--id",
        "another-consumer",
        "--secret",
        "consumer-secret",
        "-g",
        "authorization_code,refresh_token",
        "-r",
        "token,code,id_token",
        "--scope",
        "openid,offline",
        "--callbacks",
        &format!("{home}callback"),
    ]);
    assert!(created.success().contains("another-consumer"));

    let desktop = tempfile::tempdir().unwrap();
    let mut user = token_user(&server, port, desktop.path());
    let announced = user.wait_for_output("callback listener");
    assert!(
        announced.contains(&format!("Setting up home route on {home}")),
        "{announced}"
    );
    let browser = Browser::start().await;
    browser.open(&opened_address(desktop.path()).await).await;
    assert_eq!(browser.url().await.as_str(), home);
    browser.click("a.button").await;
    browser.wait_for(&format!("{}/login", app.url())).await;
    browser.fill("#email", "foo@bar.com").await;
    browser.fill("#password", "foobar").await;
    browser.click("#accept").await;
    browser.wait_for(&format!("{}/consent", app.url())).await;
    for scope in ["#openid", "#offline"] {
        browser.click(scope).await;
    }
    browser.click("#accept").await;
    let shown = browser.element("#access-token").await.text().await.unwrap();

    assert!(user.wait().success(), "{}", user.output());
    let printed = user.output();
    let (access, refresh) = (block(&printed, "Access Token:"), block(&printed, "Refresh Token:"));
    assert_eq!(shown, access, "the page and the terminal show the same");
    assert!(!block(&printed, "Expires in:").is_empty());
    let claims = tokens::claims(&block(&printed, "ID Token:"));
    assert_eq!(
        (&claims["sub"], &claims["aud"][0]),
        (&"foo@bar.com".into(), &"another-consumer".into())
    );
    for token in [access, refresh] {
        let told = binary::run(&["token", "introspect", "--endpoint", &admin, &token]).success();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (&told["active"], &told["sub"]),
            (&true.into(), &"foo@bar.com".into()),
            "{told}"
        );
    }
}

/// Starts step 12 on a desktop whose browser only writes down what it should open.
fn token_user(server: &Server, port: u16, desktop: &Path) -> Process {
    use std::os::unix::fs::PermissionsExt;
    let opener = desktop.join("xdg-open");
    let script = format!(
        "#!/bin/sh\nprintf %s \"$1\" >'{0}/new' && mv '{0}/new' '{0}/opened'\n",
        desktop.display()
    );
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", desktop.display(), std::env::var("PATH").unwrap());
    let mut command = binary::command();
    command
        .env("PATH", path)
        .args(["token", "user", "--port", &port.to_string()]);
    command.args([
        "--auth-url",
        &server.public("/oauth2/auth"),
        "--token-url",
        &server.public("/oauth2/token"),
    ]);
    command.args(["--client-id", "another-consumer", "--client-secret", "consumer-secret"]);
    Process::start("token user", command.args(["--scope", "openid,offline"]))
}

async fn opened_address(desktop: &Path) -> String {
    let deadline = std::time::Instant::now() + claviger_e2e::process::PATIENCE;
    loop {
        if let Ok(address) = std::fs::read_to_string(desktop.join("opened")) {
            return address;
        }
        assert!(std::time::Instant::now() < deadline, "no browser was opened");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The indented line under a label.
fn block(output: &str, label: &str) -> String {
    let mut lines = output.lines().skip_while(|line| line.trim() != label);
    lines
        .nth(1)
        .unwrap_or_else(|| panic!("no {label} in:\n{output}"))
        .trim()
        .to_owned()
}

#[test]
fn the_version_is_told() {
    let version = binary::run(&["version"]).success();
    assert!(version.contains("0.1.0"), "{version}");
}

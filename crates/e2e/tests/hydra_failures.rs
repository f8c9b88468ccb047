//! Where the programs of Hydra fail their users: what is recorded of them does not happen here. Those that other tests show are
//! not repeated.

use claviger_e2e::binary::run_with;
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions, logout, ports};
use serde_json::json;

#[test]
fn a_migration_that_fails_ends_with_status_1_and_claims_no_success() {
    let database = Database::sqlite();
    let file = database.file().unwrap();
    // A table of somebody else's stands where one of ours belongs.
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE claviger_client (other TEXT);")
        .unwrap();
    drop(other);
    let ran = run_with(&["migrate", "sql", "--yes", &database.dsn()], &[]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(
        !ran.stdout.contains("SUCCESS") && !ran.stderr.is_empty(),
        "{}",
        ran.stdout
    );

    std::fs::write(
        &file,
        "this is no database, but a letter to somebody, and it is long enough to be read as one",
    )
    .unwrap();
    let ran = run_with(&["migrate", "sql", "-e", "--yes"], &[("DSN", &database.dsn())]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_server_without_a_system_secret_does_not_start() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let mut process = ServerOptions::new(&database).with("SECRETS_SYSTEM", "").spawn();
    let status = process.wait();
    assert_eq!(status.code(), Some(1));
    assert!(process.output().contains("openssl rand"), "{}", process.output());
}

#[tokio::test]
async fn commands_print_ids_keep_ids_of_files_and_tell_the_error_that_there_was() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let (admin, public) = (server.admin(""), server.public(""));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("client.json");
    let client = json!({
        "client_id": "from-a-file", "client_secret": "secret-of-the-file", "scope": "read",
        "grant_types": ["client_credentials"],
    });
    std::fs::write(&file, client.to_string()).unwrap();
    let created = run_with(
        &["create", "client", "--file", file.to_str().unwrap(), "--quiet"],
        &[("CLAVIGER_ADMIN_URL", &admin)],
    );
    assert_eq!(created.success(), "from-a-file\n");
    server
        .create_client(&json!({"client_id": "another", "client_secret": "secret-of-another"}))
        .await;
    let listed = run_with(&["list", "clients", "-q"], &[("HYDRA_ADMIN_URL", &admin)]).success();
    let mut ids: Vec<_> = listed.lines().collect();
    ids.sort_unstable();
    assert_eq!(ids, ["another", "from-a-file"]);
    let both = run_with(&["get", "client", "another", "from-a-file", "-q", "-e", &admin], &[]);
    assert_eq!(both.success(), "another\nfrom-a-file\n");

    let credentials = [
        ("OAUTH2_CLIENT_ID", "from-a-file"),
        ("OAUTH2_CLIENT_SECRET", "secret-of-the-file"),
        ("CLAVIGER_URL", public.as_str()),
    ];
    for words in [
        ["perform", "client-credentials", "--scope", "write"],
        ["token", "client", "--scope", "write"],
    ] {
        let refused = run_with(&words, &credentials);
        assert_eq!(refused.code, Some(1), "{}", refused.stdout);
        assert!(
            refused.stderr.contains("invalid_scope") && !refused.stderr.contains("invalid_client"),
            "{}",
            refused.stderr
        );
    }
    run_with(&["perform", "client-credentials", "--scope", "read"], &credentials).success();
}

/// RFC 6749 §3.3 allows the character in a scope.
#[tokio::test]
async fn a_scope_with_a_bar_stays_one_scope() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let mut metadata = claviger_e2e::flow::web_client();
    metadata["scope"] = "openid offline a|b".into();
    let client = server.create_client(&metadata).await;
    let mut flow = Flow::of(&server, &client).with("scope", "openid offline a|b");
    let tokens = flow.tokens().await;
    assert_eq!(tokens["scope"], "openid offline a|b");
    let refreshed = flow.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(refreshed["scope"], "openid offline a|b");
    let told = server.introspect(refreshed["access_token"].as_str().unwrap()).await;
    assert_eq!(told["scope"], "openid offline a|b");
}

#[tokio::test]
async fn refresh_tokens_that_never_end_stay_when_the_janitor_has_been_there() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let server = ServerOptions::new(&database)
        .with("TTL_REFRESH_TOKEN", "-1")
        .start()
        .await;
    let mut flow = Flow::new(&server).await;
    let tokens = flow.tokens().await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let told = server.introspect(refresh).await;
    assert_eq!((told["active"].clone(), told.get("exp")), (json!(true), None), "{told}");
    let dsn = database.dsn();
    run_with(
        &["janitor", "--tokens", "--requests", "--grants", &dsn],
        &[("TTL_REFRESH_TOKEN", "-1")],
    )
    .success();
    let refreshed = flow.refresh(refresh).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
}

/// Nobody listens where a client wants to be told. The browser is led on all the same, and so is the one of the next person.
#[tokio::test]
async fn an_unreachable_back_channel_receiver_does_not_break_the_logout_of_the_browser() {
    let (_database, mut server) = logout::server().await;
    let uri = format!("http://127.0.0.1:{}/logout", ports::free());
    for _ in 0..2 {
        let mut visit = logout::Visit::begin(&server, &json!({"backchannel_logout_uri": uri})).await;
        logout::log_out(&server, &mut visit).await;
        assert!(!visit.is_logged_in().await);
    }
    server.process.wait_for_output("could not be told of a logout");
}

#[tokio::test]
async fn cors_without_origins_lets_nobody_in_with_credentials() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = ServerOptions::new(&database)
        .with("SERVE_PUBLIC_CORS_ENABLED", "true")
        .with("SERVE_ADMIN_CORS_ENABLED", "true");
    let server = options.start().await;
    for url in [server.public("/userinfo"), server.admin("/admin/clients")] {
        let answer = Http::new()
            .send(Request::get(&url).header("origin", "https://evil.example"))
            .await;
        assert_ne!(answer.header("access-control-allow-credentials"), "true", "{url}");
    }
    // Whoever reaches the admin port needs no credentials, so there even that would be too much.
    let asked = Request::get(&server.admin("/admin/clients")).header("origin", "https://evil.example");
    assert_eq!(Http::new().send(asked).await.status, 403);
}

#[tokio::test]
async fn dev_in_a_file_is_development_mode() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("claviger.yml");
    std::fs::write(&file, "dev: true\n").unwrap();
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let mut options = ServerOptions::new(&database);
    options.args = ["serve", "all", "-c", file.to_str().unwrap()]
        .map(str::to_owned)
        .to_vec();
    let server = options.start().await;
    assert!(server.log().contains("development mode"), "{}", server.log());
}

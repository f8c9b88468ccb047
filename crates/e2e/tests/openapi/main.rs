//! The OpenAPI documents against what a server really answers: every endpoint, with every answer that is described for it.
//!
//! The walks only send requests. `node/openapi.mjs` judges: each answer must be described by status, type and schema with
//! no member that the schema does not know, and each described answer must have been seen.

mod admin;
mod browser;
mod clients;

use std::fs;
use std::process::Command;

use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::server::migrate;
use claviger_e2e::{Answer, Database, Http, Request, Server, ServerOptions, binary, ports, record, reference_app};
use serde_json::{Value, json};

async fn ask(request: Request) -> Answer {
    Http::new().send(request).await
}

/// What the two ports of a server say about themselves and have answered, for the judge.
async fn heard(public: &str, admin: &str, unseen: [&[&str]; 2]) -> [Value; 2] {
    let document = ask(Request::get(&format!("{public}/.well-known/openapi.json")))
        .await
        .json();
    let of_public = json!({
        "name": public, "document": document, "exchanges": record::with(public), "unseen": unseen[0],
    });
    let document = ask(Request::get(&format!("{admin}/admin/openapi.json"))).await.json();
    let of_admin = json!({
        "name": admin, "document": document, "exchanges": record::with(admin), "unseen": unseen[1],
    });
    [of_public, of_admin]
}

fn judge(servers: &[Value]) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("servers.json");
    fs::write(&file, serde_json::to_vec(servers).unwrap()).unwrap();
    let mut command = Command::new("node");
    command.arg(reference_app::packages().join("openapi.mjs")).arg(&file);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    assert_eq!(printed.trim(), "as expected");
}

/// What takes a race, a hook, patience or a database that is away; other tests see to those.
const UNSEEN_PUBLIC: &[&str] = &[
    "GET /health/ready 503",
    "POST /oauth2/token 403",
    "POST /oauth2/auth 408",
    "POST /oauth2/sessions/logout 408",
];
const UNSEEN_ADMIN: &[&str] = &[
    "GET /admin/health/ready 503",
    "PUT /admin/clients/{id} 409",
    "PATCH /admin/clients/{id} 409",
    "PUT /admin/clients/{id}/lifespans 409",
    "POST /admin/clients/{id}/secrets/rotate 409",
    "DELETE /admin/clients/{id}/secrets/rotate 409",
];

#[tokio::test]
async fn every_answer_is_described_and_every_description_is_true() {
    record::begin();
    let database = Database::sqlite();
    migrate(&database);
    let options = ServerOptions::new(&database);
    let base = format!("http://127.0.0.1:{}", options.public_port);
    let options = options
        // RFC 8414 §3.1 is about issuers with a path.
        .with("URLS_SELF_ISSUER", &format!("{base}/tenant"))
        .with("URLS_SELF_PUBLIC", &base)
        .with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true")
        .with(
            "OIDC_DYNAMIC_CLIENT_REGISTRATION_INITIAL_ACCESS_TOKENS",
            clients::INITIAL_TOKEN,
        );
    let server = options.start().await;
    admin::clients(&server).await;
    admin::keys(&server).await;
    admin::trusts(&server).await;
    admin::others(&server).await;
    browser::logins_and_consents(&server).await;
    browser::logouts(&server).await;
    browser::devices(&server).await;
    browser::pages(&server).await;
    clients::tokens(&server).await;
    clients::userinfo(&server).await;
    clients::registration(&server).await;
    clients::discovery(&server).await;
    let servers = heard(&server.public(""), &server.admin(""), [UNSEEN_PUBLIC, UNSEEN_ADMIN]).await;
    judge(&servers);
}

#[tokio::test]
async fn the_sample_pages_are_described_where_they_are() {
    record::begin();
    let directory = tempfile::tempdir().unwrap();
    let (public_port, admin_port) = (ports::free(), ports::free());
    let mut command = binary::command();
    command.current_dir(directory.path()).args(["serve", "all", "--dev"]);
    command
        .env("SERVE_PUBLIC_PORT", public_port.to_string())
        .env("SERVE_ADMIN_PORT", admin_port.to_string());
    let mut process = Process::start("claviger --dev", &mut command);
    let public = format!("http://127.0.0.1:{public_port}");
    let admin = format!("http://127.0.0.1:{admin_port}");
    let deadline = std::time::Instant::now() + PATIENCE;
    let ready = || async {
        let answer = Http::new()
            .try_send(Request::get(&format!("{admin}/health/ready")))
            .await;
        answer.is_ok_and(|answer| answer.status == 200)
    };
    while !ready().await {
        assert!(
            process.is_running() && std::time::Instant::now() < deadline,
            "{}",
            process.output()
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    browser::samples(&public, &admin).await;
    let [mut of_public, _] = heard(&public, &admin, [&[], &[]]).await;
    // The other endpoints have their own test.
    let paths = of_public["document"]["paths"].as_object_mut().unwrap();
    paths.retain(|path, _| path.starts_with("/oauth2/fallbacks/") && !path.ends_with("/done"));
    for other in ["error", "logout/callback"] {
        paths.remove(&format!("/oauth2/fallbacks/{other}"));
    }
    let known: Vec<String> = paths.keys().map(|path| format!("{public}{path}")).collect();
    let exchanges = of_public["exchanges"].as_array_mut().unwrap();
    exchanges.retain(|exchange| {
        let url = exchange["url"].as_str().unwrap().split('?').next().unwrap();
        known.iter().any(|known| known == url)
    });
    judge(&[of_public]);
    process.signal("TERM");
    assert!(process.wait().success(), "{}", process.output());
}

/// The URL of a request of an app: `kind` is `login`, `consent`, `logout` or `device`.
fn app(server: &Server, kind: &str, verb: &str, challenge: &str) -> String {
    let challenge: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
    server.admin(&format!(
        "/admin/oauth2/auth/requests/{kind}{verb}?{kind}_challenge={challenge}"
    ))
}

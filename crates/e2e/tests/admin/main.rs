//! Who may use the admin port, what is told of it, and what operators see: keys, audit log, limits, traces, metrics.

mod audit;
mod keys;
mod limits;
mod monitoring;
mod traces;

use std::time::{Duration, Instant};

use claviger_e2e::process::PATIENCE;
use claviger_e2e::{Answer, Database, Server, ServerOptions, binary};
use serde_json::Value;

/// Makes a key with the program's own command.
fn key(database: &Database, name: &str, scope: &str) -> String {
    let dsn = database.dsn();
    let words = [
        "create",
        "api-key",
        name,
        "--scope",
        scope,
        "--format",
        "json",
        "--database-url",
        &dsn,
    ];
    let created: Value = serde_json::from_str(&binary::run(&words).success()).unwrap();
    created["api_key"].as_str().unwrap().to_owned()
}

/// Ends the key of this name.
fn revoke(database: &Database, name: &str) {
    binary::run(&["revoke", "api-key", name, "--database-url", &database.dsn()]).success();
}

fn guarded(database: &Database) -> ServerOptions {
    ServerOptions::new(database).with("SERVE_ADMIN_REQUIRE_API_KEY", "true")
}

async fn server(database: &Database, options: ServerOptions) -> Server {
    claviger_e2e::server::migrate(database);
    options.start().await
}

/// Waits until the log has the line of a request, which is the last of those before it.
async fn settled(server: &Server, answer: &Answer) {
    let id = answer.header("x-request-id");
    let deadline = Instant::now() + PATIENCE;
    while !server.log().contains(id) {
        assert!(Instant::now() < deadline, "{id} is not in\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The sum of the samples of a metric whose labels hold all of these texts.
async fn metric(server: &Server, name: &str, labels: &[&str], key: Option<&str>) -> f64 {
    let request = claviger_e2e::Request::get(&server.admin("/admin/metrics/prometheus"));
    let request = match key {
        Some(key) => request.bearer(key),
        None => request,
    };
    let answer = claviger_e2e::Http::new().send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let samples = text.lines().filter(|line| {
        let is_named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        is_named && labels.iter().all(|label| line.contains(label))
    });
    samples
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

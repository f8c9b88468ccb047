//! What operators see: metrics, logs, version.

use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::Value;

#[tokio::test]
async fn metrics_count_requests_and_name_no_client() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let flow = Flow::new(&server).await;
    for _ in 0..3 {
        assert_eq!(flow.token(&[("grant_type", "client_credentials")]).await.status, 200);
    }
    for path in ["/admin/metrics/prometheus", "/metrics/prometheus"] {
        let answer = Http::new().get(&server.admin(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        assert!(text.contains("/oauth2/token") && text.contains("# TYPE"), "{text}");
        assert!(!text.contains(&flow.client_id) && text.len() < 300_000, "{text}");
    }
    assert_eq!(Http::new().get(&server.public("/metrics/prometheus")).await.status, 404);
}

#[tokio::test]
async fn every_request_has_one_line_in_the_log_with_the_id_that_its_answer_has() {
    for format in ["text", "json"] {
        let database = Database::sqlite();
        claviger_e2e::server::migrate(&database);
        let server = ServerOptions::new(&database).with("LOG_FORMAT", format).start().await;
        let answer = Http::new()
            .get(&server.public("/.well-known/jwks.json?secret-looking=value"))
            .await;
        let id = answer.header("x-request-id").to_owned();
        assert!(!id.is_empty(), "{:?}", answer.headers);
        let (status, log) = server.stop();
        assert!(status.success(), "{log}");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&id)).collect();
        assert_eq!(lines.len(), 1, "{id} in:\n{log}");
        assert!(
            lines[0].contains("/.well-known/jwks.json") && !lines[0].contains("secret-looking"),
            "{}",
            lines[0]
        );
        if format == "json" {
            let line: Value = serde_json::from_str(lines[0]).unwrap();
            assert_eq!(line["http_request"]["remote"], "127.0.0.1", "{line}");
            let size = answer.body.len();
            assert_eq!(line["http_response"]["size"], size, "{line}");
            assert!(line["http_request"]["headers"].is_null(), "{line}");
            for line in log.lines() {
                assert!(
                    serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()),
                    "no JSON: {line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_request_id_is_ours_whatever_a_stranger_sends() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let url = server.public("/health/alive");
    for sent in ["proxy-0123456789", "a b=c level=error"] {
        let answer = Http::new().send(Request::get(&url).header("x-request-id", sent)).await;
        let id = answer.header("x-request-id");
        assert!(id.len() == 20 && id != sent, "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn the_version_is_told_on_the_admin_port() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let answer = Http::new().get(&server.admin("/version")).await;
    assert_eq!(
        (answer.status, answer.json()["version"].as_str().is_some()),
        (200, true),
        "{}",
        answer.text()
    );
}

//! What clients are told while the database is away.

use claviger_e2e::{Flow, Http, Request, ServerOptions, postgres};

/// RFC 6749 §4.1.2.1, §5.2: a failure of ours is not the client's.
#[tokio::test]
async fn d5_while_the_database_is_away_clients_are_told_to_come_back() {
    let cluster = postgres::Cluster::start();
    let database = cluster.database();
    claviger_e2e::server::migrate(&database);
    let server = ServerOptions::new(&database).start().await;
    let mut flow = Flow::new(&server).await;
    let tokens = flow.tokens().await;
    cluster.stop();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let requests = [
        flow.token(&[("grant_type", "client_credentials")]).await,
        flow.refresh(refresh).await,
        Http::new()
            .send(Request::get(&server.public("/userinfo")).bearer(tokens["access_token"].as_str().unwrap()))
            .await,
    ];
    for answer in requests {
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (503, "temporarily_unavailable"),
            "{}",
            answer.text()
        );
        assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
    }
    let url = server.admin("/admin/oauth2/introspect");
    let introspected = Http::new().send(Request::post(&url).form(&[("token", refresh)])).await;
    assert_eq!(
        introspected.status,
        503,
        "not known is not inactive: {}",
        introspected.text()
    );
    assert_eq!(Http::new().get(&server.admin("/health/ready")).await.status, 503);
    assert_eq!(Http::new().get(&server.admin("/health/alive")).await.status, 200);
    cluster.start_again();
    // The answer to the first request after it is back may still come from a broken connection.
    let deadline = std::time::Instant::now() + claviger_e2e::process::PATIENCE;
    loop {
        let answer = flow.refresh(refresh).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(std::time::Instant::now() < deadline, "it never came back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

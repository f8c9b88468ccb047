//! Several servers on one database are one server: nothing of a flow is kept in the memory of one of them.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, challenge, text};
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::json;

/// Two servers with one issuer, as behind a load balancer.
async fn two(database: Database) -> (Database, Server, Server) {
    let one = Server::on(&database).await;
    let options = ServerOptions::new(&database).with("URLS_SELF_ISSUER", &one.public("/"));
    let other = options.start().await;
    (database, one, other)
}

/// The same address at the other server.
fn moved(url: &str, from: &Server, to: &Server) -> String {
    let rest = url
        .strip_prefix(&from.public(""))
        .unwrap_or_else(|| panic!("{url} is not below the issuer"));
    to.public(rest)
}

#[tokio::test]
async fn every_step_of_a_flow_may_reach_another_server() {
    for database in [Database::postgres(), Database::mariadb()] {
        let (_database, one, other) = two(database).await;
        flow_over(&one, &other).await;
    }
}

async fn flow_over(one: &Server, other: &Server) {
    let mut flow = Flow::new(one).await;
    let mut elsewhere = Flow::of(
        other,
        &json!({"client_id": flow.client_id, "client_secret": flow.client_secret}),
    );
    let login = flow.login_challenge().await;
    let next = elsewhere
        .decided("login", "accept", &login, &json!({"subject": SUBJECT}))
        .await;
    elsewhere.http = flow.http.clone();
    let consent = challenge(
        &elsewhere.http.get(&moved(&next, one, other)).await,
        "consent_challenge",
    );
    let next = flow
        .decided(
            "consent",
            "accept",
            &consent,
            &json!({"grant_scope": ["openid", "offline"]}),
        )
        .await;
    flow.http = elsewhere.http.clone();
    let landed = flow.http.get(&next).await.location();
    let granted = elsewhere.redeem(&parameter(&landed, "code").unwrap()).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let granted = granted.json();
    let access = text(&granted, "access_token");
    assert!(one.is_active(&access).await && other.is_active(&access).await);
    let refreshed = flow.refresh(&text(&granted, "refresh_token")).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    assert_eq!(
        elsewhere
            .post(
                "/oauth2/revoke",
                &[("token", &text(&refreshed.json(), "refresh_token"))]
            )
            .await
            .status,
        200
    );
    assert!(!one.is_active(&text(&refreshed.json(), "access_token")).await);
    let keys = |server: &Server| server.public("/.well-known/jwks.json");
    assert_eq!(
        Http::new().get(&keys(one)).await.json(),
        Http::new().get(&keys(other)).await.json()
    );
}

#[tokio::test]
async fn a_client_that_is_changed_at_one_server_is_changed_at_the_other_at_once() {
    for database in [Database::postgres(), Database::mariadb()] {
        let (_database, one, other) = two(database).await;
        change_over(&one, &other).await;
    }
}

async fn change_over(one: &Server, other: &Server) {
    let flow = Flow::new(one).await;
    let elsewhere = Flow::of(
        other,
        &json!({"client_id": flow.client_id, "client_secret": flow.client_secret}),
    );
    let ask = [("grant_type", "client_credentials"), ("scope", "profile")];
    for server in [&flow, &elsewhere] {
        assert_eq!(
            server.token(&ask).await.status,
            200,
            "both have the client in memory now"
        );
    }
    let url = one.admin(&format!("/admin/clients/{}", flow.client_id));
    let patch = json!([{"op": "replace", "path": "/scope", "value": "openid"}]);
    assert_eq!(Http::new().send(Request::patch(&url).json(&patch)).await.status, 200);
    assert_eq!(elsewhere.token(&ask).await.error(), "invalid_scope");
    assert_eq!(Http::new().send(Request::delete(&url)).await.status, 204);
    let gone = elsewhere.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!((gone.status, gone.error().as_str()), (401, "invalid_client"));
}

#[tokio::test]
async fn servers_that_start_together_on_a_new_database_make_one_set_of_keys() {
    for database in [Database::postgres(), Database::mariadb()] {
        start_together(&database).await;
    }
}

async fn start_together(database: &Database) {
    claviger_e2e::server::migrate(database);
    let options: Vec<ServerOptions> = (0..3).map(|_| ServerOptions::new(database)).collect();
    let processes: Vec<_> = options.iter().map(ServerOptions::spawn).collect();
    let mut keys = Vec::new();
    for (options, process) in options.into_iter().zip(processes) {
        let server = Server::wait(process, options).await;
        let document = Http::new().get(&server.public("/.well-known/jwks.json")).await.json();
        keys.push(document);
    }
    assert!(keys.iter().all(|set| *set == keys[0]), "{keys:?}");
}

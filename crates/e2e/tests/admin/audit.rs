//! The audit log.

use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

use crate::{guarded, key, server, settled};

/// The audit lines of a JSON log.
fn lines(server: &Server) -> Vec<Value> {
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}

fn line(lines: &[Value], is_wanted: impl Fn(&Value) -> bool) -> &Value {
    lines
        .iter()
        .find(|line| is_wanted(line))
        .unwrap_or_else(|| panic!("it is not in {lines:#?}"))
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_line_names_the_address_of_whoever_asked() {
    let database = Database::sqlite();
    let options = ServerOptions::new(&database)
        .with("LOG_FORMAT", "json")
        .with("SERVE_ADMIN_TLS_ALLOW_TERMINATION_FROM", "127.0.0.0/8");
    let server = server(&database, options).await;
    let request = Request::post(&server.admin("/admin/clients"))
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-for", "192.0.2.9");
    let made = Http::new().send(request.json(&json!({"client_id": "shop"}))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    settled(&server, &made).await;
    let lines = lines(&server);
    let created = line(&lines, |line| line["action"] == "POST /admin/clients");
    assert_eq!(created["address"], "192.0.2.9");
}

#[tokio::test]
async fn every_change_on_the_admin_port_says_who_and_what_and_no_reading_does() {
    let database = Database::sqlite();
    // Also where little else is logged.
    let options = guarded(&database).with("LOG_FORMAT", "json").with("LOG_LEVEL", "error");
    let server = server(&database, options).await;
    let ops = key(&database, "ops team", "all");
    let reader = key(&database, "reader", "read");
    let send = |request: Request, key: &str| {
        let request = request.bearer(key);
        async move { Http::new().send(request).await }
    };
    let metadata = json!({"client_id": "shop", "client_secret": "a-secret-that-nobody-logs"});
    let made = send(Request::post(&server.admin("/admin/clients")).json(&metadata), &ops).await;
    assert_eq!(made.status, 201, "{}", made.text());
    send(Request::get(&server.admin("/admin/clients")), &ops).await;
    send(
        Request::post(&server.admin("/admin/oauth2/introspect")).form(&[("token", "x")]),
        &ops,
    )
    .await;
    send(Request::delete(&server.admin("/clients/nobody")), &ops).await;
    send(Request::delete(&server.admin("/admin/clients/shop")), &reader).await;
    send(
        Request::post(&server.admin("/admin/keys/mine")).json(&json!({"alg": "ES256", "use": "sig"})),
        &ops,
    )
    .await;
    let end = "/admin/oauth2/auth/sessions/consent?subject=ada&all=true";
    send(Request::delete(&server.admin(end)), &ops).await;
    let accept = "/admin/oauth2/auth/requests/login/accept?login_challenge=AVerySecretChallenge";
    let last = send(
        Request::put(&server.admin(accept)).json(&json!({"subject": "ada"})),
        &ops,
    )
    .await;
    settled(&server, &last).await;

    let lines = lines(&server);
    let of = |action: &str| {
        line(&lines, |line| {
            line["action"] == action && line["event"] == "admin.change"
        })
    };
    let created = of("POST /admin/clients");
    assert_eq!(created["object"], "shop");
    assert_eq!(
        (&created["key"], &created["outcome"]),
        (&json!("ops team"), &json!("applied"))
    );
    assert_eq!(created["address"], "127.0.0.1");
    assert_eq!(created["request_id"], made.header("x-request-id"));
    let removed = lines
        .iter()
        .filter(|line| line["action"] == "DELETE /admin/clients/{id}")
        .collect::<Vec<_>>();
    let told: Vec<_> = removed
        .iter()
        .filter(|line| line["event"] == "admin.change")
        .map(|line| {
            (
                line["object"].as_str().unwrap(),
                line["key"].as_str().unwrap(),
                line["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("nobody", "ops team", 404), ("shop", "reader", 403)]);
    assert!(
        removed
            .iter()
            .any(|line| line["event"] == "admin.refused" && line["key"] == "reader")
    );
    assert_eq!(of("POST /admin/keys/{set}")["object"], "mine");
    assert_eq!(
        of("DELETE /admin/oauth2/auth/sessions/consent")["object"],
        "subject=ada all=true"
    );
    let answered = of("PUT /admin/oauth2/auth/requests/login/accept");
    assert!(
        answered["object"].as_str().unwrap().starts_with("login_challenge#"),
        "{answered}"
    );
    assert!(
        !lines
            .iter()
            .any(|line| line["action"].as_str().unwrap().starts_with("GET"))
    );
    assert!(
        !lines
            .iter()
            .any(|line| line["action"] == "POST /admin/oauth2/introspect")
    );
    let log = server.log();
    for secret in ["a-secret-that-nobody-logs", "AVerySecretChallenge", &ops, &reader] {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// Of the whole table, also the routes of tomorrow: what may change something is told, and what cannot is not.
#[tokio::test]
async fn every_route_that_may_change_something_is_told() {
    let database = Database::sqlite();
    let options = guarded(&database).with("LOG_FORMAT", "json");
    let server = server(&database, options).await;
    let all = key(&database, "ops", "all");
    let routes = crate::keys::routes();
    let mut last = None;
    for (method, route) in &routes {
        let url = server.admin(&route.replace(['{', '}'], "x"));
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        last = Some(Http::new().send(Request::new(method, &url).bearer(&all)).await);
    }
    settled(&server, &last.unwrap()).await;
    let lines = lines(&server);
    let mut told = 0;
    for (method, route) in &routes {
        let action = format!("{method} {route}");
        let is_told = lines.iter().any(|line| line["action"] == action.as_str());
        // Looking at a token changes nothing, and is much.
        let is_change = method != "GET" && route != "/admin/oauth2/introspect";
        assert_eq!(is_told, is_change, "{action}");
        told += usize::from(is_told);
    }
    assert!(told > 15, "{told}");
}

#[tokio::test]
async fn what_looks_like_an_attack_is_told_with_the_client_and_the_address() {
    let database = Database::sqlite();
    let options = ServerOptions::new(&database).with("LOG_FORMAT", "json");
    let server = server(&database, options).await;
    let mut flow = Flow::new(&server).await;
    let code = flow.code().await;
    let tokens = flow.redeem(&code).await.json();
    assert_eq!(flow.redeem(&code).await.status, 400);
    let mut wrong = flow.clone();
    wrong.client_secret = "wrong-secret-of-somebody".to_owned();
    assert_eq!(wrong.token(&[("grant_type", "client_credentials")]).await.status, 401);
    let token = tokens["access_token"].as_str().unwrap();
    let last = flow.post("/oauth2/revoke", &[("token", token)]).await;
    assert_eq!(last.status, 200);
    settled(&server, &last).await;

    let lines = lines(&server);
    for event in ["grant.code_reused", "client.authentication_failed"] {
        let told = line(&lines, |line| line["event"] == event);
        assert_eq!(told["client"], flow.client_id.as_str(), "{told}");
        assert_eq!(
            (&told["address"], &told["action"]),
            (&json!("127.0.0.1"), &json!("POST /oauth2/token"))
        );
    }
    line(&lines, |line| line["event"] == "token.revoked");
    let log = server.log();
    assert!(!log.contains("wrong-secret-of-somebody") && !log.contains(&code) && !log.contains(token));
}

#[tokio::test]
async fn what_strangers_cause_cannot_fill_the_audit_log_and_is_counted_all_the_same() {
    let database = Database::sqlite();
    let server = server(&database, ServerOptions::new(&database).with("LOG_FORMAT", "json")).await;
    let began = std::time::Instant::now();
    for _ in 0..150 {
        let form = [("grant_type", "client_credentials"), ("client_id", "nobody")];
        let refused = Http::new()
            .send(Request::post(&server.public("/oauth2/token")).form(&form))
            .await;
        assert_eq!(refused.status, 401);
        settled(&server, &refused).await;
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    let told = lines(&server)
        .iter()
        .filter(|line| line["event"] == "client.authentication_failed")
        .count();
    assert!(told <= 20 * seconds, "{told} lines in {seconds} s");
    let labels = ["event=\"client.authentication_failed\""];
    assert_eq!(
        crate::metric(&server, "claviger_security_events_total", &labels, None).await,
        150.0
    );
}

//! Several servers on one database are one server: nothing of a flow is kept in the memory of one of them.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, challenge, text};
use claviger_e2e::{Answer, Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

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

/// Sends the request 100 times at once, to both servers in turn; returns what came of it.
async fn at_once(servers: [&Server; 2], request: impl Fn(&Server) -> Request) -> Vec<Answer> {
    let sent = (0..100).map(|number| {
        let request = request(servers[number % 2]);
        tokio::spawn(async move { Http::new().send(request).await })
    });
    let sent: Vec<_> = sent.collect();
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.unwrap());
    }
    assert!(
        answers.iter().all(|answer| matches!(answer.status, 200 | 400)),
        "nobody sees a failure"
    );
    answers
}

/// The access tokens that were given.
fn given(answers: &[Answer]) -> Vec<String> {
    let won = answers.iter().filter(|answer| answer.status == 200);
    won.map(|answer| text(&answer.json(), "access_token")).collect()
}

fn with_secret<'a>(flow: &'a Flow, form: &'a [(&'a str, &'a str)]) -> impl Fn(&Server) -> Request + 'a {
    move |server| {
        let request = Request::post(&server.public("/oauth2/token"));
        request.basic(&flow.client_id, &flow.client_secret).form(form)
    }
}

/// RFC 6749 §4.1.2: one redemption wins, and because there was a second one, what it got is dead.
#[tokio::test]
async fn d2_of_100_redemptions_of_a_code_at_two_servers_one_wins() {
    let (_database, one, other) = two(Database::postgres()).await;
    let mut flow = Flow::new(&one).await;
    let code = flow.code().await;
    let redirect = claviger_e2e::flow::REDIRECT_URI;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", redirect),
    ];
    let answers = at_once([&one, &other], with_secret(&flow, &form)).await;
    let tokens = given(&answers);
    assert_eq!(tokens.len(), 1);
    for server in [&one, &other] {
        assert!(!server.is_active(&tokens[0]).await, "the code was used again");
    }
}

/// RFC 9700 §4.14.2: without a grace period one refresh wins, and the others end the grant.
#[tokio::test]
async fn d3_of_100_refreshes_at_two_servers_one_wins_and_the_grant_ends() {
    let (_database, one, other) = two(Database::postgres()).await;
    let mut flow = Flow::new(&one).await;
    let refresh = text(&flow.tokens().await, "refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let answers = at_once([&one, &other], with_secret(&flow, &form)).await;
    let won: Vec<Value> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(Answer::json)
        .collect();
    assert_eq!(won.len(), 1);
    for server in [&one, &other] {
        for kind in ["access_token", "refresh_token"] {
            assert!(!server.is_active(&text(&won[0], kind)).await, "{kind}");
        }
    }
}

/// With a grace period all of them get the same pair, from either server.
#[tokio::test]
async fn d3_of_100_refreshes_at_two_servers_within_the_grace_period_all_agree() {
    let database = Database::postgres();
    claviger_e2e::server::migrate(&database);
    let grace = |options: ServerOptions| options.with("OAUTH2_GRANT_REFRESH_TOKEN_ROTATION_GRACE_PERIOD", "5m");
    let one = grace(ServerOptions::new(&database)).start().await;
    let other = grace(ServerOptions::new(&database)).with("URLS_SELF_ISSUER", &one.public("/"));
    let other = other.start().await;
    let mut flow = Flow::new(&one).await;
    let refresh = text(&flow.tokens().await, "refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let answers = at_once([&one, &other], with_secret(&flow, &form)).await;
    let mut tokens = given(&answers);
    assert_eq!(tokens.len(), 100);
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert!(other.is_active(&tokens[0]).await);
}

/// RFC 8628 §3.4: a device code gives tokens once, however often and wherever the device asks.
#[tokio::test]
async fn of_100_polls_of_a_device_at_two_servers_one_wins() {
    const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
    let (_database, one, other) = two(Database::postgres()).await;
    let client = json!({
        "client_id": "tv", "token_endpoint_auth_method": "none", "scope": "openid", "grant_types": [GRANT],
    });
    one.create_client(&client).await;
    let request = Request::post(&one.public("/oauth2/device/auth"));
    let codes = Http::new()
        .send(request.form(&[("client_id", "tv"), ("scope", "openid")]))
        .await
        .json();
    let mut browser = Http::new();
    let page = browser.get(&text(&codes, "verification_uri_complete")).await.location();
    let decide = async |kind: &str, challenge: String, body: Value| {
        let url = other.admin(&format!(
            "/admin/oauth2/auth/requests/{kind}/accept?{kind}_challenge={challenge}"
        ));
        let answer = Http::new().send(Request::put(&url).json(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        text(&answer.json(), "redirect_to")
    };
    let entered = json!({"user_code": text(&codes, "user_code")});
    let onward = decide("device", parameter(&page, "device_challenge").unwrap(), entered).await;
    let login = challenge(&browser.get(&onward).await, "login_challenge");
    let onward = decide("login", login, json!({"subject": SUBJECT})).await;
    let consent = challenge(&browser.get(&onward).await, "consent_challenge");
    let onward = decide("consent", consent, json!({"grant_scope": ["openid"]})).await;
    browser.get(&onward).await;
    let device_code = text(&codes, "device_code");
    let answers = at_once([&one, &other], |server| {
        let form = [
            ("grant_type", GRANT),
            ("client_id", "tv"),
            ("device_code", device_code.as_str()),
        ];
        Request::post(&server.public("/oauth2/token")).form(&form)
    });
    let tokens = given(&answers.await);
    assert_eq!(tokens.len(), 1);
    assert!(one.is_active(&tokens[0]).await && other.is_active(&tokens[0]).await);
}

/// Fetch §3.2: whose pages may read an answer is what the client's registration says now, on every server.
#[tokio::test]
async fn a_changed_origin_of_a_client_counts_at_once_at_the_other_server() {
    let database = Database::postgres();
    claviger_e2e::server::migrate(&database);
    let cors = |options: ServerOptions| {
        let options = options.with("SERVE_PUBLIC_CORS_ENABLED", "true");
        options.with("SERVE_PUBLIC_CORS_ALLOWED_ORIGINS", "https://console.example")
    };
    let one = cors(ServerOptions::new(&database)).start().await;
    let other = cors(ServerOptions::new(&database)).with("URLS_SELF_ISSUER", &one.public("/"));
    let other = other.start().await;
    let flow = Flow::new(&one).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", flow.client_id.as_str()),
        ("client_secret", flow.client_secret.as_str()),
    ];
    let url = one.admin(&format!("/admin/clients/{}", flow.client_id));
    for origin in ["https://first.example", "https://second.example"] {
        let patch = json!([
            {"op": "replace", "path": "/token_endpoint_auth_method", "value": "client_secret_post"},
            {"op": "replace", "path": "/allowed_cors_origins", "value": [origin]},
        ]);
        assert_eq!(Http::new().send(Request::patch(&url).json(&patch)).await.status, 200);
        for page in ["https://first.example", "https://second.example"] {
            let request = Request::post(&other.public("/oauth2/token"))
                .form(&form)
                .header("origin", page);
            let answer = Http::new().send(request).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let allowed = if page == origin { page } else { "" };
            assert_eq!(
                answer.header("access-control-allow-origin"),
                allowed,
                "{page} of {origin}"
            );
        }
    }
}

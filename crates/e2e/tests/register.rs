//! RFC 7591 and RFC 7592 from outside: clients that register and manage themselves.

use claviger_e2e::flow::text;
use claviger_e2e::server::migrate;
use claviger_e2e::{Answer, Database, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

/// A server on which anybody may register.
async fn open(database: &Database) -> Server {
    migrate(database);
    let options = ServerOptions::new(database).with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true");
    options.start().await
}

async fn register(server: &Server, body: &Value) -> Answer {
    let url = server.public("/oauth2/register");
    Http::new().send(Request::post(&url).json(body)).await
}

async fn registered(server: &Server, body: &Value) -> Value {
    let answer = register(server, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

async fn manage(request: Request, token: &str) -> Answer {
    let request = request.header("authorization", &format!("Bearer {token}"));
    Http::new().send(request).await
}

#[tokio::test]
async fn a_client_registers_reads_changes_and_removes_itself() {
    for database in [Database::postgres(), Database::mariadb(), Database::sqlite()] {
        let server = open(&database).await;
        let body = json!({ "client_name": "Shop", "redirect_uris": ["https://shop.example/cb"] });
        let answer = register(&server, &body).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let client = answer.json();
        let (address, first) = (
            text(&client, "registration_client_uri"),
            text(&client, "registration_access_token"),
        );
        // D13: the address ends in the id, and Location is that address.
        assert_eq!(
            address,
            server.public(&format!("/oauth2/register/{}", text(&client, "client_id")))
        );
        assert_eq!(answer.header("location"), address);
        assert!(client["client_secret"].is_string());

        let read = manage(Request::get(&address), &first).await;
        assert_eq!(read.status, 200, "{}", read.text());
        // D12: what RFC 7592 wants is there.
        assert_eq!(text(&read.json(), "registration_access_token"), first);
        assert_eq!(text(&read.json(), "registration_client_uri"), address);

        let mut body = read.json();
        body["client_name"] = json!("Store");
        let changed = manage(Request::put(&address).json(&body), &first).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let second = text(&changed.json(), "registration_access_token");
        assert_eq!(manage(Request::get(&address), &first).await.status, 401);
        let read = manage(Request::get(&address), &second).await.json();
        assert_eq!(read["client_name"], "Store");

        assert_eq!(manage(Request::delete(&address), &second).await.status, 204);
        assert_eq!(manage(Request::get(&address), &second).await.status, 401);
    }
}

#[tokio::test]
async fn a_client_that_registered_itself_gets_tokens_for_a_person() {
    let database = Database::sqlite();
    let server = open(&database).await;
    let body = json!({ "redirect_uris": [claviger_e2e::flow::REDIRECT_URI],
                       "grant_types": ["authorization_code", "refresh_token"] });
    let client = registered(&server, &body).await;
    let tokens = claviger_e2e::Flow::of(&server, &client).tokens().await;
    assert!(server.is_active(&text(&tokens, "access_token")).await);
    // A registration access token is nothing else than that.
    assert!(!server.is_active(&text(&client, "registration_access_token")).await);
}

#[tokio::test]
async fn d10_a_stranger_gets_no_scope_grant_or_lifespan_that_only_the_operator_gives() {
    let database = Database::sqlite();
    let server = open(&database).await;
    for body in [
        json!({ "scope": "openid admin" }),
        json!({ "grant_types": ["client_credentials"] }),
        json!({ "refresh_token_grant_refresh_token_lifespan": "9000h" }),
        json!({ "skip_consent": true }),
        json!({ "resource_server": true }),
        json!({ "metadata": { "role": "admin" } }),
    ] {
        let answer = register(&server, &body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client_metadata"),
            "{body}"
        );
    }
    let answer = register(&server, &json!({ "redirect_uris": ["javascript:alert(1)"] })).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_redirect_uri"));
    let public = json!({ "token_endpoint_auth_method": "none", "redirect_uris": ["https://spa.example/cb"] });
    let client = registered(&server, &public).await;
    let url = server.public(&format!(
        "/oauth2/auth?client_id={}&response_type=code&scope=openid&redirect_uri=https://spa.example/cb&nonce=12345678",
        text(&client, "client_id")
    ));
    let landed = Http::new().get(&url).await.location();
    let error = claviger_e2e::client::parameter(&landed, "error_description").unwrap();
    assert!(error.contains("PKCE"), "{error}");
}

#[tokio::test]
async fn d11_an_update_by_the_operator_keeps_the_registration_token() {
    let database = Database::postgres();
    let server = open(&database).await;
    let client = registered(&server, &json!({ "client_name": "Shop" })).await;
    let admin = server.admin(&format!("/admin/clients/{}", text(&client, "client_id")));
    let put = Http::new()
        .send(Request::put(&admin).json(&json!({ "client_name": "Put" })))
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    let patch = json!([{ "op": "replace", "path": "/client_name", "value": "Patched" }]);
    let patched = Http::new().send(Request::patch(&admin).json(&patch)).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    let (address, token) = (
        text(&client, "registration_client_uri"),
        text(&client, "registration_access_token"),
    );
    let read = manage(Request::get(&address), &token).await;
    assert_eq!((read.status, &read.json()["client_name"]), (200, &json!("Patched")));
}

#[tokio::test]
async fn d12_a_wrong_token_is_challenged_and_tells_nothing() {
    let database = Database::sqlite();
    let server = open(&database).await;
    let one = registered(&server, &json!({})).await;
    let two = registered(&server, &json!({})).await;
    let token = text(&one, "registration_access_token");
    let unknown = server.public("/oauth2/register/unknown");
    let mut answers = Vec::new();
    for address in [text(&two, "registration_client_uri"), unknown] {
        for request in [
            Request::get(&address),
            Request::put(&address).json(&json!({})),
            Request::delete(&address),
        ] {
            let answer = manage(request, &token).await;
            assert_eq!(answer.status, 401);
            answers.push((answer.header("www-authenticate").to_owned(), answer.text()));
        }
    }
    assert!(
        answers[0].0.starts_with("Bearer error=\"invalid_token\""),
        "{answers:?}"
    );
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let none = Http::new().get(&text(&one, "registration_client_uri")).await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, "Bearer"));
    let query = format!("{}?access_token={token}", text(&one, "registration_client_uri"));
    assert_eq!(Http::new().get(&query).await.status, 401);
}

#[tokio::test]
async fn nobody_registers_where_it_is_not_enabled() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    assert_eq!(register(&server, &json!({})).await.status, 404);
    let address = server.public("/oauth2/register/some-client");
    for request in [
        Request::get(&address),
        Request::put(&address).json(&json!({})),
        Request::delete(&address),
    ] {
        assert_eq!(manage(request, "token").await.status, 404);
    }
    let url = server.public("/.well-known/openid-configuration");
    let document = Http::new().get(&url).await.json();
    assert!(document.get("registration_endpoint").is_none(), "{document}");
}

#[tokio::test]
async fn of_64_changes_with_one_token_one_is_made() {
    let database = Database::postgres();
    let server = open(&database).await;
    let client = registered(&server, &json!({})).await;
    let (address, token) = (
        text(&client, "registration_client_uri"),
        text(&client, "registration_access_token"),
    );
    let changes: Vec<_> = (0..64)
        .map(|task| {
            let request = Request::put(&address).json(&json!({ "client_name": task.to_string() }));
            let token = token.clone();
            tokio::spawn(async move { manage(request, &token).await })
        })
        .collect();
    let mut made = Vec::new();
    for change in changes {
        let answer = change.await.unwrap();
        match answer.status {
            200 => made.push(answer.json()),
            _ => assert_eq!(answer.status, 401, "{}", answer.text()),
        }
    }
    assert_eq!(made.len(), 1);
    let read = manage(Request::get(&address), &text(&made[0], "registration_access_token")).await;
    assert_eq!(read.json()["client_name"], made[0]["client_name"]);
}

/// RFC 7591 §3: where the operator gives out initial access tokens, and leaves some members to those who have one.
#[tokio::test]
async fn who_has_an_initial_access_token_registers_within_the_operators_policy() {
    let database = Database::sqlite();
    migrate(&database);
    let options = ServerOptions::new(&database)
        .with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true")
        .with(
            "OIDC_DYNAMIC_CLIENT_REGISTRATION_INITIAL_ACCESS_TOKENS",
            "first-initial-token,second-initial-token",
        )
        .with(
            "OIDC_DYNAMIC_CLIENT_REGISTRATION_GRANT_TYPES",
            "authorization_code,client_credentials",
        )
        .with(
            "OIDC_DYNAMIC_CLIENT_REGISTRATION_MEMBERS",
            "audience,allowed_cors_origins",
        )
        .with("OIDC_DYNAMIC_CLIENT_REGISTRATION_DEFAULT_SCOPE", "openid,profile");
    let server = options.start().await;
    let url = server.public("/oauth2/register");
    let body = json!({
        "redirect_uris": ["https://shop.example/cb"], "grant_types": ["client_credentials", "authorization_code"],
        "audience": ["https://api.example"], "allowed_cors_origins": ["https://shop.example"],
    });
    let none = register(&server, &body).await;
    assert_eq!(
        (none.status, none.header("www-authenticate")),
        (401, "Bearer"),
        "{}",
        none.text()
    );
    let wrong = manage(Request::post(&url).json(&body), "third-initial-token").await;
    assert_eq!((wrong.status, wrong.error().as_str()), (401, "invalid_token"));
    assert!(
        wrong.header("www-authenticate").contains("invalid_token"),
        "{}",
        wrong.header("www-authenticate")
    );
    for token in ["first-initial-token", "second-initial-token"] {
        let answer = manage(Request::post(&url).json(&body), token).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let client = answer.json();
        assert_eq!(client["audience"], json!(["https://api.example"]));
        assert_eq!(client["scope"], "openid profile");
        // The token to register is none to manage with, and the other way round.
        let address = text(&client, "registration_client_uri");
        assert_eq!(manage(Request::get(&address), token).await.status, 401);
        let own = text(&client, "registration_access_token");
        assert_eq!(manage(Request::get(&address), &own).await.status, 200);
        assert_eq!(manage(Request::post(&url).json(&body), &own).await.status, 401);
    }
    for refused in [
        json!({"redirect_uris": ["https://shop.example/cb"], "grant_types": ["refresh_token"]}),
        json!({"redirect_uris": ["https://shop.example/cb"], "owner": "root"}),
        json!({"redirect_uris": ["https://shop.example/cb"], "scope": "email"}),
    ] {
        let answer = manage(Request::post(&url).json(&refused), "first-initial-token").await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client_metadata"),
            "{refused}"
        );
    }
    assert!(!server.log().contains("initial-token"), "no token is in the log");
}

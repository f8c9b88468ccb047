//! The token endpoint and revocation.

use std::collections::HashSet;

use claviger_e2e::flow::{REDIRECT_URI, text};
use claviger_e2e::pkce::{CHALLENGE, VERIFIER};
use claviger_e2e::{Database, Flow, Http, Request, Server};
use serde_json::json;

/// Every rule holds on every database.
async fn servers() -> Vec<(Database, Server)> {
    let mut servers = Vec::new();
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        servers.push((database, server));
    }
    servers
}

pub async fn server() -> (Database, Server) {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    (database, server)
}

/// A server on which a used refresh token answers with its successor for this long.
async fn with_grace(database: &Database, period: &str) -> Server {
    claviger_e2e::server::migrate(database);
    let options = claviger_e2e::ServerOptions::new(database);
    options
        .with("OAUTH2_GRANT_REFRESH_TOKEN_ROTATION_GRACE_PERIOD", period)
        .start()
        .await
}

pub fn with_pkce(flow: Flow) -> Flow {
    flow.with("code_challenge", CHALLENGE)
        .with("code_challenge_method", "S256")
}

async fn redeem_with(flow: &Flow, code: &str, verifier: Option<&str>) -> claviger_e2e::Answer {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
    ];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    flow.token(&form).await
}

/// RFC 7636 §4.6: the code stays bound to its challenge, and the first wrong verifier consumes it.
#[tokio::test]
async fn d1_no_second_try_gets_around_a_wrong_verifier() {
    for (_database, server) in servers().await {
        for second in [
            None,
            Some(VERIFIER),
            Some("wrong-again-0123456789-0123456789-0123456789"),
        ] {
            let mut flow = with_pkce(Flow::new(&server).await);
            let code = flow.code().await;
            let wrong = "wrong-0123456789-0123456789-0123456789-0123456789";
            let first = redeem_with(&flow, &code, Some(wrong)).await;
            assert_eq!((first.status, first.error().as_str()), (400, "invalid_grant"));
            let again = redeem_with(&flow, &code, second).await;
            assert_eq!(
                (again.status, again.error().as_str()),
                (400, "invalid_grant"),
                "{second:?}"
            );
        }
        let mut flow = with_pkce(Flow::new(&server).await);
        let code = flow.code().await;
        assert_eq!(redeem_with(&flow, &code, Some(VERIFIER)).await.status, 200);
        let mut flow = with_pkce(Flow::new(&server).await);
        let code = flow.code().await;
        assert_eq!(redeem_with(&flow, &code, None).await.error(), "invalid_grant");
    }
}

/// RFC 6749 §4.1.2: of parallel redemptions one succeeds, and a second use revokes what the first one gave.
#[tokio::test]
async fn d2_a_code_redeemed_in_parallel_gives_tokens_once() {
    for (_database, server) in servers().await {
        let mut flow = Flow::new(&server).await;
        let code = flow.code().await;
        let tries = (0..16).map(|_| {
            let (flow, code) = (flow.clone(), code.clone());
            tokio::spawn(async move { flow.redeem(&code).await })
        });
        let mut granted = Vec::new();
        for answer in all(tries).await {
            match answer.status {
                200 => granted.push(answer.json()),
                _ => assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant")),
            }
        }
        assert_eq!(granted.len(), 1, "{granted:?}");
        for name in ["access_token", "refresh_token"] {
            assert!(
                !server.is_active(&text(&granted[0], name)).await,
                "{name} outlived the replay"
            );
        }
    }
}

/// RFC 9700 §4.14.2: parallel refreshes get the same successor, and every pair that is handed out works.
#[tokio::test]
async fn d3_parallel_refreshes_agree_on_one_successor() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = with_grace(&database, "60s").await;
        let mut flow = Flow::new(&server).await;
        let refresh = text(&flow.tokens().await, "refresh_token");
        let tries = (0..16).map(|_| {
            let (flow, refresh) = (flow.clone(), refresh.clone());
            tokio::spawn(async move { flow.refresh(&refresh).await })
        });
        let mut successors = HashSet::new();
        let mut access = Vec::new();
        for answer in all(tries).await {
            assert_eq!(answer.status, 200, "{}", answer.text());
            successors.insert(text(&answer.json(), "refresh_token"));
            access.push(text(&answer.json(), "access_token"));
        }
        assert_eq!(successors.len(), 1, "{successors:?}");
        for token in access.iter().chain(&successors) {
            assert!(server.is_active(token).await, "a token that was handed out is dead");
        }
    }
}

/// RFC 9700 §4.14.2: a rotated token that comes back later ends its family, the newest token included.
#[tokio::test]
async fn d3_without_a_grace_period_a_second_use_ends_the_family() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = with_grace(&database, "0s").await;
        let mut flow = Flow::new(&server).await;
        let first = text(&flow.tokens().await, "refresh_token");
        let second = flow.refresh(&first).await.json();
        assert!(server.is_active(&text(&second, "access_token")).await);
        let replay = flow.refresh(&first).await;
        assert_eq!((replay.status, replay.error().as_str()), (400, "invalid_grant"));
        for name in ["access_token", "refresh_token"] {
            assert!(
                !server.is_active(&text(&second, name)).await,
                "{name} outlived the replay"
            );
        }
    }
}

/// RFC 7523 §3.2: whatever is wrong with an assertion, it is not our failure.
#[tokio::test]
async fn d6_an_assertion_that_cannot_be_used_is_refused_and_no_failure_of_ours() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    // {"alg":"RS256"} and {"iss":"a","sub":"a","exp":1}, with a signature of nobody.
    let expired = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYSIsImV4cCI6MX0.AAAA";
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    for assertion in [expired, "nonsense", "a.b.c", ""] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", flow.client_id.as_str()),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
        ];
        let answer = Http::new()
            .send(Request::post(&server.public("/oauth2/token")).form(&form))
            .await;
        assert!(
            matches!(answer.status, 400 | 401),
            "{assertion}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(
            ["invalid_client", "invalid_request"].contains(&answer.error().as_str()),
            "{}",
            answer.text()
        );
    }
}

/// RFC 6749 §5.2.
#[tokio::test]
async fn d16_unknown_grants_and_missing_parameters_are_called_by_their_names() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    let cases: [(&[(&str, &str)], &str); 6] = [
        (
            &[("grant_type", "password"), ("username", "a"), ("password", "b")],
            "unsupported_grant_type",
        ),
        (&[("grant_type", "magic")], "unsupported_grant_type"),
        (&[("code", "abc")], "invalid_request"),
        (
            &[("grant_type", "authorization_code"), ("redirect_uri", REDIRECT_URI)],
            "invalid_request",
        ),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (
            &[("grant_type", "refresh_token"), ("refresh_token", "clv_rt_nonsense")],
            "invalid_grant",
        ),
    ];
    for (form, error) in cases {
        let answer = flow.token(form).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{form:?}");
        assert!(answer.header("cache-control").contains("no-store"));
    }
}

/// RFC 6749 §5.2: the client may not use the grant.
#[tokio::test]
async fn d16_a_grant_that_the_client_lacks_is_unauthorized() {
    let (_database, server) = server().await;
    let client = json!({"grant_types": ["authorization_code"], "redirect_uris": [REDIRECT_URI]});
    let flow = Flow::of(&server, &server.create_client(&client).await);
    let answer = flow.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "unauthorized_client"));
}

/// RFC 6749 §6: a refresh may narrow the scope, for this access token, and never widen it.
#[tokio::test]
async fn d19_a_refresh_can_narrow_the_scope() {
    for (_database, server) in servers().await {
        let mut flow = Flow::new(&server).await.with("scope", "openid offline profile");
        let refresh = text(&flow.tokens().await, "refresh_token");
        let narrow = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh),
            ("scope", "profile"),
        ];
        let narrow = flow.token(&narrow).await.json();
        assert_eq!(narrow["scope"], "profile", "{narrow}");
        let told = server.introspect(&text(&narrow, "access_token")).await;
        assert_eq!(told["scope"], "profile", "{told}");
        let next = text(&narrow, "refresh_token");
        let whole = flow.refresh(&next).await.json();
        assert_eq!(
            whole["scope"], "openid offline profile",
            "the grant itself stays whole: {whole}"
        );
        let next = text(&whole, "refresh_token");
        let wide = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &next),
            ("scope", "profile email"),
        ];
        assert_eq!(flow.token(&wide).await.error(), "invalid_scope");
    }
}

/// RFC 6749 §3.2: parameters must not be sent more than once.
#[tokio::test]
async fn d20_a_repeated_parameter_is_refused() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "profile"),
        ("scope", "email"),
    ];
    let answer = flow.token(&form).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
    let form = [
        ("grant_type", "client_credentials"),
        ("grant_type", "client_credentials"),
    ];
    assert_eq!(flow.token(&form).await.error(), "invalid_request");
}

/// RFC 7009 §2.1: another client's token is not revoked, the answer gives nothing away, and the log has it.
#[tokio::test]
async fn d26_revoking_another_clients_token_does_nothing_and_is_logged() {
    let (_database, server) = server().await;
    let (mut owner, stranger) = (Flow::new(&server).await, Flow::new(&server).await);
    let tokens = owner.tokens().await;
    let access = text(&tokens, "access_token");
    let answer = stranger.post("/oauth2/revoke", &[("token", &access)]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert!(server.is_active(&access).await);
    assert!(
        server.log().contains(&stranger.client_id),
        "no line of the log names {}",
        stranger.client_id
    );
    let answer = owner
        .post("/oauth2/revoke", &[("token", &text(&tokens, "refresh_token"))])
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert!(
        !server.is_active(&access).await,
        "the access token ends with its refresh token"
    );
    assert_eq!(owner.post("/oauth2/revoke", &[("token", "nonsense")]).await.status, 200);
}

/// What was issued works after the server was killed and started again, and so does what it forbids.
#[tokio::test]
async fn grants_survive_a_crash() {
    for (_database, server) in servers().await {
        let mut flow = Flow::new(&server).await;
        let code = flow.code().await;
        let mut other = Flow::new(&server).await;
        let tokens = other.tokens().await;
        let server = server.crash_and_start_again().await;
        assert!(server.is_active(&text(&tokens, "access_token")).await);
        assert_eq!(other.refresh(&text(&tokens, "refresh_token")).await.status, 200);
        assert_eq!(flow.redeem(&code).await.status, 200);
        let server = server.crash_and_start_again().await;
        assert_eq!(flow.redeem(&code).await.error(), "invalid_grant");
        drop(server);
    }
}

async fn all<T>(tasks: impl Iterator<Item = tokio::task::JoinHandle<T>>) -> Vec<T> {
    let running: Vec<_> = tasks.collect();
    let mut done = Vec::new();
    for task in running {
        done.push(task.await.unwrap());
    }
    done
}

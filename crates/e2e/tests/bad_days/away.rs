//! The database server is away: when ours starts, and while requests come.

use std::time::{Duration, Instant};

use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::{Answer, Database, Flow, Http, Request, Server, ServerOptions, binary, mariadb, postgres};
use serde_json::json;

/// A database server that the test stops and starts.
enum Host {
    Postgres(postgres::Cluster),
    Mariadb(mariadb::Mariadb),
}

impl Host {
    fn each() -> [Self; 2] {
        [
            Self::Postgres(postgres::Cluster::start()),
            Self::Mariadb(mariadb::Mariadb::start()),
        ]
    }

    fn database(&self) -> Database {
        match self {
            Self::Postgres(host) => host.database(),
            Self::Mariadb(host) => host.database(),
        }
    }

    fn stop(&self) {
        match self {
            Self::Postgres(host) => host.stop(),
            Self::Mariadb(host) => host.stop(),
        }
    }

    fn start_again(&self) {
        match self {
            Self::Postgres(host) => host.start_again(),
            Self::Mariadb(host) => host.start_again(),
        }
    }
}

async fn wait_until_ready(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while Http::new().get(&server.public("/health/ready")).await.status != 200 {
        assert!(Instant::now() < deadline, "never ready:\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As after a power failure, when everything starts at once.
#[tokio::test]
async fn a_server_that_starts_before_its_database_becomes_ready_without_a_restart() {
    for host in Host::each() {
        let database = host.database();
        claviger_e2e::server::migrate(&database);
        host.stop();
        let mut server = Server::alive(ServerOptions::new(&database)).await;
        assert_eq!(Http::new().get(&server.public("/health/ready")).await.status, 503);
        let asked = Request::post(&server.public("/oauth2/token"))
            .form(&[("grant_type", "client_credentials")])
            .basic("app", "secret");
        let answer = Http::new().send(asked).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (503, "temporarily_unavailable"),
            "{}",
            answer.text()
        );
        assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
        server.process.wait_for_output("trying again");
        // The second one never sees it, and ends at once when it is told to.
        let other = Server::alive(ServerOptions::new(&database)).await;
        let (status, log) = other.stop();
        assert!(status.success() && log.contains("cannot be reached"), "{log}");
        host.start_again();
        wait_until_ready(&server).await;
        server.process.wait_for_output("the database is reached");
        Flow::new(&server).await.tokens().await;
    }
}

/// What waiting does not mend ends the server, also when it is found late.
#[tokio::test]
async fn a_database_that_turns_out_to_be_the_wrong_one_ends_the_server() {
    let host = postgres::Cluster::start();
    let database = host.database();
    Server::on(&database).await.stop();
    let unknown = database.dsn().replace("/test_", "/no_such_");
    host.stop();
    let start = |name, value| ServerOptions::new(&database).with(name, value);
    let mut servers = [
        Server::alive(start("DSN", &unknown)).await,
        Server::alive(start("SECRETS_SYSTEM", "another-secret-0123456789-abcdefgh")).await,
    ];
    host.start_again();
    for (server, told) in servers.iter_mut().zip(["no_such_", "secrets.system"]) {
        assert_eq!(server.process.wait().code(), Some(1), "{}", server.log());
        assert!(server.log().contains(told), "{}", server.log());
    }
}

#[test]
fn migrations_wait_for_a_database_that_is_starting() {
    for host in Host::each() {
        let dsn = host.database().dsn();
        host.stop();
        let given_up = binary::run(&["migrate", "sql", "--yes", "--wait", "0", &dsn]);
        assert_eq!(given_up.code, Some(1), "{}", given_up.stderr);
        assert!(given_up.stderr.contains("cannot be reached"), "{}", given_up.stderr);
        let mut command = binary::command();
        command.args(["migrate", "sql", "--yes", &dsn]);
        let mut process = Process::start("claviger migrate", &mut command);
        process.wait_for_output("Waiting for it");
        host.start_again();
        assert_eq!(process.wait().code(), Some(0), "{}", process.output());
    }
}

/// What a client, a browser, a login app and an operator are told. Answers that need nothing of the database are not asked for.
#[tokio::test]
async fn everybody_is_told_to_come_back_while_the_database_is_away() {
    for host in Host::each() {
        let database = host.database();
        claviger_e2e::server::migrate(&database);
        let server = ServerOptions::new(&database).start().await;
        let client = server
            .create_client(&json!({
                "client_secret": "correct-horse-battery-staple",
                "grant_types": [
                    "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code",
                ],
                "scope": "openid offline", "redirect_uris": [claviger_e2e::flow::REDIRECT_URI],
            }))
            .await;
        let login = json!({"subject": "foo@bar.com"});
        let consent = json!({"grant_scope": ["openid"]});
        let flow = || Flow::of(&server, &client);
        let (mut first, mut second, mut third) = (flow(), flow(), flow());
        let (mut at_login, mut at_consent) = (flow(), flow());
        let challenge = second.login_challenge().await;
        let second_hop = second.decided("login", "accept", &challenge, &login).await;
        let challenge = third.consent_challenge(&login).await;
        let third_hop = third.decided("consent", "accept", &challenge, &consent).await;
        let login_challenge = at_login.login_challenge().await;
        let consent_challenge = at_consent.consent_challenge(&login).await;
        let token = flow().token(&[("grant_type", "client_credentials")]).await.json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        host.stop();
        let admin = |path: &str| server.admin(&format!("/admin{path}"));
        let ask = async |request: Request| Http::new().send(request).await;
        let id = &first.client_id.clone();
        let answers: [(&str, Answer); 16] = [
            ("hop 1", first.start().await),
            ("hop 2", second.http.get(&second_hop).await),
            ("hop 3", third.http.get(&third_hop).await),
            (
                "device authorization",
                flow().post("/oauth2/device/auth", &[("scope", "openid")]).await,
            ),
            ("revocation", flow().post("/oauth2/revoke", &[("token", &token)]).await),
            (
                "introspection",
                ask(Request::post(&admin("/oauth2/introspect")).form(&[("token", &token)])).await,
            ),
            (
                "userinfo",
                ask(Request::get(&server.public("/userinfo")).bearer(&token)).await,
            ),
            ("clients", ask(Request::get(&admin("/clients"))).await),
            ("client", ask(Request::get(&admin(&format!("/clients/{id}")))).await),
            (
                "new client",
                ask(Request::post(&admin("/clients")).json(&json!({}))).await,
            ),
            (
                "changed client",
                ask(Request::put(&admin(&format!("/clients/{id}"))).json(&json!({"client_name": "n"}))).await,
            ),
            (
                "deleted client",
                ask(Request::delete(&admin(&format!("/clients/{id}")))).await,
            ),
            ("keys", ask(Request::get(&admin("/keys/some"))).await),
            (
                "sessions",
                ask(Request::delete(&admin("/oauth2/auth/sessions/login?subject=foo"))).await,
            ),
            (
                "login",
                at_login.decide("login", "accept", &login_challenge, &login).await,
            ),
            (
                "consent",
                at_consent
                    .decide("consent", "accept", &consent_challenge, &consent)
                    .await,
            ),
        ];
        for (what, answer) in answers {
            // A browser is led to a page that says so, or to its client.
            if what.starts_with("hop") && answer.status != 503 {
                let page = answer.location();
                assert!(
                    page.as_str().contains("error=temporarily_unavailable"),
                    "{what}: {page}"
                );
                continue;
            }
            assert_eq!(answer.status, 503, "{what}: {:?} {}", answer.headers, answer.text());
            assert!(!answer.header("retry-after").is_empty(), "{what}: {:?}", answer.headers);
        }
        host.start_again();
        wait_until_ready(&server).await;
        // Nothing of it was lost, and what was answered with 503 can be done again.
        let landed = third.http.get(&third_hop).await.location();
        assert!(landed.as_str().contains("code="), "{landed}");
        assert!(server.is_active(&token).await);
    }
}

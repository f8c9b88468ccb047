//! `doctor`, `config` and `explain` against a server that runs.

use claviger_e2e::binary::{Ran, run_with};
use claviger_e2e::server::SECRET;
use claviger_e2e::{Database, Flow, Server, ServerOptions};
use serde_json::Value;

fn doctor(variables: &[(&str, &str)]) -> (Ran, Vec<Value>) {
    let ran = run_with(&["doctor", "--dangerous-force-http", "--format", "json"], variables);
    let findings = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    (ran, findings)
}

fn verdict<'f>(findings: &'f [Value], check: &str) -> &'f str {
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("{check} is not in {findings:?}"))["verdict"]
        .as_str()
        .unwrap()
}

#[tokio::test]
async fn the_doctor_finds_a_running_server_well_and_names_what_is_wrong_with_another() {
    for database in [Database::postgres(), Database::mariadb(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let (issuer, dsn) = (server.public("/"), database.dsn());
        let variables = [
            ("DSN", dsn.as_str()),
            ("SECRETS_SYSTEM", SECRET),
            ("URLS_SELF_ISSUER", issuer.as_str()),
        ];
        let (ran, findings) = doctor(&variables);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        for check in [
            "database",
            "migrations",
            "keys",
            "discovery",
            "key set",
            "clock",
            "admin API",
            "admin port",
        ] {
            assert_eq!(verdict(&findings, check), "ok", "{check}: {findings:?}");
        }
        assert!(!ran.stdout.contains(SECRET));
        let clocks = findings.iter().filter(|finding| finding["check"] == "clock").count();
        let expected = if matches!(database, Database::Sqlite { .. }) {
            1
        } else {
            2
        };
        assert_eq!(clocks, expected, "that of the database too: {findings:?}");

        // The admin port in place of the public one, as behind a proxy that passes everything on.
        let admin = server.admin("/");
        let (ran, findings) = doctor(&[variables[0], variables[1], ("URLS_SELF_ISSUER", &admin)]);
        assert_eq!(ran.code, Some(1), "{}", ran.stdout);
        assert_eq!(verdict(&findings, "discovery"), "fail");
        let (status, _) = server.stop();
        assert!(status.success());
        let (ran, findings) = doctor(&variables);
        assert_eq!((ran.code, verdict(&findings, "discovery")), (Some(1), "fail"));
        assert!(ran.stderr.contains("of"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_token_and_a_challenge_are_explained_as_they_live_and_end() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let server = ServerOptions::new(&database).start().await;
    let mut flow = Flow::new(&server).await;
    let dsn = database.dsn();
    let variables = [("DSN", dsn.as_str()), ("SECRETS_SYSTEM", SECRET)];
    let explained = |text: &str| run_with(&["explain", text], &variables).success();

    let challenge = flow.login_challenge().await;
    let told = explained(&challenge);
    assert!(
        told.contains("login_challenge") && told.contains("has not answered yet"),
        "{told}"
    );
    assert!(!told.contains("state-1234567890"), "{told}");

    let mut flow = Flow::new(&server).await;
    let tokens = flow.tokens().await;
    let (access, refresh) = (
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    );
    assert!(explained(access).contains("active\n"));
    assert_eq!(flow.refresh(refresh).await.status, 200);
    assert!(explained(refresh).contains("it was used at"), "{}", explained(refresh));
    flow.post("/oauth2/revoke", &[("token", access)]).await;
    let told = explained(access);
    assert!(told.contains("inactive") && !told.contains(access), "{told}");
}

//! Clients on the command line: many from files, and new secrets.

use std::fmt::Write as _;

use claviger_e2e::binary::run;
use claviger_e2e::flow::web_client;
use claviger_e2e::{Database, Flow, Http, Server};

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_clients_are_imported_and_each_that_is_refused_is_named() {
    const CLIENTS: usize = 3000;
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let mut lines = String::new();
    for number in 0..CLIENTS {
        writeln!(lines, r#"{{"client_id":"client-{number}","client_name":"imported"}}"#).unwrap();
    }
    lines.push_str(
        "{\"client_id\":\"bad\",\"redirect_uris\":[\"javascript:alert(1)\"]}\n{\"client_id\":\"client-7\"}\n",
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let path = file.path().to_str().unwrap();
    let ran = run(&["import", "oauth2-client", "-e", &server.admin(""), "--quiet", path]);

    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), CLIENTS);
    for told in [
        "1500 of 3002 clients",
        "bad: ",
        "redirect_uris",
        "client-7: ",
        "2 of 3002 failed",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    let list = Http::new().get(&server.admin("/clients?client_name=imported")).await;
    assert_eq!(list.header("x-total-count"), CLIENTS.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_a_server_says_what_was_not_sent() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        r#"[{"client_id":"a"},{"client_id":"b"},{"client_id":"c"}]"#,
    )
    .unwrap();
    let address = format!("http://127.0.0.1:{}", claviger_e2e::ports::free());
    let ran = run(&[
        "import",
        "client",
        "-e",
        &address,
        "--quiet",
        file.path().to_str().unwrap(),
    ]);
    assert_eq!((ran.code, ran.stdout.trim()), (Some(1), ""), "{}", ran.stderr);
    for told in ["a: POST", "2 clients were not sent", "3 of 3 failed"] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_exchanged_without_an_interruption() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let client = server.create_client(&web_client()).await;
    let (mut flow, admin) = (Flow::of(&server, &client), server.admin(""));
    let (id, older) = (flow.client_id.clone(), flow.client_secret.clone());
    let own = [("grant_type", "client_credentials")];
    let printed = run(&["rotate", "client-secret", "-e", &admin, &id, "--format", "json"]).success();
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    flow.client_secret = printed["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(flow.token(&own).await.status, 200);
    flow.client_secret.clone_from(&older);
    assert_eq!(flow.token(&own).await.status, 200);
    run(&["delete", "rotated-client-secrets", "-e", &admin, &id]).success();
    assert_eq!(flow.token(&own).await.status, 401);
}

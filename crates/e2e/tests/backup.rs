//! `claviger backup`: a copy of the database while the server goes on.

use claviger_e2e::{Database, Flow, Server, ServerOptions, binary};

#[tokio::test]
async fn a_backup_while_serving_opens_as_a_database_with_every_token() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let flow = Flow::new(&server).await;
    let ask = || async {
        let answer = flow.token(&[("grant_type", "client_credentials")]).await;
        claviger_e2e::flow::text(&answer.json(), "access_token")
    };
    let before = [ask().await, ask().await];
    let copied = Database::sqlite();
    let file = copied.file().unwrap().display().to_string();
    let copy = || binary::run(&["backup", &file, &database.dsn()]);
    // Tokens go on while it copies.
    let (said, _) = tokio::join!(
        tokio::task::spawn_blocking({
            let (file, dsn) = (file.clone(), database.dsn());
            move || binary::run(&["backup", &file, &dsn]).success()
        }),
        async {
            for _ in 0..20 {
                ask().await;
            }
        }
    );
    assert!(said.unwrap().contains("was copied to"));
    let again = copy();
    assert_eq!(again.code, Some(1));
    let again = again.stderr;
    assert!(again.contains("nothing is overwritten"), "{again}");
    let restored = ServerOptions::new(&copied).start().await;
    for token in before {
        assert!(
            restored.is_active(&token).await,
            "a token that was answered before is in the copy"
        );
    }
}

#[test]
fn a_backup_says_what_to_do_for_other_databases_and_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy").display().to_string();
    let said = binary::run(&["backup", &file, &Database::postgres().dsn()]).stderr;
    assert!(said.contains("pg_dump"), "{said}");
    let said = binary::run(&["backup", &file, &Database::mariadb().dsn()]).stderr;
    assert!(said.contains("mariadb-dump"), "{said}");
    let missing = folder.path().join("missing.sqlite");
    let said = binary::run(&["backup", &file, &format!("sqlite://{}", missing.display())]).stderr;
    assert!(said.contains("there is no database at") && !missing.exists(), "{said}");
}

//! What only a MariaDB server can show: lost connections, strictness, addresses, migrations without transactions.

use std::time::{Duration, Instant};

use claviger_core::port::*;
use claviger_store::{OpenError, Options, open_mysql};
use futures_util::future::{join, join_all};
use mysql_async::prelude::Queryable;

use crate::records::*;
use crate::scene::{Scene, applied, read_client};
use crate::{galera, mariadb};

/// Ends every connection of the store under test.
async fn cut(url: &str) {
    let mut beside = mariadb::beside(url).await;
    let others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    let others: Vec<u64> = beside.query(others).await.unwrap();
    assert!(!others.is_empty());
    for other in others {
        // One that ended by itself is as good.
        let _ = beside.query_drop(format!("KILL CONNECTION {other}")).await;
    }
}

async fn until_applied(store: &dyn Store, change: impl Fn() -> Change) {
    let until = Instant::now() + Duration::from_secs(20);
    while store.apply(change()).await.is_err() {
        assert!(Instant::now() < until, "changes have not come back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_heal() {
    let scene = Scene::mariadb().await;
    let store = scene.store();
    let client = scene.client("app").await;
    for round in 0..3 {
        cut(scene.mariadb_url().unwrap()).await;
        until_applied(&*store, || Change::Issue {
            access: own_access("app"),
            client: proof(&client),
        })
        .await;
        until_applied(&*store, || Change::PutKey(key("set", &round.to_string()))).await;
        // Reads are asked again by themselves.
        assert!(store.client("app", Freshness::Latest).await.unwrap().is_some());
        assert_eq!(store.access(id()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_half_done_when_connections_die_under_load() {
    let scene = Scene::mariadb().await;
    let client = scene.client("app").await;
    let mut exchanges = Vec::new();
    for _ in 0..60 {
        let (grant, code) = scene.coded(grant("app")).await;
        exchanges.push((code, refresh(grant.id)));
    }
    let store = scene.store();
    let changes = exchanges
        .iter()
        .map(|(code, refresh)| store.apply(crate::scene::redeem(code, refresh, &client)));
    let (outcomes, ()) = join(join_all(changes), cut(scene.mariadb_url().unwrap())).await;
    for ((code, refresh), outcome) in exchanges.iter().zip(outcomes) {
        let facts = store.code(code.id, Freshness::Latest).await.unwrap().unwrap();
        let is_used = facts.used_at.is_some();
        assert_eq!(store.access(refresh.id).await.unwrap().is_some(), is_used);
        let token = store.refresh(refresh.id, Freshness::Latest).await.unwrap();
        assert_eq!(token.is_some(), is_used);
        if let Ok(outcome) = outcome {
            assert_eq!(outcome == Outcome::Applied, is_used);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_is_enough_for_everything() {
    let scene = Scene::mariadb().await;
    let url = scene.mariadb_url().unwrap();
    let few = Options {
        max_connections: Some(1),
        ..Options::default()
    };
    let database = open_mysql(url, few).await.unwrap();
    scene.database.close().await;
    let store = database.store();
    applied(&*store, Change::CreateClient(client("app"))).await;
    let client = read_client(&*store, "app").await;
    let work = (0..100).map(|task| {
        let (store, client) = (store.clone(), client.clone());
        async move {
            let access = own_access("app");
            let issue = Change::Issue {
                access: access.clone(),
                client: proof(&client),
            };
            applied(&*store, issue).await;
            applied(&*store, Change::AnswerLogin { flow: flow() }).await;
            assert_eq!(store.access(access.id).await.unwrap().unwrap().access, access, "{task}");
            assert_eq!(store.count_clients().await.unwrap(), 1);
        }
    });
    join_all(work).await;
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    let connections: Option<u64> = mariadb::beside(url).await.query_first(count).await.unwrap();
    assert_eq!(connections, Some(1));
}

/// The collation of a server would take them for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_trailing_spaces_and_accents_tell_ids_apart() {
    let scene = Scene::mariadb().await;
    let store = scene.store();
    let names = ["app", "App", "app ", "app\0", "äpp", "a\u{308}pp", "app\u{1f511}"];
    for name in names {
        applied(&*store, Change::CreateClient(client(name))).await;
        applied(&*store, Change::AddKey(key("set", name))).await;
    }
    for name in names {
        assert_eq!(read_client(&*store, name).await.name, format!("{name} name"));
        let query = ClientQuery {
            name: Some(format!("{name} name")),
            limit: 10,
            ..ClientQuery::default()
        };
        assert_eq!(store.clients(&query).await.unwrap().len(), 1, "{name:?}");
    }
    assert_eq!(store.keys("set").await.unwrap().len(), names.len());
    assert!(store.keys("set ").await.unwrap().is_empty());
}

/// The server of these tests cuts text off, unless a connection says otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_does_not_fit_is_refused_and_not_cut_off() {
    let scene = Scene::mariadb().await;
    let store = scene.store();
    let mut beside = mariadb::beside(scene.mariadb_url().unwrap()).await;
    let mode: Option<String> = beside.query_first("SELECT @@sql_mode").await.unwrap();
    assert_eq!(mode.as_deref(), Some(""));
    let long = "x".repeat(1025);
    let refused = store.apply(Change::CreateClient(client(&long))).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert_eq!(store.count_clients().await.unwrap(), 0);
    let document = ClientRecord {
        document: format!("{{\"contacts\": \"{}\"}}", "ß€🔑".repeat(40_000)),
        ..client("long")
    };
    applied(&*store, Change::CreateClient(document.clone())).await;
    assert_eq!(read_client(&*store, "long").await.document, document.document);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_migration_goes_on_and_two_servers_may_migrate_at_once() {
    let scene = Scene::mariadb().await;
    scene.client("app").await;
    // As if each step had ended before it was recorded, and one in its middle.
    scene.sql("DELETE FROM claviger_migration").await;
    scene.sql("ALTER TABLE claviger_grant DROP COLUMN skipped").await;
    scene.sql("DROP TABLE claviger_logout_notice").await;
    assert!(matches!(scene.store().schema().await.unwrap(), SchemaStatus::Behind(_)));
    let second = scene.second_server().await.unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |step: claviger_store::MigrationStatus| told.lock().unwrap().push(step.version);
    let (one, other) = join(scene.database.migrate(&tell), second.migrate(&tell)).await;
    one.and(other).unwrap();
    assert_eq!(scene.store().schema().await.unwrap(), SchemaStatus::Current);
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    let all = scene.database.migration_status().await.unwrap();
    assert_eq!(
        told,
        all.iter().map(|step| step.version).collect::<Vec<_>>(),
        "each is told once"
    );
    scene.redeemed("other").await;
}

/// Whoever reads is behind the migration, which is behind the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_waits_for_a_backup_lets_others_pass() {
    let scene = Scene::mariadb().await;
    scene.sql("DELETE FROM claviger_migration WHERE version = 3").await;
    scene
        .sql("ALTER TABLE claviger_session DROP KEY claviger_session_subject")
        .await;
    let url = scene.mariadb_url().unwrap();
    let mut backup = mariadb::beside(url).await;
    let begin = "START TRANSACTION; SELECT COUNT(*) FROM claviger_session";
    backup.query_drop(begin).await.unwrap();
    let (mut watch, until) = (mariadb::beside(url).await, Instant::now() + Duration::from_secs(30));
    let store = scene.store();
    let while_it_waits = async {
        let waits = "SELECT COUNT(*) FROM information_schema.processlist
                     WHERE db = DATABASE() AND state LIKE 'Waiting for table metadata lock%'";
        while watch.query_first::<u64, _>(waits).await.unwrap() == Some(0) {
            assert!(Instant::now() < until, "the migration does not wait");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let read = store.session(id()).await;
        backup.query_drop("COMMIT").await.unwrap();
        read
    };
    let (migrated, read) = join(scene.database.migrate(&|_| ()), while_it_waits).await;
    assert_eq!(read.unwrap(), None);
    migrated.unwrap();
}

/// As a replica that has not taken over yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_read_only_is_unavailable_for_changes_until_it_takes_them() {
    let scene = Scene::mariadb().await;
    scene.client("app").await;
    // Who may do everything may write to it nevertheless.
    scene.sql("CREATE USER plain@'127.0.0.1' IDENTIFIED BY 'geheim'").await;
    scene
        .sql("GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO plain@'127.0.0.1'")
        .await;
    let url = scene.mariadb_url().unwrap().replace("root@", "plain:geheim@");
    let database = open_mysql(&url, Options::default()).await.unwrap();
    let store = database.store();
    applied(&*store, Change::PutKey(key("set", "before"))).await;
    scene.sql("SET GLOBAL read_only = 1").await;
    let refused = store.apply(Change::PutKey(key("set", "during"))).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(store.client("app", Freshness::Latest).await.unwrap().is_some());
    another_server_is_used(scene.mariadb_url().unwrap()).await;
    scene.sql("SET GLOBAL read_only = 0").await;
    until_applied(&*store, || Change::PutKey(key("set", "after"))).await;
    let kids: Vec<_> = store
        .keys("set")
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.kid)
        .collect();
    assert!(!kids.contains(&"during".to_owned()), "{kids:?}");
}

/// As `read_only` is on at the server of this address: with several places it is none of them.
async fn another_server_is_used(read_only: &str) {
    let host = |url: &str| url.split_once('(').unwrap().1.split_once(')').unwrap().0.to_owned();
    let first = host(read_only);
    let twice = read_only.replace(&first, &format!("{first},{first}"));
    let refusal = open_mysql(&twice, Options::default()).await.err().unwrap();
    assert!(refusal.to_string().contains("read-only"), "{refusal}");
    let writable = galera::new_database().await.remove(0);
    let name = writable
        .split_once(")/")
        .unwrap()
        .1
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    let mut beside = mariadb::beside(read_only).await;
    beside.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
    let second = host(&writable);
    let both = writable.replace(&second, &format!("{first},{second}"));
    let database = open_mysql(&both, Options::default()).await.unwrap();
    let connections = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{name}'");
    let at_first: Option<u64> = beside.query_first(&connections).await.unwrap();
    let at_second: Option<u64> = mariadb::connect(port(&second), None)
        .await
        .query_first(&connections)
        .await
        .unwrap();
    assert_eq!((at_first, at_second), (Some(0), Some(1)));
    database.close().await;
}

fn port(host: &str) -> u16 {
    host.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_or_lets_us_not_in_is_an_error_at_the_start() {
    let scene = Scene::mariadb().await;
    let [nobody] = crate::keeper::free_ports();
    let right = scene.mariadb_url().unwrap();
    let port = right
        .split_once(':')
        .and_then(|(_, rest)| rest.split_once(':'))
        .unwrap()
        .1;
    let port = port.split_once(')').unwrap().0;
    for (url, part) in [
        (format!("mysql://someone:geheim@tcp(127.0.0.1:{nobody})/db"), "refused"),
        (format!("mysql://root:geheim@tcp(127.0.0.1:{port})/db"), "1045"),
        (format!("mysql://root@tcp(127.0.0.1:{port})/nowhere"), "nowhere"),
    ] {
        let refusal = open_mysql(&url, Options::default()).await.err().unwrap();
        let may_pass = matches!(refusal, OpenError::Unreachable(_));
        assert_eq!(may_pass, part == "refused", "{refusal}");
        let text = refusal.to_string();
        assert!(text.contains(part) && !text.contains("geheim"), "{text}");
    }
}

/// The server's certificate is for `localhost`, by an authority that nobody else knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_decides_whether_it_is_used_and_what_is_checked() {
    let scene = Scene::mariadb().await;
    let plain = scene.mariadb_url().unwrap();
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/tls/authority.pem");
    for (tls, host, authority, expected) in [
        ("false", "127.0.0.1", None, Some(false)),
        ("preferred", "127.0.0.1", None, Some(true)),
        ("skip-verify", "127.0.0.1", None, Some(true)),
        ("true", "localhost", Some(ours), Some(true)),
        ("custom", "localhost", Some(ours), Some(true)),
        ("true", "127.0.0.1", Some(ours), None),
        ("true", "localhost", None, None),
    ] {
        let authority = authority.map_or(String::new(), |path| format!("&tls-ca={path}"));
        let url = plain.replace("127.0.0.1", host);
        let opened = open_mysql(&format!("{url}&tls={tls}{authority}"), Options::default()).await;
        let name = format!("{tls} {host} {authority}");
        assert_eq!(
            opened.is_ok(),
            expected.is_some(),
            "{name}: {:?}",
            opened.as_ref().err()
        );
        if let Err(refusal) = &opened {
            // It does not pass: who waits for it waits for ever.
            assert!(matches!(refusal, OpenError::Server(_)), "{name}: {refusal:?}");
        }
        let (Ok(database), Some(is_encrypted)) = (opened, expected) else {
            continue;
        };
        // Only this test uses TLS.
        let mut beside = mariadb::beside(plain).await;
        let tls_connections = "SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'";
        let before: Option<(String, u64)> = beside.query_first(tls_connections).await.unwrap();
        let store = database.store();
        // A second connection is made for it.
        assert!(store.keys("none").await.unwrap().is_empty());
        let after: Option<(String, u64)> = beside.query_first(tls_connections).await.unwrap();
        assert_eq!(after.unwrap().1 > before.unwrap().1, is_encrypted, "{name}");
        database.close().await;
    }
}

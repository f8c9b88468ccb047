//! What only a server can show: lost connections, plans, addresses.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use claviger_core::port::*;
use claviger_store::{OpenError, Options, POSTGRES_PLANNING, POSTGRES_PURGE, POSTGRES_STATEMENTS, open_postgres};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::cluster;
use crate::records::*;
use crate::scene::{Scene, applied};

/// Ends every connection of the store under test.
pub(crate) async fn cut(url: &str) {
    let beside = cluster::connect(url).await;
    let cut = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended: i64 = beside.query_one(cut, &[]).await.unwrap().get(0);
    assert!(ended > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_heal() {
    let scene = Scene::postgres().await;
    let store = scene.store();
    let client = scene.client("app").await;
    for round in 0..3 {
        cut(scene.postgres_url().unwrap()).await;
        let until = Instant::now() + Duration::from_secs(10);
        let issue = || Change::Issue {
            access: own_access("app"),
            client: proof(&client),
        };
        while store.apply(issue()).await.is_err() {
            assert!(Instant::now() < until, "issuing has not come back");
        }
        while store
            .apply(Change::PutKey(key("set", &round.to_string())))
            .await
            .is_err()
        {
            assert!(Instant::now() < until, "changes have not come back");
        }
        // Reads are asked again by themselves.
        assert!(store.client("app", Freshness::Latest).await.unwrap().is_some());
        assert_eq!(store.access(id()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_half_done_when_connections_die_under_load() {
    let scene = Scene::postgres().await;
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
    let (outcomes, ()) = futures_util::future::join(
        futures_util::future::join_all(changes),
        cut(scene.postgres_url().unwrap()),
    )
    .await;
    for ((code, refresh), outcome) in exchanges.iter().zip(outcomes) {
        let is_used = store
            .code(code.id, Freshness::Latest)
            .await
            .unwrap()
            .unwrap()
            .used_at
            .is_some();
        assert_eq!(store.access(refresh.id).await.unwrap().is_some(), is_used);
        assert_eq!(
            store.refresh(refresh.id, Freshness::Latest).await.unwrap().is_some(),
            is_used
        );
        if let Ok(outcome) = outcome {
            assert_eq!(outcome == Outcome::Applied, is_used);
        }
    }
}

/// Passes bytes to the server, or holds them back as a broken network does.
async fn network(server: &str) -> (String, watch::Sender<bool>) {
    let (address, rest) = server.split_once('@').unwrap().1.split_once('/').unwrap();
    let (address, listener) = (address.to_owned(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("postgres://postgres@{}/{rest}", listener.local_addr().unwrap());
    let (works, state) = watch::channel(true);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&address).await.unwrap();
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::spawn(pass(near_read, far_write, state.clone()));
            tokio::spawn(pass(far_read, near_write, state.clone()));
        }
    });
    (url, works)
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut works: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if works.wait_for(|works| *works).await.is_err() || to.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_is_an_error_in_bounded_time_and_heals() {
    let scene = Scene::postgres().await;
    scene.client("app").await;
    let (url, works) = network(scene.postgres_url().unwrap()).await;
    let options = Options {
        patience: Duration::from_millis(500),
        statement_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let database = open_postgres(&url, options).await.unwrap();
    let store = database.store();
    applied(&*store, Change::PutKey(key("set", "before"))).await;
    works.send(false).unwrap();
    let asked = Instant::now();
    let (read, written, looked_up) = tokio::join!(
        store.client("app", Freshness::Latest),
        store.apply(Change::PutKey(key("set", "during"))),
        store.access(id()),
    );
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    assert!(matches!(looked_up, Err(StoreError::Unavailable(_))), "{looked_up:?}");
    works.send(true).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while store.apply(Change::PutKey(key("set", "after"))).await.is_err() {
        assert!(Instant::now() < until, "it has not come back");
        tokio::task::yield_now().await;
    }
    assert!(store.client("app", Freshness::Latest).await.unwrap().is_some());
}

/// Somebody else, in a transaction that is not over, remembers a newer grant: neither half of the end may miss the row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_is_forgotten_at_this_moment_ends_nevertheless() {
    let scene = Scene::postgres().await;
    let store = scene.store();
    let client = scene.client("app").await;
    let memory = GrantRecord {
        remembered_until: Some(LATER),
        ..grant("app")
    };
    let (grant, code) = scene.coded(memory).await;
    let refresh = refresh(grant.id);
    applied(&*store, crate::scene::redeem(&code, &refresh, &client)).await;
    let beside = cluster::connect(scene.postgres_url().unwrap()).await;
    let forget = "BEGIN; UPDATE claviger_grant SET remembered_until = NULL";
    beside.batch_execute(forget).await.unwrap();
    let (other, id) = (store.clone(), grant.id);
    let ending = tokio::spawn(async move { other.apply(Change::EndGrant(id)).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let watch = cluster::connect(scene.postgres_url().unwrap()).await;
    let until = Instant::now() + Duration::from_secs(20);
    while watch.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!ending.is_finished() && Instant::now() < until, "the end did not wait");
        tokio::task::yield_now().await;
    }
    beside.batch_execute("COMMIT").await.unwrap();
    assert_eq!(ending.await.unwrap().unwrap(), Outcome::Applied);
    assert_eq!(store.access(refresh.id).await.unwrap(), None);
    let facts = store.refresh(refresh.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.grant, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_is_read_behind_a_pooler_again_and_again() {
    let scene = Scene::pgbouncer().await;
    for _ in 0..6 {
        assert!(scene.database.clock().await.unwrap().unwrap().0 > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_purges_at_a_time() {
    let scene = Scene::postgres().await;
    let beside = cluster::connect(scene.postgres_url().unwrap()).await;
    beside
        .batch_execute("SELECT pg_advisory_lock(7812733648501139827)")
        .await
        .unwrap();
    let purged = scene.store().purge(LATER, 10).await.unwrap();
    assert_eq!(purged, Purged { rows: 0, busy: true });
    beside.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    assert!(!scene.store().purge(LATER, 10).await.unwrap().busy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_are_enough_for_everything() {
    let scene = Scene::postgres().await;
    let url = scene.postgres_url().unwrap();
    let few = Options {
        max_connections: Some(2),
        ..Options::default()
    };
    let database = open_postgres(url, few).await.unwrap();
    scene.database.close().await;
    let store = database.store();
    applied(&*store, Change::CreateClient(client("app"))).await;
    let client = crate::scene::read_client(&*store, "app").await;
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
    futures_util::future::join_all(work).await;
    let count = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let beside = cluster::connect(url).await;
    // Those of the scene may be on their way out.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let connections: i64 = beside.query_one(count, &[]).await.unwrap().get(0);
        if connections == 2 {
            break;
        }
        assert!(
            connections > 2 && Instant::now() < deadline,
            "{connections} connections"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Plans are kept by the connections, so those made when there is nothing yet must be good when there are millions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_of_a_request_and_no_purge_reads_a_whole_table() {
    let scene = Scene::postgres().await;
    let beside = cluster::connect(scene.postgres_url().unwrap()).await;
    beside.batch_execute(&POSTGRES_PLANNING.join(";")).await.unwrap();
    let statements = POSTGRES_STATEMENTS.iter().copied().chain([("purge", POSTGRES_PURGE)]);
    // The table of migrations has a handful of rows.
    let statements: Vec<_> = statements.filter(|(name, _)| *name != "migrations").collect();
    for (name, sql) in &statements {
        beside.batch_execute(&format!("PREPARE {name} AS {sql}")).await.unwrap();
        assert_looked_up(&beside, name, "empty tables").await;
    }
    beside.batch_execute(POPULATE).await.unwrap();
    // What the settings forbid nobody may need: a pooler does not let them be set.
    beside
        .batch_execute("ANALYZE; RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin")
        .await
        .unwrap();
    for (name, _) in &statements {
        assert_looked_up(&beside, name, "full tables").await;
    }
}

async fn assert_looked_up(beside: &tokio_postgres::Client, name: &str, state: &str) {
    let count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = $1";
    let parameters: i32 = beside.query_one(count, &[&name]).await.unwrap().get(0);
    let nulls = vec!["NULL"; usize::try_from(parameters).unwrap()].join(", ");
    let explain = format!("EXPLAIN EXECUTE {name}({nulls})");
    let mut text = String::new();
    for line in &beside.query(&explain, &[]).await.unwrap() {
        writeln!(text, "{}", line.get::<_, &str>(0)).unwrap();
    }
    assert!(!text.contains("Seq Scan"), "{name}, {state}:\n{text}");
}

/// Enough rows that reading them all would be noticed.
const POPULATE: &str = "
    INSERT INTO claviger_client (serial, id, version, name, owner, document, created_at, updated_at)
    SELECT n, 'client ' || n, 1, '', '', '{}', 0, 0 FROM generate_series(1, 5000) n;
    INSERT INTO claviger_flow SELECT gen_random_uuid(), 1, 1, 'x', n FROM generate_series(1, 5000) n;
    INSERT INTO claviger_session SELECT gen_random_uuid(), n, 0, true, 'x', n FROM generate_series(1, 5000) n;
    INSERT INTO claviger_grant SELECT gen_random_uuid(), n, n, NULL, '', '', 'x', NULL, 0, n FROM generate_series(1, 5000) n;
    INSERT INTO claviger_logout_notice SELECT gen_random_uuid(), n, gen_random_uuid(), n, 0, n, n FROM generate_series(1, 5000) n;
    INSERT INTO claviger_code SELECT gen_random_uuid(), 'x', id, NULL, NULL, NULL, expires_at FROM claviger_grant;
    INSERT INTO claviger_access SELECT gen_random_uuid(), 'x', id, NULL, NULL, NULL, 0, expires_at FROM claviger_grant;
    INSERT INTO claviger_refresh SELECT gen_random_uuid(), 'x', id, 0, expires_at, NULL, NULL FROM claviger_grant;
    INSERT INTO claviger_assertion SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), n FROM generate_series(1, 5000) n;
    INSERT INTO claviger_trust SELECT gen_random_uuid(), n, n, 'k', '', '{}', 0, n FROM generate_series(1, 5000) n;
    INSERT INTO claviger_api_key SELECT gen_random_uuid(), n, 'x', '', 0, n, NULL FROM generate_series(1, 5000) n;
    INSERT INTO claviger_device SELECT gen_random_uuid(), 'x', int4send(n::int), n, '', '', 5, NULL, 0, NULL, n, n FROM generate_series(1, 5000) n;
    INSERT INTO claviger_removed_client SELECT n, nullif(n, 1) FROM generate_series(1, 5000) n;
    INSERT INTO claviger_key (key_set, kid, sealed, created_at) SELECT n, n, 'x', 0 FROM generate_series(1, 5000) n;
";

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_the_start() {
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://someone:geheim@127.0.0.1:{nobody}/db?sslmode=disable");
    let refusal = open_postgres(&url, Options::default()).await.err().unwrap();
    assert!(matches!(refusal, OpenError::Unreachable(_)), "{refusal}");
    assert!(!refusal.to_string().contains("geheim"), "{refusal}");
}

/// The server's certificate is for `localhost`, by an authority that nobody else knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_decides_whether_there_is_tls_and_what_is_checked() {
    let scene = Scene::postgres().await;
    let url = scene.postgres_url().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/tls");
    let ours = format!("&sslrootcert={folder}/authority.pem");
    for (mode, host, authority, expected) in [
        ("disable", "127.0.0.1", "", Some(false)),
        ("prefer", "127.0.0.1", "", Some(true)),
        ("require", "127.0.0.1", "", Some(true)),
        ("require", "127.0.0.1", &*ours, Some(true)),
        ("verify-ca", "127.0.0.1", &*ours, Some(true)),
        ("verify-ca", "localhost", "", None),
        ("verify-full", "localhost", &*ours, Some(true)),
        ("verify-full", "127.0.0.1", &*ours, None),
        ("verify-full", "localhost", "", None),
    ] {
        let name = format!("{mode} {host}");
        let url = url.replace(
            "sslmode=disable",
            &format!("sslmode={mode}{authority}&application_name={mode}"),
        );
        let opened = open_postgres(&url.replace("127.0.0.1", host), Options::default()).await;
        assert_eq!(
            opened.is_ok(),
            expected.is_some(),
            "{name}: {:?}",
            opened.as_ref().err()
        );
        let (Ok(_open), Some(is_encrypted)) = (&opened, expected) else {
            continue;
        };
        let beside = cluster::connect(scene.postgres_url().unwrap()).await;
        let sessions =
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = $1
                        AND datname = current_database()";
        let found: bool = beside.query_one(sessions, &[&mode]).await.unwrap().get(0);
        assert_eq!(found, is_encrypted, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_cannot_be_read_is_named() {
    let scene = Scene::postgres().await;
    let url = format!("{}&sslrootcert=/nonexistent.pem", scene.postgres_url().unwrap());
    let refusal = open_postgres(&url, Options::default()).await.err().unwrap();
    assert!(refusal.to_string().contains("/nonexistent.pem"), "{refusal}");
}

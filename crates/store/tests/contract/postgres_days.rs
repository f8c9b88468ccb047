//! The days on which PostgreSQL is not as usual: it undoes, takes no writes, is slow, or stands behind a pooler.

use std::time::{Duration, Instant};

use claviger_core::port::*;
use claviger_store::{Options, open_postgres};

use crate::postgres_only::cut;
use crate::records::*;
use crate::scene::{Scene, applied};
use crate::{cluster, pgbouncer};

/// The default of an operator, or of a distributed database, that makes the server undo what might not have been alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_serializable_server_undoes_is_done_again_whole() {
    let scene = Scene::postgres().await;
    scene
        .sql(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', \
              current_database()); END $$",
        )
        .await;
    let url = scene.postgres_url().unwrap();
    let servers = [
        open_postgres(url, Options::default()).await.unwrap(),
        open_postgres(url, Options::default()).await.unwrap(),
        open_postgres(url, Options::default()).await.unwrap(),
    ];
    let stores: Vec<_> = servers.iter().map(claviger_store::Database::store).collect();
    let beside = cluster::connect(url).await;
    let undone = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    for round in 0..8 {
        let start = std::sync::Arc::new(tokio::sync::Barrier::new(24));
        let tasks = (0..24_usize).map(|task| {
            let (store, start) = (stores[task % 3].clone(), start.clone());
            let keys = ["a", "b"]
                .map(|part| key("set", &format!("{part}{round}.{task}")))
                .to_vec();
            tokio::spawn(async move {
                start.wait().await;
                store
                    .apply(Change::ReplaceKeySet {
                        set: "set".to_owned(),
                        keys,
                    })
                    .await
            })
        });
        for task in futures_util::future::join_all(tasks).await {
            assert_eq!(task.unwrap().unwrap(), Outcome::Applied);
        }
        let kids: Vec<_> = stores[0]
            .keys("set")
            .await
            .unwrap()
            .into_iter()
            .map(|key| key.kid)
            .collect();
        assert_eq!(kids.len(), 2, "{kids:?}");
        assert_eq!(kids[0][1..], kids[1][1..], "what is left is of one change");
    }
    let until = Instant::now() + Duration::from_secs(20);
    while beside.query_one(undone, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(
            Instant::now() < until,
            "the server undid nothing, so this shows nothing"
        );
        beside.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        tokio::task::yield_now().await;
    }
}

/// As a standby, or a server whose disk an operator saves: what is read goes on, and what is written comes back alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_unavailable_until_it_takes_them_again() {
    let scene = Scene::postgres().await;
    let client = scene.client("app").await;
    let url = scene.postgres_url().unwrap();
    let read_only = |flag: &str| {
        format!(
            "BEGIN READ WRITE; DO $$ BEGIN EXECUTE \
             format('ALTER DATABASE %I SET default_transaction_read_only = {flag}', current_database()); END $$; COMMIT"
        )
    };
    scene.sql(&read_only("on")).await;
    cut(url).await;
    let store = scene.store();
    let issue = || Change::Issue {
        access: own_access("app"),
        client: proof(&client),
    };
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        // The connections that were cut say so first.
        let (issued, put) = (
            store.apply(issue()).await,
            store.apply(Change::PutKey(key("set", "during"))).await,
        );
        let says_why = |outcome: &Result<Outcome, StoreError>| match outcome {
            Err(StoreError::Unavailable(reason)) => reason.contains("25006"),
            Err(error) => panic!("{error}"),
            Ok(outcome) => panic!("{outcome:?} on a server that takes no writes"),
        };
        if says_why(&issued) && says_why(&put) {
            break;
        }
        assert!(Instant::now() < until, "{issued:?} {put:?}");
    }
    assert!(store.client("app", Freshness::Latest).await.unwrap().is_some());
    scene.sql(&read_only("off")).await;
    // Nobody cuts anything now: the connections that were refused were given up.
    let until = Instant::now() + Duration::from_secs(20);
    while store.apply(issue()).await.is_err() || store.apply(Change::PutKey(key("set", "after"))).await.is_err() {
        assert!(Instant::now() < until, "changes have not come back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_runs_too_long_is_ended_by_the_server() {
    let scene = Scene::postgres().await;
    let options = Options {
        statement_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let database = open_postgres(scene.postgres_url().unwrap(), options).await.unwrap();
    // Its statements are prepared before somebody locks the table.
    applied(&*database.store(), Change::PutKey(key("set", "before"))).await;
    let beside = cluster::connect(scene.postgres_url().unwrap()).await;
    beside.batch_execute("BEGIN; LOCK TABLE claviger_key").await.unwrap();
    let waited = database.store().apply(Change::PutKey(key("set", "kid"))).await;
    let Err(StoreError::Unavailable(reason)) = &waited else {
        panic!("{waited:?}");
    };
    assert!(reason.contains("57014"), "{reason}");
    beside.batch_execute("ROLLBACK").await.unwrap();
    applied(&*database.store(), Change::PutKey(key("set", "kid"))).await;
}

/// Two programs behind one pooler, each with more connections than the pooler has: statements that were named on one of
/// its connections would be missing on the other, and settings would stay for strangers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_keeps_nothing_of_ours() {
    let scene = Scene::pgbouncer().await;
    let (stores, _second) = scene.stores().await;
    let client = scene.client("app").await;
    let work = (0..300_usize).map(|task| {
        let (store, client) = (stores[task % 2].clone(), client.clone());
        async move {
            let access = own_access("app");
            let issue = Change::Issue {
                access: access.clone(),
                client: proof(&client),
            };
            applied(&*store, issue).await;
            applied(&*store, Change::AnswerLogin { flow: flow() }).await;
            assert_eq!(store.access(access.id).await.unwrap().unwrap().access, access);
            assert!(store.client("app", Freshness::Latest).await.unwrap().is_some());
        }
    });
    futures_util::future::join_all(work).await;
    // The pooler's own connections, as a stranger finds them.
    let stranger = cluster::connect(scene.postgres_url().unwrap().trim_end_matches("&pgbouncer=true")).await;
    for _ in 0..4 {
        let found = stranger
            .simple_query("SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('statement_timeout')")
            .await
            .unwrap();
        let row = found.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        assert_eq!((row.unwrap().get(0), row.unwrap().get(1)), (Some("0"), Some("0")));
    }
    let direct = cluster::new_database().await;
    assert!(
        open_postgres(&pgbouncer::pooled(&direct), Options::default())
            .await
            .is_ok()
    );
}

/// `lock_timeout` of a role or database: who waits too long for a lock is told so, and does not join the queue again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_too_long_for_a_lock_is_told_so_and_nothing_happened() {
    let scene = Scene::postgres().await;
    scene
        .sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 200', current_database()); END $$")
        .await;
    let database = open_postgres(scene.postgres_url().unwrap(), Options::default())
        .await
        .unwrap();
    let store = database.store();
    applied(&*store, Change::PutKey(key("set", "before"))).await;
    let beside = cluster::connect(scene.postgres_url().unwrap()).await;
    beside.batch_execute("BEGIN; LOCK TABLE claviger_key").await.unwrap();
    // They wait together; then each is tried alone, and fails alone.
    let change = |kid: &str| store.apply(Change::PutKey(key("set", kid)));
    let (first, one, other, elsewhere) = futures_util::future::join4(
        change("first"),
        change("one"),
        change("other"),
        store.apply(Change::CreateClient(client("app"))),
    )
    .await;
    assert_eq!(elsewhere.unwrap(), Outcome::Applied, "what needs no such lock goes on");
    for waited in [first, one, other] {
        let Err(StoreError::Unavailable(reason)) = &waited else {
            panic!("{waited:?}");
        };
        assert!(reason.contains("55P03"), "{reason}");
    }
    beside.batch_execute("ROLLBACK").await.unwrap();
    let keys = store.keys("set").await.unwrap();
    assert_eq!(keys.into_iter().map(|key| key.kid).collect::<Vec<_>>(), ["before"]);
    applied(&*store, Change::PutKey(key("set", "after"))).await;
}

//! A primary of PostgreSQL dies, and its standby takes over.

use std::time::{Duration, Instant};

use claviger_core::port::*;
use claviger_store::{Options, open_postgres};

use crate::records::*;
use crate::scene::{applied, read_client};
use crate::{cluster, keeper};

/// A primary whose commits wait for its standby, so that nothing that was acknowledged is lost.
const SCRIPT: &str = r#"
    mkdir -m 700 "$FOLDER" && cd "$FOLDER" || exit 1
    "$BIN/initdb" -D one -U postgres -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log; exit 1; }
    serve() {
        name=$1 port=$2
        shift 2
        "$BIN/postgres" -D "$name" -p "$port" -k "$FOLDER" -c listen_addresses=127.0.0.1 -c fsync=off \
            -c shared_buffers=32MB "$@" </dev/null >>log 2>&1 &
        server=$!
        until "$BIN/pg_isready" -q -h 127.0.0.1 -p "$port"; do
            kill -0 "$server" 2>/dev/null || { cat log; exit 1; }
            sleep 0.05
        done
    }
    serve one "$ONE" -c synchronous_standby_names='*'
    one=$server
    "$BIN/pg_basebackup" -h 127.0.0.1 -p "$ONE" -U postgres -D two -R --checkpoint=fast --no-sync >>log 2>&1 || { cat log; exit 1; }
    serve two "$TWO"
    echo ready
    while read -r order; do
        case $order in
            fail) kill -QUIT "$one"; wait "$one" ;;
            promote) "$BIN/pg_ctl" promote -D two >>log 2>&1 ;;
        esac
    done
    kill -QUIT "$server" "$one" 2>/dev/null
    wait
    cd / && rm -rf "$FOLDER"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_promoted_takes_what_is_written_and_has_what_was() {
    let [one, two] = keeper::free_ports();
    let environment = [
        ("BIN", cluster::binaries().display().to_string()),
        ("FOLDER", keeper::folder("failover").display().to_string()),
        ("ONE", one.to_string()),
        ("TWO", two.to_string()),
    ];
    let mut servers = keeper::start("postgres", SCRIPT, &environment);
    let beside = cluster::connect(&format!("postgres://postgres@127.0.0.1:{one}/postgres")).await;
    beside.batch_execute("CREATE DATABASE shop").await.unwrap();
    // The standby first, which answers and must be passed over.
    let url = format!(
        "postgres://postgres@127.0.0.1:{two},127.0.0.1:{one}/shop?sslmode=disable&target_session_attrs=read-write"
    );
    let database = open_postgres(&url, Options::default()).await.unwrap();
    database.migrate(&|_| ()).await.unwrap();
    let store = database.store();
    applied(&*store, Change::CreateClient(client("app"))).await;
    let client = read_client(&*store, "app").await;
    let mut acknowledged = Vec::new();
    let mut issue = async || -> bool {
        let access = own_access("app");
        let change = Change::Issue {
            access: access.clone(),
            client: proof(&client),
        };
        match store.apply(change).await {
            Ok(Outcome::Applied) => acknowledged.push(access),
            Err(StoreError::Unavailable(_)) => return false,
            other => panic!("{other:?}"),
        }
        true
    };
    for _ in 0..20 {
        assert!(issue().await);
    }
    servers.tell("fail");
    let deadline = Instant::now() + Duration::from_secs(60);
    while issue().await {
        assert!(Instant::now() < deadline, "the primary did not end");
    }
    // The standby answers, and until it is promoted that is of no use.
    assert!(!issue().await);
    servers.tell("promote");
    while !issue().await {
        assert!(Instant::now() < deadline, "changes have not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for access in acknowledged {
        let found = loop {
            match store.access(access.id).await {
                Err(StoreError::Unavailable(_)) if Instant::now() < deadline => tokio::task::yield_now().await,
                found => break found.unwrap(),
            }
        };
        assert_eq!(found.unwrap().access, access);
    }
    applied(&*store, Change::PutKey(key("set", "after"))).await;
    assert_eq!(store.keys("set").await.unwrap().len(), 1);
}

//! Many expired rows leave in small batches, while others are at work, and nothing else leaves.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use claviger_core::port::*;

use crate::purge::one_of_each;
use crate::records::*;
use crate::scene::{Scene, applied};

/// As the server removes them.
const BATCH: u32 = 500;
/// When the live ones among the many end: nothing else of a test ends then.
const LIVE: i64 = LATER.0 + 7;

/// A table with its share of a hundred rows, its columns before `expires_at`, and their values.
type Kind = (&'static str, u32, &'static str, &'static str);

/// ID, BYTES and TRUE stand for what the engine has for them. Row `i` belongs to grant `i`.
const KINDS: [Kind; 9] = [
    ("claviger_flow", 30, "id, step, version, sealed", "ID, 1, 0, BYTES"),
    (
        "claviger_session",
        10,
        "id, subject, authenticated_at, remember, sealed",
        "ID, 'ada', 0, TRUE, BYTES",
    ),
    (
        "claviger_grant",
        10,
        "id, client_serial, subject, scope, audience, sealed, created_at",
        "ID, 1, 'ada', 'openid', '', BYTES, 0",
    ),
    ("claviger_code", 10, "id, digest, grant_id", "ID, BYTES, ID"),
    (
        "claviger_access",
        20,
        "id, digest, grant_id, issued_at",
        "ID, BYTES, ID, 0",
    ),
    (
        "claviger_refresh",
        10,
        "id, digest, grant_id, issued_at",
        "ID, BYTES, ID, 0",
    ),
    (
        "claviger_logout_notice",
        3,
        "id, client_serial, session_id, subject, due_at",
        "ID, 1, ID, 'ada', 0",
    ),
    ("claviger_assertion", 3, "id", "BYTES"),
    (
        "claviger_device",
        4,
        "id, digest, user_code, client_serial, scope, audience, poll_interval, state, ends_at",
        "ID, BYTES, BYTES, 1, '', '', 5, 0, 0",
    ),
];

/// How an engine writes what differs.
struct Dialect {
    id: &'static str,
    bytes: &'static str,
    yes: &'static str,
    /// Rows with a column `i` from 1 to COUNT.
    numbers: &'static str,
}

const SQLITE: Dialect = Dialect {
    id: "CAST(printf('%016d', i) AS BLOB)",
    bytes: "CAST(printf('%032d', i) AS BLOB)",
    yes: "1",
    numbers: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < COUNT) SELECT i FROM n",
};

const POSTGRES: Dialect = Dialect {
    id: "lpad(to_hex(i), 32, '0')::uuid",
    bytes: "decode(lpad(to_hex(i), 64, '0'), 'hex')",
    yes: "true",
    numbers: "SELECT i FROM generate_series(1, COUNT) AS i",
};

const MARIADB: Dialect = Dialect {
    id: "LPAD(i, 16, '0')",
    bytes: "LPAD(i, 32, '0')",
    yes: "TRUE",
    numbers: "SELECT seq AS i FROM seq_1_to_COUNT",
};

/// One of a hundred of these rows is live.
fn insert((table, _, columns, values): &Kind, count: u32, dialect: &Dialect) -> String {
    let values = values
        .replace("TRUE", dialect.yes)
        .replace("BYTES", dialect.bytes)
        .replace("ID", dialect.id);
    let numbers = dialect.numbers.replace("COUNT", &count.to_string());
    let expired = NOW.0 - 1000;
    format!(
        "INSERT INTO {table} ({columns}, expires_at) \
         SELECT {values}, CASE WHEN i % 100 = 0 THEN {LIVE} ELSE {expired} + i % 1001 END FROM ({numbers}) AS numbers"
    )
}

/// Small batches until nothing is left; counts them.
async fn purged(store: &dyn Store, batches: &AtomicU32) -> u64 {
    let mut rows = 0;
    loop {
        let purged = store.purge(NOW, BATCH).await.unwrap();
        batches.fetch_add(1, Ordering::Relaxed);
        assert!(purged.rows <= u64::from(BATCH) * 9, "{purged:?}");
        rows += purged.rows;
        if purged.rows == 0 && !purged.busy {
            return rows;
        }
    }
}

/// Tokens are issued and found, once or until `done`; says how many, and how many batches ended while somebody waited, at most.
async fn others_at_work(
    store: &dyn Store,
    client: &ClientRecord,
    done: &AtomicBool,
    batches: &AtomicU32,
) -> (i64, u32) {
    let (mut tokens, mut longest) = (0, 0);
    loop {
        let access = own_access(&client.id);
        let id = access.id;
        let issue = Change::Issue {
            access,
            client: proof(client),
        };
        let begun = batches.load(Ordering::Relaxed);
        applied(store, issue).await;
        let issued = batches.load(Ordering::Relaxed);
        assert!(store.access(id).await.unwrap().is_some());
        let found = batches.load(Ordering::Relaxed);
        longest = longest.max(issued - begun).max(found - issued);
        tokens += 1;
        if done.load(Ordering::Relaxed) {
            return (tokens, longest);
        }
    }
}

async fn leave(scene: &Scene, dialect: &Dialect, hundreds: u32) {
    let (flow, session, code, refresh) = one_of_each(scene).await;
    for kind in &KINDS {
        assert!(scene.sql(&insert(kind, kind.1 * hundreds, dialect)).await);
    }
    let store = scene.store();
    let client = crate::scene::read_client(&*store, "app").await;
    let done = AtomicBool::new(false);
    // So that connections are there when others ask.
    others_at_work(&*store, &client, &AtomicBool::new(true), &AtomicU32::new(0)).await;
    let batches = AtomicU32::new(0);
    let purge = async {
        let rows = purged(&*store, &batches).await;
        done.store(true, Ordering::Relaxed);
        rows
    };
    let (rows, (tokens, longest)) = tokio::join!(purge, others_at_work(&*store, &client, &done, &batches));
    // Nobody waits for more than the batch that is at work, and the next one that was ahead of him; a machine under load may
    // let a few more by, but never the whole purge.
    let most = (batches.into_inner() / 4).max(8);
    assert!(longest <= most, "{longest} batches, at most {most}");
    assert_eq!(rows, u64::from(hundreds) * 99);
    for (table, share, ..) in KINDS {
        let count = async |which: &str| {
            let sql = format!("SELECT count(*) FROM {table} WHERE expires_at {which}");
            scene.count(&sql).await
        };
        assert_eq!(count(&format!("<= {}", NOW.0)).await, 0, "{table}");
        assert_eq!(
            count(&format!("= {LIVE}")).await,
            i64::from(share * hundreds / 100),
            "{table}"
        );
    }
    // What was made by itself, before the purge, and by the others meanwhile.
    let accesses = format!("SELECT count(*) FROM claviger_access WHERE expires_at = {}", LATER.0);
    assert_eq!(scene.count(&accesses).await, tokens + 2);
    assert!(store.flow(flow.id, Freshness::Latest).await.unwrap().is_some());
    assert_eq!(store.session(session.id).await.unwrap(), Some(session));
    let code = store.code(code.id, Freshness::Latest).await.unwrap().unwrap();
    assert!(code.grant.is_some());
    let access = store.access(refresh.id).await.unwrap().unwrap();
    assert!(access.grant.is_some());
    assert!(store.refresh(refresh.id, Freshness::Latest).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_expired_rows_leave_a_sqlite_file_and_nothing_else_does() {
    leave(&Scene::sqlite_file().await, &SQLITE, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_expired_rows_leave_postgresql_and_nothing_else_does() {
    leave(&Scene::postgres().await, &POSTGRES, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_expired_rows_leave_mariadb_and_nothing_else_does() {
    leave(&Scene::mariadb().await, &MARIADB, 100).await;
}

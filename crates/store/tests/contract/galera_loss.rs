//! A server of the cluster dies while tokens are issued.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use claviger_core::context::Id;
use claviger_core::port::*;
use claviger_store::{Database, Options, open_mysql};
use tokio::task::JoinHandle;

use crate::galera::Cluster;
use crate::records::*;
use crate::scene::{applied, read_client};

/// For what takes moments on an idle machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// The tokens that were acknowledged.
type Tokens = Arc<Mutex<Vec<Id>>>;

/// Issues one token after the other, and writes down which were acknowledged. What fails says that it may be tried again.
fn issuing(store: Arc<dyn Store>, client: ClientRecord, tokens: Tokens, done: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !done.load(Ordering::Relaxed) {
            let access = own_access("app");
            let id = access.id;
            let issue = Change::Issue {
                access,
                client: proof(&client),
            };
            match store.apply(issue).await {
                Ok(Outcome::Applied) => tokens.lock().unwrap().push(id),
                Err(StoreError::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
            // So many are enough, and others want to work too.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_ready(database: &Database) -> bool {
    matches!(database.store().schema().await, Ok(SchemaStatus::Current))
}

/// The address of all three servers.
fn joined(urls: &[String]) -> String {
    let host = |url: &String| url.split_once('(').unwrap().1.split_once(')').unwrap().0.to_owned();
    let hosts: Vec<_> = urls.iter().map(host).collect();
    urls[0].replace(&hosts[0], &hosts.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_loses_nothing_and_serves_again_when_it_is_back() {
    let mut cluster = Cluster::mortal();
    let urls = cluster.new_database().await;
    // One server names all nodes, the other one only the node that dies.
    let anywhere = open_mysql(&joined(&urls), Options::default()).await.unwrap();
    let pinned = open_mysql(&urls[0], Options::default()).await.unwrap();
    anywhere.migrate(&|_| ()).await.unwrap();
    applied(&*anywhere.store(), Change::CreateClient(client("app"))).await;
    let app = read_client(&*pinned.store(), "app").await;
    let (done, by_any, by_one) = (Arc::new(AtomicBool::new(false)), Tokens::default(), Tokens::default());
    let tasks = [
        issuing(anywhere.store(), app.clone(), by_any.clone(), done.clone()),
        issuing(anywhere.store(), app.clone(), by_any.clone(), done.clone()),
        issuing(pinned.store(), app, by_one.clone(), done.clone()),
    ];
    let count = |tokens: &Tokens| tokens.lock().unwrap().len();
    until("both issue", async || count(&by_any) > 50 && count(&by_one) > 50).await;

    cluster.kill(1);
    until("the node is missed", async || !is_ready(&pinned).await).await;
    let then = count(&by_any);
    until("the others go on", async || {
        count(&by_any) > then + 50 && is_ready(&anywhere).await
    })
    .await;
    assert!(!is_ready(&pinned).await);

    let then = count(&by_one);
    cluster.restart(1);
    until("the node is back", async || {
        is_ready(&pinned).await && count(&by_one) > then + 50
    })
    .await;
    done.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }

    let mut acknowledged = by_any.lock().unwrap().clone();
    acknowledged.extend(by_one.lock().unwrap().iter());
    for url in &urls {
        let node = open_mysql(url, Options::default()).await.unwrap();
        let store = node.store();
        for batch in acknowledged.chunks(100) {
            let found = futures_util::future::join_all(batch.iter().map(|id| store.access(*id))).await;
            assert!(found.into_iter().all(|facts| facts.unwrap().is_some()), "{url}");
        }
    }
}

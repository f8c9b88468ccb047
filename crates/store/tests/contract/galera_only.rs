//! What only a cluster can show, whose three servers are all written and read.

use std::sync::{Arc, Mutex};

use claviger_core::port::*;
use futures_util::future::join_all;
use tokio::sync::Barrier;

use crate::records::*;
use crate::scene::{Scene, applied, read_client, rotate};

/// What one server answered is true on the next at once, in both directions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_known_and_its_end_is_seen_on_every_server_at_once() {
    let scene = Scene::galera().await;
    let stores: Vec<_> = scene.nodes().into_iter().map(claviger_store::Database::store).collect();
    let client = scene.client("app").await;
    for round in 0..60 {
        let turn = |step: usize| &*stores[(round + step) % 3];
        let access = own_access("app");
        let issue = Change::Issue {
            access: access.clone(),
            client: proof(&client),
        };
        applied(turn(0), issue).await;
        let found = turn(1).access(access.id).await.unwrap();
        assert_eq!(found.unwrap().access, access, "round {round}");
        applied(turn(1), Change::RevokeAccess(access.id)).await;
        assert_eq!(turn(2).access(access.id).await.unwrap(), None, "round {round}");
        assert_eq!(turn(0).access(access.id).await.unwrap(), None, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_was_changed_on_one_server_gets_nothing_by_its_old_version_on_another() {
    let scene = Scene::galera().await;
    let stores: Vec<_> = scene.nodes().into_iter().map(claviger_store::Database::store).collect();
    let mut client = scene.client("app").await;
    for round in 0..40 {
        let newer = ClientRecord {
            version: client.version + 1,
            ..client.clone()
        };
        applied(&*stores[round % 3], Change::UpdateClient(newer.clone())).await;
        let outdated = Change::Issue {
            access: own_access("app"),
            client: proof(&client),
        };
        let outcome = stores[(round + 1) % 3].apply(outdated).await.unwrap();
        assert_eq!(outcome, Outcome::LostRace, "round {round}");
        client = newer;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_may_migrate_at_once() {
    let scene = Scene::galera().await.unmigrated().await;
    let told = Mutex::new(Vec::new());
    let tell = |step: claviger_store::MigrationStatus| told.lock().unwrap().push(step.version);
    let nodes = scene.nodes();
    for migrated in join_all(nodes.iter().map(|node| node.migrate(&tell))).await {
        migrated.unwrap();
    }
    for node in &nodes {
        assert_eq!(node.store().schema().await.unwrap(), SchemaStatus::Current);
    }
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    let all = nodes[0].migration_status().await.unwrap();
    assert_eq!(
        told,
        all.iter().map(|step| step.version).collect::<Vec<_>>(),
        "each is told once"
    );
}

/// Changes of many rows that all want the same rows, on all servers, and none of which is a lost race: the servers undo
/// most of them at first, and each is done whole in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_the_cluster_undoes_are_done_again_whole() {
    let scene = Scene::galera().await;
    let stores: Vec<_> = scene.nodes().into_iter().map(claviger_store::Database::store).collect();
    for round in 0..6 {
        let start = Arc::new(Barrier::new(24));
        let tasks = (0..24_usize).map(|task| {
            let (store, start) = (stores[task % 3].clone(), start.clone());
            let kids = ["a", "b", "c", "d"].map(|part| format!("{part}{round}.{task}"));
            let keys = kids.iter().map(|kid| key("set", kid)).collect();
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
        for task in join_all(tasks).await {
            assert_eq!(task.unwrap().unwrap(), Outcome::Applied);
        }
        for store in &stores {
            let kids: Vec<_> = store
                .keys("set")
                .await
                .unwrap()
                .into_iter()
                .map(|key| key.kid)
                .collect();
            let author = kids[0][1..].to_owned();
            let whole = ["a", "b", "c", "d"].map(|part| format!("{part}{author}"));
            assert_eq!(kids, whole, "what is left is of one change");
        }
    }
}

/// A chain of refresh tokens whose every step reaches another server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_may_be_rotated_on_a_different_server_each_time() {
    let scene = Scene::galera().await;
    let (_, grant, mut old) = scene.redeemed("app").await;
    let stores: Vec<_> = scene.nodes().into_iter().map(claviger_store::Database::store).collect();
    for turn in 0..30 {
        let client = read_client(&*stores[turn % 3], "app").await;
        let new = refresh(grant.id);
        applied(&*stores[turn % 3], rotate(&old, &new, &client)).await;
        let seen = stores[(turn + 1) % 3].refresh(old.id, Freshness::Latest).await.unwrap();
        let successor = seen
            .unwrap()
            .rotated
            .as_ref()
            .and_then(|rotated| rotated.successor.clone());
        assert_eq!(successor, Some(new.clone()));
        old = new;
    }
}

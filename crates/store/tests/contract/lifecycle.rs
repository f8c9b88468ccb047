//! Migrations, restarts and the end.

use std::sync::Mutex;

use claviger_core::port::*;
use futures_util::future::{join, join_all};

use crate::records::*;
use crate::scene::{Scene, applied, lost, redeem, rotate};

pub(crate) async fn the_schema_says_whether_it_is_migrated(scene: &Scene) {
    let unmigrated = scene.unmigrated().await;
    let database = &unmigrated.database;
    let before = database.migration_status().await.unwrap();
    assert_eq!(
        database.store().schema().await.unwrap(),
        SchemaStatus::Behind(before.len())
    );
    assert!(before.iter().all(|migration| !migration.applied));
    let seen = Mutex::new(Vec::new());
    database
        .migrate(&|migration| seen.lock().unwrap().push(migration))
        .await
        .unwrap();
    assert_eq!(database.store().schema().await.unwrap(), SchemaStatus::Current);
    let after = database.migration_status().await.unwrap();
    assert!(after.iter().all(|migration| migration.applied));
    assert_eq!(seen.into_inner().unwrap(), after);
}

pub(crate) async fn migrating_again_changes_nothing(scene: &Scene) {
    scene.client("app").await;
    let seen = Mutex::new(0);
    let count = |_| *seen.lock().unwrap() += 1;
    let (first, second) = join(scene.database.migrate(&count), scene.database.migrate(&count)).await;
    first.and(second).unwrap();
    assert_eq!(*seen.lock().unwrap(), 0);
    assert_eq!(scene.store().count_clients().await.unwrap(), 1);
}

pub(crate) async fn an_edited_migration_is_refused(scene: &Scene) {
    if !scene
        .sql("UPDATE claviger_migration SET sha256 = substr(sha256, 2) WHERE version = 1")
        .await
    {
        // Nobody else reaches a database in memory.
        return;
    }
    let refusal = scene.database.migrate(&|_| ()).await.unwrap_err();
    assert!(refusal.to_string().contains("another text"), "{refusal}");
    assert!(scene.store().schema().await.is_err());
}

pub(crate) async fn a_store_that_is_not_migrated_says_so_and_works_after_the_migration(scene: &Scene) {
    let unmigrated = scene.unmigrated().await;
    let database = &unmigrated.database;
    let store = database.store();
    let read = store.client("app", Freshness::Latest).await;
    assert!(matches!(read, Err(StoreError::NotMigrated)), "{read:?}");
    let written = store.apply(Change::CreateClient(client("app"))).await;
    assert!(matches!(written, Err(StoreError::NotMigrated)), "{written:?}");
    database.migrate(&|_| ()).await.unwrap();
    applied(&*store, Change::CreateClient(client("app"))).await;
}

pub(crate) async fn everything_goes_on_after_a_restart(scene: &Scene) {
    let (client, grant, old) = scene.redeemed("app").await;
    let (second_grant, code) = scene.coded(crate::records::grant("app")).await;
    let Some(again) = scene.second_server().await else {
        return;
    };
    scene.database.close().await;
    let store = again.store();
    assert_eq!(store.schema().await.unwrap(), SchemaStatus::Current);
    let new = refresh(grant.id);
    applied(&*store, rotate(&old, &new, &client)).await;
    applied(&*store, redeem(&code, &refresh(second_grant.id), &client)).await;
    again.close().await;
    let third = scene.second_server().await.unwrap();
    lost(&*third.store(), rotate(&old, &refresh(grant.id), &client)).await;
    applied(&*third.store(), rotate(&new, &refresh(grant.id), &client)).await;
}

pub(crate) async fn what_was_asked_before_closing_is_done_and_later_calls_are_refused(scene: &Scene) {
    let store = scene.store();
    let keys = (0..50).map(|kid| store.apply(Change::AddKey(key("set", &kid.to_string()))));
    let (outcomes, ()) = join(join_all(keys), scene.database.close()).await;
    let done = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Applied)))
        .count();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(Outcome::Applied) | Err(StoreError::Unavailable(_))))
    );
    let refused = store.apply(Change::AddKey(key("set", "late"))).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let refused = store.keys("set").await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    if let Some(again) = scene.second_server().await {
        assert_eq!(again.store().keys("set").await.unwrap().len(), done);
    }
}

//! Keys of the admin port.

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::*;
use futures_util::future::join_all;

use crate::records::*;
use crate::scene::{Scene, applied, lost};

fn api_key(name: &str) -> ApiKeyRecord {
    let id = id();
    ApiKeyRecord {
        id,
        name: name.to_owned(),
        digest: digest(id),
        scope: vec!["clients".to_owned(), "read".to_owned()],
        created_at: NOW,
        expires_at: LATER,
        last_used_at: None,
    }
}

pub(crate) async fn an_api_key_is_read_back_until_it_is_revoked(scene: &Scene) {
    let store = scene.store();
    let (key, endless) = (
        api_key("login app"),
        ApiKeyRecord {
            expires_at: Timestamp::NEVER,
            scope: Vec::new(),
            ..api_key("ops")
        },
    );
    for key in [&key, &endless] {
        assert_eq!(store.api_key(key.id).await.unwrap(), None);
        applied(&*store, Change::CreateApiKey(key.clone())).await;
        assert_eq!(store.api_key(key.id).await.unwrap().as_ref(), Some(key));
    }
    applied(&*store, Change::RevokeApiKey(key.id)).await;
    lost(&*store, Change::RevokeApiKey(key.id)).await;
    assert_eq!(store.api_key(key.id).await.unwrap(), None);
    assert_eq!(store.api_key(endless.id).await.unwrap(), Some(endless));
}

pub(crate) async fn the_name_of_an_api_key_is_free_again_when_it_is_revoked(scene: &Scene) {
    let store = scene.store();
    let first = api_key("ops");
    applied(&*store, Change::CreateApiKey(first.clone())).await;
    lost(&*store, Change::CreateApiKey(api_key("ops"))).await;
    applied(&*store, Change::CreateApiKey(api_key("Ops"))).await;
    applied(&*store, Change::RevokeApiKey(first.id)).await;
    applied(&*store, Change::CreateApiKey(api_key("ops"))).await;
}

pub(crate) async fn api_keys_are_listed_in_pages(scene: &Scene) {
    let store = scene.store();
    assert!(store.api_keys(None, 10).await.unwrap().is_empty());
    let made: Vec<_> = ["c", "a", "b"].into_iter().map(api_key).collect();
    for key in &made {
        applied(&*store, Change::CreateApiKey(key.clone())).await;
    }
    assert_eq!(store.api_keys(None, 2).await.unwrap(), made[..2]);
    assert_eq!(store.api_keys(Some(made[1].id), 2).await.unwrap(), made[2..]);
    assert!(store.api_keys(Some(made[2].id), 2).await.unwrap().is_empty());
}

pub(crate) async fn the_use_of_an_api_key_is_noted_and_its_time_only_grows(scene: &Scene) {
    let store = scene.store();
    let key = api_key("ops");
    applied(&*store, Change::CreateApiKey(key.clone())).await;
    let note = |id: Id, seconds: i64| Change::UseApiKey {
        id,
        at: Timestamp(NOW.0 + seconds),
    };
    for (seconds, seen) in [(10, 10), (5, 10), (20, 20)] {
        applied(&*store, note(key.id, seconds)).await;
        let found = store.api_key(key.id).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(Timestamp(NOW.0 + seen)));
    }
    applied(&*store, note(id(), 1)).await;
}

pub(crate) async fn an_expired_api_key_stays_for_those_who_wonder(scene: &Scene) {
    let store = scene.store();
    let key = api_key("ops");
    applied(&*store, Change::CreateApiKey(key.clone())).await;
    let _ = store.purge(Timestamp(LATER.0 + 1), 100).await.unwrap();
    assert_eq!(store.api_key(key.id).await.unwrap(), Some(key));
}

pub(crate) async fn an_api_key_that_was_revoked_elsewhere_is_gone_at_once(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let (here, there) = (&stores[0], &stores[stores.len() - 1]);
    for round in 0..20 {
        let key = api_key(&format!("key {round}"));
        applied(&**there, Change::CreateApiKey(key.clone())).await;
        assert_eq!(here.api_key(key.id).await.unwrap().as_ref(), Some(&key));
        applied(&**there, Change::RevokeApiKey(key.id)).await;
        assert_eq!(here.api_key(key.id).await.unwrap(), None);
    }
}

pub(crate) async fn of_64_tasks_on_two_servers_one_takes_the_name(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let changes = (0..64).map(|task| stores[task % stores.len()].apply(Change::CreateApiKey(api_key("ops"))));
    let outcomes = join_all(changes).await;
    let taken = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Applied)));
    assert_eq!(taken.count(), 1);
    assert_eq!(scene.store().api_keys(None, 10).await.unwrap().len(), 1);
}

pub(crate) async fn those_who_ask_at_once_for_an_api_key_share_its_reading(scene: &Scene) {
    let store = scene.store();
    let (one, other) = (api_key("one"), api_key("other"));
    for key in [&one, &other] {
        applied(&*store, Change::CreateApiKey(key.clone())).await;
    }
    let readings = || {
        let statistics = scene.database.statistics();
        statistics
            .iter()
            .find(|count| count.kind == "api_key")
            .unwrap()
            .round_trips
    };
    let before = readings();
    let asked: Vec<_> = (0..300)
        .map(|task| [Some(&one), Some(&other), None][task % 3])
        .collect();
    let answers = join_all(asked.iter().map(|key| store.api_key(key.map_or_else(id, |key| key.id))));
    for (answer, key) in answers.await.into_iter().zip(&asked) {
        assert_eq!(answer.unwrap().as_ref(), *key);
    }
    // A hundred of them ask for keys of their own, which are not there.
    let shared = (readings() - before).saturating_sub(100);
    assert!(shared <= 40, "200 that asked for two keys took {shared} readings");
}

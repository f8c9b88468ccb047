//! Signing keys.

use claviger_core::context::Timestamp;
use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, applied, lost};

async fn kids(scene: &Scene, set: &str) -> Vec<String> {
    let keys = scene.store().keys(set).await.unwrap();
    keys.into_iter().map(|key| key.kid).collect()
}

fn seed(kid: &str, alg: &str) -> Change {
    Change::SeedKey {
        key: key("set", kid),
        alg: alg.to_owned(),
    }
}

pub(crate) async fn the_newest_key_comes_first_even_within_a_second(scene: &Scene) {
    let store = scene.store();
    for kid in ["1", "2", "3"] {
        applied(&*store, Change::AddKey(key("set", kid))).await;
    }
    let old = KeyRecord {
        created_at: Timestamp(NOW.0 - 1),
        ..key("set", "old")
    };
    applied(&*store, Change::AddKey(old.clone())).await;
    applied(&*store, Change::AddKey(key("other", "x"))).await;
    assert_eq!(kids(scene, "set").await, ["3", "2", "1", "old"]);
    assert_eq!(store.keys("set").await.unwrap().pop(), Some(old));
    assert!(store.keys("nothing").await.unwrap().is_empty());
}

pub(crate) async fn a_key_is_seeded_once_per_set_and_algorithm(scene: &Scene) {
    let store = scene.store();
    applied(&*store, seed("a", "RS256")).await;
    lost(&*store, seed("b", "RS256")).await;
    applied(&*store, seed("c", "ES256")).await;
    let elsewhere = Change::SeedKey {
        key: key("other set", "d"),
        alg: "RS256".to_owned(),
    };
    applied(&*store, elsewhere).await;
    assert_eq!(kids(scene, "set").await, ["c", "a"]);
}

pub(crate) async fn a_removed_seed_can_be_seeded_again(scene: &Scene) {
    let store = scene.store();
    applied(&*store, seed("a", "RS256")).await;
    applied(&*store, Change::DeleteKeySet("set".to_owned())).await;
    applied(&*store, seed("b", "RS256")).await;
    assert_eq!(kids(scene, "set").await, ["b"]);
}

pub(crate) async fn a_kid_is_added_once_per_set(scene: &Scene) {
    let store = scene.store();
    applied(&*store, Change::AddKey(key("set", "a"))).await;
    lost(&*store, Change::AddKey(key("set", "a"))).await;
    lost(&*store, seed("a", "RS256")).await;
    applied(&*store, Change::AddKey(key("other", "a"))).await;
}

pub(crate) async fn a_put_key_is_inserted_or_replaced(scene: &Scene) {
    let store = scene.store();
    applied(&*store, Change::PutKey(key("set", "a"))).await;
    applied(&*store, Change::PutKey(key("set", "b"))).await;
    let replaced = KeyRecord {
        sealed: b"new".to_vec(),
        ..key("set", "a")
    };
    applied(&*store, Change::PutKey(replaced.clone())).await;
    assert_eq!(store.keys("set").await.unwrap(), [key("set", "b"), replaced]);
}

pub(crate) async fn a_replaced_set_holds_exactly_the_new_keys_in_their_order(scene: &Scene) {
    let store = scene.store();
    applied(&*store, seed("a", "RS256")).await;
    for kid in ["b", "c"] {
        applied(&*store, Change::AddKey(key("set", kid))).await;
    }
    applied(&*store, Change::AddKey(key("other", "a"))).await;
    let replace = |kids: &[&str]| Change::ReplaceKeySet {
        set: "set".to_owned(),
        keys: kids.iter().map(|kid| key("set", kid)).collect(),
    };
    applied(&*store, replace(&["x", "b", "a", "y"])).await;
    assert_eq!(kids(scene, "set").await, ["x", "b", "a", "y"]);
    assert_eq!(store.keys("set").await.unwrap()[2], key("set", "a"));
    applied(&*store, replace(&[])).await;
    assert!(kids(scene, "set").await.is_empty());
    assert_eq!(kids(scene, "other").await, ["a"]);
}

pub(crate) async fn keys_and_sets_are_removed(scene: &Scene) {
    let store = scene.store();
    for kid in ["a", "b"] {
        applied(&*store, Change::AddKey(key("set", kid))).await;
    }
    let remove = Change::DeleteKey {
        set: "set".to_owned(),
        kid: "a".to_owned(),
    };
    applied(&*store, remove.clone()).await;
    applied(&*store, remove).await;
    assert_eq!(kids(scene, "set").await, ["b"]);
    applied(&*store, Change::DeleteKeySet("set".to_owned())).await;
    applied(&*store, Change::DeleteKeySet("set".to_owned())).await;
    assert!(kids(scene, "set").await.is_empty());
}

pub(crate) async fn what_needs_a_key_keeps_it(scene: &Scene) {
    let store = scene.store();
    applied(&*store, Change::AddKey(key("set", "a"))).await;
    let need = |kid: &str, seconds: i64| Change::NeedKey {
        set: "set".to_owned(),
        kid: kid.to_owned(),
        until: Timestamp(NOW.0 + seconds),
    };
    let retire = |seconds: i64| Change::RetireKey {
        set: "set".to_owned(),
        kid: "a".to_owned(),
        needed_until: Timestamp(NOW.0 + seconds),
    };
    applied(&*store, need("a", 7200)).await;
    applied(&*store, need("a", 60)).await;
    lost(&*store, need("b", 60)).await;
    let needed = store.keys("set").await.unwrap()[0].needed_until;
    assert_eq!(needed, Timestamp(NOW.0 + 7200));
    lost(&*store, retire(3600)).await;
    assert_eq!(kids(scene, "set").await, ["a"]);
    applied(&*store, retire(7200)).await;
    lost(&*store, retire(7200)).await;
    lost(&*store, need("a", 60)).await;
    assert!(kids(scene, "set").await.is_empty());
}

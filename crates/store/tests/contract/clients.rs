//! Clients and their list.

use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, applied, lost, read_client};

pub(crate) async fn a_created_client_is_read_back_as_written(scene: &Scene) {
    let found = scene.client("café ☕").await;
    assert_eq!(
        found,
        ClientRecord {
            version: found.version,
            ..client("café ☕")
        }
    );
    assert!(found.version > 0);
}

pub(crate) async fn an_unknown_client_is_not_found_whatever_its_id_contains(scene: &Scene) {
    for id in ["", "nobody", "a\0b", "'; DROP TABLE claviger_client; --"] {
        assert_eq!(
            scene.store().client(id, Freshness::Latest).await.unwrap(),
            None,
            "{id:?}"
        );
    }
}

pub(crate) async fn an_id_is_given_to_one_client_only(scene: &Scene) {
    let first = scene.client("app").await;
    let second = ClientRecord {
        name: "impostor".to_owned(),
        ..client("app")
    };
    lost(&*scene.store(), Change::CreateClient(second)).await;
    assert_eq!(read_client(&*scene.store(), "app").await, first);
}

pub(crate) async fn an_update_needs_the_version_before_its_own(scene: &Scene) {
    let store = scene.store();
    let first = scene.client("app").await;
    let second = ClientRecord {
        version: first.version + 1,
        document: "{}".to_owned(),
        ..first.clone()
    };
    applied(&*store, Change::UpdateClient(second.clone())).await;
    lost(&*store, Change::UpdateClient(second.clone())).await;
    assert_eq!(read_client(&*store, "app").await, second);
}

pub(crate) async fn an_update_keeps_the_time_of_creation(scene: &Scene) {
    let first = scene.client("app").await;
    let second = ClientRecord {
        version: first.version + 1,
        created_at: LATER,
        updated_at: LATER,
        ..first.clone()
    };
    applied(&*scene.store(), Change::UpdateClient(second)).await;
    let found = read_client(&*scene.store(), "app").await;
    assert_eq!((found.created_at, found.updated_at), (NOW, LATER));
}

pub(crate) async fn removing_a_client_that_does_not_exist_is_a_lost_race(scene: &Scene) {
    scene.client("app").await;
    applied(&*scene.store(), Change::DeleteClient("app".to_owned())).await;
    lost(&*scene.store(), Change::DeleteClient("app".to_owned())).await;
    assert_eq!(scene.store().client("app", Freshness::Latest).await.unwrap(), None);
}

pub(crate) async fn a_client_made_again_never_has_a_version_it_had_before(scene: &Scene) {
    let first = scene.client("app").await;
    applied(&*scene.store(), Change::DeleteClient("app".to_owned())).await;
    let second = scene.client("app").await;
    assert_ne!(first.version, second.version);
    let stale = Change::Issue {
        access: own_access("app"),
        client: proof(&first),
    };
    lost(&*scene.store(), stale).await;
}

pub(crate) async fn tokens_of_a_removed_client_stay_dead_when_its_id_is_used_again(scene: &Scene) {
    let store = scene.store();
    let (client, grant, refresh) = scene.redeemed("app").await;
    let own = own_access("app");
    let issue = Change::Issue {
        access: own.clone(),
        client: proof(&client),
    };
    applied(&*store, issue).await;
    let (remembered, code) = scene
        .coded(GrantRecord {
            remembered_until: Some(LATER),
            ..crate::records::grant("app")
        })
        .await;
    applied(&*store, Change::DeleteClient("app".to_owned())).await;
    let again = scene.client("app").await;
    assert_eq!(store.access(own.id).await.unwrap(), None);
    assert_eq!(store.access(refresh.id).await.unwrap(), None);
    assert_eq!(
        store
            .refresh(refresh.id, Freshness::Latest)
            .await
            .unwrap()
            .unwrap()
            .grant,
        None
    );
    assert_eq!(
        store.code(code.id, Freshness::Latest).await.unwrap().unwrap().grant,
        None
    );
    assert_eq!(store.remembered("ada", "app", NOW).await.unwrap(), None);
    lost(
        &*store,
        crate::scene::redeem(&code, &crate::records::refresh(remembered.id), &again),
    )
    .await;
    lost(
        &*store,
        crate::scene::rotate(&refresh, &crate::records::refresh(grant.id), &again),
    )
    .await;
}

pub(crate) async fn pages_of_clients_are_in_order_and_complete(scene: &Scene) {
    let mut ids = ["b", "Z", "a", "ä", "10", "9", "z"].map(str::to_owned);
    for id in &ids {
        scene.client(id).await;
    }
    ids.sort();
    let mut query = ClientQuery {
        limit: 2,
        ..ClientQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = scene.store().clients(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.id.clone());
        seen.extend(page.into_iter().map(|client| client.id));
    }
    assert_eq!(seen, ids);
    let skip = ClientQuery {
        offset: 3,
        limit: 2,
        ..ClientQuery::default()
    };
    let page = scene.store().clients(&skip).await.unwrap();
    assert_eq!(
        page.iter().map(|client| client.id.as_str()).collect::<Vec<_>>(),
        ids[3..5]
    );
}

pub(crate) async fn clients_are_filtered_by_name_and_owner(scene: &Scene) {
    for (id, name, owner) in [("1", "app", "ada"), ("2", "app", "bob"), ("3", "tool", "ada")] {
        let record = ClientRecord {
            name: name.to_owned(),
            owner: owner.to_owned(),
            ..client(id)
        };
        applied(&*scene.store(), Change::CreateClient(record)).await;
    }
    for (name, owner, expected) in [
        (Some("app"), None, vec!["1", "2"]),
        (None, Some("ada"), vec!["1", "3"]),
        (Some("app"), Some("ada"), vec!["1"]),
        (Some("nothing"), None, vec![]),
    ] {
        let query = ClientQuery {
            name: name.map(str::to_owned),
            owner: owner.map(str::to_owned),
            limit: 10,
            ..ClientQuery::default()
        };
        let page = scene.store().clients(&query).await.unwrap();
        assert_eq!(
            page.iter().map(|client| client.id.as_str()).collect::<Vec<_>>(),
            expected
        );
    }
}

pub(crate) async fn clients_are_counted(scene: &Scene) {
    assert_eq!(scene.store().count_clients().await.unwrap(), 0);
    scene.client("one").await;
    scene.client("two").await;
    assert_eq!(scene.store().count_clients().await.unwrap(), 2);
}

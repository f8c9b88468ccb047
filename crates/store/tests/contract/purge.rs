//! Expired rows go, live rows stay.

use claviger_core::context::Timestamp;
use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, answered, applied, redeem};

const EXPIRED: Timestamp = Timestamp(LATER.0 + 1);

/// One row of each of the six kinds, and a second flow.
pub(crate) async fn one_of_each(scene: &Scene) -> (FlowRecord, SessionRecord, CodeRecord, RefreshRecord) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let refresh = refresh(grant.id);
    applied(&*store, redeem(&code, &refresh, &client)).await;
    let (flow, session) = (answered(&*store, flow()).await, session());
    let put = Change::Advance {
        flow: flow.clone(),
        seen: flow.version,
        session: Some(SessionChange::Put(session.clone())),
        issue: None,
        client: None,
    };
    applied(&*store, put).await;
    (flow, session, code, refresh)
}

pub(crate) async fn expired_rows_of_every_kind_are_removed(scene: &Scene) {
    let store = scene.store();
    let (flow, session, code, refresh) = one_of_each(scene).await;
    let purged = store.purge(EXPIRED, 100).await.unwrap();
    assert_eq!(purged, Purged { rows: 7, busy: false });
    assert_eq!(store.flow(flow.id, Freshness::Latest).await.unwrap(), None);
    assert_eq!(store.session(session.id).await.unwrap(), None);
    assert_eq!(store.code(code.id, Freshness::Latest).await.unwrap(), None);
    assert_eq!(store.access(refresh.id).await.unwrap(), None);
    assert_eq!(store.refresh(refresh.id, Freshness::Latest).await.unwrap(), None);
    assert!(store.client("app", Freshness::Latest).await.unwrap().is_some());
}

pub(crate) async fn live_rows_are_kept(scene: &Scene) {
    let store = scene.store();
    let (flow, session, code, refresh) = one_of_each(scene).await;
    let endless = GrantRecord {
        remembered_until: Some(Timestamp::NEVER),
        expires_at: Timestamp::NEVER,
        ..grant("app")
    };
    scene.coded(endless.clone()).await;
    assert_eq!(store.purge(Timestamp(LATER.0 - 1), 100).await.unwrap().rows, 0);
    assert!(store.flow(flow.id, Freshness::Latest).await.unwrap().is_some());
    assert!(store.session(session.id).await.unwrap().is_some());
    assert!(
        store
            .code(code.id, Freshness::Latest)
            .await
            .unwrap()
            .unwrap()
            .grant
            .is_some()
    );
    assert!(store.access(refresh.id).await.unwrap().is_some());
    assert!(store.refresh(refresh.id, Freshness::Latest).await.unwrap().is_some());
    store.purge(Timestamp(Timestamp::NEVER.0 - 1), 100).await.unwrap();
    assert_eq!(store.remembered("ada", "app", NOW).await.unwrap(), Some(endless));
}

pub(crate) async fn a_round_removes_no_more_than_its_limit(scene: &Scene) {
    let store = scene.store();
    for _ in 0..5 {
        answered(&*store, flow()).await;
    }
    for left in [2, 2, 1, 0] {
        assert_eq!(store.purge(EXPIRED, 2).await.unwrap().rows, left);
    }
}

//! Expired rows go, live rows stay.

use claviger_core::context::Timestamp;
use claviger_core::port::*;

use crate::assertions::trust;
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

pub(crate) async fn issuers_that_expired_are_removed_and_may_be_trusted_again(scene: &Scene) {
    let store = scene.store();
    let (expired, live) = (trust("a", Some("ada"), "k"), trust("a", None, "k"));
    let live = TrustRecord {
        expires_at: Timestamp(EXPIRED.0 + 1),
        ..live
    };
    for trust in [&expired, &live] {
        applied(&*store, Change::CreateTrust(trust.clone())).await;
    }
    assert_eq!(store.purge(Timestamp(LATER.0 - 1), 100).await.unwrap().rows, 0);
    assert_eq!(store.purge(EXPIRED, 100).await.unwrap().rows, 1);
    assert_eq!(store.trust(expired.id).await.unwrap(), None);
    assert_eq!(store.trusts_in("a", "ada").await.unwrap(), [live]);
    applied(&*store, Change::CreateTrust(TrustRecord { id: id(), ..expired })).await;
}

/// A grant without end, with a refresh token without end.
async fn endless(scene: &Scene, client: &ClientRecord) -> RefreshRecord {
    let grant = GrantRecord {
        remembered_until: Some(Timestamp::NEVER),
        expires_at: Timestamp::NEVER,
        ..grant(&client.id)
    };
    let (grant, code) = scene.coded(grant).await;
    let refresh = RefreshRecord {
        expires_at: Timestamp::NEVER,
        ..refresh(grant.id)
    };
    applied(&*scene.store(), redeem(&code, &refresh, client)).await;
    refresh
}

/// A batch, whoever else is at it.
async fn batch(store: &dyn Store, now: Timestamp, limit: u32) -> u64 {
    loop {
        let purged = store.purge(now, limit).await.unwrap();
        if !purged.busy {
            return purged.rows;
        }
    }
}

/// Strangers may register and remove as many clients as they like.
pub(crate) async fn removed_clients_are_looked_at_a_batch_at_a_time_and_forgotten(scene: &Scene) {
    let store = scene.store();
    for number in 0..5 {
        let name = format!("client {number}");
        scene.client(&name).await;
        applied(&*store, Change::DeleteClient(name)).await;
    }
    let after = |seconds| Timestamp(NOW.0 + seconds);
    // Of two at a time it sees that they left nothing.
    for (seconds, forgotten) in [(0, 0), (600, 2), (600, 0), (1200, 2), (1200, 1), (1200, 0)] {
        assert_eq!(batch(&*store, after(seconds), 2).await, forgotten, "after {seconds} s");
    }
}

/// Also where the time is a long time ago, which says nothing of when a client was removed.
pub(crate) async fn who_removes_what_is_old_leaves_what_removed_clients_left(scene: &Scene) {
    let store = scene.store();
    let gone = scene.client("gone").await;
    let left = endless(scene, &gone).await;
    applied(&*store, Change::DeleteClient("gone".to_owned())).await;
    let older = async |before| loop {
        let purged = store.purge_older(before, 100).await.unwrap();
        if !purged.busy {
            return purged.rows;
        }
    };
    // A flow, a code and an access token.
    assert_eq!(older(Timestamp(LATER.0 - 1)).await, 0);
    assert_eq!(older(EXPIRED).await, 3);
    assert_eq!(older(EXPIRED).await, 0);
    assert!(store.refresh(left.id, Freshness::Latest).await.unwrap().is_some());
    let rows = batch(&*store, EXPIRED, 100).await + batch(&*store, EXPIRED, 100).await;
    assert_eq!(rows, 2, "the grant and its refresh token");
    assert_eq!(store.refresh(left.id, Freshness::Latest).await.unwrap(), None);
}

/// Before that, nobody finds it any more.
pub(crate) async fn what_a_removed_client_left_without_end_is_removed(scene: &Scene) {
    let store = scene.store();
    let (gone, stays) = (scene.client("gone").await, scene.client("stays").await);
    let mut left = Vec::new();
    for _ in 0..3 {
        left.push(endless(scene, &gone).await);
        endless(scene, &stays).await;
    }
    let kept = endless(scene, &stays).await;
    let clean = async |now: Timestamp| {
        let mut rows = 0;
        loop {
            let purged = store.purge(now, 2).await.unwrap();
            rows += purged.rows;
            if purged.rows == 0 && !purged.busy {
                return rows;
            }
        }
    };
    // Flows, codes and access tokens have an end.
    clean(EXPIRED).await;
    applied(&*store, Change::DeleteClient("gone".to_owned())).await;
    // Someone made another client of that name.
    let again = scene.client("gone").await;
    let newer = endless(scene, &again).await;
    // Three grants and their refresh tokens, and what of the newer one has an end.
    assert_eq!(clean(EXPIRED).await, 6 + 3);
    for refresh in &left {
        assert_eq!(store.refresh(refresh.id, Freshness::Latest).await.unwrap(), None);
    }
    for refresh in [&kept, &newer] {
        let facts = store.refresh(refresh.id, Freshness::Latest).await.unwrap().unwrap();
        assert!(facts.grant.is_some());
    }
    // The client is forgotten when nobody can be making a grant for it any more.
    assert_eq!(clean(Timestamp(EXPIRED.0 + 599)).await, 0);
    assert_eq!(clean(Timestamp(EXPIRED.0 + 600)).await, 1);
    assert_eq!(clean(Timestamp(Timestamp::NEVER.0 - 1)).await, 0);
    let facts = store.refresh(kept.id, Freshness::Latest).await.unwrap().unwrap();
    assert!(facts.grant.is_some());
}

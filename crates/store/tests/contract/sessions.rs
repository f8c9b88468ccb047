//! Lists and ends of consents and login sessions, logout, and the notices that follow it.

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::*;
use futures_util::future::join_all;

use crate::records::*;
use crate::scene::{Scene, answered, applied, lost, redeem, rotate};

fn listed(subject: &str) -> GrantQuery {
    GrantQuery {
        subject: subject.to_owned(),
        session: None,
        at: NOW,
        after: None,
        offset: 0,
        limit: 100,
    }
}

fn remembered(client: &str) -> GrantRecord {
    GrantRecord {
        remembered_until: Some(Timestamp::NEVER),
        ..grant(client)
    }
}

/// Stores a login session.
async fn put(scene: &Scene, session: &SessionRecord) {
    let store = scene.store();
    let flow = answered(&*store, flow()).await;
    let change = Change::Advance {
        seen: flow.version,
        flow,
        session: Some(SessionChange::Put(session.clone())),
        issue: None,
        client: None,
    };
    applied(&*store, change).await;
}

fn notice(client: &str, session: Id) -> NoticeRecord {
    NoticeRecord {
        id: id(),
        client: client.to_owned(),
        session,
        subject: "ada".to_owned(),
        attempts: 0,
        due_at: NOW,
        expires_at: LATER,
    }
}

fn logout(notices: Vec<NoticeRecord>) -> Change {
    Change::Logout {
        spent: None,
        session: None,
        notices,
    }
}

fn spent() -> FlowRecord {
    FlowRecord {
        step: FlowStep::Done,
        version: 1,
        ..flow()
    }
}

pub(crate) async fn the_grants_of_a_person_are_listed_in_pages(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    let mut grants = Vec::new();
    for _ in 0..5 {
        grants.push(GrantRecord::clone(&*scene.coded(grant("app")).await.0));
    }
    let others = GrantRecord {
        subject: "bob".to_owned(),
        ..grant("app")
    };
    scene.coded(others).await;
    assert_eq!(store.grants(&listed("ada")).await.unwrap(), grants);
    assert_eq!(store.count_grants(&listed("ada")).await.unwrap(), 5);
    let second = GrantQuery {
        after: Some(grants[1].id),
        limit: 2,
        ..listed("ada")
    };
    assert_eq!(store.grants(&second).await.unwrap(), grants[2..4]);
    let last = GrantQuery {
        offset: 4,
        ..listed("ada")
    };
    assert_eq!(store.grants(&last).await.unwrap(), grants[4..]);
    let of_session = GrantQuery {
        session: grants[3].session_id,
        ..listed("ada")
    };
    assert_eq!(store.grants(&of_session).await.unwrap(), grants[3..4]);
    assert_eq!(store.count_grants(&of_session).await.unwrap(), 1);
    assert!(store.grants(&listed("a\0da")).await.unwrap().is_empty());
}

pub(crate) async fn what_was_repeated_or_forgotten_is_not_listed(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    scene.client("gone").await;
    for hidden in [
        GrantRecord {
            skipped: true,
            ..grant("app")
        },
        GrantRecord {
            expires_at: NOW,
            ..grant("app")
        },
        GrantRecord {
            remembered_until: Some(NOW),
            ..grant("app")
        },
        grant("gone"),
    ] {
        scene.coded(hidden).await;
    }
    applied(&*store, Change::DeleteClient("gone".to_owned())).await;
    assert!(store.grants(&listed("ada")).await.unwrap().is_empty());
    assert_eq!(store.count_grants(&listed("ada")).await.unwrap(), 0);
}

pub(crate) async fn a_grant_that_ended_gives_nothing_but_is_remembered(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(remembered("app")).await;
    let (refresh, endless) = (refresh(grant.id), refresh(grant.id));
    applied(&*store, redeem(&code, &refresh, &client)).await;
    applied(&*store, Change::EndGrant(grant.id)).await;
    applied(&*store, Change::EndGrant(grant.id)).await;
    assert_eq!(store.access(refresh.id).await.unwrap(), None);
    let facts = store.refresh(refresh.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.grant, None);
    let facts = store.code(code.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.grant, None);
    lost(&*store, rotate(&refresh, &endless, &client)).await;
    let kept = store.remembered("ada", "app", NOW).await.unwrap().unwrap();
    assert_eq!(kept.id, grant.id);
    assert_eq!(store.grants(&listed("ada")).await.unwrap(), [kept]);
}

pub(crate) async fn a_grant_that_ended_without_memory_is_gone(scene: &Scene) {
    let store = scene.store();
    let (_, grant, refresh) = scene.redeemed("app").await;
    applied(&*store, Change::EndGrant(grant.id)).await;
    assert_eq!(store.access(refresh.id).await.unwrap(), None);
    assert!(store.grants(&listed("ada")).await.unwrap().is_empty());
}

pub(crate) async fn an_unused_code_of_a_grant_that_ended_is_dead(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(remembered("app")).await;
    applied(&*store, Change::EndGrant(grant.id)).await;
    lost(&*store, redeem(&code, &refresh(grant.id), &client)).await;
}

pub(crate) async fn a_memory_without_tokens_leaves_when_a_newer_one_takes_its_place(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    let (first, _) = scene.coded(remembered("app")).await;
    applied(&*store, Change::EndGrant(first.id)).await;
    assert_eq!(store.purge(NOW, 100).await.unwrap().rows, 0);
    scene.coded(remembered("app")).await;
    assert_eq!(store.purge(NOW, 100).await.unwrap().rows, 1);
}

pub(crate) async fn the_grants_of_a_person_are_revoked_by_client_or_all(scene: &Scene) {
    let store = scene.store();
    let (_, _, one) = scene.redeemed("one").await;
    let (_, _, two) = scene.redeemed("two").await;
    let endless = RefreshRecord {
        expires_at: Timestamp::NEVER,
        ..refresh(id())
    };
    let client = scene.client("three").await;
    let (grant, code) = scene.coded(remembered("three")).await;
    let endless = RefreshRecord {
        grant: grant.id,
        ..endless
    };
    applied(&*store, redeem(&code, &endless, &client)).await;
    let revoke = |subject: &str, client: Option<&str>| Change::RevokeGrants {
        subject: subject.to_owned(),
        client: client.map(str::to_owned),
    };
    applied(&*store, revoke("ada", Some("one"))).await;
    applied(&*store, revoke("ada", Some("nobody"))).await;
    applied(&*store, revoke("bob", None)).await;
    assert_eq!(store.access(one.id).await.unwrap(), None);
    assert!(store.access(two.id).await.unwrap().is_some());
    assert!(store.remembered("ada", "three", NOW).await.unwrap().is_some());
    applied(&*store, revoke("ada", None)).await;
    assert_eq!(store.access(two.id).await.unwrap(), None);
    assert_eq!(store.remembered("ada", "three", NOW).await.unwrap(), None);
    assert_eq!(store.refresh(endless.id, Freshness::Latest).await.unwrap(), None);
}

pub(crate) async fn the_sessions_of_a_person_end_together(scene: &Scene) {
    let store = scene.store();
    let (one, two) = (session(), session());
    let others = SessionRecord {
        subject: "bob".to_owned(),
        ..session()
    };
    for session in [&one, &two, &others] {
        put(scene, session).await;
    }
    let subject = "ada".to_owned();
    applied(&*store, Change::EndSessions { subject }).await;
    assert_eq!(store.session(one.id).await.unwrap(), None);
    assert_eq!(store.session(two.id).await.unwrap(), None);
    assert_eq!(store.session(others.id).await.unwrap(), Some(others));
}

pub(crate) async fn the_clients_of_a_session_are_found_by_all_that_is_left_of_it(scene: &Scene) {
    let store = scene.store();
    for name in ["one", "two", "other"] {
        scene.client(name).await;
    }
    let login = session();
    let of = |client: &str| GrantRecord {
        session_id: Some(login.id),
        ..grant(client)
    };
    let found = async |subject: Option<&str>| -> Vec<String> {
        let all = store.participants(login.id, subject).await.unwrap();
        assert!(all.iter().all(|found| found.subject == "ada"));
        all.into_iter().map(|found| found.client).collect()
    };
    for grant in [of("two"), of("one"), of("two"), grant("other")] {
        scene.coded(grant).await;
    }
    assert!(found(None).await.is_empty());
    assert_eq!(found(Some("ada")).await, ["one", "two"]);
    assert!(found(Some("b\0b")).await.is_empty());
    put(scene, &login).await;
    assert_eq!(found(None).await, ["one", "two"]);
    applied(&*store, Change::EndSession(login.id)).await;
    let first = GrantRecord {
        id: login.id,
        ..of("one")
    };
    scene.coded(first).await;
    assert_eq!(found(None).await, ["one", "two"]);
}

pub(crate) async fn a_logout_happens_once_per_challenge(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    let (login, other) = (session(), session());
    put(scene, &login).await;
    put(scene, &other).await;
    let spent = spent();
    let change = |session: Id| Change::Logout {
        spent: Some(spent.clone()),
        session: Some(session),
        notices: vec![notice("app", session)],
    };
    applied(&*store, change(login.id)).await;
    assert_eq!(store.session(login.id).await.unwrap(), None);
    let flow = store.flow(spent.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!((&flow.sealed, flow.step), (&spent.sealed, FlowStep::Done));
    lost(&*store, change(other.id)).await;
    assert_eq!(store.session(other.id).await.unwrap(), Some(other));
    assert_eq!(store.claim_notices(NOW, LATER, 10).await.unwrap().len(), 1);
}

pub(crate) async fn of_64_logouts_on_two_servers_one_uses_the_challenge(scene: &Scene) {
    let (stores, second) = scene.stores().await;
    scene.client("app").await;
    let spent = spent();
    let tasks = (0..64).map(|task| {
        let change = Change::Logout {
            spent: Some(spent.clone()),
            session: Some(id()),
            notices: vec![notice("app", id())],
        };
        stores[task % stores.len()].apply(change)
    });
    let outcomes = join_all(tasks).await;
    let applied = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Applied)));
    assert_eq!(applied.count(), 1, "{outcomes:?}");
    assert_eq!(stores[0].claim_notices(NOW, LATER, 100).await.unwrap().len(), 1);
    if let Some(second) = second {
        second.close().await;
    }
}

pub(crate) async fn a_client_is_told_once_of_a_session(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    let login = id();
    applied(&*store, logout(vec![notice("app", login), notice("nobody", login)])).await;
    applied(&*store, logout(vec![notice("app", login)])).await;
    let claimed = store.claim_notices(NOW, LATER, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let expected = NoticeRecord {
        id: claimed[0].id,
        attempts: 1,
        due_at: LATER,
        ..notice("app", login)
    };
    assert_eq!(claimed[0], expected);
    let done = Change::RescheduleNotice {
        id: expected.id,
        attempts: 1,
        due_at: Timestamp::NEVER,
    };
    applied(&*store, done).await;
    applied(&*store, logout(vec![notice("app", login)])).await;
    assert!(store.claim_notices(NOW, LATER, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_notice_that_was_not_sent_is_due_again_and_at_last_expires(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    applied(&*store, logout(vec![notice("app", id())])).await;
    let claim = async |at: i64| {
        store
            .claim_notices(Timestamp(at), Timestamp(at + 60), 10)
            .await
            .unwrap()
    };
    assert!(claim(NOW.0 - 1).await.is_empty());
    let first = claim(NOW.0).await.remove(0);
    assert!(claim(NOW.0 + 59).await.is_empty());
    let again = Change::RescheduleNotice {
        id: first.id,
        attempts: 1,
        due_at: Timestamp(NOW.0 + 5),
    };
    applied(&*store, again.clone()).await;
    assert_eq!(claim(NOW.0 + 5).await[0].attempts, 2);
    lost(&*store, again).await;
    assert_eq!(claim(NOW.0 + 65).await[0].attempts, 3);
    assert!(claim(LATER.0).await.is_empty());
    assert_eq!(store.purge(Timestamp(LATER.0 - 1), 100).await.unwrap().rows, 0);
    assert_eq!(store.purge(LATER, 100).await.unwrap().rows, 1);
}

/// By less than half an hour, a notice waits as much longer.
pub(crate) async fn a_notice_is_not_leased_for_longer_because_a_clock_was_set_back(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    applied(&*store, logout(vec![notice("app", id()), notice("app", id())])).await;
    let claim = async |at: i64, limit: u32| {
        let lease = Timestamp(at + 60);
        store.claim_notices(Timestamp(at), lease, limit).await.unwrap()
    };
    let told = claim(NOW.0, 1).await.remove(0);
    let sent = Change::RescheduleNotice {
        id: told.id,
        attempts: 1,
        due_at: Timestamp::NEVER,
    };
    applied(&*store, sent).await;
    let other = claim(NOW.0, 10).await.remove(0);
    assert!(claim(NOW.0 - 1940, 10).await.is_empty());
    let again = claim(NOW.0 - 1941, 10).await;
    assert_eq!(again.len(), 1, "what was sent is never due");
    assert_eq!((again[0].id, again[0].attempts), (other.id, 2));
    assert!(claim(NOW.0 - 1941 + 59, 10).await.is_empty());
}

pub(crate) async fn of_64_claims_on_two_servers_each_notice_goes_to_one(scene: &Scene) {
    let (stores, second) = scene.stores().await;
    scene.client("app").await;
    let notices = (0..40).map(|_| notice("app", id())).collect();
    applied(&*stores[0], logout(notices)).await;
    let lease = Timestamp(NOW.0 + 60);
    let tasks = (0..64).map(|task| stores[task % stores.len()].claim_notices(NOW, lease, 3));
    let mut claimed: Vec<Id> = Vec::new();
    for batch in join_all(tasks).await {
        claimed.extend(batch.unwrap().iter().map(|notice| notice.id));
    }
    claimed.extend(
        stores[0]
            .claim_notices(NOW, lease, 100)
            .await
            .unwrap()
            .iter()
            .map(|notice| notice.id),
    );
    claimed.sort();
    let all = claimed.len();
    claimed.dedup();
    assert_eq!((claimed.len(), all), (40, 40));
    if let Some(second) = second {
        second.close().await;
    }
}

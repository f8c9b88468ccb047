//! Flows, login sessions, and what the end of a flow makes.

use claviger_core::context::Timestamp;
use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, answered, applied, lost, read_client};

fn step(flow: &FlowRecord, step: FlowStep) -> Change {
    with_session(flow, step, None)
}

fn with_session(flow: &FlowRecord, step: FlowStep, session: Option<SessionChange>) -> Change {
    Change::Advance {
        flow: FlowRecord {
            step,
            version: flow.version + 1,
            sealed: vec![9],
            ..flow.clone()
        },
        seen: flow.version,
        session,
        issue: None,
        client: None,
    }
}

async fn read(scene: &Scene, flow: &FlowRecord) -> FlowRecord {
    let found = scene.store().flow(flow.id, Freshness::Latest).await.unwrap();
    FlowRecord::clone(&found.unwrap())
}

pub(crate) async fn an_answered_login_is_read_back(scene: &Scene) {
    let flow = flow();
    assert_eq!(scene.store().flow(flow.id, Freshness::Latest).await.unwrap(), None);
    let found = answered(&*scene.store(), flow.clone()).await;
    assert_eq!(
        found,
        FlowRecord {
            version: found.version,
            ..flow
        }
    );
}

pub(crate) async fn accepting_a_login_twice_replaces_the_first_answer(scene: &Scene) {
    let first = answered(&*scene.store(), flow()).await;
    let again = FlowRecord {
        sealed: b"second".to_vec(),
        expires_at: Timestamp(LATER.0 + 1),
        ..first.clone()
    };
    let second = answered(&*scene.store(), again.clone()).await;
    assert_ne!(first.version, second.version);
    assert_eq!((second.sealed, second.expires_at), (again.sealed, again.expires_at));
}

pub(crate) async fn a_login_cannot_be_answered_after_the_browser_came_back(scene: &Scene) {
    let flow = answered(&*scene.store(), flow()).await;
    applied(&*scene.store(), step(&flow, FlowStep::ConsentAsked)).await;
    lost(&*scene.store(), Change::AnswerLogin { flow: flow.clone() }).await;
    let found = read(scene, &flow).await;
    assert_eq!((found.step, found.sealed), (FlowStep::ConsentAsked, vec![9]));
}

pub(crate) async fn an_advance_needs_the_version_that_was_seen(scene: &Scene) {
    let flow = answered(&*scene.store(), flow()).await;
    applied(&*scene.store(), step(&flow, FlowStep::ConsentAsked)).await;
    lost(&*scene.store(), step(&flow, FlowStep::ConsentAsked)).await;
    let asked = read(scene, &flow).await;
    assert_eq!(asked.version, flow.version + 1);
    applied(&*scene.store(), step(&asked, FlowStep::ConsentAnswered)).await;
    let consented = read(scene, &flow).await;
    applied(&*scene.store(), step(&consented, FlowStep::Done)).await;
    assert_eq!(read(scene, &flow).await.step, FlowStep::Done);
}

pub(crate) async fn an_advance_of_an_unknown_flow_is_a_lost_race(scene: &Scene) {
    lost(&*scene.store(), step(&flow(), FlowStep::ConsentAsked)).await;
}

pub(crate) async fn an_answer_replaced_meanwhile_cannot_be_advanced(scene: &Scene) {
    let first = answered(&*scene.store(), flow()).await;
    let again = FlowRecord {
        sealed: b"other subject".to_vec(),
        ..first.clone()
    };
    answered(&*scene.store(), again).await;
    lost(&*scene.store(), step(&first, FlowStep::ConsentAsked)).await;
}

pub(crate) async fn a_session_is_put_replaced_extended_and_ended_with_the_flow(scene: &Scene) {
    let store = scene.store();
    let first = session();
    let other = SessionRecord {
        subject: "bob".to_owned(),
        remember: false,
        ..first.clone()
    };
    let longer = SessionRecord {
        expires_at: Timestamp::NEVER,
        ..other.clone()
    };
    for (change, expected) in [
        (SessionChange::Put(first.clone()), Some(first.clone())),
        (SessionChange::Put(other.clone()), Some(other)),
        (SessionChange::Extend(first.id, Timestamp::NEVER), Some(longer)),
        (SessionChange::End(first.id), None),
        (SessionChange::End(first.id), None),
        (SessionChange::Extend(first.id, LATER), None),
    ] {
        let flow = answered(&*store, flow()).await;
        applied(&*store, with_session(&flow, FlowStep::ConsentAsked, Some(change))).await;
        assert_eq!(store.session(first.id).await.unwrap(), expected);
    }
}

pub(crate) async fn a_lost_race_leaves_session_grant_and_code_alone(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    let remembered = GrantRecord {
        remembered_until: Some(LATER),
        ..grant("app")
    };
    scene.coded(remembered.clone()).await;
    let kept = session();
    let flow = answered(&*store, flow()).await;
    applied(
        &*store,
        with_session(&flow, FlowStep::ConsentAsked, Some(SessionChange::Put(kept.clone()))),
    )
    .await;
    for change in [
        SessionChange::End(kept.id),
        SessionChange::Extend(kept.id, NOW),
        SessionChange::Put(session()),
    ] {
        let made = GrantRecord {
            remembered_until: Some(Timestamp::NEVER),
            ..grant("app")
        };
        let code = code(&made);
        let loser = Change::Advance {
            flow: flow.clone(),
            seen: flow.version,
            session: Some(change.clone()),
            issue: Some(at_once(made, Some(code.clone()), None)),
            client: None,
        };
        lost(&*store, loser).await;
        assert_eq!(store.code(code.id, Freshness::Latest).await.unwrap(), None);
        if let SessionChange::Put(put) = change {
            assert_eq!(store.session(put.id).await.unwrap(), None);
        }
    }
    assert_eq!(store.session(kept.id).await.unwrap(), Some(kept));
    assert_eq!(
        store.remembered("ada", "app", NOW).await.unwrap().unwrap().id,
        remembered.id
    );
}

pub(crate) async fn the_end_of_a_session_may_be_repeated(scene: &Scene) {
    let store = scene.store();
    let session = session();
    let flow = answered(&*store, flow()).await;
    applied(
        &*store,
        with_session(&flow, FlowStep::ConsentAsked, Some(SessionChange::Put(session.clone()))),
    )
    .await;
    applied(&*store, Change::EndSession(session.id)).await;
    applied(&*store, Change::EndSession(session.id)).await;
    assert_eq!(store.session(session.id).await.unwrap(), None);
}

pub(crate) async fn a_flow_can_be_answered_and_finished_in_one_step(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    let (grant, session) = (grant("app"), session());
    let code = code(&grant);
    let flow = answered(&*store, flow()).await;
    let change = Change::Advance {
        flow: FlowRecord {
            step: FlowStep::Done,
            ..flow.clone()
        },
        seen: flow.version,
        session: Some(SessionChange::Put(session.clone())),
        issue: Some(at_once(grant.clone(), Some(code.clone()), None)),
        client: None,
    };
    applied(&*store, change).await;
    assert_eq!(store.session(session.id).await.unwrap(), Some(session));
    let facts = store.code(code.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.grant.as_deref(), Some(&grant));
}

pub(crate) async fn an_authorization_may_end_with_an_access_token_and_no_code(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    let grant = grant("app");
    let token = AccessRecord {
        owner: Owner::Grant {
            id: grant.id,
            scope: Some(vec!["openid".to_owned()]),
            audience: Some(vec!["https://api.example".to_owned()]),
        },
        ..access(grant.id)
    };
    let flow = answered(&*store, flow()).await;
    let change = |seen| Change::Advance {
        flow: FlowRecord {
            step: FlowStep::Done,
            ..flow.clone()
        },
        seen,
        session: None,
        issue: Some(at_once(grant.clone(), None, Some(token.clone()))),
        client: None,
    };
    lost(&*store, change(flow.version + 1)).await;
    assert_eq!(store.access(token.id).await.unwrap(), None);
    applied(&*store, change(flow.version)).await;
    let facts = store.access(token.id).await.unwrap().unwrap();
    assert_eq!((facts.access, facts.grant.as_deref()), (token.clone(), Some(&grant)));
    applied(&*store, Change::RevokeGrant(grant.id)).await;
    assert_eq!(store.access(token.id).await.unwrap(), None);
}

pub(crate) async fn a_grant_of_a_removed_client_is_never_made(scene: &Scene) {
    let store = scene.store();
    let grant = GrantRecord {
        remembered_until: Some(Timestamp::NEVER),
        ..grant("gone")
    };
    let (_, code) = scene.coded(grant).await;
    assert_eq!(
        store.code(code.id, Freshness::Latest).await.unwrap().unwrap().grant,
        None
    );
    scene.client("gone").await;
    assert_eq!(store.remembered("ada", "gone", NOW).await.unwrap(), None);
}

pub(crate) async fn an_advance_that_relied_on_a_client_needs_the_version_that_was_seen(scene: &Scene) {
    let store = scene.store();
    let seen = scene.client("app").await;
    let kept = session();
    let flow = answered(&*store, flow()).await;
    let grant = grant("app");
    let code = code(&grant);
    // With nothing else, and with all that can happen at once.
    let tries = |client: &ClientRecord| {
        let finish = Change::Advance {
            flow: flow.clone(),
            seen: flow.version,
            session: Some(SessionChange::Put(kept.clone())),
            issue: Some(at_once(grant.clone(), Some(code.clone()), None)),
            client: None,
        };
        [step(&flow, FlowStep::ConsentAnswered), finish].map(|change| relying_on(client, change))
    };
    let updated = ClientRecord {
        version: seen.version + 1,
        ..seen.clone()
    };
    applied(&*store, Change::UpdateClient(updated.clone())).await;
    for change in tries(&seen) {
        lost(&*store, change).await;
    }
    applied(&*store, Change::DeleteClient("app".to_owned())).await;
    for change in tries(&updated) {
        lost(&*store, change).await;
    }
    let again = scene.client("app").await;
    for change in tries(&seen).into_iter().chain(tries(&updated)) {
        lost(&*store, change).await;
    }
    assert_eq!(read(scene, &flow).await, flow);
    assert_eq!(store.session(kept.id).await.unwrap(), None);
    assert_eq!(store.code(code.id, Freshness::Latest).await.unwrap(), None);

    let [_, finish] = tries(&again);
    applied(&*store, finish).await;
    let facts = store.code(code.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.grant.as_deref(), Some(&grant));
    assert_eq!(read_client(&*store, "app").await, again);
}

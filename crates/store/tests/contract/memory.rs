//! What is answered from memory, and what it costs when that is out of date.

use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, answered, applied, lost, redeem, rotate};

fn round_trips(scene: &Scene) -> u64 {
    scene.database.statistics().iter().map(|count| count.round_trips).sum()
}

pub(crate) async fn a_code_flow_takes_seven_round_trips_and_a_refresh_one(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let before = round_trips(scene);
    let (answer, grant) = (flow(), grant("app"));
    let proved = Freshness::ProvedByWrite;
    // The login app reads the request, then accepts it.
    assert_eq!(store.flow(answer.id, Freshness::Latest).await.unwrap(), None);
    applied(&*store, Change::AnswerLogin { flow: answer.clone() }).await;
    // The browser comes back, then the consent app reads and accepts.
    for step in [FlowStep::ConsentAsked, FlowStep::ConsentAnswered] {
        let seen = store.flow(answer.id, proved).await.unwrap().unwrap();
        let flow = FlowRecord {
            step,
            ..FlowRecord::clone(&seen)
        };
        let advance = Change::Advance {
            flow,
            seen: seen.version,
            session: (step == FlowStep::ConsentAsked).then(|| SessionChange::Put(session())),
            issue: None,
            client: Some(proof(&client)),
        };
        applied(&*store, advance).await;
        if step == FlowStep::ConsentAsked {
            store.flow(answer.id, Freshness::Latest).await.unwrap();
        }
    }
    // The browser comes back again, and the client redeems its code.
    let seen = store.flow(answer.id, proved).await.unwrap().unwrap();
    let code = code(&grant);
    let issue = consented(grant.clone(), code.clone(), &seen);
    applied(&*store, relying_on(&client, issue)).await;
    let seen = store.client("app", proved).await.unwrap().unwrap();
    assert_eq!(*seen, client);
    let facts = store.code(code.id, proved).await.unwrap().unwrap();
    assert_eq!(facts.grant.as_deref(), Some(&grant));
    let first = refresh(grant.id);
    applied(&*store, redeem(&code, &first, &client)).await;
    assert_eq!(round_trips(scene) - before, 7);

    let facts = store.refresh(first.id, proved).await.unwrap().unwrap();
    assert_eq!((&facts.refresh, facts.grant.as_deref()), (&first, Some(&grant)));
    applied(&*store, rotate(&first, &refresh(grant.id), &client)).await;
    assert_eq!(round_trips(scene) - before, 8);
}

pub(crate) async fn a_fact_remembered_here_and_changed_elsewhere_loses_the_race_once(scene: &Scene) {
    let Some(second) = scene.second_server().await else {
        return;
    };
    let (here, there) = (scene.store(), second.store());
    let proved = Freshness::ProvedByWrite;
    let seen = scene.client("app").await;
    let changed = ClientRecord {
        version: seen.version + 1,
        name: "changed".to_owned(),
        ..seen.clone()
    };
    applied(&*there, Change::UpdateClient(changed.clone())).await;
    let stale = here.client("app", proved).await.unwrap().unwrap();
    assert_eq!(*stale, seen);
    let issue = |client: &ClientRecord| Change::Issue {
        access: own_access("app"),
        client: proof(client),
    };
    lost(&*here, issue(&stale)).await;
    let fresh = here.client("app", proved).await.unwrap().unwrap();
    assert_eq!(*fresh, changed);
    applied(&*here, issue(&fresh)).await;

    let (grant, code) = scene.coded(grant("app")).await;
    applied(&*there, Change::BurnCode { code: code.id, at: NOW }).await;
    assert_eq!(here.code(code.id, proved).await.unwrap().unwrap().used_at, None);
    lost(&*here, redeem(&code, &refresh(grant.id), &fresh)).await;
    assert_eq!(here.code(code.id, proved).await.unwrap().unwrap().used_at, Some(NOW));
}

pub(crate) async fn a_client_changed_elsewhere_stops_a_flow_once(scene: &Scene) {
    let Some(second) = scene.second_server().await else {
        return;
    };
    let (here, there) = (scene.store(), second.store());
    let proved = Freshness::ProvedByWrite;
    let seen = scene.client("app").await;
    let flow = answered(&*here, flow()).await;
    let changed = ClientRecord {
        version: seen.version + 1,
        ..seen.clone()
    };
    applied(&*there, Change::UpdateClient(changed.clone())).await;
    let grant = grant("app");
    let issue = || consented(grant.clone(), code(&grant), &flow);
    let stale = here.client("app", proved).await.unwrap().unwrap();
    lost(&*here, relying_on(&stale, issue())).await;
    let fresh = here.client("app", proved).await.unwrap().unwrap();
    assert_eq!(*fresh, changed);
    applied(&*here, relying_on(&fresh, issue())).await;
}

pub(crate) async fn only_what_allows_something_is_remembered(scene: &Scene) {
    let store = scene.store();
    let proved = Freshness::ProvedByWrite;
    assert_eq!(store.client("app", proved).await.unwrap(), None);
    let (client, grant, old) = scene.redeemed("app").await;
    assert!(store.client("app", proved).await.unwrap().is_some());
    let new = refresh(grant.id);
    applied(&*store, rotate(&old, &new, &client)).await;
    applied(&*store, Change::RevokeAccess(new.id)).await;
    let facts = store.refresh(old.id, proved).await.unwrap().unwrap();
    assert_eq!(facts.rotated.as_ref().unwrap().access, None);
    applied(&*store, Change::DeleteClient("app".to_owned())).await;
    assert_eq!(store.client("app", proved).await.unwrap(), None);
}

//! Real concurrency, over two servers where the database can be shared: exactly one wins.

use std::sync::Arc;

use claviger_core::port::*;
use tokio::sync::Barrier;

use crate::assertions::{asserted, assertion};
use crate::records::*;
use crate::scene::{Scene, answered, lost, redeem, rotate};

pub(crate) const TASKS: usize = 64;

/// Applies one change per task, all let loose at the same moment, and says which were applied.
pub(crate) async fn race(stores: &[Arc<dyn Store>], changes: Vec<Change>) -> Vec<usize> {
    let start = Arc::new(Barrier::new(changes.len()));
    let tasks: Vec<_> = changes
        .into_iter()
        .zip(stores.iter().cycle())
        .map(|(change, store)| {
            let (store, start) = (store.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                store.apply(change).await.unwrap()
            })
        })
        .collect();
    let mut applied = Vec::new();
    for (position, task) in tasks.into_iter().enumerate() {
        if task.await.unwrap() == Outcome::Applied {
            applied.push(position);
        }
    }
    applied
}

async fn redeemers(scene: &Scene, stores: &[Arc<dyn Store>]) {
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let refreshes: Vec<_> = (0..TASKS).map(|_| refresh(grant.id)).collect();
    let changes = refreshes
        .iter()
        .map(|refresh| redeem(&code, refresh, &client))
        .collect();
    let winners = race(stores, changes).await;
    assert_eq!(winners.len(), 1, "{winners:?}");
    for (position, refresh) in refreshes.iter().enumerate() {
        let has_tokens = winners.contains(&position);
        assert_eq!(scene.store().access(refresh.id).await.unwrap().is_some(), has_tokens);
        assert_eq!(
            scene
                .store()
                .refresh(refresh.id, Freshness::Latest)
                .await
                .unwrap()
                .is_some(),
            has_tokens
        );
    }
}

pub(crate) async fn of_64_tasks_one_redeems_the_code(scene: &Scene) {
    redeemers(scene, &[scene.store()]).await;
}

pub(crate) async fn of_64_tasks_on_two_servers_one_redeems_the_code(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    redeemers(scene, &stores).await;
}

pub(crate) async fn of_64_tasks_on_two_servers_one_rotates_the_refresh_token(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let (client, grant, mut old) = scene.redeemed("app").await;
    for _ in 0..5 {
        let new: Vec<_> = (0..TASKS).map(|_| refresh(grant.id)).collect();
        let winners = race(&stores, new.iter().map(|new| rotate(&old, new, &client)).collect()).await;
        assert_eq!(winners.len(), 1, "{winners:?}");
        let winner = &new[winners[0]];
        let facts = scene.store().refresh(old.id, Freshness::Latest).await.unwrap().unwrap();
        assert_eq!(facts.rotated.as_ref().unwrap().successor.as_ref(), Some(winner));
        old = winner.clone();
    }
}

pub(crate) async fn of_64_tasks_on_two_servers_one_advances_the_flow(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    scene.client("app").await;
    let flow = answered(&*scene.store(), flow()).await;
    let codes: Vec<_> = (0..TASKS)
        .map(|_| {
            let grant = grant("app");
            let code = code(&grant);
            (grant, code)
        })
        .collect();
    let changes = codes
        .iter()
        .map(|(grant, code)| consented(grant.clone(), code.clone(), &flow))
        .collect();
    let winners = race(&stores, changes).await;
    assert_eq!(winners.len(), 1, "{winners:?}");
    for (position, (_, code)) in codes.iter().enumerate() {
        let found = scene.store().code(code.id, Freshness::Latest).await.unwrap();
        assert_eq!(found.is_some(), winners.contains(&position));
    }
}

pub(crate) async fn answers_and_advances_of_one_flow_never_mix(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    for _ in 0..5 {
        let first = answered(&*scene.store(), flow()).await;
        let changes = (0..TASKS)
            .map(|task| match task % 8 {
                0 => Change::Advance {
                    flow: FlowRecord {
                        step: FlowStep::ConsentAsked,
                        sealed: b"advanced".to_vec(),
                        ..first.clone()
                    },
                    seen: first.version,
                    session: None,
                    issue: None,
                    client: None,
                },
                _ => Change::AnswerLogin {
                    flow: FlowRecord {
                        sealed: format!("answer {task}").into_bytes(),
                        ..first.clone()
                    },
                },
            })
            .collect();
        let winners = race(&stores, changes).await;
        let advances = winners.iter().filter(|task| *task % 8 == 0).count();
        let found = scene.store().flow(first.id, Freshness::Latest).await.unwrap().unwrap();
        // Either an answer was replaced first, so that no advance saw the right one, or one advance ended the answers.
        match advances {
            0 => assert_eq!(
                (found.step, winners.len()),
                (FlowStep::LoginAnswered, TASKS - TASKS / 8)
            ),
            1 => assert_eq!(
                (found.step, &found.sealed[..]),
                (FlowStep::ConsentAsked, &b"advanced"[..])
            ),
            _ => panic!("{advances} advances of one version were applied"),
        }
    }
}

pub(crate) async fn of_64_tasks_on_two_servers_one_uses_the_assertion(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    for _ in 0..5 {
        let used = assertion();
        let winners = race(&stores, vec![Change::UseAssertion(used); TASKS]).await;
        assert_eq!(winners.len(), 1, "{winners:?}");
    }
}

pub(crate) async fn of_64_tasks_on_two_servers_one_gets_the_grant_of_the_assertion(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let client = scene.client("app").await;
    let used = assertion();
    let changes: Vec<_> = (0..TASKS).map(|_| asserted(&client, Some(used))).collect();
    let winners = race(&stores, changes.clone()).await;
    assert_eq!(winners.len(), 1, "{winners:?}");
    for (position, change) in changes.iter().enumerate() {
        let Change::IssueGrant { access, .. } = change else {
            continue;
        };
        let found = scene.store().access(access.id).await.unwrap();
        assert_eq!(found.is_some(), winners.contains(&position));
    }
}

pub(crate) async fn of_64_tasks_on_two_servers_one_seeds_the_key(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let changes = (0..TASKS)
        .map(|task| Change::SeedKey {
            key: key("set", &format!("kid {task}")),
            alg: "RS256".to_owned(),
        })
        .collect();
    let winners = race(&stores, changes).await;
    assert_eq!(winners.len(), 1, "{winners:?}");
    let keys = scene.store().keys("set").await.unwrap();
    assert_eq!(keys, [key("set", &format!("kid {}", winners[0]))]);
}

pub(crate) async fn of_64_tasks_on_two_servers_one_creates_the_client(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let changes = (0..TASKS)
        .map(|task| {
            Change::CreateClient(ClientRecord {
                name: task.to_string(),
                ..client("app")
            })
        })
        .collect();
    let winners = race(&stores, changes).await;
    assert_eq!(winners.len(), 1, "{winners:?}");
    let found = scene.store().client("app", Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(found.name, winners[0].to_string());
}

pub(crate) async fn a_grant_revoked_during_rotations_leaves_no_live_token(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    for name in ["one", "two", "three", "four", "five"] {
        let (client, grant, old) = scene.redeemed(name).await;
        let new: Vec<_> = (0..TASKS).map(|_| refresh(grant.id)).collect();
        let mut changes: Vec<_> = new.iter().map(|new| rotate(&old, new, &client)).collect();
        changes[TASKS / 2] = Change::RevokeGrant(grant.id);
        race(&stores, changes).await;
        for token in new.iter().chain([&old]) {
            assert_eq!(scene.store().access(token.id).await.unwrap(), None);
            lost(&*scene.store(), rotate(token, &refresh(grant.id), &client)).await;
        }
    }
}

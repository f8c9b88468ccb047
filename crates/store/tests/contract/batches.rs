//! Strangers in one batch: each gets what it alone would have got.

use claviger_core::port::*;
use futures_util::future::join_all;

use crate::records::*;
use crate::scene::{Scene, answered, redeem};

pub(crate) async fn five_hundred_issues_with_one_outdated_client_lose_only_that_one(scene: &Scene) {
    let store = scene.store();
    let (good, stale) = (scene.client("good").await, scene.client("stale").await);
    let newer = ClientRecord {
        version: stale.version + 1,
        ..stale.clone()
    };
    assert_eq!(
        store.apply(Change::UpdateClient(newer)).await.unwrap(),
        Outcome::Applied
    );
    let issues: Vec<_> = (0..500)
        .map(|task| {
            let client = if task == 250 { &stale } else { &good };
            (own_access(&client.id), proof(client))
        })
        .collect();
    let outcomes = join_all(
        issues
            .iter()
            .cloned()
            .map(|(access, client)| store.apply(Change::Issue { access, client })),
    );
    for (task, outcome) in outcomes.await.into_iter().enumerate() {
        let expected = if task == 250 {
            Outcome::LostRace
        } else {
            Outcome::Applied
        };
        assert_eq!(outcome.unwrap(), expected, "{task}");
    }
    let found = join_all(issues.iter().map(|(access, _)| store.access(access.id))).await;
    for (task, (found, (access, _))) in found.into_iter().zip(&issues).enumerate() {
        let expected = (task != 250).then_some(access);
        assert_eq!(found.unwrap().map(|facts| facts.access).as_ref(), expected, "{task}");
    }
    let statistics = scene.database.statistics();
    let issue = statistics.iter().find(|count| count.kind == "issue").unwrap();
    assert_eq!(issue.operations, 500);
    assert!(issue.round_trips <= 100, "{issue:?}");
}

pub(crate) async fn an_issue_that_repeats_an_id_harms_only_itself(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let mut tokens: Vec<_> = (0..100).map(|_| own_access("app")).collect();
    tokens[70].id = tokens[30].id;
    let issues = tokens.iter().cloned().map(|access| {
        store.apply(Change::Issue {
            access,
            client: proof(&client),
        })
    });
    let outcomes = join_all(issues).await;
    let refused: Vec<_> = (0..100).filter(|task| outcomes[*task].is_err()).collect();
    assert!(refused == [30] || refused == [70], "{refused:?}");
    assert!(matches!(outcomes[refused[0]], Err(StoreError::Broken(_))));
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Ok(Outcome::Applied)))
            .count(),
        99
    );
}

pub(crate) async fn a_change_that_fails_harms_only_itself(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let mut exchanges = Vec::new();
    for _ in 0..20 {
        let (grant, code) = scene.coded(grant("app")).await;
        exchanges.push((code, refresh(grant.id)));
    }
    // Its access token has the id of another one, which the table refuses.
    exchanges[13].1.id = exchanges[5].1.id;
    let changes = exchanges
        .iter()
        .map(|(code, refresh)| store.apply(redeem(code, refresh, &client)));
    let outcomes = join_all(changes).await;
    let refused: Vec<_> = (0..20).filter(|task| outcomes[*task].is_err()).collect();
    assert!(refused == [5] || refused == [13], "{refused:?}");
    for (task, (code, _)) in exchanges.iter().enumerate() {
        let facts = store.code(code.id, Freshness::Latest).await.unwrap().unwrap();
        assert_eq!(facts.used_at.is_some(), !refused.contains(&task), "{task}");
    }
}

pub(crate) async fn all_kinds_of_changes_at_once_all_happen(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let mut changes = Vec::new();
    for task in 0..40 {
        let (grant, code) = scene.coded(grant("app")).await;
        let waiting = answered(&*store, flow()).await;
        changes.extend([
            redeem(&code, &refresh(grant.id), &client),
            Change::AnswerLogin { flow: flow() },
            Change::EndSession(id()),
            Change::CreateClient(crate::records::client(&format!("client {task}"))),
            Change::AddKey(key("set", &format!("kid {task}"))),
            Change::RevokeGrant(id()),
            Change::Issue {
                access: own_access("app"),
                client: proof(&client),
            },
            consented(crate::records::grant("app"), crate::records::code(&grant), &waiting),
        ]);
    }
    for outcome in join_all(changes.into_iter().map(|change| store.apply(change))).await {
        assert_eq!(outcome.unwrap(), Outcome::Applied);
    }
    assert_eq!(store.count_clients().await.unwrap(), 41);
    assert_eq!(store.keys("set").await.unwrap().len(), 40);
}

pub(crate) async fn concurrent_reads_each_get_their_own_answer(scene: &Scene) {
    let store = scene.store();
    let mut tokens = Vec::new();
    for name in ["one", "two", "three"] {
        let (_, grant, refresh) = scene.redeemed(name).await;
        tokens.push((grant, refresh));
    }
    let asked: Vec<_> = (0..200).map(|task| tokens.get(task % 4)).collect();
    let answers = join_all(
        asked
            .iter()
            .map(|token| store.access(token.map_or_else(id, |(_, refresh)| refresh.id))),
    )
    .await;
    for (answer, token) in answers.into_iter().zip(asked) {
        assert_eq!(
            answer.unwrap().map(|facts| facts.grant.unwrap()),
            token.map(|(grant, _)| grant.clone())
        );
    }
}

//! Assertions are used once, and trusts are kept as they were made.

use std::sync::Arc;

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, applied, lost};

pub(crate) fn assertion() -> UsedAssertion {
    UsedAssertion {
        digest: digest(id()),
        expires_at: LATER,
    }
}

/// What an assertion about `ada` gave to a client.
pub(crate) fn asserted(client: &ClientRecord, assertion: Option<UsedAssertion>) -> Change {
    let grant = GrantRecord {
        session_id: None,
        ..grant(&client.id)
    };
    let token = refresh(grant.id);
    Change::IssueGrant {
        access: access_with(&token),
        grant: Arc::new(grant),
        client: proof(client),
        assertion,
    }
}

/// The grant and the token of [`asserted`].
fn parts(change: &Change) -> (GrantRecord, AccessRecord) {
    match change {
        Change::IssueGrant { grant, access, .. } => (GrantRecord::clone(grant), access.clone()),
        other => panic!("{other:?} issues nothing"),
    }
}

pub(crate) fn trust(issuer: &str, subject: Option<&str>, kid: &str) -> TrustRecord {
    TrustRecord {
        id: id(),
        issuer: issuer.to_owned(),
        subject: subject.map(str::to_owned),
        scope: vec!["read".to_owned(), "write".to_owned()],
        kid: kid.to_owned(),
        key: r#"{"kty":"OKP"}"#.to_owned(),
        created_at: NOW,
        expires_at: LATER,
    }
}

pub(crate) async fn an_assertion_is_used_once(scene: &Scene) {
    let store = scene.store();
    let (used, other) = (assertion(), assertion());
    assert!(!store.is_used(used.digest).await.unwrap());
    applied(&*store, Change::UseAssertion(used)).await;
    assert!(store.is_used(used.digest).await.unwrap());
    lost(&*store, Change::UseAssertion(used)).await;
    assert!(!store.is_used(other.digest).await.unwrap());
    applied(&*store, Change::UseAssertion(other)).await;
}

pub(crate) async fn a_grant_of_an_assertion_is_read_back_with_its_token(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    for single_use in [Some(assertion()), None] {
        let change = asserted(&client, single_use);
        let (grant, access) = parts(&change);
        applied(&*store, change).await;
        let facts = store.access(access.id).await.unwrap().unwrap();
        assert_eq!((facts.access, facts.grant.as_deref()), (access, Some(&grant)));
        if let Some(assertion) = single_use {
            assert!(store.is_used(assertion.digest).await.unwrap());
        }
    }
}

pub(crate) async fn a_used_assertion_and_an_outdated_client_give_nothing(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let used = assertion();
    applied(&*store, Change::UseAssertion(used)).await;
    let outdated = ClientRecord {
        version: client.version - 1,
        ..client.clone()
    };
    let unused = assertion();
    for change in [
        asserted(&client, Some(used)),
        asserted(&outdated, Some(unused)),
        asserted(&outdated, None),
    ] {
        let (_, access) = parts(&change);
        lost(&*store, change).await;
        assert_eq!(store.access(access.id).await.unwrap(), None);
    }
    assert!(!store.is_used(unused.digest).await.unwrap());
}

pub(crate) async fn a_trust_is_read_back_and_removed(scene: &Scene) {
    let store = scene.store();
    let (one, any) = (
        trust("https://idp.example", Some("ada"), "k"),
        trust("https://idp.example", None, "k"),
    );
    for trust in [&one, &any] {
        applied(&*store, Change::CreateTrust(trust.clone())).await;
        assert_eq!(store.trust(trust.id).await.unwrap().as_ref(), Some(trust));
    }
    applied(&*store, Change::DeleteTrust(one.id)).await;
    lost(&*store, Change::DeleteTrust(one.id)).await;
    assert_eq!(store.trust(one.id).await.unwrap(), None);
    assert_eq!(store.trust(any.id).await.unwrap(), Some(any));
}

pub(crate) async fn a_key_is_trusted_once_per_issuer_and_subject(scene: &Scene) {
    let store = scene.store();
    applied(&*store, Change::CreateTrust(trust("a", Some("ada"), "k"))).await;
    lost(&*store, Change::CreateTrust(trust("a", Some("ada"), "k"))).await;
    for other in [
        trust("b", Some("ada"), "k"),
        trust("a", Some("bob"), "k"),
        trust("a", Some("ada"), "l"),
    ] {
        applied(&*store, Change::CreateTrust(other)).await;
    }
    applied(&*store, Change::CreateTrust(trust("a", None, "k"))).await;
    lost(&*store, Change::CreateTrust(trust("a", None, "k"))).await;
}

pub(crate) async fn trusts_are_found_by_issuer_and_subject(scene: &Scene) {
    let store = scene.store();
    let (ada, any) = (trust("a", Some("ada"), "k"), trust("a", None, "k"));
    for trust in [&ada, &any, &trust("a", Some("bob"), "k"), &trust("b", Some("ada"), "k")] {
        applied(&*store, Change::CreateTrust(trust.clone())).await;
    }
    assert_eq!(store.trusts_in("a", "ada").await.unwrap(), [any.clone(), ada]);
    assert_eq!(store.trusts_in("a", "eve").await.unwrap(), std::slice::from_ref(&any));
    assert_eq!(store.trusts_in("a", "").await.unwrap(), [any]);
    assert!(store.trusts_in("c", "ada").await.unwrap().is_empty());
    assert!(store.trusts_in("a\0", "ada").await.unwrap().is_empty());
}

pub(crate) async fn pages_of_trusts_are_in_order_and_filtered_by_issuer(scene: &Scene) {
    let store = scene.store();
    let mut made: Vec<Id> = Vec::new();
    for (issuer, kid) in [("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")] {
        let trust = trust(issuer, None, kid);
        made.push(trust.id);
        applied(&*store, Change::CreateTrust(trust)).await;
    }
    let page = async |query: TrustQuery| {
        let trusts = store.trusts(&TrustQuery { limit: 2, ..query }).await.unwrap();
        trusts.into_iter().map(|trust| trust.id).collect::<Vec<_>>()
    };
    assert_eq!(page(TrustQuery::default()).await, made[..2]);
    let after = Some(made[1]);
    assert_eq!(
        page(TrustQuery {
            after,
            ..TrustQuery::default()
        })
        .await,
        made[2..]
    );
    let issuer = Some("a".to_owned());
    assert_eq!(
        page(TrustQuery {
            issuer,
            offset: 1,
            ..TrustQuery::default()
        })
        .await,
        made[2..]
    );
    let nobody = Some("c\0".to_owned());
    assert!(
        page(TrustQuery {
            issuer: nobody,
            ..TrustQuery::default()
        })
        .await
        .is_empty()
    );
}

pub(crate) async fn used_assertions_are_forgotten_when_they_have_expired(scene: &Scene) {
    let store = scene.store();
    let used = assertion();
    applied(&*store, Change::UseAssertion(used)).await;
    assert_eq!(store.purge(Timestamp(LATER.0 - 1), 100).await.unwrap().rows, 0);
    assert!(store.is_used(used.digest).await.unwrap());
    assert_eq!(store.purge(LATER, 100).await.unwrap().rows, 1);
    assert!(!store.is_used(used.digest).await.unwrap());
}

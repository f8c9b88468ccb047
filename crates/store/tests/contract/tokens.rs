//! Codes, access tokens, refresh tokens and the grants behind them.

use claviger_core::context::Timestamp;
use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, applied, lost, redeem, rotate};

pub(crate) async fn a_code_is_read_with_its_grant(scene: &Scene) {
    scene.client("app").await;
    for grant in [
        grant("app"),
        GrantRecord {
            session_id: None,
            scope: Vec::new(),
            audience: Vec::new(),
            remembered_until: Some(Timestamp::NEVER),
            expires_at: Timestamp::NEVER,
            ..grant("app")
        },
    ] {
        let (grant, code) = scene.coded(grant).await;
        let facts = scene.store().code(code.id, Freshness::Latest).await.unwrap().unwrap();
        assert_eq!(
            (&facts.code, facts.used_at, facts.grant.as_deref()),
            (&code, None, Some(&*grant))
        );
    }
}

pub(crate) async fn a_redeemed_code_gives_both_tokens(scene: &Scene) {
    let store = scene.store();
    let (_, grant, refresh) = scene.redeemed("app").await;
    let access = store.access(refresh.id).await.unwrap().unwrap();
    assert_eq!(access.access, access_with(&refresh));
    assert_eq!(access.grant.as_ref(), Some(&grant));
    let facts = store.refresh(refresh.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(
        (&facts.refresh, &facts.rotated, &facts.grant),
        (&refresh, &None, &Some(grant))
    );
}

pub(crate) async fn a_code_without_refresh_token_gives_an_access_token_only(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let access = access(grant.id);
    let change = Change::Redeem {
        code: code.id,
        at: NOW,
        access: access.clone(),
        refresh: None,
        client: proof(&client),
        resealed: None,
    };
    applied(&*store, change).await;
    assert_eq!(store.access(access.id).await.unwrap().unwrap().access, access);
    assert_eq!(store.refresh(access.id, Freshness::Latest).await.unwrap(), None);
    assert_eq!(
        store.code(code.id, Freshness::Latest).await.unwrap().unwrap().used_at,
        Some(NOW)
    );
}

pub(crate) async fn a_code_is_redeemed_once(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let (first, second) = (refresh(grant.id), refresh(grant.id));
    applied(&*store, redeem(&code, &first, &client)).await;
    lost(&*store, redeem(&code, &second, &client)).await;
    assert_eq!(store.access(second.id).await.unwrap(), None);
    assert_eq!(store.refresh(second.id, Freshness::Latest).await.unwrap(), None);
    lost(&*store, redeem(&crate::records::code(&grant), &second, &client)).await;
}

pub(crate) async fn a_burnt_code_cannot_be_redeemed(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    applied(&*store, Change::BurnCode { code: code.id, at: NOW }).await;
    lost(&*store, redeem(&code, &refresh(grant.id), &client)).await;
}

pub(crate) async fn a_code_is_burnt_once(scene: &Scene) {
    let store = scene.store();
    let (_, code) = scene.coded(grant("app")).await;
    let burn = Change::BurnCode { code: code.id, at: NOW };
    applied(&*store, burn.clone()).await;
    lost(&*store, burn).await;
    lost(&*store, Change::BurnCode { code: id(), at: NOW }).await;
}

pub(crate) async fn a_code_of_a_revoked_grant_cannot_be_redeemed(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    applied(&*store, Change::RevokeGrant(grant.id)).await;
    lost(&*store, redeem(&code, &refresh(grant.id), &client)).await;
    let facts = store.code(code.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!((facts.used_at, &facts.grant), (None, &None));
}

pub(crate) async fn a_code_cannot_be_redeemed_with_an_outdated_client(scene: &Scene) {
    let store = scene.store();
    let seen = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let now = updated(scene, &seen).await;
    lost(&*store, redeem(&code, &refresh(grant.id), &seen)).await;
    applied(&*store, redeem(&code, &refresh(grant.id), &now)).await;
}

pub(crate) async fn a_refresh_token_is_rotated_once(scene: &Scene) {
    let store = scene.store();
    let (client, grant, old) = scene.redeemed("app").await;
    let (first, second) = (refresh(grant.id), refresh(grant.id));
    applied(&*store, rotate(&old, &first, &client)).await;
    lost(&*store, rotate(&old, &second, &client)).await;
    assert_eq!(store.refresh(second.id, Freshness::Latest).await.unwrap(), None);
    applied(&*store, rotate(&first, &second, &client)).await;
    assert!(store.access(second.id).await.unwrap().is_some());
}

pub(crate) async fn a_rotation_removes_the_access_token_issued_with_the_old_one(scene: &Scene) {
    let store = scene.store();
    let (client, grant, old) = scene.redeemed("app").await;
    let new = refresh(grant.id);
    applied(&*store, rotate(&old, &new, &client)).await;
    assert_eq!(store.access(old.id).await.unwrap(), None);
    assert_eq!(store.access(new.id).await.unwrap().unwrap().access, access_with(&new));
}

pub(crate) async fn a_rotated_token_leads_to_its_successor(scene: &Scene) {
    let store = scene.store();
    let (client, grant, old) = scene.redeemed("app").await;
    let new = refresh(grant.id);
    applied(&*store, rotate(&old, &new, &client)).await;
    let mut expected = Rotated {
        at: NOW,
        successor: Some(new.clone()),
        access: Some(access_with(&new)),
    };
    let facts = store.refresh(old.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.rotated.as_ref(), Some(&expected));
    applied(&*store, Change::RevokeAccess(new.id)).await;
    expected.access = None;
    let facts = store.refresh(old.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.rotated.as_ref(), Some(&expected));
}

pub(crate) async fn a_rotation_keeps_the_grant_long_enough(scene: &Scene) {
    let store = scene.store();
    let (client, grant, mut old) = scene.redeemed("app").await;
    let longer = Timestamp(LATER.0 + 1000);
    for (keep, expected) in [(longer, longer), (NOW, longer)] {
        let new = refresh(grant.id);
        let mut change = rotate(&old, &new, &client);
        if let Change::Rotate { keep_grant, .. } = &mut change {
            *keep_grant = keep;
        }
        applied(&*store, change).await;
        let facts = store.access(new.id).await.unwrap().unwrap();
        assert_eq!(facts.grant.unwrap().expires_at, expected);
        let remembered = store.refresh(new.id, Freshness::ProvedByWrite).await.unwrap().unwrap();
        assert_eq!(remembered.grant.as_ref().unwrap().expires_at, expected);
        old = new;
    }
}

pub(crate) async fn a_rotation_seals_the_grant_anew_when_it_says_so(scene: &Scene) {
    let store = scene.store();
    let (client, grant, mut old) = scene.redeemed("app").await;
    for (resealed, expected) in [
        (None, grant.sealed.clone()),
        (Some(vec![4, 5, 6]), vec![4, 5, 6]),
        (None, vec![4, 5, 6]),
    ] {
        let new = refresh(grant.id);
        let mut change = rotate(&old, &new, &client);
        if let Change::Rotate { resealed: member, .. } = &mut change {
            member.clone_from(&resealed);
        }
        applied(&*store, change.clone()).await;
        let stored = store.access(new.id).await.unwrap().unwrap().grant.unwrap();
        assert_eq!((&stored.sealed, stored.expires_at), (&expected, grant.expires_at));
        let remembered = store.refresh(new.id, Freshness::ProvedByWrite).await.unwrap().unwrap();
        assert_eq!(remembered.grant.as_ref(), Some(&stored));
        // Who lost the race seals nothing.
        if let Change::Rotate { resealed: member, .. } = &mut change {
            *member = Some(vec![0]);
        }
        lost(&*store, change).await;
        let stored = store.access(new.id).await.unwrap().unwrap().grant.unwrap();
        assert_eq!(stored.sealed, expected);
        old = new;
    }
}

pub(crate) async fn a_rotation_needs_its_grant_and_the_clients_version(scene: &Scene) {
    let store = scene.store();
    let (seen, grant, old) = scene.redeemed("app").await;
    let now = updated(scene, &seen).await;
    lost(&*store, rotate(&old, &refresh(grant.id), &seen)).await;
    applied(&*store, Change::RevokeGrant(grant.id)).await;
    lost(&*store, rotate(&old, &refresh(grant.id), &now)).await;
    let facts = store.refresh(old.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!((&facts.rotated, &facts.grant), (&None, &None));
}

pub(crate) async fn what_a_token_was_narrowed_to_belongs_to_it_only(scene: &Scene) {
    let store = scene.store();
    let (client, grant, old) = scene.redeemed("app").await;
    let new = refresh(grant.id);
    for narrowed in [vec!["openid".to_owned()], Vec::new()] {
        let (old, new) = match narrowed.len() {
            1 => (&old, &new),
            _ => (&new, &refresh(grant.id)),
        };
        let owner = Owner::Grant {
            id: grant.id,
            scope: Some(narrowed.clone()),
            audience: Some(narrowed),
        };
        let mut change = rotate(old, new, &client);
        if let Change::Rotate { access, .. } = &mut change {
            access.owner = owner.clone();
        }
        applied(&*store, change).await;
        let facts = store.access(new.id).await.unwrap().unwrap();
        assert_eq!(facts.access.owner, owner);
        assert_eq!(facts.grant.unwrap().scope, grant.scope);
        let rotated = store.refresh(old.id, Freshness::Latest).await.unwrap().unwrap();
        assert_eq!(rotated.rotated.as_ref().unwrap().access.as_ref().unwrap().owner, owner);
    }
}

pub(crate) async fn revoking_a_grant_kills_every_token_of_it(scene: &Scene) {
    let store = scene.store();
    let (client, grant, old) = scene.redeemed("app").await;
    let new = refresh(grant.id);
    applied(&*store, rotate(&old, &new, &client)).await;
    let (_, other_grant, other) = scene.redeemed("other").await;
    applied(&*store, Change::RevokeGrant(grant.id)).await;
    assert_eq!(store.access(new.id).await.unwrap(), None);
    for token in [&old, &new] {
        let facts = store.refresh(token.id, Freshness::Latest).await.unwrap().unwrap();
        assert_eq!(facts.grant, None);
    }
    assert_eq!(store.access(other.id).await.unwrap().unwrap().grant, Some(other_grant));
}

pub(crate) async fn revoking_twice_is_applied_twice(scene: &Scene) {
    let (_, grant, refresh) = scene.redeemed("app").await;
    for _ in 0..2 {
        applied(&*scene.store(), Change::RevokeGrant(grant.id)).await;
        applied(&*scene.store(), Change::RevokeAccess(refresh.id)).await;
    }
}

pub(crate) async fn endless_refresh_tokens_go_with_their_grant(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let endless = RefreshRecord {
        expires_at: Timestamp::NEVER,
        ..refresh(grant.id)
    };
    applied(&*store, redeem(&code, &endless, &client)).await;
    applied(&*store, Change::RevokeGrant(grant.id)).await;
    assert_eq!(store.refresh(endless.id, Freshness::Latest).await.unwrap(), None);
}

pub(crate) async fn an_access_token_of_the_client_itself_is_read_back(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    for access in [
        own_access("app"),
        AccessRecord {
            owner: Owner::Client {
                id: "app".into(),
                scope: Vec::new(),
                audience: Vec::new(),
                sealed: None,
            },
            ..own_access("app")
        },
    ] {
        let client = proof(&client);
        applied(
            &*store,
            Change::Issue {
                access: access.clone(),
                client,
            },
        )
        .await;
        let facts = store.access(access.id).await.unwrap().unwrap();
        assert_eq!((facts.access, facts.grant), (access, None));
    }
    assert_eq!(store.access(id()).await.unwrap(), None);
}

pub(crate) async fn a_token_is_not_issued_to_an_outdated_client(scene: &Scene) {
    let store = scene.store();
    let seen = scene.client("app").await;
    updated(scene, &seen).await;
    let access = own_access("app");
    let issue = |client| Change::Issue {
        access: access.clone(),
        client,
    };
    lost(&*store, issue(proof(&seen))).await;
    lost(&*store, issue(proof(&crate::records::client("nobody")))).await;
    assert_eq!(store.access(access.id).await.unwrap(), None);
}

pub(crate) async fn a_token_of_a_grant_is_not_issued_without_its_code(scene: &Scene) {
    let client = scene.client("app").await;
    let (grant, _) = scene.coded(grant("app")).await;
    let issue = Change::Issue {
        access: access(grant.id),
        client: proof(&client),
    };
    let refusal = scene.store().apply(issue).await;
    assert!(matches!(refusal, Err(StoreError::Broken(_))), "{refusal:?}");
}

pub(crate) async fn the_access_tokens_of_a_client_end_together_and_nothing_else_does(scene: &Scene) {
    let store = scene.store();
    let (client, _, first) = scene.redeemed("app").await;
    let (_, _, others) = scene.redeemed("other").await;
    let own = own_access("app");
    let issue = |access: &AccessRecord| Change::Issue {
        access: access.clone(),
        client: proof(&client),
    };
    applied(&*store, issue(&own)).await;
    let second = refresh(first.grant);
    applied(&*store, rotate(&first, &second, &client)).await;
    let up_to = id();
    let end = |client: &str| Change::RevokeClientAccess {
        client: client.to_owned(),
        up_to,
    };
    applied(&*store, end("app")).await;
    applied(&*store, end("nobody")).await;

    assert_eq!(store.access(own.id).await.unwrap(), None);
    assert_eq!(store.access(second.id).await.unwrap(), None);
    let facts = store.refresh(first.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.rotated.as_ref().map(|rotated| &rotated.access), Some(&None));
    assert!(store.access(others.id).await.unwrap().is_some());

    let (later, third) = (own_access("app"), refresh(first.grant));
    applied(&*store, issue(&later)).await;
    applied(&*store, rotate(&second, &third, &client)).await;
    assert!(store.access(later.id).await.unwrap().is_some());
    assert!(store.access(third.id).await.unwrap().is_some());
}

pub(crate) async fn an_access_token_is_revoked_alone(scene: &Scene) {
    let store = scene.store();
    let (_, _, refresh) = scene.redeemed("app").await;
    applied(&*store, Change::RevokeAccess(refresh.id)).await;
    assert_eq!(store.access(refresh.id).await.unwrap(), None);
    let facts = store.refresh(refresh.id, Freshness::Latest).await.unwrap().unwrap();
    assert!(facts.grant.is_some() && facts.rotated.is_none());
}

fn remembered(until: Timestamp, created_at: i64) -> GrantRecord {
    GrantRecord {
        remembered_until: Some(until),
        created_at: Timestamp(created_at),
        ..grant("app")
    }
}

pub(crate) async fn the_latest_remembered_grant_is_found(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    scene.client("other").await;
    assert_eq!(store.remembered("ada", "app", NOW).await.unwrap(), None);
    let (kept, _) = scene.coded(remembered(LATER, NOW.0)).await;
    scene.coded(grant("app")).await;
    assert_eq!(
        store.remembered("ada", "app", NOW).await.unwrap().as_ref(),
        Some(&*kept)
    );
    assert_eq!(store.remembered("ada", "app", LATER).await.unwrap(), None);
    assert_eq!(store.remembered("ada", "other", NOW).await.unwrap(), None);
    assert_eq!(store.remembered("bob", "app", NOW).await.unwrap(), None);
    assert_eq!(store.remembered("b\0b", "app", NOW).await.unwrap(), None);
}

pub(crate) async fn remembering_a_grant_forgets_earlier_ones_but_their_tokens_live(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (first, code) = scene.coded(remembered(Timestamp::NEVER, NOW.0)).await;
    let refresh = refresh(first.id);
    applied(&*store, redeem(&code, &refresh, &client)).await;
    let (second, _) = scene.coded(remembered(LATER, NOW.0 - 10)).await;
    assert_eq!(
        store.remembered("ada", "app", NOW).await.unwrap().as_ref(),
        Some(&*second)
    );
    let facts = store.access(refresh.id).await.unwrap().unwrap();
    assert_eq!(facts.grant.unwrap().remembered_until, None);
}

pub(crate) async fn a_revoked_grant_does_not_bring_back_an_earlier_one(scene: &Scene) {
    let store = scene.store();
    scene.client("app").await;
    scene.coded(remembered(Timestamp::NEVER, NOW.0)).await;
    let (second, _) = scene.coded(remembered(Timestamp::NEVER, NOW.0 + 1)).await;
    applied(&*store, Change::RevokeGrant(second.id)).await;
    assert_eq!(store.remembered("ada", "app", NOW).await.unwrap(), None);
}

/// The client after somebody changed it.
async fn updated(scene: &Scene, seen: &ClientRecord) -> ClientRecord {
    let now = ClientRecord {
        version: seen.version + 1,
        document: r#"{"changed":true}"#.to_owned(),
        ..seen.clone()
    };
    applied(&*scene.store(), Change::UpdateClient(now.clone())).await;
    now
}

pub(crate) async fn a_redemption_seals_the_grant_anew_when_it_says_so(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let access = access(grant.id);
    let change = Change::Redeem {
        code: code.id,
        at: NOW,
        access: access.clone(),
        refresh: None,
        client: proof(&client),
        resealed: Some(b"anew".to_vec()),
    };
    applied(&*store, change).await;
    let facts = store.access(access.id).await.unwrap().unwrap();
    assert_eq!(facts.grant.unwrap().sealed, b"anew");
}

pub(crate) async fn what_a_redemption_sealed_is_what_the_next_refresh_finds(scene: &Scene) {
    let store = scene.store();
    let client = scene.client("app").await;
    let (grant, code) = scene.coded(grant("app")).await;
    let refresh = refresh(grant.id);
    let redeem = match redeem(&code, &refresh, &client) {
        Change::Redeem {
            code,
            at,
            access,
            refresh,
            client,
            ..
        } => Change::Redeem {
            code,
            at,
            access,
            refresh,
            client,
            resealed: Some(b"anew".to_vec()),
        },
        other => other,
    };
    store.code(code.id, Freshness::Latest).await.unwrap();
    applied(&*store, redeem).await;
    for freshness in [Freshness::ProvedByWrite, Freshness::Latest] {
        let facts = store.refresh(refresh.id, freshness).await.unwrap().unwrap();
        assert_eq!(facts.grant.as_ref().unwrap().sealed, b"anew");
    }
}

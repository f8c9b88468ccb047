//! How long tokens and grants live, by the client's own lifespans and the operator's.

use super::*;
use crate::client::Lifespans;
use crate::context::Timestamp;
use crate::grant::lives::Lives;
use crate::port::{Freshness, Store as _};
use crate::testing::START;

/// Lives of the access token and of the refresh token in seconds.
fn lives(scene: &Scene, tokens: &Tokens) -> (i64, i64) {
    let (access, refresh) = (
        scene.access(&tokens.access_token),
        scene.refresh_record(tokens.refresh()),
    );
    assert_eq!(
        i64::try_from(tokens.expires_in),
        Ok(access.expires_at.0 - scene.desk.cx().now.0)
    );
    (
        access.expires_at.0 - access.issued_at.0,
        refresh.expires_at.0 - refresh.issued_at.0,
    )
}

fn own() -> Lifespans {
    Lifespans {
        authorization_code_grant_access_token_lifespan: Some(11),
        authorization_code_grant_refresh_token_lifespan: Some(12),
        authorization_code_grant_id_token_lifespan: Some(13),
        refresh_token_grant_access_token_lifespan: Some(21),
        refresh_token_grant_refresh_token_lifespan: Some(22),
        refresh_token_grant_id_token_lifespan: Some(23),
        client_credentials_grant_access_token_lifespan: Some(31),
        ..Lifespans::default()
    }
}

#[test]
fn the_operators_lives_count_where_the_client_has_none() {
    let scene = Scene::new();
    let first = scene.tokens("offline");
    assert_eq!(lives(&scene, &first), (3600, 720 * 3600));
    let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
    assert_eq!(lives(&scene, &second), (3600, 720 * 3600));
    assert_eq!(scene.for_itself(&[]).expect("the client is good").expires_in, 3600);
}

#[test]
fn each_grant_type_has_its_own_lives_per_client() {
    let scene = Scene::with(|client| client.lifespans = own());
    let first = scene.tokens("offline");
    assert_eq!(lives(&scene, &first), (11, 12));
    let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
    assert_eq!(lives(&scene, &second), (21, 22));
    assert_eq!(scene.for_itself(&[]).expect("the client is good").expires_in, 31);
    let seconds = Duration::from_secs;
    assert_eq!(
        Lives::authorization_code(&scene.desk.policy, &scene.client).id,
        seconds(13)
    );
    assert_eq!(Lives::refresh_token(&scene.desk.policy, &scene.client).id, seconds(23));
}

#[test]
fn a_changed_life_counts_from_the_next_token() {
    let mut scene = Scene::new();
    let first = scene.tokens("offline");
    scene.change(|client| client.lifespans = own());
    assert_eq!(lives(&scene, &first), (3600, 720 * 3600));
    let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
    assert_eq!(lives(&scene, &second), (21, 22));
}

#[test]
fn the_life_of_a_refresh_token_begins_anew_with_each() {
    let scene = Scene::new();
    let mut tokens = scene.tokens("offline");
    for _ in 0..3 {
        scene.pass(720 * 3600 - 1);
        tokens = scene.refresh(tokens.refresh(), &[]).expect("the token is good");
    }
}

#[test]
fn refresh_tokens_that_never_expire_stay_good() {
    let mut scene = Scene::new();
    scene.desk.policy.refresh_token_life = None;
    let first = scene.tokens("offline");
    assert_eq!(scene.refresh_record(first.refresh()).expires_at, Timestamp::NEVER);
    scene.pass(1_000_000_000);
    let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
    assert_eq!(second.expires_in, 3600);
    let record = scene.refresh_record(second.refresh());
    assert_eq!(record.expires_at, Timestamp::NEVER);
    assert_eq!(
        scene.desk.store.state().grants[&record.grant].expires_at,
        Timestamp::NEVER
    );
}

#[test]
fn a_clients_own_life_counts_where_the_others_never_expire() {
    let mut scene = Scene::with(|client| client.lifespans = own());
    scene.desk.policy.refresh_token_life = None;
    let first = scene.tokens("offline");
    assert_eq!(lives(&scene, &first), (11, 12));
}

#[test]
fn what_is_removed_as_expired_never_takes_a_living_token_with_it() {
    let scene = Scene::new();
    let mut tokens = scene.tokens("offline");
    for _ in 0..4 {
        scene.pass(700 * 3600);
        now(scene.desk.store.purge(scene.desk.cx().now, 1000)).expect("the store answers");
        tokens = scene.refresh(tokens.refresh(), &[]).expect("the token is good");
        assert!(scene.lives(&tokens.access_token));
    }
}

#[test]
fn a_used_token_that_comes_back_at_its_last_moment_is_still_recognized() {
    let scene = Scene::new();
    let first = scene.tokens("offline");
    let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
    scene.pass(720 * 3600 - 1);
    now(scene.desk.store.purge(scene.desk.cx().now, 1000)).expect("the store answers");
    let facts = now(scene
        .desk
        .store
        .refresh(scene.id(Kind::Refresh, first.refresh()), Freshness::Latest));
    assert!(
        facts
            .expect("the store answers")
            .is_some_and(|facts| facts.rotated.is_some())
    );
    assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
    assert_eq!(
        refused(scene.refresh(second.refresh(), &[])),
        Fault::RefreshTokenInvalid
    );
}

mod a_grant_is_kept {
    use super::*;

    fn kept(scene: &Scene, scope: &str) -> Timestamp {
        let scope: Vec<String> = scope.split(' ').map(str::to_owned).collect();
        Lives::authorization_code(&scene.desk.policy, &scene.client).keep_grant(&scope, START)
    }

    #[test]
    fn for_twice_the_life_of_its_refresh_token() {
        let scene = Scene::new();
        assert_eq!(kept(&scene, "openid offline"), Timestamp(START.0 + 2 * 720 * 3600));
    }

    #[test]
    fn for_ever_if_its_refresh_token_never_expires() {
        let mut scene = Scene::new();
        scene.desk.policy.refresh_token_life = None;
        assert_eq!(kept(&scene, "offline_access"), Timestamp::NEVER);
    }

    #[test]
    fn no_less_than_its_access_token_lives() {
        let scene = Scene::with(|client| {
            client.lifespans.authorization_code_grant_refresh_token_lifespan = Some(60);
        });
        assert_eq!(kept(&scene, "offline"), Timestamp(START.0 + 3600));
    }

    #[test]
    fn as_long_as_its_access_token_lives_if_it_gives_no_refresh_token() {
        let mut scene = Scene::new();
        assert_eq!(kept(&scene, "openid profile"), Timestamp(START.0 + 3600));
        scene.desk.policy.refresh_token_life = None;
        assert_eq!(kept(&scene, "openid profile"), Timestamp(START.0 + 3600));
    }
}

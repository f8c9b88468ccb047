//! OpenID Connect Core §3.1.2.1 and §3.1.2.2: who is logged in, and who has to do it again.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::testing::START;
use crate::world::IdTokenKeys as _;

fn remembered() -> Walk {
    let mut walk = Walk::new();
    assert!(walk.finish(&[], true).has_code());
    assert!(walk.session.is_some());
    walk
}

/// Both apps accept without a page.
fn pass(walk: &mut Walk, changed: &[(&str, &str)]) -> Place {
    let login = walk.start(changed).login();
    assert!(now(login::read(&walk.desk.world(), &login)).unwrap().skip);
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    assert!(now(consent::read(&walk.desk.world(), &consent)).unwrap().skip);
    walk.allow(&consent, ConsentAcceptance::default())
}

fn skips(walk: &mut Walk, changed: &[(&str, &str)]) -> bool {
    let login = walk.start(changed).login();
    now(login::read(&walk.desk.world(), &login)).unwrap().skip
}

#[test]
fn a_remembered_person_passes_without_a_page_with_the_same_session() {
    let mut walk = remembered();
    let before = walk.session.clone();
    for changed in [&[][..], &[("prompt", "none")]] {
        assert!(pass(&mut walk, changed).has_code());
    }
    assert_eq!(walk.session, before);
    let state = walk.desk.store.state();
    assert_eq!(state.sessions.len(), 1);
    let sid = *state.sessions.keys().next().unwrap();
    assert!(state.grants.values().all(|grant| grant.session_id == Some(sid)));
}

#[test]
fn a_login_that_is_not_remembered_leaves_no_session() {
    let mut walk = Walk::new();
    assert!(walk.finish(&[], false).has_code());
    assert_eq!(walk.session, None);
    assert!(walk.desk.store.state().sessions.is_empty());
}

#[test]
fn d4_a_login_that_is_not_remembered_ends_a_session_even_if_that_is_gone_already() {
    let mut walk = remembered();
    walk.desk.store.state().sessions.clear();
    assert!(walk.finish(&[("prompt", "login")], false).has_code());
    assert_eq!(walk.session, None);
}

#[test]
fn prompt_none_without_a_session_or_consent_is_refused() {
    let mut walk = Walk::new();
    assert_eq!(walk.start(&[("prompt", "none")]).error(), "login_required");
    let mut walk = remembered();
    let changed = [("prompt", "none"), ("scope", "openid profile")];
    let login = walk.start(&changed).login();
    assert_eq!(
        walk.log_in(&login, LoginAcceptance::default()).error(),
        "consent_required"
    );
}

#[test]
fn prompt_login_and_select_account_ask_again_and_prompt_consent_shows_the_consent_page() {
    let mut walk = remembered();
    assert!(!skips(&mut walk, &[("prompt", "login")]));
    assert!(!skips(&mut walk, &[("prompt", "select_account")]));
    let login = walk.start(&[("prompt", "consent")]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    assert!(!now(consent::read(&walk.desk.world(), &consent)).unwrap().skip);
}

#[test]
fn max_age_asks_again_when_the_login_is_too_old_and_zero_always() {
    let mut walk = remembered();
    walk.desk.advance(Duration::from_secs(100));
    assert!(skips(&mut walk, &[("max_age", "100")]));
    assert!(!skips(&mut walk, &[("max_age", "99")]));
    assert!(!skips(&mut walk, &[("max_age", "0")]));
    let changed = [("max_age", "99"), ("prompt", "none")];
    assert_eq!(walk.start(&changed).error(), "login_required");
}

#[test]
fn a_session_ends_with_its_time() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let body = LoginAcceptance {
        remember: Some(true),
        remember_for: Some(60),
        ..LoginAcceptance::default()
    };
    walk.log_in(&login, body).consent();
    assert!(skips(&mut walk, &[]));
    walk.desk.advance(Duration::from_secs(60));
    assert!(!skips(&mut walk, &[]));
}

#[test]
fn a_session_is_extended_on_request() {
    let mut walk = remembered();
    walk.desk.advance(Duration::from_secs(80_000));
    let login = walk.start(&[]).login();
    let body = LoginAcceptance {
        extend_session_lifespan: Some(true),
        ..LoginAcceptance::default()
    };
    walk.log_in(&login, body).consent();
    walk.desk.advance(Duration::from_secs(80_000));
    assert!(skips(&mut walk, &[]));
}

#[test]
fn a_session_that_ended_on_the_way_means_to_log_in_again() {
    let mut walk = remembered();
    let login = walk.start(&[]).login();
    walk.desk.store.state().sessions.clear();
    let body = LoginAcceptance {
        subject: Some("alice".into()),
        ..LoginAcceptance::default()
    };
    let onward = now(login::accept(&walk.desk.world(), &login, body)).unwrap();
    assert_eq!(place(&onward), Place::Again(walk.request(&[])));
}

#[test]
fn another_subject_than_the_sessions_has_to_log_in() {
    let mut walk = remembered();
    let login = walk.start(&[]).login();
    let bob = LoginAcceptance {
        subject: Some("bob".into()),
        ..LoginAcceptance::default()
    };
    let onward = now(login::accept(&walk.desk.world(), &login, bob)).unwrap();
    let Place::Again(params) = place(&onward) else {
        panic!("{onward}")
    };
    assert_eq!(params.get("prompt"), Some("login"));
}

#[test]
fn the_authentication_of_a_session_is_that_of_its_login() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let body = LoginAcceptance {
        remember: Some(true),
        acr: Some("gold".into()),
        amr: Some(vec!["otp".into()]),
        ..LoginAcceptance::default()
    };
    let consent = walk.log_in(&login, body).consent();
    assert!(walk.allow(&consent, ConsentAcceptance::default()).has_code());
    walk.desk.advance(Duration::from_secs(50));
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    assert!(walk.allow(&consent, ConsentAcceptance::default()).has_code());
    let state = walk.desk.store.state();
    let newest = state.grants.values().max_by_key(|grant| grant.created_at).unwrap();
    let consented = crate::consented::Consented::open(&walk.desk.cx(), newest)
        .unwrap()
        .unwrap();
    assert_eq!(consented.acr.as_deref(), Some("gold"));
    assert_eq!(consented.amr, ["otp"]);
    assert_eq!(consented.auth_time, walk.desk.cx().now.0 - 50);
}

#[test]
fn a_consent_is_remembered_as_long_as_was_said_and_for_what_was_granted() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let body = ConsentAcceptance {
        remember: Some(true),
        remember_for: Some(60),
        ..ConsentAcceptance::default()
    };
    assert!(walk.allow(&consent, body).has_code());
    let asked = |walk: &mut Walk, scope: &str| {
        let login = walk.start(&[("scope", scope)]).login();
        let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
        !now(consent::read(&walk.desk.world(), &consent)).unwrap().skip
    };
    assert!(!asked(&mut walk, "openid"));
    assert!(asked(&mut walk, "openid profile"));
    walk.desk.advance(Duration::from_secs(60));
    assert!(asked(&mut walk, "openid"));
}

#[test]
fn rfc8252_8_6_the_user_of_a_public_client_with_a_custom_scheme_always_sees_who_asks() {
    let mut walk = Walk::with(|client| {
        client.auth_method = crate::client::AuthMethod::None;
        client.redirect_uris = vec!["com.example.app:/cb".into()];
    });
    walk.desk.policy.pkce_enforced_for_public_clients = false;
    let changed = [("redirect_uri", "com.example.app:/cb")];
    for _ in 0..2 {
        let login = walk.start(&changed).login();
        let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
        assert!(!now(consent::read(&walk.desk.world(), &consent)).unwrap().skip);
        let body = ConsentAcceptance {
            remember: Some(true),
            ..ConsentAcceptance::default()
        };
        now(consent::accept(&walk.desk.world(), &consent, body)).unwrap();
    }
}

#[test]
fn with_prompt_none_nobody_else_is_asked_to_log_in() {
    let mut walk = remembered();
    let login = walk.start(&[("prompt", "none")]).login();
    let bob = LoginAcceptance {
        subject: Some("bob".into()),
        ..LoginAcceptance::default()
    };
    assert_eq!(walk.log_in(&login, bob).error(), "login_required");
}

#[test]
fn a_session_that_expired_on_the_way_is_not_taken_up_again() {
    let mut walk = remembered();
    let login = walk.start(&[]).login();
    for session in walk.desk.store.state().sessions.values_mut() {
        session.expires_at = walk.desk.cx().now;
    }
    let alice = LoginAcceptance {
        subject: Some("alice".into()),
        extend_session_lifespan: Some(true),
        ..LoginAcceptance::default()
    };
    let onward = now(login::accept(&walk.desk.world(), &login, alice)).unwrap();
    assert_eq!(place(&onward), Place::Again(walk.request(&[])));
}

fn hint(walk: &Walk, iss: &str, sub: &str) -> String {
    let key = now(walk.desk.keys.signing(&walk.desk.cx(), None, START)).unwrap();
    let claims = json!({"iss": iss, "sub": sub, "aud": "app", "exp": 1});
    key.sign_jws("JWT", claims.to_string().as_bytes()).unwrap()
}

#[test]
fn an_id_token_hint_names_who_has_to_be_there() {
    let mut walk = remembered();
    let alice = hint(&walk, "https://op.example/", "alice");
    let bob = hint(&walk, "https://op.example/", "bob");
    let foreign = hint(&walk, "https://elsewhere.example/", "alice");
    assert!(pass(&mut walk, &[("id_token_hint", &alice)]).has_code());
    assert_eq!(walk.start(&[("id_token_hint", &bob)]).error(), "login_required");
    assert_eq!(walk.start(&[("id_token_hint", &foreign)]).error(), "invalid_request");
}

#[test]
fn another_person_than_the_hinted_one_logs_in_for_nothing() {
    let mut walk = remembered();
    let bob = hint(&walk, "https://op.example/", "bob");
    let login = walk.start(&[("id_token_hint", &bob), ("prompt", "login")]).login();
    let claims = now(login::read(&walk.desk.world(), &login))
        .unwrap()
        .oidc_context
        .id_token_hint_claims;
    assert_eq!(claims["sub"], "bob");
    assert_eq!(
        walk.log_in(&login, LoginAcceptance::default()).error(),
        "login_required"
    );
    assert_eq!(walk.session, None);
}

/// OpenID Connect Dynamic Client Registration §2.
#[test]
fn a_client_has_its_own_longest_age_of_a_login_unless_the_request_names_one() {
    let mut walk = Walk::with(|client| client.choices.default_max_age = Some(60));
    walk.finish(&[], true);
    walk.start(&[("prompt", "none")]).login();
    walk.desk.advance(std::time::Duration::from_secs(61));
    assert_eq!(walk.start(&[("prompt", "none")]).error(), "login_required");
    walk.start(&[("prompt", "none"), ("max_age", "600")]).login();
}

#[test]
fn the_login_app_is_told_the_acr_values_of_the_client_unless_the_request_names_some() {
    let mut walk = Walk::with(|client| client.choices.default_acr_values = vec!["2".to_owned()]);
    for (asked, expected) in [("", ["2"]), ("3", ["3"])] {
        let challenge = walk.start(&[("acr_values", asked)]).login();
        let told = now(login::read(&walk.desk.world(), &challenge)).expect("the challenge is good");
        assert_eq!(told.oidc_context.acr_values, expected);
    }
}

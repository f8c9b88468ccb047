//! What the login and consent apps may answer: D9, rejections, claims.

use serde_json::json;

use super::*;
use crate::consented::Consented;
use crate::fault::Fault;
use crate::flow::Unanswerable;
use crate::flow::login::Rejection;

fn fault<T>(result: Result<T, Unanswerable>) -> (Fault, String) {
    match result {
        Err(Unanswerable::Failure(failure)) => (failure.fault(), failure.description()),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_login_needs_a_subject() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    for subject in [None, Some(String::new())] {
        let body = LoginAcceptance {
            subject,
            ..LoginAcceptance::default()
        };
        let (fault, _) = fault(now(login::accept(&walk.desk.world(), &login, body)));
        assert_eq!(fault, Fault::SubjectAbsent);
    }
}

#[test]
fn d9_what_is_granted_must_be_registered_and_the_refusal_names_it() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let wide = ConsentAcceptance {
        grant_scope: Some(vec!["openid".into(), "admin".into()]),
        grant_access_token_audience: Some(vec!["https://other.example".into()]),
        ..ConsentAcceptance::default()
    };
    let (fault, text) = fault(now(consent::accept(&walk.desk.world(), &consent, wide)));
    assert_eq!(fault, Fault::GrantTooWide);
    assert!(
        text.contains("admin") && text.contains("https://other.example"),
        "{text}"
    );
    assert!(
        walk.allow(&consent, ConsentAcceptance::default()).has_code(),
        "nothing was lost"
    );
}

#[test]
fn a_scope_that_is_registered_may_be_granted_unasked_and_one_may_be_left_out() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let body = ConsentAcceptance {
        grant_scope: Some(vec!["openid".into(), "profile".into(), "openid".into()]),
        ..ConsentAcceptance::default()
    };
    assert_eq!(walk.allow(&consent, body).told("scope"), Some("openid profile"));
}

#[test]
fn rejections_reach_the_client_in_its_own_words() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let rejection = Rejection {
        error: Some("login_required".into()),
        error_description: Some("The \"account\" is closed.".into()),
        error_hint: Some("Call us.".into()),
    };
    let onward = now(login::reject(&walk.desk.world(), &login, rejection)).unwrap();
    let answer = walk.follow(&onward);
    assert_eq!(answer.error(), "login_required");
    assert_eq!(
        answer.told("error_description"),
        Some("The 'account' is closed. Call us.")
    );
    assert_eq!(answer.told("state"), Some("state-1234567"));

    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let onward = now(consent::reject(&walk.desk.world(), &consent, Rejection::default())).unwrap();
    assert_eq!(walk.follow(&onward).error(), "consent_request_denied");
    assert!(walk.desk.store.state().grants.is_empty());
}

#[test]
fn a_rejected_login_can_be_accepted_while_the_browser_is_away() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    now(login::reject(&walk.desk.world(), &login, Rejection::default())).unwrap();
    walk.log_in(&login, LoginAcceptance::default()).consent();
}

#[test]
fn what_the_login_app_says_reaches_the_consent_app_and_the_grant() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let body = LoginAcceptance {
        acr: Some("gold".into()),
        amr: Some(vec!["pwd".into(), "otp".into()]),
        context: Some(json!({"tier": 1})),
        ..LoginAcceptance::default()
    };
    let consent = walk.log_in(&login, body).consent();
    let request = now(consent::read(&walk.desk.world(), &consent)).expect("it can be read");
    assert_eq!((request.acr.as_str(), request.amr.len()), ("gold", 2));
    assert_eq!(request.context, json!({"tier": 1}));
    let claims = json!({"session": {"access_token": {"a": 1}, "id_token": {"i": 2}, "userinfo": {"u": 3}}});
    let body: ConsentAcceptance = serde_json::from_value(claims).unwrap();
    assert!(walk.allow(&consent, body).has_code());
    let state = walk.desk.store.state();
    let grant = state.grants.values().next().unwrap();
    let consented = Consented::open(&walk.desk.cx(), grant).unwrap().unwrap();
    assert_eq!(consented.acr.as_deref(), Some("gold"));
    assert_eq!(consented.amr, ["pwd", "otp"]);
    assert_eq!(consented.nonce.as_deref(), Some("nonce-1234567"));
    assert_eq!(consented.access_token["a"], 1);
    assert_eq!(consented.id_token["i"], 2);
    assert_eq!(consented.userinfo.unwrap()["u"], 3);
    assert_eq!(consented.auth_time, walk.desk.cx().now.0);
}

#[test]
fn null_stands_for_nothing() {
    let body: ConsentAcceptance = serde_json::from_value(json!({
        "grant_scope": null, "grant_access_token_audience": null, "remember": null, "remember_for": null,
        "session": {"access_token": null, "id_token": null}, "handled_at": "2024-01-01T00:00:00Z"
    }))
    .unwrap();
    assert!(body.grant_scope.is_none() && body.session.is_some());
}

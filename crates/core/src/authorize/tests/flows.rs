//! RFC 6749 §4.1, RFC 9207, and the promises about challenges.

use super::*;
use crate::flow::Unanswerable;
use crate::flow::login::Rejection;
use crate::port::{FlowStep, Freshness, Store as _};
use std::time::Duration;

#[test]
fn a_person_logs_in_consents_and_the_client_gets_a_code_with_state_and_issuer() {
    let mut walk = Walk::new();
    let answer = walk.finish(&[], false);
    assert!(answer.has_code());
    assert_eq!(answer.told("state"), Some("state-1234567"));
    assert_eq!(answer.told("iss"), Some("https://op.example/"));
    assert_eq!(answer.told("scope"), Some("openid offline"));
    assert!(
        walk.marks.is_empty(),
        "the flow is over for the browser: {:?}",
        walk.marks
    );
}

#[test]
fn the_grant_holds_what_was_consented_and_the_code_what_was_asked() {
    let mut walk = Walk::new();
    let challenge = crate::testing::challenge(crate::testing::VERIFIER);
    let pkce = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let login = walk.start(&pkce).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let id = now(consent::read(&walk.desk.world(), &consent))
        .expect("the consent request is there")
        .id;
    assert!(walk.allow(&consent, ConsentAcceptance::default()).has_code());
    let state = walk.desk.store.state();
    let (grant, code) = (
        state.grants.values().next().unwrap(),
        state.codes.values().next().unwrap(),
    );
    assert_eq!(grant.id.to_string(), id);
    assert_eq!((grant.subject.as_str(), &*grant.client_id), ("alice", "app"));
    assert_eq!(grant.scope, ["openid", "offline"]);
    assert_eq!(code.0.grant, grant.id);
    assert_eq!(code.0.challenge.as_deref(), Some(challenge.as_str()));
    assert_eq!(code.0.redirect_uri.as_deref(), Some(CALLBACK));
}

#[test]
fn a_grant_without_refresh_tokens_is_kept_for_one_code_and_one_access_token() {
    let mut walk = Walk::new();
    walk.desk.policy.refresh_token_life = None;
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let body = ConsentAcceptance {
        grant_scope: Some(vec!["openid".to_owned()]),
        ..ConsentAcceptance::default()
    };
    assert!(walk.allow(&consent, body).has_code());
    let state = walk.desk.store.state();
    let grant = state.grants.values().next().unwrap();
    assert_eq!(grant.expires_at.0, crate::testing::START.0 + 600 + 3600);
}

#[test]
fn starting_reads_the_client_and_writes_nothing() {
    let mut walk = Walk::new();
    walk.desk.store.reads();
    walk.desk.store.writes();
    walk.start(&[]).login();
    assert_eq!((walk.desk.store.reads(), walk.desk.store.writes()), (1, 0));
}

#[test]
fn a_flow_up_to_its_code_writes_three_times() {
    let mut walk = Walk::new();
    walk.desk.store.writes();
    assert!(walk.finish(&[], false).has_code());
    assert_eq!(walk.desk.store.writes(), 3);
}

#[test]
fn a_challenge_is_read_often_and_answers_410_once_it_was_answered() {
    let mut walk = Walk::new();
    let challenge = walk.start(&[]).login();
    for _ in 0..2 {
        let request = now(login::read(&walk.desk.world(), &challenge)).expect("it can be read");
        assert_eq!(request.scope, ["openid", "offline"]);
        assert!(!request.skip);
    }
    let consent = walk.log_in(&challenge, LoginAcceptance::default()).consent();
    let again = |url: String| assert_eq!(place(&url), Place::Again(walk.request(&[])));
    again(gone(now(login::read(&walk.desk.world(), &challenge))));
    let onward = now(consent::accept(
        &walk.desk.world(),
        &consent,
        ConsentAcceptance::default(),
    ))
    .unwrap();
    again(gone(now(consent::read(&walk.desk.world(), &consent))));
    assert!(walk.follow(&onward).has_code());
    let again = gone(now(consent::read(&walk.desk.world(), &consent)));
    assert_eq!(place(&again), Place::Again(walk.request(&[])));
}

/// An attacker begins a flow, denies it to get a verifier, and lets a victim log in to the same challenge.
#[test]
fn a_verifier_leads_on_with_the_answer_that_it_was_given_for_and_no_other() {
    let mut walk = Walk::new();
    let challenge = walk.start(&[]).login();
    let denied = now(login::reject(&walk.desk.world(), &challenge, Rejection::default())).unwrap();
    let accept = || LoginAcceptance {
        subject: Some("victim".to_owned()),
        ..LoginAcceptance::default()
    };
    let victims = now(login::accept(&walk.desk.world(), &challenge, accept())).unwrap();
    assert_eq!(walk.follow(&denied).error(), "access_denied");
    // Who opens the page again does not get the victim's way on.
    let leaked = gone(now(login::read(&walk.desk.world(), &challenge)));
    assert_eq!(place(&leaked), Place::Again(walk.request(&[])));
    // The same answer twice is one answer, even a second later.
    walk.desk.advance(Duration::from_secs(1));
    now(login::accept(&walk.desk.world(), &challenge, accept())).unwrap();
    walk.follow(&victims).consent();
}

#[test]
fn a_consent_verifier_leads_on_with_its_own_answer_only() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let denied = now(consent::reject(&walk.desk.world(), &consent, Rejection::default())).unwrap();
    let allowed = now(consent::accept(
        &walk.desk.world(),
        &consent,
        ConsentAcceptance::default(),
    ))
    .unwrap();
    assert_eq!(walk.follow(&denied).error(), "access_denied");
    assert!(walk.follow(&allowed).has_code());
}

fn gone<T>(result: Result<T, Unanswerable>) -> String {
    match result {
        Err(Unanswerable::Gone { redirect_to }) => redirect_to,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it can still be read"),
    }
}

#[test]
fn accepting_twice_is_safe_and_the_last_answer_counts() {
    let mut walk = Walk::new();
    let challenge = walk.start(&[]).login();
    let as_subject = |subject: &str| LoginAcceptance {
        subject: Some(subject.to_owned()),
        ..LoginAcceptance::default()
    };
    let first = now(login::accept(&walk.desk.world(), &challenge, as_subject("alice"))).unwrap();
    let second = now(login::accept(&walk.desk.world(), &challenge, as_subject("bob"))).unwrap();
    assert_eq!(walk.follow(&first).error(), "access_denied");
    let consent = walk.follow(&second).consent();
    let request = now(consent::read(&walk.desk.world(), &consent)).expect("it can be read");
    assert_eq!(request.subject, "bob");
}

#[test]
fn a_login_answered_anew_voids_the_consent_that_was_asked_before() {
    let mut walk = Walk::new();
    let challenge = walk.start(&[]).login();
    let consent = walk.log_in(&challenge, LoginAcceptance::default()).consent();
    let bob = LoginAcceptance {
        subject: Some("bob".to_owned()),
        ..LoginAcceptance::default()
    };
    now(login::accept(&walk.desk.world(), &challenge, bob)).expect("the browser is still on its way");
    gone(now(consent::read(&walk.desk.world(), &consent)));
    gone(now(consent::accept(
        &walk.desk.world(),
        &consent,
        ConsentAcceptance::default(),
    )));
}

#[test]
fn a_consent_verifier_works_once() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let marks = walk.marks.clone();
    let onward = now(consent::accept(
        &walk.desk.world(),
        &consent,
        ConsentAcceptance::default(),
    ))
    .unwrap();
    assert!(walk.follow(&onward).has_code());
    walk.marks = marks;
    assert_eq!(walk.follow(&onward).error(), "access_denied");
    assert_eq!(walk.desk.store.state().codes.len(), 1);
}

#[test]
fn a_lost_race_is_decided_again() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let onward = now(consent::accept(
        &walk.desk.world(),
        &consent,
        ConsentAcceptance::default(),
    ))
    .unwrap();
    walk.desk.store.lose_next(1);
    assert!(walk.follow(&onward).has_code());
}

#[test]
fn rfc9700_4_7_another_browser_cannot_go_on() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let onward = now(login::accept(
        &walk.desk.world(),
        &login,
        LoginAcceptance {
            subject: Some("alice".to_owned()),
            ..LoginAcceptance::default()
        },
    ))
    .unwrap();
    let marks = std::mem::take(&mut walk.marks);
    assert_eq!(walk.follow(&onward).error(), "request_forbidden");
    walk.marks = marks;
    let consent = walk.follow(&onward).consent();
    let onward = now(consent::accept(
        &walk.desk.world(),
        &consent,
        ConsentAcceptance::default(),
    ))
    .unwrap();
    let marks = std::mem::take(&mut walk.marks);
    assert_eq!(walk.follow(&onward).error(), "request_forbidden");
    walk.marks = marks;
    assert!(walk.follow(&onward).has_code(), "the right browser is not disturbed");
}

#[test]
fn who_waits_too_long_is_sent_round_again() {
    let mut walk = Walk::new();
    let request = walk.request(&[]);
    let login = walk.start(&[]).login();
    let late = Duration::from_secs(1801);
    walk.desk.advance(late);
    let body = LoginAcceptance {
        subject: Some("alice".to_owned()),
        ..LoginAcceptance::default()
    };
    let onward = now(login::accept(&walk.desk.world(), &login, body)).expect("the person is sent on");
    assert_eq!(place(&onward), Place::Again(request.clone()));
    assert_eq!(
        place(&gone(now(login::read(&walk.desk.world(), &login)))),
        Place::Again(request.clone())
    );

    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    walk.desk.advance(late);
    let onward = now(consent::accept(
        &walk.desk.world(),
        &consent,
        ConsentAcceptance::default(),
    ))
    .expect("the person is sent on");
    assert_eq!(place(&onward), Place::Again(request));
}

#[test]
fn challenges_and_verifiers_are_not_interchangeable() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    let world = walk.desk.world();
    assert!(matches!(now(consent::read(&world, &login)), Err(Unanswerable::Unknown)));
    assert!(matches!(now(login::read(&world, &consent)), Err(Unanswerable::Unknown)));
    for name in ["login_verifier", "consent_verifier"] {
        assert_eq!(
            walk.visit(&form(&[(name, &login)])),
            Place::ErrorPage(Code::AccessDenied)
        );
    }
}

#[test]
fn ten_flows_at_once_all_finish() {
    let mut walk = Walk::new();
    let logins: Vec<String> = (0..10).map(|_| walk.start(&[]).login()).collect();
    let consents: Vec<String> = logins
        .iter()
        .rev()
        .map(|login| walk.log_in(login, LoginAcceptance::default()).consent())
        .collect();
    for consent in consents {
        assert!(walk.allow(&consent, ConsentAcceptance::default()).has_code());
    }
}

#[test]
fn a_finished_flow_keeps_nothing_of_what_was_said() {
    let mut walk = Walk::new();
    assert!(walk.finish(&[], false).has_code());
    let id = *walk.desk.store.state().flows.keys().next().unwrap();
    let record = now(walk.desk.store.flow(id, Freshness::Latest)).unwrap().unwrap();
    assert_eq!(record.step, FlowStep::Done);
    let state = crate::flow::FlowState::open(&walk.desk.cx(), &record).unwrap().unwrap();
    assert!(state.login.is_none() && state.consent.is_none());
}

#[test]
fn a_client_with_skip_consent_gets_its_code_without_consent() {
    let mut walk = Walk::with(|client| client.skip_consent = true);
    let login = walk.start(&[]).login();
    let answer = walk.log_in(&login, LoginAcceptance::default());
    assert!(answer.has_code());
    assert_eq!(answer.told("scope"), Some("openid offline"));
}

#[test]
fn a_database_that_is_away_is_no_fault_of_the_client() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
    walk.desk.store.go_down();
    assert_eq!(walk.start(&[]), Place::ErrorPage(Code::TemporarilyUnavailable));
    assert!(now(consent::read(&walk.desk.world(), &consent)).is_err());
}

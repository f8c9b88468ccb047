//! Every refusal of the authorization endpoint, a line for each, told where it belongs and in the words of the table.

use super::*;
use crate::client::AuthMethod;

/// What the client is told.
fn told(place: &Place) -> (String, String) {
    let text = |name| place.told(name).unwrap_or_default().to_owned();
    (text("error"), text("error_description"))
}

fn assert_told(place: &Place, fault: Fault) {
    let (error, description) = told(place);
    assert_eq!(error, fault.code().as_str(), "{}", fault.name());
    assert!(
        description.starts_with(fault.description()),
        "{}: {description}",
        fault.name()
    );
}

#[test]
fn rfc6749_4_1_2_1_each_defect_has_its_own_refusal() {
    let challenge = crate::testing::challenge(crate::testing::VERIFIER);
    let cases: [(&[(&str, &str)], Fault); 16] = [
        (&[("response_type", "bogus")], Fault::ResponseTypeUnsupported),
        (&[("response_type", "")], Fault::ResponseTypeUnsupported),
        (
            &[("response_type", "token"), ("response_mode", "query")],
            Fault::ResponseModeUnsupported,
        ),
        (&[("response_mode", "pigeon")], Fault::ResponseModeUnsupported),
        (&[("registration", "{}")], Fault::RegistrationParameter),
        (&[("scope", "everything")], Fault::ScopeUnregistered),
        (&[("resource", "api")], Fault::ResourceMalformed),
        (&[("resource", "https://other.example/")], Fault::ResourceUnknown),
        (&[("audience", "https://other.example/")], Fault::AudienceUnregistered),
        (&[("prompt", "bogus")], Fault::PromptUnknown),
        (&[("max_age", "1.5")], Fault::MaxAgeMalformed),
        (&[("nonce", "short")], Fault::NonceTooShort),
        (&[("nonce", ""), ("state", "short")], Fault::StateTooShort),
        (&[("code_challenge", &challenge)], Fault::ChallengeMethod),
        (
            &[("code_challenge", "x"), ("code_challenge_method", "S256")],
            Fault::ChallengeMalformed,
        ),
        (&[("prompt", "none")], Fault::LoginRequired),
    ];
    for (changed, fault) in cases {
        assert_told(&Walk::new().start(changed), fault);
    }
}

#[test]
fn a_client_that_is_not_registered_for_it_is_told_so() {
    let mut walk = Walk::with(|client| client.response_types = vec!["id_token".into()]);
    assert_told(&walk.start(&[]), Fault::ResponseTypeUnregistered);
    let mut walk = Walk::with(|client| {
        client.response_types = vec!["code id_token".into()];
        client.grant_types = vec!["authorization_code".into(), "implicit".into()];
    });
    let hybrid = ("response_type", "code id_token");
    assert_told(
        &walk.start(&[hybrid, ("scope", "offline")]),
        Fault::IdTokenWithoutOpenId,
    );
    assert_told(&walk.start(&[hybrid, ("nonce", "")]), Fault::NonceMissing);
    let mut walk = Walk::with(|client| client.auth_method = AuthMethod::None);
    assert_told(&walk.start(&[]), Fault::ChallengeRequired);
}

#[test]
fn who_may_not_be_told_is_not_and_the_person_reads_a_page() {
    for (name, value, fault) in [
        ("client_id", "", Fault::ClientMissing),
        ("client_id", "nobody", Fault::ClientMissing),
        ("redirect_uri", "https://evil.example/", Fault::RedirectUriUnregistered),
        ("redirect_uri", "", Fault::RedirectUriMissing),
        ("state", &"x".repeat(20_000), Fault::RequestTooLong),
    ] {
        let place = Walk::new().start(&[(name, value)]);
        assert_eq!(place, Place::ErrorPage(fault.code()), "{}", fault.name());
    }
}

#[test]
fn openid_connect_core_3_1_2_6_what_needs_a_page_is_refused_where_none_may_be_shown() {
    let mut walk = Walk::new();
    let challenge = walk.start(&[]).login();
    let remember = LoginAcceptance {
        remember: Some(true),
        ..LoginAcceptance::default()
    };
    walk.log_in(&challenge, remember).consent();
    // The session is there, and no consent is remembered.
    let silent = ("prompt", "none");
    let challenge = walk.start(&[silent]).login();
    assert_told(
        &walk.log_in(&challenge, LoginAcceptance::default()),
        Fault::ConsentRequired,
    );
    let bob = r#"{"id_token": {"sub": {"value": "bob"}}}"#;
    assert_told(&walk.start(&[silent, ("claims", bob)]), Fault::SubjectMismatch);
    let gold = r#"{"id_token": {"acr": {"essential": true, "value": "gold"}}}"#;
    let challenge = walk.start(&[("claims", gold)]).login();
    assert_told(&walk.log_in(&challenge, LoginAcceptance::default()), Fault::AcrUnmet);
}

#[test]
fn a_person_has_a_name_that_tokens_and_databases_can_hold() {
    let mut walk = Walk::new();
    let challenge = walk.start(&[]).login();
    let long = "x".repeat(256);
    let named = |subject: &str, forced: Option<&str>| LoginAcceptance {
        subject: Some(subject.to_owned()),
        force_subject_identifier: forced.map(str::to_owned),
        ..LoginAcceptance::default()
    };
    for body in [
        named(&long, None),
        named("a\0b", None),
        named("alice", Some(&long)),
        named("alice", Some("a\0b")),
    ] {
        let refused = now(login::accept(&walk.desk.world(), &challenge, body));
        let Err(crate::flow::Unanswerable::Failure(failure)) = refused else {
            panic!("accepted")
        };
        assert_eq!(failure.fault(), Fault::AnswerMalformed);
    }
    // OpenID Connect Core §2: 255 are enough for everybody.
    walk.log_in(&challenge, named(&long[1..], None)).consent();
}

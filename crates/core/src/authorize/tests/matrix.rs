//! OpenID Connect Core §3.1.2.1: what `prompt`, `max_age` and `id_token_hint` come to, as one table.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::testing::START;
use crate::world::IdTokenKeys as _;

/// What was there before the request. The login is a hundred seconds old.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    /// Nobody is logged in.
    Nothing,
    /// Alice is, and the client was granted nothing.
    Session,
    /// Alice is, and the client was granted what it asks for.
    Consent,
}

struct Row {
    before: Before,
    changed: &'static [(&'static str, &'static str)],
    /// Whose ID token is the hint; `garbage` is none, an empty text an empty parameter.
    hint: Option<&'static str>,
    /// Who logs in, if there is a page to do so.
    person: &'static str,
    /// What happens, page by page: a page that need not be shown is skipped.
    expected: &'static [&'static str],
}

const fn row(
    before: Before,
    changed: &'static [(&'static str, &'static str)],
    expected: &'static [&'static str],
) -> Row {
    Row {
        before,
        changed,
        hint: None,
        person: "alice",
        expected,
    }
}

const fn hinted(before: Before, hint: &'static str, expected: &'static [&'static str]) -> Row {
    Row {
        hint: Some(hint),
        ..row(before, &[], expected)
    }
}

use Before::{Consent, Nothing, Session};

const BOTH_SKIPPED: &[&str] = &["login skipped", "consent skipped", "code"];
const BOTH_SHOWN: &[&str] = &["login", "consent", "code"];
const LOGIN_AGAIN: &[&str] = &["login", "consent skipped", "code"];

const ROWS: &[Row] = &[
    row(Nothing, &[], BOTH_SHOWN),
    row(Session, &[], &["login skipped", "consent", "code"]),
    row(Consent, &[], BOTH_SKIPPED),
    row(Consent, &[("prompt", "")], BOTH_SKIPPED),
    // none
    row(Nothing, &[("prompt", "none")], &["login_required"]),
    row(Session, &[("prompt", "none")], &["login skipped", "consent_required"]),
    row(Consent, &[("prompt", "none")], BOTH_SKIPPED),
    row(Nothing, &[("prompt", "none login")], &["invalid_request"]),
    row(Consent, &[("prompt", "none consent")], &["invalid_request"]),
    // login, select_account
    row(Consent, &[("prompt", "login")], LOGIN_AGAIN),
    row(Nothing, &[("prompt", "login")], BOTH_SHOWN),
    Row {
        person: "bob",
        ..row(Consent, &[("prompt", "login")], BOTH_SHOWN)
    },
    row(Consent, &[("prompt", "select_account")], LOGIN_AGAIN),
    Row {
        person: "bob",
        ..row(Consent, &[("prompt", "select_account")], BOTH_SHOWN)
    },
    // create, and registration as Hydra calls it: the session counts
    row(Nothing, &[("prompt", "create")], BOTH_SHOWN),
    row(Consent, &[("prompt", "create")], BOTH_SKIPPED),
    row(Consent, &[("prompt", "registration")], BOTH_SKIPPED),
    row(Consent, &[("prompt", "registration login")], LOGIN_AGAIN),
    // consent
    row(Consent, &[("prompt", "consent")], &["login skipped", "consent", "code"]),
    row(Consent, &[("prompt", "login consent")], BOTH_SHOWN),
    // unknown
    row(Consent, &[("prompt", "sometimes")], &["invalid_request"]),
    row(Consent, &[("prompt", "Login")], &["invalid_request"]),
    // max_age
    row(Consent, &[("max_age", "100")], BOTH_SKIPPED),
    row(Consent, &[("max_age", "99")], LOGIN_AGAIN),
    row(Consent, &[("max_age", "0")], LOGIN_AGAIN),
    row(Consent, &[("max_age", "99"), ("prompt", "none")], &["login_required"]),
    row(Consent, &[("max_age", "-1")], &["invalid_request"]),
    row(Consent, &[("max_age", "soon")], &["invalid_request"]),
    // id_token_hint
    hinted(Consent, "alice", BOTH_SKIPPED),
    hinted(Nothing, "alice", BOTH_SHOWN),
    hinted(Consent, "bob", &["login_required"]),
    hinted(Nothing, "bob", &["login", "login_required"]),
    hinted(Consent, "garbage", &["invalid_request"]),
    hinted(Nothing, "garbage", &["invalid_request"]),
    hinted(Consent, "", BOTH_SKIPPED),
    Row {
        changed: &[("prompt", "login")],
        ..hinted(Consent, "bob", &["login", "login_required"])
    },
    Row {
        changed: &[("prompt", "none")],
        ..hinted(Consent, "alice", BOTH_SKIPPED)
    },
];

/// The world of a row, before its request.
fn prepared(before: Before) -> Walk {
    let mut walk = Walk::new();
    match before {
        Before::Nothing => {}
        Before::Session => {
            let login = walk.start(&[]).login();
            let body = LoginAcceptance {
                remember: Some(true),
                ..LoginAcceptance::default()
            };
            let consent = walk.log_in(&login, body).consent();
            assert!(walk.allow(&consent, ConsentAcceptance::default()).has_code());
        }
        Before::Consent => assert!(walk.finish(&[], true).has_code()),
    }
    walk.desk.advance(Duration::from_secs(100));
    walk
}

fn hint_of(walk: &Walk, subject: &str) -> String {
    if matches!(subject, "garbage" | "") {
        return subject.to_owned();
    }
    let key = now(walk.desk.keys.signing(&walk.desk.cx(), None, START)).expect("there is a key");
    let claims = json!({"iss": "https://op.example/", "sub": subject, "aud": "app", "exp": 1});
    key.sign_jws("JWT", claims.to_string().as_bytes())
        .expect("signing works")
}

/// Walks as far as it goes, and names what was met.
fn met(walk: &mut Walk, row: &Row) -> Vec<String> {
    let hint = row.hint.map(|subject| hint_of(walk, subject));
    let mut changed = row.changed.to_vec();
    if let Some(hint) = &hint {
        changed.push(("id_token_hint", hint));
    }
    let mut met = Vec::new();
    let shown = |skip: bool, page: &str| {
        if skip {
            format!("{page} skipped")
        } else {
            page.to_owned()
        }
    };
    let mut place = walk.start(&changed);
    if let Place::Login(challenge) = &place {
        let request = now(login::read(&walk.desk.world(), challenge)).expect("the challenge is good");
        met.push(shown(request.skip, "login"));
        let subject = if request.skip {
            request.subject
        } else {
            row.person.to_owned()
        };
        let body = LoginAcceptance {
            subject: Some(subject),
            ..LoginAcceptance::default()
        };
        place = walk.log_in(challenge, body);
    }
    if let Place::Consent(challenge) = &place {
        let request = now(consent::read(&walk.desk.world(), challenge)).expect("the challenge is good");
        met.push(shown(request.skip, "consent"));
        place = walk.allow(challenge, ConsentAcceptance::default());
    }
    met.push(if place.has_code() {
        "code".to_owned()
    } else {
        place.error().to_owned()
    });
    met
}

#[test]
fn every_combination_leads_where_the_specification_says() {
    for row in ROWS {
        let mut walk = prepared(row.before);
        let about = format!("{:?} {:?} hint {:?}, {}", row.before, row.changed, row.hint, row.person);
        assert_eq!(met(&mut walk, row), row.expected, "{about}");
        if row.expected.len() == 2 && row.hint.is_some() {
            assert_eq!(walk.session, None, "the wrong person stays logged in: {about}");
        }
    }
}

#[test]
fn a_login_anew_is_another_session_with_another_time() {
    let mut walk = prepared(Before::Consent);
    for prompt in ["login", "select_account"] {
        let login = walk.start(&[("prompt", prompt)]).login();
        let consent = walk.log_in(&login, LoginAcceptance::default()).consent();
        assert!(walk.allow(&consent, ConsentAcceptance::default()).has_code());
    }
    let state = walk.desk.store.state();
    let mut grants: Vec<_> = state.grants.values().collect();
    grants.sort_by_key(|grant| grant.id);
    let sids: Vec<_> = grants.iter().map(|grant| grant.session_id).collect();
    assert!(sids.windows(2).all(|pair| pair[0] != pair[1]), "{sids:?}");
    let consented = grants
        .iter()
        .map(|grant| crate::consented::Consented::open(&walk.desk.cx(), grant));
    let times: Vec<i64> = consented.map(|opened| opened.unwrap().unwrap().auth_time).collect();
    assert_eq!(times, [START.0, START.0 + 100, START.0 + 100]);
}

#[test]
fn a_consent_without_an_end_is_remembered_for_ever() {
    let mut walk = prepared(Before::Consent);
    walk.desk.advance(Duration::from_secs(20 * 365 * 24 * 3600));
    assert_eq!(
        met(&mut walk, &row(Before::Consent, &[], &[])),
        LOGIN_AGAIN,
        "the session is over, the consent is not"
    );
}

/// The login app is told all that the client said, and the consent app too.
#[test]
fn the_apps_are_told_what_the_client_said() {
    let mut walk = Walk::new();
    let hint = hint_of(&walk, "alice");
    let changed = [
        ("acr_values", "gold silver"),
        ("ui_locales", "de fr-CA"),
        ("display", "popup"),
        ("login_hint", "alice@example.com"),
        ("id_token_hint", hint.as_str()),
        ("claims", r#"{"id_token":{"email":null}}"#),
        ("prompt", "create select_account"),
    ];
    let request = walk.request(&changed);
    let challenge = walk.visit(&request).login();
    let asked = now(login::read(&walk.desk.world(), &challenge)).expect("the challenge is good");
    assert!(
        asked.request_url.contains("prompt=create+select_account"),
        "{}",
        asked.request_url
    );
    let told = serde_json::to_value(&asked.oidc_context).expect("it is JSON");
    let expected = json!({
        "acr_values": ["gold", "silver"], "ui_locales": ["de", "fr-CA"], "display": "popup",
        "login_hint": "alice@example.com", "claims": {"id_token": {"email": null}},
        "id_token_hint_claims": {"iss": "https://op.example/", "sub": "alice", "aud": "app", "exp": 1},
    });
    assert_eq!(told, expected);
    let consent = walk.log_in(&challenge, LoginAcceptance::default()).consent();
    let asked = now(consent::read(&walk.desk.world(), &consent)).expect("the challenge is good");
    assert_eq!(serde_json::to_value(&asked.oidc_context).expect("it is JSON"), expected);
}

/// RFC 8252 §8.6: any app may have taken the scheme, so nothing passes without a page.
#[test]
fn a_public_client_with_a_scheme_of_its_own_gets_nothing_without_a_page() {
    let mut walk = Walk::with(|client| {
        client.auth_method = crate::client::AuthMethod::None;
        client.redirect_uris = vec![APP_CALLBACK.into()];
    });
    walk.desk.policy.pkce_enforced_for_public_clients = false;
    let of_app = ("redirect_uri", APP_CALLBACK);
    assert!(walk.finish(&[of_app], true).has_code());
    let login = walk.start(&[of_app, ("prompt", "none")]).login();
    assert_eq!(
        walk.log_in(&login, LoginAcceptance::default()).error(),
        "consent_required"
    );
}

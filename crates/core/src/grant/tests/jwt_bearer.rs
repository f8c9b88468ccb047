//! `urn:ietf:params:oauth:grant-type:jwt-bearer`: RFC 7521 §4.1 and RFC 7523 §2.1 and §3.

use claviger_jose::{Alg, Jwk, RsaSize, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::port::{Change, Owner};
use crate::testing::START;
use crate::trust::{self, TrustRequest};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ISSUER: &str = "https://idp.example";

/// A server that trusts a key of [`ISSUER`].
struct Trusting {
    scene: Scene,
    key: Jwk,
}

fn key(kid: &str) -> Jwk {
    Jwk::generate(Alg::ES256, kid, "sig", RsaSize::Bits2048).expect("a key can be generated")
}

fn request(key: &Jwk, members: &Value) -> TrustRequest {
    let mut body = json!({"issuer": ISSUER, "subject": "carol", "scope": ["profile", "photos"],
        "jwk": key.public(), "expires_at": "2030-01-01T00:00:00Z"});
    for (name, value) in members.as_object().expect("an object") {
        body[name] = value.clone();
    }
    serde_json::from_value(body).expect("the members have the right types")
}

impl Trusting {
    fn new() -> Self {
        Self::with(&json!({}))
    }

    fn with(members: &Value) -> Self {
        let scene = Scene::with(|client| client.grant_types.push(JWT_BEARER.to_owned()));
        let trusting = Self { scene, key: key("k") };
        trusting.trust(&trusting.key, members);
        trusting
    }

    fn trust(&self, key: &Jwk, members: &Value) -> String {
        let made = now(trust::create(&self.scene.desk.world(), request(key, members)));
        made.expect("the trust makes sense")
            .expect("it is the first of its kind")
            .id
    }

    fn send(&self, assertion: &str, wishes: &[(&str, &str)]) -> Answer {
        let request = [("grant_type", JWT_BEARER), ("assertion", assertion)];
        self.scene.ask(&[&request, wishes].concat())
    }

    fn signed(&self, claims: &Value) -> String {
        signed(&self.key, claims)
    }

    fn nothing_is_left_behind(&self) -> bool {
        let state = self.scene.desk.store.state();
        state.access.is_empty() && state.grants.is_empty() && state.assertions.is_empty()
    }
}

fn signed(key: &Jwk, claims: &Value) -> String {
    let key = SigningKey::from_jwk(key).expect("the key signs");
    key.sign_jws("JWT", claims.to_string().as_bytes()).expect("it signs")
}

fn claims(id: &str) -> Value {
    json!({"iss": ISSUER, "sub": "carol", "aud": "https://op.example/", "iat": START.0, "exp": START.0 + 600, "jti": id})
}

fn with(member: &str, value: Value) -> Value {
    let mut claims = claims("x");
    claims[member] = value;
    claims
}

fn without(member: &str) -> Value {
    let mut claims = claims("x");
    claims.as_object_mut().expect("an object").remove(member);
    claims
}

mod rfc7521_4_1 {
    use super::*;

    #[test]
    fn an_assertion_becomes_an_access_token_of_its_subject_and_nothing_else() {
        let trusting = Trusting::new();
        let wishes = [("scope", "profile"), ("audience", "https://api.example")];
        let tokens = trusting.send(&trusting.signed(&claims("1")), &wishes).expect("a token");
        assert_eq!((tokens.scope.as_str(), tokens.expires_in), ("profile", 3600));
        assert_eq!((tokens.id_token, tokens.refresh_token), (None, None));
        let desk = &trusting.scene.desk;
        let token = now(KnownAccess::find(&desk.world(), &tokens.access_token)).expect("the store answers");
        let token = token.expect("the token is known");
        assert_eq!((token.subject(), &**token.client_id()), ("carol", "app"));
        assert_eq!(token.audience(), ["https://api.example"]);
        let owner = trusting.scene.access(&tokens.access_token).owner;
        assert!(matches!(owner, Owner::Grant { scope: None, .. }), "{owner:?}");
    }

    #[test]
    fn neither_refresh_nor_id_token_is_given_whatever_the_scope() {
        let trusting = Trusting::with(&json!({"scope": ["openid", "offline"]}));
        let tokens = trusting.send(&trusting.signed(&claims("1")), &[("scope", "openid offline")]);
        let tokens = tokens.expect("a token");
        assert_eq!((tokens.id_token, tokens.refresh_token), (None, None));
    }

    #[test]
    fn the_client_must_be_registered_for_the_grant() {
        let mut trusting = Trusting::new();
        trusting
            .scene
            .change(|client| client.grant_types = vec!["client_credentials".to_owned()]);
        let fault = refused(trusting.send(&trusting.signed(&claims("1")), &[]));
        assert_eq!(fault, Fault::GrantTypeUnregistered);
        assert!(trusting.nothing_is_left_behind());
    }

    #[test]
    fn an_assertion_must_be_there_and_be_a_jwt() {
        let trusting = Trusting::new();
        let missing = trusting.scene.ask(&[("grant_type", JWT_BEARER)]);
        assert_eq!(refused(missing), Fault::AssertionMissing);
        for text in ["a", "a.b.c", "e30.e30.", "...."] {
            assert_eq!(refused(trusting.send(text, &[])), Fault::AssertionInvalid, "{text}");
        }
    }

    #[test]
    fn d9_the_scope_is_within_the_trust_and_within_the_client() {
        let trusting = Trusting::new();
        let ask = |scope: &str| trusting.send(&trusting.signed(&claims("1")), &[("scope", scope)]);
        assert_eq!(refused(ask("openid")), Fault::ScopeUntrusted);
        assert_eq!(refused(ask("photos")), Fault::ScopeUnregistered);
        assert_eq!(refused(ask("profile openid")), Fault::ScopeUntrusted);
        assert!(trusting.nothing_is_left_behind());
        assert!(ask("profile").is_ok(), "a refused assertion is not used up");
    }

    #[test]
    fn an_audience_must_be_registered_for_the_client() {
        let trusting = Trusting::new();
        let answer = trusting.send(&trusting.signed(&claims("1")), &[("audience", "https://other.example")]);
        assert_eq!(refused(answer), Fault::AudienceUnregistered);
    }

    #[test]
    fn the_lifespan_is_that_of_the_grant() {
        let mut trusting = Trusting::new();
        trusting
            .scene
            .change(|client| client.lifespans.jwt_bearer_grant_access_token_lifespan = Some(60));
        let tokens = trusting.send(&trusting.signed(&claims("1")), &[]).expect("a token");
        assert_eq!(tokens.expires_in, 60);
    }
}

mod rfc7523_3 {
    use super::*;

    #[test]
    fn claims_out_of_line_are_refused_and_leave_nothing_behind() {
        let trusting = Trusting::new();
        let wrong = [
            with("aud", json!("https://other.example")),
            with("aud", json!(["https://op.example/", "https://other.example"])),
            without("aud"),
            with("exp", json!(START.0)),
            with("exp", json!(START.0 - 1)),
            with("exp", json!(START.0 + 721 * 3600)),
            without("exp"),
            with("nbf", json!(START.0 + 3600)),
            with("iat", json!(START.0 + 3600)),
            without("iat"),
            without("jti"),
            with("jti", json!("")),
            without("iss"),
            with("sub", json!(7)),
        ];
        for claims in wrong {
            let fault = refused(trusting.send(&trusting.signed(&claims), &[]));
            assert_eq!(
                (fault, fault.code().as_str()),
                (Fault::AssertionInvalid, "invalid_grant"),
                "{claims}"
            );
        }
        assert!(trusting.nothing_is_left_behind());
    }

    #[test]
    fn an_assertion_is_used_once() {
        let trusting = Trusting::new();
        let assertion = trusting.signed(&claims("1"));
        assert!(trusting.send(&assertion, &[]).is_ok());
        assert_eq!(refused(trusting.send(&assertion, &[])), Fault::AssertionUsed);
        assert!(trusting.send(&trusting.signed(&claims("2")), &[]).is_ok());
        assert_eq!(trusting.scene.desk.store.state().access.len(), 2);
    }

    #[test]
    fn a_lost_race_is_decided_again() {
        let trusting = Trusting::new();
        trusting.scene.desk.store.lose_next(2);
        assert!(trusting.send(&trusting.signed(&claims("1")), &[]).is_ok());
    }

    #[test]
    fn the_operator_may_do_without_id_and_issue() {
        let mut trusting = Trusting::new();
        trusting.scene.desk.policy.assertion_id_optional = true;
        trusting.scene.desk.policy.assertion_issue_optional = true;
        assert!(trusting.send(&trusting.signed(&without("iat")), &[]).is_ok());
        let nameless = trusting.signed(&without("jti"));
        for _ in 0..2 {
            assert!(trusting.send(&nameless, &[]).is_ok());
        }
    }
}

mod trusted_keys {
    use super::*;

    #[test]
    fn a_key_that_nobody_trusts_is_refused() {
        let trusting = Trusting::new();
        let untrusted = |assertion: &str| assert_eq!(refused(trusting.send(assertion, &[])), Fault::AssertionUntrusted);
        untrusted(&signed(&key("k"), &claims("1")));
        untrusted(&signed(&key("other"), &claims("1")));
        untrusted(&trusting.signed(&with("iss", json!("https://other.example"))));
        untrusted(&trusting.signed(&with("sub", json!("dave"))));
        let public = trusting.key.public().expect("a public half").to_value().to_string();
        let shared = json!({"kty": "oct", "kid": "k", "alg": "HS256", "k": encode(&public)});
        untrusted(&signed(&Jwk::parse(shared).expect("a shared key"), &claims("1")));
        let none = json!({"alg": "none"}).to_string();
        untrusted(&format!("{}.{}.", encode(&none), encode(&claims("1").to_string())));
        assert!(trusting.nothing_is_left_behind());
    }

    fn encode(text: &str) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn a_trust_in_any_subject_is_one_in_each() {
        let trusting = Trusting::with(&json!({"subject": "", "allow_any_subject": true}));
        for (id, subject) in [("1", "carol"), ("2", "dave")] {
            let mut claims = claims(id);
            claims["sub"] = subject.into();
            let tokens = trusting.send(&trusting.signed(&claims), &[]).expect("a token");
            let desk = &trusting.scene.desk;
            let token = now(KnownAccess::find(&desk.world(), &tokens.access_token)).expect("the store answers");
            assert_eq!(token.expect("the token is known").subject(), subject);
        }
    }

    #[test]
    fn d8_a_trust_ends_when_it_expires_also_for_its_kid() {
        let trusting = Trusting::with(&json!({"expires_at": "2023-11-14T22:14:00Z"}));
        assert!(trusting.send(&trusting.signed(&claims("1")), &[]).is_ok());
        trusting.scene.desk.advance(Duration::from_secs(60));
        assert_eq!(
            refused(trusting.send(&trusting.signed(&claims("2")), &[])),
            Fault::AssertionUntrusted
        );
    }

    #[test]
    fn a_removed_trust_is_none() {
        let trusting = Trusting::new();
        let another = key("another");
        let id = trusting.trust(&another, &json!({}));
        assert!(trusting.send(&signed(&another, &claims("1")), &[]).is_ok());
        let id = Id::parse(&id).expect("an id");
        trusting.scene.desk.apply(Change::DeleteTrust(id));
        let answer = trusting.send(&signed(&another, &claims("2")), &[]);
        assert_eq!(refused(answer), Fault::AssertionUntrusted);
    }
}

/// The admin API for trusts.
mod trusts {
    use super::*;

    fn refusal(key: &Jwk, members: &Value) -> (Fault, String) {
        let desk = Desk::new();
        let refusal = now(trust::create(&desk.world(), request(key, members))).expect_err("it makes no sense");
        assert!(desk.store.state().trusts.is_empty());
        (refusal.fault(), refusal.description())
    }

    #[test]
    fn what_is_missing_is_named() {
        let key = key("k");
        let mut nameless = key.public().expect("a public half").to_value();
        nameless.as_object_mut().expect("an object").remove("kid");
        for (members, named) in [
            (json!({"issuer": ""}), "issuer"),
            (json!({"subject": ""}), "subject"),
            (json!({"allow_any_subject": true}), "subject"),
            (json!({"expires_at": ""}), "expires_at"),
            (json!({"jwk": null}), "jwk"),
            (json!({"jwk": nameless}), "jwk.kid"),
        ] {
            let (fault, told) = refusal(&key, &members);
            assert_eq!(
                (fault, fault.code().as_str()),
                (Fault::TrustIncomplete, "missing_required_parameter")
            );
            assert!(told.contains(named), "{told}");
        }
    }

    #[test]
    fn d32_a_private_or_shared_key_is_refused_and_not_repeated() {
        let own = key("k");
        let private = own.to_value();
        let shared = json!({"kty": "oct", "kid": "k", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
        for (jwk, secret) in [(&private, "d"), (&shared, "k")] {
            let (fault, told) = refusal(&own, &json!({"jwk": jwk}));
            assert_eq!(fault, Fault::TrustInvalid);
            assert!(!told.contains(jwk[secret].as_str().expect("text")), "{told}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let key = key("k");
        let long = "x".repeat(2000);
        for members in [
            json!({"expires_at": "tomorrow"}),
            json!({"scope": ["a b"]}),
            json!({"issuer": "a\0b"}),
            json!({"issuer": long}),
            json!({"subject": long}),
            json!({"jwk": {"kty": "EC", "kid": "k"}}),
            json!({"jwk": "text"}),
        ] {
            assert_eq!(refusal(&key, &members).0, Fault::TrustInvalid, "{members}");
        }
    }

    #[test]
    fn the_same_key_for_the_same_issuer_and_subject_is_trusted_once() {
        let trusting = Trusting::new();
        let again = now(trust::create(
            &trusting.scene.desk.world(),
            request(&trusting.key, &json!({})),
        ));
        assert!(again.expect("it makes sense").is_none());
    }
}

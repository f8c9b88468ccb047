//! `private_key_jwt` and `client_secret_jwt`.

use claviger_jose::{Alg, Jwk, RsaSize, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::client_auth::Authentication;
use crate::client_auth::secret::seal_signing;
use crate::testing::START;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWKS_URI: &str = "https://app.example/jwks";
const SECRET: &str = "a secret that is long enough to sign with it";

fn key(alg: Alg, kid: &str) -> Jwk {
    Jwk::generate(alg, kid, "sig", RsaSize::Bits2048).expect("a key can be generated")
}

fn set(keys: &[&Jwk]) -> Value {
    let keys: Vec<_> = keys.iter().filter_map(|key| key.public()).collect();
    json!({"keys": keys})
}

/// A client `app` that signs by ES256 with what the metadata names.
fn signing(desk: &Desk, metadata: Value) -> Client {
    let Value::Object(mut display) = metadata else {
        panic!("metadata is an object")
    };
    display
        .entry("token_endpoint_auth_signing_alg")
        .or_insert_with(|| "ES256".into());
    let client = Client {
        auth_method: AuthMethod::PrivateKeyJwt,
        secrets: Vec::new(),
        display,
        ..desk.draft("app")
    };
    desk.register(&client);
    client
}

/// The claims that every rule allows, with an id of their own.
fn claims(id: &str) -> Value {
    json!({"iss": "app", "sub": "app", "aud": "https://op.example/", "exp": START.0 + 60, "jti": id})
}

fn with(id: &str, member: &str, value: Value) -> Value {
    let mut claims = claims(id);
    claims[member] = value;
    claims
}

fn without(id: &str, member: &str) -> Value {
    let mut claims = claims(id);
    claims.as_object_mut().expect("an object").remove(member);
    claims
}

fn signed(key: &Jwk, claims: &Value) -> String {
    let key = SigningKey::from_jwk(key).expect("the key signs");
    key.sign_jws("JWT", claims.to_string().as_bytes()).expect("it signs")
}

fn send(desk: &Desk, assertion: &str) -> Result<Arc<Client>, Failure> {
    let pairs = [("client_assertion_type", TYPE), ("client_assertion", assertion)];
    try_with(desk, None, &pairs, Freshness::ProvedByWrite)
}

/// The fault, and that nothing was written: a refused assertion is not used up.
fn refused(desk: &Desk, assertion: &str) -> Fault {
    desk.store.writes();
    let fault = fault(send(desk, assertion));
    assert_eq!(desk.store.writes(), 0, "{fault:?}");
    fault
}

fn with_key() -> (Desk, Jwk) {
    let desk = Desk::new();
    let key = key(Alg::ES256, "k");
    signing(&desk, json!({"jwks": set(&[&key])}));
    (desk, key)
}

fn encode(value: &Value) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.encode(value.to_string())
}

mod rfc7521_4_2 {
    use super::*;

    #[test]
    fn an_assertion_authenticates_with_and_without_client_id() {
        let (desk, key) = with_key();
        assert_eq!(
            &*send(&desk, &signed(&key, &claims("1"))).expect("the client").id,
            "app"
        );
        let assertion = signed(&key, &claims("2"));
        let mut pairs = vec![
            ("client_assertion_type", TYPE),
            ("client_assertion", &assertion),
            ("client_id", "app"),
        ];
        assert!(try_with(&desk, None, &pairs, Freshness::Latest).is_ok());
        pairs[2] = ("client_id", "other");
        desk.register(&desk.draft("other"));
        let outcome = try_with(&desk, None, &pairs, Freshness::Latest);
        assert_eq!(fault(outcome), Fault::ClientAssertion);
    }

    #[test]
    fn type_and_assertion_come_together() {
        let (desk, key) = with_key();
        let assertion = signed(&key, &claims("1"));
        for (pairs, expected) in [
            (&[("client_assertion", &*assertion)][..], Fault::ClientAssertionType),
            (
                &[
                    ("client_assertion", &assertion),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
                    ),
                ],
                Fault::ClientAssertionType,
            ),
            (&[("client_assertion_type", TYPE)], Fault::ClientAssertionMissing),
            (
                &[("client_assertion_type", TYPE), ("client_id", "app")],
                Fault::ClientAssertionMissing,
            ),
        ] {
            assert_eq!(
                fault(try_with(&desk, None, pairs, Freshness::Latest)),
                expected,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn an_assertion_and_another_method_are_two() {
        let (desk, key) = with_key();
        let assertion = signed(&key, &claims("1"));
        let pairs = [("client_assertion_type", TYPE), ("client_assertion", &*assertion)];
        let basic = try_with(&desk, Some(&header("app", "secret")), &pairs, Freshness::Latest);
        assert_eq!(fault(basic), Fault::CredentialsTwice);
        let post = [pairs[0], pairs[1], ("client_secret", "secret"), ("client_id", "app")];
        assert_eq!(
            fault(try_with(&desk, None, &post, Freshness::Latest)),
            Fault::CredentialsTwice
        );
    }

    #[test]
    fn another_method_than_the_registered_one_is_refused() {
        let (desk, key) = with_key();
        desk.register(&desk.draft("secretive"));
        let mut claims = claims("1");
        for name in ["secretive", "nobody"] {
            claims["iss"] = name.into();
            claims["sub"] = name.into();
            assert_eq!(refused(&desk, &signed(&key, &claims)), Fault::ClientAssertion);
        }
        assert_eq!(fault(post(&desk, "app", "secret")), Fault::ClientUnknown);
        let named = try_with(&desk, None, &[("client_id", "app")], Freshness::Latest);
        assert_eq!(fault(named), Fault::ClientUnknown);
    }
}

mod rfc7523_3 {
    use super::*;

    #[test]
    fn issuer_and_subject_are_the_client() {
        let (desk, key) = with_key();
        for member in ["iss", "sub"] {
            for claims in [
                with("1", member, json!("other")),
                with("1", member, json!(1)),
                without("1", member),
            ] {
                assert_eq!(
                    refused(&desk, &signed(&key, &claims)),
                    Fault::ClientAssertion,
                    "{claims}"
                );
            }
        }
    }

    #[test]
    fn d37_the_audience_is_this_server_and_nobody_else() {
        let (desk, key) = with_key();
        let ours = json!(["https://op.example/", "https://op.example/oauth2/token"]);
        for (id, audience) in [&ours[0], &ours[1], &json!([ours[0]]), &ours].into_iter().enumerate() {
            let claims = with(&id.to_string(), "aud", audience.clone());
            assert!(send(&desk, &signed(&key, &claims)).is_ok(), "{audience}");
        }
        for audience in [
            json!("https://other.example/"),
            json!("https://op.example/oauth2/revoke"),
            json!("https://op.example"),
            json!(["https://op.example/", "https://other.example/"]),
            json!([]),
            json!(["https://op.example/", 1]),
            json!({"0": "https://op.example/"}),
            Value::Null,
        ] {
            let assertion = signed(&key, &with("x", "aud", audience.clone()));
            assert_eq!(refused(&desk, &assertion), Fault::ClientAssertion, "{audience}");
        }
        assert_eq!(
            refused(&desk, &signed(&key, &without("x", "aud"))),
            Fault::ClientAssertion
        );
    }

    #[test]
    fn d6_an_assertion_out_of_its_time_is_an_unauthenticated_client() {
        let (desk, key) = with_key();
        let now = START.0;
        for (member, value) in [
            ("exp", json!(now)),
            ("exp", json!(now - 1)),
            ("exp", json!(now + 25 * 3600)),
            ("exp", json!(1e300)),
            ("exp", json!(-1)),
            ("exp", json!("1800000000")),
            ("nbf", json!(now + 120)),
            ("iat", json!(now + 120)),
            ("iat", json!("now")),
        ] {
            let assertion = signed(&key, &with("x", member, value.clone()));
            let refusal = refused(&desk, &assertion);
            assert_eq!(
                (refusal, refusal.code().status()),
                (Fault::ClientAssertion, 401),
                "{member} {value}"
            );
        }
        assert_eq!(
            refused(&desk, &signed(&key, &without("x", "exp"))),
            Fault::ClientAssertion
        );
        let fraction = with("1", "exp", json!(START.0 as f64 + 0.5));
        assert!(send(&desk, &signed(&key, &fraction)).is_ok());
        let ahead = with("2", "iat", json!(now + 30));
        assert!(send(&desk, &signed(&key, &ahead)).is_ok(), "clocks differ a little");
    }

    #[test]
    fn an_assertion_is_used_once() {
        let (desk, key) = with_key();
        let assertion = signed(&key, &claims("1"));
        assert!(send(&desk, &assertion).is_ok());
        let again = send(&desk, &assertion).expect_err("it was used");
        assert_eq!(
            (again.fault(), again.fault().code().status()),
            (Fault::ClientAssertionUsed, 401)
        );
        let same_id = signed(&key, &with("1", "exp", json!(START.0 + 90)));
        assert_eq!(fault(send(&desk, &same_id)), Fault::ClientAssertionUsed);
        assert!(send(&desk, &signed(&key, &claims("2"))).is_ok());
    }

    #[test]
    fn an_id_belongs_to_its_client() {
        let (desk, first) = with_key();
        assert!(send(&desk, &signed(&first, &claims("1"))).is_ok());
        let mut other = signing(&desk, json!({"jwks": set(&[&first])}));
        other.id = "other".into();
        desk.register(&other);
        let mut claims = claims("1");
        claims["iss"] = "other".into();
        claims["sub"] = "other".into();
        assert!(send(&desk, &signed(&first, &claims)).is_ok());
    }

    #[test]
    fn an_assertion_needs_an_id_that_can_be_kept() {
        let (desk, key) = with_key();
        for claims in [
            without("1", "jti"),
            claims(""),
            with("1", "jti", json!(1)),
            claims(&"x".repeat(2000)),
        ] {
            assert_eq!(
                refused(&desk, &signed(&key, &claims)),
                Fault::ClientAssertion,
                "{claims}"
            );
        }
    }

    #[test]
    fn one_request_uses_its_assertion_once_however_often_it_is_judged() {
        let (desk, key) = with_key();
        let assertion = signed(&key, &claims("1"));
        let params = form(&[("client_assertion_type", TYPE), ("client_assertion", &assertion)]);
        let credentials = Credentials {
            authorization: None,
            params: &params,
        };
        let (world, authentication) = (desk.world(), Authentication::of(&credentials));
        for freshness in [Freshness::ProvedByWrite, Freshness::Latest, Freshness::Latest] {
            assert!(now(authentication.client(&world, freshness)).is_ok());
        }
        assert_eq!(fault(send(&desk, &assertion)), Fault::ClientAssertionUsed);
    }

    #[test]
    fn a_database_that_is_away_is_no_failure_of_the_client() {
        let (desk, key) = with_key();
        desk.store.go_down();
        assert_eq!(fault(send(&desk, &signed(&key, &claims("1")))), Fault::Unavailable);
    }
}

mod rfc8725_3 {
    use super::*;

    #[test]
    fn a_key_of_somebody_else_and_a_changed_payload_are_refused() {
        let (desk, right) = with_key();
        let forged = signed(&key(Alg::ES256, "k"), &claims("1"));
        assert_eq!(refused(&desk, &forged), Fault::ClientAssertion);
        let assertion = signed(&right, &claims("1"));
        let parts: Vec<_> = assertion.split('.').collect();
        let changed = format!("{}.{}.{}", parts[0], encode(&claims("2")), parts[2]);
        assert_eq!(refused(&desk, &changed), Fault::ClientAssertion);
    }

    #[test]
    fn none_is_no_algorithm() {
        let (desk, _) = with_key();
        for alg in ["none", "None", "", "XX1"] {
            let unsigned = format!("{}.{}.", encode(&json!({"alg": alg})), encode(&claims("1")));
            assert_eq!(refused(&desk, &unsigned), Fault::ClientAssertion, "{alg}");
        }
    }

    #[test]
    fn a_public_key_is_no_shared_secret() {
        let (desk, right) = with_key();
        let public = right.public().expect("a public half");
        let shared = Jwk::parse(json!({"kty": "oct", "kid": "k", "alg": "HS256", "k": encode(&public.to_value())}));
        let shared = shared.expect("a shared key");
        assert_eq!(refused(&desk, &signed(&shared, &claims("1"))), Fault::ClientAssertion);
    }

    #[test]
    fn keys_that_the_assertion_brings_along_are_not_looked_at() {
        let desk = Desk::new();
        signing(&desk, json!({"jwks_uri": JWKS_URI}));
        desk.network.publish(JWKS_URI, 200, &json!({"keys": []}).to_string());
        let own = key(Alg::ES256, "mine");
        let public = own.public().expect("a public half");
        let evil = "https://evil.example/jwks";
        desk.network.publish(evil, 200, &set(&[&own]).to_string());
        let signer = SigningKey::from_jwk(&own).expect("the key signs");
        for header in [
            json!({"alg": "ES256", "jwk": public}),
            json!({"alg": "ES256", "jku": evil, "kid": "mine"}),
            json!({"alg": "ES256", "x5u": evil}),
        ] {
            let signed = format!("{}.{}", encode(&header), encode(&claims("1")));
            let signature = signer.sign(signed.as_bytes()).expect("it signs");
            use base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let assertion = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(refused(&desk, &assertion), Fault::ClientAssertion, "{header}");
        }
        assert!(desk.network.asked().iter().all(|request| request.url == JWKS_URI));
    }

    #[test]
    fn only_the_registered_algorithm_is_accepted() {
        let desk = Desk::new();
        let (rsa, ec) = (key(Alg::RS256, "rsa"), key(Alg::ES256, "ec"));
        let keys = set(&[&rsa, &ec]);
        signing(&desk, json!({"jwks": keys, "token_endpoint_auth_signing_alg": ""}));
        assert!(send(&desk, &signed(&rsa, &claims("1"))).is_ok(), "RS256 is the default");
        assert_eq!(refused(&desk, &signed(&ec, &claims("2"))), Fault::ClientAssertion);
        signing(&desk, json!({"jwks": keys}));
        assert!(send(&desk, &signed(&ec, &claims("3"))).is_ok());
        assert_eq!(refused(&desk, &signed(&rsa, &claims("4"))), Fault::ClientAssertion);
    }

    #[test]
    fn a_token_of_another_kind_is_no_assertion() {
        let (desk, key) = with_key();
        let signer = SigningKey::from_jwk(&key).expect("the key signs");
        let typed = |typ: &str, id: &str| {
            signer
                .sign_jws(typ, claims(id).to_string().as_bytes())
                .expect("it signs")
        };
        for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "application/at+jwt"] {
            assert_eq!(refused(&desk, &typed(typ, "x")), Fault::ClientAssertion, "{typ}");
        }
        for typ in [
            "JWT",
            "jwt",
            "client-authentication+jwt",
            "application/client-authentication+jwt",
        ] {
            assert!(send(&desk, &typed(typ, typ)).is_ok(), "{typ}");
        }
    }

    #[test]
    fn what_is_no_jwt_is_refused() {
        let (desk, key) = with_key();
        let twice = r#"{"iss":"app","sub":"app","sub":"other"}"#;
        let signer = SigningKey::from_jwk(&key).expect("the key signs");
        let twice = signer.sign_jws("JWT", twice.as_bytes()).expect("it signs");
        let list = signer.sign_jws("JWT", b"[]").expect("it signs");
        for text in [
            "a",
            "a.b",
            "a.b.c",
            "....",
            "e30.e30.",
            "\u{e4}.\u{f6}.\u{fc}",
            &twice,
            &list,
        ] {
            assert_eq!(refused(&desk, text), Fault::ClientAssertion, "{text}");
        }
    }
}

mod openid_connect_core_10_1_1 {
    use super::*;

    fn published() -> (Desk, Jwk) {
        let desk = Desk::new();
        let key = key(Alg::ES256, "one");
        signing(&desk, json!({"jwks_uri": JWKS_URI}));
        desk.network.publish(JWKS_URI, 200, &set(&[&key]).to_string());
        (desk, key)
    }

    #[test]
    fn keys_are_fetched_once_and_kept() {
        let (desk, key) = published();
        for id in ["1", "2", "3"] {
            assert!(send(&desk, &signed(&key, &claims(id))).is_ok());
        }
        assert_eq!(desk.network.asked().len(), 1);
    }

    #[test]
    fn an_unknown_kid_is_looked_up_again_but_not_without_end() {
        let (desk, old) = published();
        assert!(send(&desk, &signed(&old, &claims("1"))).is_ok());
        let new = key(Alg::ES256, "two");
        desk.network.publish(JWKS_URI, 200, &set(&[&new]).to_string());
        desk.advance(std::time::Duration::from_secs(31));
        let fresh = |id: &str| with(id, "exp", json!(START.0 + 600));
        desk.network.asked();
        assert!(send(&desk, &signed(&new, &fresh("2"))).is_ok());
        assert_eq!(fault(send(&desk, &signed(&old, &fresh("3")))), Fault::ClientAssertion);
        for attempt in 0..20 {
            let forged = signed(&key(Alg::ES256, "three"), &fresh(&attempt.to_string()));
            assert_eq!(refused(&desk, &forged), Fault::ClientAssertion);
        }
        assert_eq!(desk.network.asked().len(), 1);
    }

    #[test]
    fn keys_that_cannot_be_fetched_are_no_failure_of_ours() {
        let (desk, right) = published();
        for (status, body) in [
            (404, "{}"),
            (200, "nonsense"),
            (200, "{}"),
            (200, r#"{"keys":{}}"#),
            (500, ""),
        ] {
            desk.advance(std::time::Duration::from_secs(60));
            desk.network.publish(JWKS_URI, status, body);
            let refusal = send(&desk, &signed(&right, &with("1", "exp", json!(START.0 + 3600))));
            let refusal = refusal.expect_err("no key is known");
            assert_eq!(refusal.fault(), Fault::ClientAssertion, "{status} {body}");
            assert!(!refusal.description().contains("nonsense"));
        }
    }

    #[test]
    fn known_keys_outlive_a_short_absence_of_who_publishes_them() {
        let (desk, key) = published();
        assert!(send(&desk, &signed(&key, &claims("1"))).is_ok());
        desk.network.publish(JWKS_URI, 503, "");
        desk.advance(std::time::Duration::from_secs(3600));
        let later = |id: &str, hours: i64| with(id, "exp", json!(START.0 + hours * 3600));
        assert!(send(&desk, &signed(&key, &later("2", 2))).is_ok());
        desk.advance(std::time::Duration::from_secs(24 * 3600));
        let outcome = send(&desk, &signed(&key, &later("3", 26)));
        assert_eq!(fault(outcome), Fault::ClientAssertion);
    }

    #[test]
    fn keys_for_encryption_and_of_kinds_to_come_stand_beside_the_others() {
        let (desk, right) = published();
        let mut keys = set(&[&right]);
        let list = keys["keys"].as_array_mut().expect("a list");
        list.insert(0, json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}));
        list.insert(0, json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}));
        desk.network.publish(JWKS_URI, 200, &keys.to_string());
        assert!(send(&desk, &signed(&right, &claims("1"))).is_ok());
    }
}

mod openid_connect_core_9 {
    use super::*;

    fn shared(alg: &str) -> Jwk {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let k = URL_SAFE_NO_PAD.encode(SECRET);
        Jwk::parse(json!({"kty": "oct", "alg": alg, "k": k})).expect("a shared key")
    }

    fn sealed() -> Desk {
        let desk = Desk::new();
        desk.register(&Client {
            auth_method: AuthMethod::ClientSecretJwt,
            secrets: vec![seal_signing(&desk.cx(), "app", SECRET)],
            ..desk.draft("app")
        });
        desk
    }

    #[test]
    fn a_mac_under_the_secret_authenticates_once() {
        let desk = sealed();
        let assertion = signed(&shared("HS256"), &claims("1"));
        assert_eq!(&*send(&desk, &assertion).expect("the client").id, "app");
        assert_eq!(fault(send(&desk, &assertion)), Fault::ClientAssertionUsed);
    }

    #[test]
    fn the_wrong_secret_and_another_algorithm_are_refused() {
        let desk = sealed();
        let wrong = Jwk::parse(json!({"kty": "oct", "alg": "HS256", "k": encode(&json!({"wrong": SECRET}))}));
        let wrong = wrong.expect("a shared key");
        assert_eq!(refused(&desk, &signed(&wrong, &claims("1"))), Fault::ClientAssertion);
        assert_eq!(
            refused(&desk, &signed(&key(Alg::ES256, "k"), &claims("1"))),
            Fault::ClientAssertion
        );
        assert_eq!(fault(post(&desk, "app", SECRET)), Fault::ClientMethodUnregistered);
    }

    #[test]
    fn a_sealed_secret_opens_for_its_client_only_and_cannot_be_read() {
        let desk = sealed();
        let stored = seal_signing(&desk.cx(), "app", SECRET);
        assert!(!stored.contains(SECRET));
        assert!(crate::client_auth::secret::open(&desk.secrets, "other", &stored).is_none());
        desk.register(&Client {
            auth_method: AuthMethod::ClientSecretPost,
            secrets: vec![stored],
            ..desk.draft("app")
        });
        assert!(
            post(&desk, "app", SECRET).is_ok(),
            "the method may change and the secret stay"
        );
        assert_eq!(fault(post(&desk, "app", "guess")), Fault::ClientUnknown);
    }
}

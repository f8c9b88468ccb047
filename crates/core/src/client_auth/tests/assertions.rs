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

mod rfc7523_3;

mod rfc8725_3;

mod openid_connect_core_10_1_1;

mod openid_connect_core_9;

//! Somebody outside who signs: clients with keys of their own, and issuers of assertions.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A P-256 key.
#[derive(Debug)]
pub struct Key {
    pair: EcdsaKeyPair,
    pub kid: String,
}

impl Key {
    #[must_use]
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key can be made");
        let kid = kid.to_owned();
        Self { pair, kid }
    }

    /// The public JWK.
    #[must_use]
    pub fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
    }

    /// A set of nothing else.
    #[must_use]
    pub fn set(&self) -> Value {
        json!({"keys": [self.public()]})
    }

    /// A JWT with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"alg": "ES256", "typ": "JWT", "kid": self.kid}), claims)
    }

    /// A JWT whose header says what it wants; it is signed by ES256 all the same.
    #[must_use]
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.expect("it signs")))
    }
}

/// A part of a JWT.
#[must_use]
pub fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(elapsed.as_secs()).expect("it is long before the end of time")
}

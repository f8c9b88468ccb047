use std::sync::Arc;
use std::sync::atomic::Ordering;

use claviger_core::port::{Store, StoreError};
use claviger_jose::{Alg, Jwk, VerifyError, verify_jws};
use serde_json::{Value, json};

use super::sets::{NewKey, SetError};
use super::testing::{Desk, Server, Shelf};
use super::{ID_TOKEN_SET, KeyRing, KeysError};

impl Server {
    async fn signs(&self) -> String {
        let key = self
            .ring
            .id_token_key(&self.desk.cx(), None, self.desk.cx().now)
            .await
            .expect("a key signs");
        key.kid().expect("keys of ours have a kid").to_owned()
    }

    async fn published(&self) -> Vec<Value> {
        let keys = self.ring.keys(&self.desk.cx()).await.expect("keys can be read");
        let jwks: Value = serde_json::from_slice(keys.jwks().body()).expect("the set is JSON");
        jwks.get("keys")
            .and_then(Value::as_array)
            .expect("the set has keys")
            .clone()
    }

    async fn published_kids(&self) -> Vec<String> {
        let kid = |key: &Value| {
            key.get("kid")
                .and_then(Value::as_str)
                .expect("published keys have a kid")
                .to_owned()
        };
        self.published().await.iter().map(kid).collect()
    }
}

fn wanted(alg: &str, kid: &str) -> NewKey {
    NewKey {
        alg: alg.into(),
        use_: "sig".into(),
        kid: kid.into(),
    }
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// RFC 7515 §A.3.1.
fn ec_key(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

mod ring;

mod sets;

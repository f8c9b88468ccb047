//! Signing keys, parsed once.
//!
//! Implements RFC 7518 §3.2 to §3.5 and RFC 8037 §3.1. An RSA signature costs a quarter of a millisecond; parsing and
//! checking the key again for each would double that, so a [`SigningKey`] is made when a key is loaded and kept.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use serde::Serialize;

use crate::alg::Alg;
use crate::b64;
use crate::jwk::{Jwk, JwkError};
use crate::material::{Curve, Material, RsaPrivate};

/// Why a JWK cannot sign or verify.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The JWK is unusable.
    #[error(transparent)]
    Jwk(#[from] JwkError),
    /// A public key was given where a private one is needed.
    #[error("The key has no private part, so it cannot sign.")]
    NotPrivate,
    /// `use` or `key_ops` is for something else.
    #[error("Members 'use' and 'key_ops' of the key do not allow signatures.")]
    NotForSignatures,
    /// `alg` is no signature algorithm of ours.
    #[error("Member 'alg' of the key is {0:?}, which is no supported signature algorithm.")]
    UnsupportedAlg(String),
    /// A symmetric key is shorter than every hash.
    #[error("The symmetric key has {found} octets; {alg} needs at least {needed} (RFC 7518 section 3.2).")]
    TooShort {
        /// The algorithm wanted, or the one with the shortest hash.
        alg: Alg,
        /// Octets that it needs.
        needed: usize,
        /// Octets that were found.
        found: usize,
    },
    /// The numbers are no key: a point off its curve, or halves that do not belong together.
    #[error("The members of the key do not form a valid {kty} key, or its private part belongs to another key.")]
    Inconsistent {
        /// The key type.
        kty: &'static str,
    },
}

/// The library could not sign. It has no such case for a key that was accepted, short of exhausted memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The cryptographic library could not sign.")]
pub struct SigningFailed;

/// A private or symmetric key with the one algorithm that it signs with.
pub struct SigningKey {
    kid: Option<String>,
    alg: Alg,
    pair: Pair,
}

enum Pair {
    Rsa {
        pair: rsa::KeyPair,
        padding: &'static dyn RsaEncoding,
    },
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Box<hmac::Key>),
}

#[derive(Serialize)]
struct SignedHeader<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    typ: &'a str,
}

impl SigningKey {
    /// Makes a signing key. Without `alg`, RSA signs with RS256, a symmetric key with HS256, and every other type
    /// with the algorithm of its curve.
    ///
    /// # Errors
    /// [`KeyError`], also if the private part does not belong to the public one.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        if !jwk.is_for_signatures() {
            return Err(KeyError::NotForSignatures);
        }
        let material = jwk.material()?;
        let alg = match (jwk.alg_name(), jwk.alg()) {
            (None, _) => default_alg(&material),
            (Some(_), Some(alg)) => alg,
            (Some(name), None) => return Err(KeyError::UnsupportedAlg(name.to_owned())),
        };
        let pair = Pair::new(alg, &material)?;
        Ok(Self {
            kid: jwk.kid().map(str::to_owned),
            alg,
            pair,
        })
    }

    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The signature of `message` as a JWS carries it.
    ///
    /// # Errors
    /// [`SigningFailed`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa { pair, padding } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*padding, &random, message, &mut signature)
                    .map_err(|_| SigningFailed)?;
                Ok(signature)
            }
            Pair::Ec(pair) => pair
                .sign(&random, message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| SigningFailed),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| SigningFailed),
            Pair::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// A JWS in compact serialization (RFC 7515 §7.1) with `alg`, `kid` (if the key has one) and `typ` in its header.
    ///
    /// # Errors
    /// [`SigningFailed`].
    pub fn sign_jws(&self, typ: &str, payload: &[u8]) -> Result<String, SigningFailed> {
        let header = SignedHeader {
            alg: self.alg.as_str(),
            kid: self.kid(),
            typ,
        };
        let header = serde_json::to_vec(&header).map_err(|_| SigningFailed)?;
        // A third more than the bytes, and room for the signature of an RSA key of 4096 bits.
        let mut text = String::with_capacity((header.len() + payload.len()) * 4 / 3 + 700);
        b64::push(&mut text, header);
        text.push('.');
        b64::push(&mut text, payload);
        let signature = self.sign(text.as_bytes())?;
        text.push('.');
        b64::push(&mut text, signature);
        Ok(text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .finish_non_exhaustive()
    }
}

fn default_alg(material: &Material) -> Alg {
    match material {
        Material::Rsa { .. } => Alg::RS256,
        Material::Ec { curve, .. } => curve.alg(),
        Material::Ed25519 { .. } => Alg::EdDSA,
        Material::Oct { .. } => Alg::HS256,
    }
}

impl Pair {
    fn new(alg: Alg, material: &Material) -> Result<Self, KeyError> {
        match material {
            Material::Rsa { n, e, private } => {
                let padding = rsa_padding(alg).ok_or(JwkError::AlgMismatch { alg })?;
                let private = private.as_deref().ok_or(KeyError::NotPrivate)?;
                Ok(Self::Rsa {
                    pair: rsa_pair(n, e, private)?,
                    padding,
                })
            }
            Material::Ec { curve, x, y, d } => {
                let d = d.as_ref().ok_or(KeyError::NotPrivate)?;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(ec_signing(*curve), d, &point(x, y));
                pair.map(Self::Ec).map_err(|_| KeyError::Inconsistent { kty: "EC" })
            }
            Material::Ed25519 { x, d } => {
                let d = d.as_ref().ok_or(KeyError::NotPrivate)?;
                let pair = Ed25519KeyPair::from_seed_and_public_key(d, x);
                pair.map(Self::Ed25519)
                    .map_err(|_| KeyError::Inconsistent { kty: "OKP" })
            }
            Material::Oct { k } => Ok(Self::Hmac(Box::new(hmac_key(alg, k)?))),
        }
    }
}

/// The uncompressed point of SEC 1 §2.3.3.
pub(crate) fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

/// A key for HMAC, "of the same size as the hash output or larger" (RFC 7518 §3.2).
pub(crate) fn hmac_key(alg: Alg, k: &[u8]) -> Result<hmac::Key, KeyError> {
    let algorithm = match alg {
        Alg::HS256 => hmac::HMAC_SHA256,
        Alg::HS384 => hmac::HMAC_SHA384,
        Alg::HS512 => hmac::HMAC_SHA512,
        _ => return Err(JwkError::AlgMismatch { alg }.into()),
    };
    if k.len() < alg.hash_len() {
        return Err(KeyError::TooShort {
            alg,
            needed: alg.hash_len(),
            found: k.len(),
        });
    }
    Ok(hmac::Key::new(algorithm, k))
}

fn rsa_pair(n: &[u8], e: &[u8], private: &RsaPrivate) -> Result<rsa::KeyPair, KeyError> {
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d: private.d.as_slice(),
        p: private.p.as_slice(),
        q: private.q.as_slice(),
        dP: private.dp.as_slice(),
        dQ: private.dq.as_slice(),
        qInv: private.qi.as_slice(),
    };
    rsa::KeyPair::from_components(&components).map_err(|_| KeyError::Inconsistent { kty: "RSA" })
}

fn rsa_padding(alg: Alg) -> Option<&'static dyn RsaEncoding> {
    match alg {
        Alg::RS256 => Some(&RSA_PKCS1_SHA256),
        Alg::RS384 => Some(&RSA_PKCS1_SHA384),
        Alg::RS512 => Some(&RSA_PKCS1_SHA512),
        Alg::PS256 => Some(&RSA_PSS_SHA256),
        Alg::PS384 => Some(&RSA_PSS_SHA384),
        Alg::PS512 => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}

pub(crate) fn ec_signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::vectors;

    fn key(value: Value) -> Result<SigningKey, KeyError> {
        SigningKey::from_jwk(&Jwk::parse(value)?)
    }

    fn with(mut key: Value, member: &str, value: impl Into<Value>) -> Value {
        key.as_object_mut()
            .expect("a key is an object")
            .insert(member.into(), value.into());
        key
    }

    /// Splits a JWS into what is signed and the signature.
    fn parts(jws: &str) -> (&str, Vec<u8>) {
        let (message, signature) = jws.rsplit_once('.').expect("a JWS has dots");
        (message, b64::decode(signature).expect("the vectors are base64url"))
    }

    #[test]
    fn deterministic_signatures_of_the_appendices_are_reproduced() {
        let vectors = [
            (vectors::a1_oct(), vectors::A1, Alg::HS256),
            (vectors::a2_rsa(), vectors::A2, Alg::RS256),
            (vectors::rfc8037_okp(), vectors::RFC8037_A4, Alg::EdDSA),
        ];
        for (jwk, jws, alg) in vectors {
            let key = key(jwk).expect("the key is usable");
            let (message, signature) = parts(jws);
            assert_eq!((key.alg(), key.sign(message.as_bytes())), (alg, Ok(signature)));
        }
    }

    #[test]
    fn a_key_without_alg_takes_the_one_of_its_curve() {
        assert_eq!(key(vectors::a3_ec()).expect("the key is usable").alg(), Alg::ES256);
        assert_eq!(key(vectors::a4_ec()).expect("the key is usable").alg(), Alg::ES512);
    }

    #[test]
    fn halves_of_different_keys_are_refused() {
        let other = "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"; // RFC 7517 §A.2
        let keys = [
            with(vectors::a3_ec(), "d", other),
            with(vectors::a2_rsa(), "n", vectors::rfc7638_rsa().get("n").cloned()),
            with(vectors::rfc8037_okp(), "x", other),
            with(vectors::a3_ec(), "x", other),
        ];
        for value in keys {
            assert!(matches!(key(value), Err(KeyError::Inconsistent { .. })));
        }
    }

    #[test]
    fn public_keys_and_keys_for_encryption_cannot_sign() {
        assert!(matches!(key(vectors::rfc7638_rsa()), Err(KeyError::NotPrivate)));
        assert!(matches!(
            key(with(vectors::a3_ec(), "use", "enc")),
            Err(KeyError::NotForSignatures)
        ));
        assert!(matches!(
            key(with(vectors::a3_ec(), "key_ops", json!(["deriveKey"]))),
            Err(KeyError::NotForSignatures)
        ));
        assert!(key(with(vectors::a3_ec(), "key_ops", json!(["sign"]))).is_ok());
        assert!(matches!(
            key(with(vectors::a2_rsa(), "alg", "RSA-OAEP")),
            Err(KeyError::UnsupportedAlg(_))
        ));
        assert!(matches!(
            key(with(vectors::a2_rsa(), "alg", "none")),
            Err(KeyError::UnsupportedAlg(_))
        ));
    }

    #[test]
    fn symmetric_keys_shorter_than_the_hash_are_refused() {
        let short = json!({"kty": "oct", "k": b64::encode([7; 31])});
        assert!(matches!(
            key(short),
            Err(KeyError::TooShort {
                needed: 32,
                found: 31,
                ..
            })
        ));
        assert!(key(json!({"kty": "oct", "k": b64::encode([7; 47]), "alg": "HS384"})).is_err());
        assert!(key(json!({"kty": "oct", "k": b64::encode([7; 64]), "alg": "HS512"})).is_ok());
    }

    #[test]
    fn nothing_private_is_printed() {
        let value = with(vectors::a3_ec(), "kid", "signer");
        let shown = format!("{:?}", key(value).expect("the key is usable"));
        assert_eq!(shown, r#"SigningKey { kid: Some("signer"), alg: ES256, .. }"#);
    }
}

//! JSON Web Keys.
//!
//! Implements RFC 7517 §4 and §5, RFC 7638, RFC 8037 §2. Members that are not understood are kept as they came.
//! Attacks: keys too weak to use or with a point off the curve (checked here and when a key is made), two readings
//! of one text (duplicate members are refused by [`Jwk::from_slice`]), private material where a public key belongs
//! ([`Jwk::is_private`] sees any private member, whatever the key type).

use std::fmt;

use aws_lc_rs::digest;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

use crate::alg::Alg;
use crate::b64;
use crate::json::{self, JsonError};
use crate::material::{Material, PRIVATE_MEMBERS};

/// Why a value is not a usable JWK. Each names the member at fault.
#[derive(Debug, thiserror::Error)]
pub enum JwkError {
    /// Not a JSON object, or a member is named twice.
    #[error("The key cannot be read: {0}.")]
    Json(#[from] JsonError),
    /// Not a JSON object.
    #[error("A key must be a JSON object.")]
    NotAnObject,
    /// A required member is absent.
    #[error("The key has no member '{member}', which its type needs.")]
    Missing {
        /// Its name.
        member: &'static str,
    },
    /// A member has another JSON type.
    #[error("Member '{member}' of the key must be a string.")]
    NotAString {
        /// Its name.
        member: &'static str,
    },
    /// `key_ops` has another JSON type.
    #[error("Member 'key_ops' of the key must be an array of strings.")]
    NotKeyOperations,
    /// A member is empty.
    #[error("Member '{member}' of the key is empty.")]
    Empty {
        /// Its name.
        member: &'static str,
    },
    /// A member is not strictly encoded.
    #[error("Member '{member}' of the key is not base64url without padding.")]
    Base64 {
        /// Its name.
        member: &'static str,
    },
    /// A number has more octets than it needs.
    #[error("Member '{member}' of the key starts with a zero octet; numbers are written with the fewest octets.")]
    LeadingZero {
        /// Its name.
        member: &'static str,
    },
    /// A member has the wrong length for its curve.
    #[error("Member '{member}' of the key has {found} octets, but its curve needs {expected}.")]
    WrongSize {
        /// Its name.
        member: &'static str,
        /// Octets that the curve needs.
        expected: usize,
        /// Octets that were found.
        found: usize,
    },
    /// The RSA modulus is too short or too long.
    #[error("Member 'n' of the key is an RSA modulus of {bits} bits; from {least} to {most} bits are accepted.")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
        /// Fewest bits accepted.
        least: usize,
        /// Most bits accepted.
        most: usize,
    },
    /// The public RSA exponent is even, 1, or longer than 32 bits.
    #[error("Member 'e' of the key must be an odd number above 1 of at most 32 bits; 65537 ('AQAB') is usual.")]
    RsaExponent,
    /// The RSA key has more than two primes.
    #[error("Member 'oth' of the key says that it has more than two primes, which is not supported.")]
    MultiPrime,
    /// `kty` is unknown.
    #[error("Member 'kty' of the key is {0:?}; RSA, EC, OKP and oct are supported.")]
    UnsupportedKeyType(String),
    /// `crv` is unknown.
    #[error("Member 'crv' of the key is {0:?}; P-256, P-384 and P-521 (EC) and Ed25519 (OKP) are supported.")]
    UnsupportedCurve(String),
    /// `alg` belongs to another key type or curve, or a symmetric key is shorter than the hash.
    #[error("Member 'alg' of the key is {alg}, which this key's type, curve or length does not allow.")]
    AlgMismatch {
        /// The algorithm.
        alg: Alg,
    },
}

/// A JSON Web Key, public, private or symmetric, with every member that it came with.
///
/// Private members are wiped from memory when the key is dropped, and never printed.
#[derive(Clone)]
pub struct Jwk {
    members: Map<String, Value>,
}

impl Jwk {
    /// Takes a JWK and checks encoding, presence and size of its members, and that `alg` fits.
    ///
    /// # Errors
    /// [`JwkError`], which names the member at fault.
    pub fn parse(value: Value) -> Result<Self, JwkError> {
        match value {
            Value::Object(members) => Self::from_members(members),
            _ => Err(JwkError::NotAnObject),
        }
    }

    /// [`Self::parse`] from JSON text, in which no member may appear twice.
    ///
    /// # Errors
    /// [`JwkError`], which names the member at fault.
    pub fn from_slice(text: &[u8]) -> Result<Self, JwkError> {
        Self::from_members(json::parse_object(text)?)
    }

    pub(crate) fn from_members(members: Map<String, Value>) -> Result<Self, JwkError> {
        let jwk = Self { members };
        for member in ["kid", "alg", "use"] {
            if jwk.members.get(member).is_some_and(|value| !value.is_string()) {
                return Err(JwkError::NotAString { member });
            }
        }
        if jwk
            .members
            .get("key_ops")
            .is_some_and(|operations| !is_list_of_strings(operations))
        {
            return Err(JwkError::NotKeyOperations);
        }
        let material = jwk.material()?;
        match jwk.alg() {
            Some(alg) if !material.fits(alg) => Err(JwkError::AlgMismatch { alg }),
            _ => Ok(jwk),
        }
    }

    pub(crate) fn material(&self) -> Result<Material, JwkError> {
        Material::read(&self.members)
    }

    fn text(&self, member: &str) -> Option<&str> {
        self.members.get(member).and_then(Value::as_str)
    }

    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.text("kid")
    }

    /// `alg`, if it is one of ours. A key for another algorithm has an [`Self::alg_name`] all the same.
    #[must_use]
    pub fn alg(&self) -> Option<Alg> {
        self.alg_name().and_then(Alg::parse)
    }

    /// `alg` as it is written.
    #[must_use]
    pub fn alg_name(&self) -> Option<&str> {
        self.text("alg")
    }

    /// `use`.
    #[must_use]
    pub fn use_(&self) -> Option<&str> {
        self.text("use")
    }

    /// Whether `use` and `key_ops` allow signing or verifying (RFC 7517 §4.2, §4.3).
    #[must_use]
    pub fn is_for_signatures(&self) -> bool {
        let operations = self.members.get("key_ops").and_then(Value::as_array);
        let sign = |operation: &Value| matches!(operation.as_str(), Some("sign" | "verify"));
        self.use_().is_none_or(|use_| use_ == "sig") && operations.is_none_or(|list| list.iter().any(sign))
    }

    /// Whether the key holds anything that must not be published: a private member, or a shared key.
    #[must_use]
    pub fn is_private(&self) -> bool {
        PRIVATE_MEMBERS.iter().any(|member| self.members.contains_key(*member))
    }

    /// Whether the key is shared between signer and verifier (`oct`).
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.text("kty") == Some("oct")
    }

    /// The key without its private members; nothing for a symmetric key, which has no public half.
    #[must_use]
    pub fn public(&self) -> Option<Self> {
        if self.is_symmetric() {
            return None;
        }
        let public = |(name, _): &(&String, &Value)| !PRIVATE_MEMBERS.contains(&name.as_str());
        let members = self
            .members
            .iter()
            .filter(public)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Some(Self { members })
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.members.insert("kid".into(), kid.into());
        self
    }

    /// The SHA-256 thumbprint, base64url (RFC 7638 §3): equal for the private and the public half.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let required: &[&str] = match self.text("kty") {
            Some("RSA") => &["e", "kty", "n"],
            Some("EC") => &["crv", "kty", "x", "y"],
            Some("OKP") => &["crv", "kty", "x"],
            _ => &["k", "kty"],
        };
        let mut text = String::from("{");
        for (index, member) in required.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // `parse` saw to it that the values are base64url or registered names, which need no escapes.
            text.push_str(&format!(
                "{comma}\"{member}\":\"{}\"",
                self.text(member).unwrap_or_default()
            ));
        }
        text.push('}');
        let text = Zeroizing::new(text);
        b64::encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// Every member, private ones included. The caller owns the copy and what becomes of it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.members.clone())
    }

    /// The JSON text, private members included, wiped when dropped.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // The longest key (RSA, 8192 bits) fits, so that no copy is left behind by a growing buffer.
        let mut text = Zeroizing::new(Vec::with_capacity(8192));
        #[expect(
            clippy::expect_used,
            reason = "a map of JSON values has string keys and goes to memory"
        )]
        serde_json::to_writer(&mut *text, &self.members).expect("JSON values can be written to memory");
        text
    }
}

fn is_list_of_strings(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

/// Writes every member, private ones included.
impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members.serialize(serializer)
    }
}

impl Drop for Jwk {
    fn drop(&mut self) {
        for member in PRIVATE_MEMBERS {
            if let Some(Value::String(secret)) = self.members.get_mut(member) {
                secret.zeroize();
            }
        }
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Jwk");
        shown
            .field("kty", &self.text("kty"))
            .field("kid", &self.kid())
            .field("alg", &self.alg_name());
        shown.field("private", &self.is_private()).finish_non_exhaustive()
    }
}

/// Why a value is not a usable JWK Set.
#[derive(Debug, thiserror::Error)]
pub enum JwkSetError {
    /// No array `keys`.
    #[error("A key set must be a JSON object with an array 'keys'.")]
    NoKeys,
    /// One of the keys cannot be used.
    #[error("Key {} of the set cannot be used. {source}", index + 1)]
    Key {
        /// Which key, from 0.
        index: usize,
        /// Why.
        source: JwkError,
    },
}

/// Reads a JWK Set (RFC 7517 §5) in which every key must be usable.
///
/// # Errors
/// [`JwkSetError`], which counts to the key at fault.
pub fn parse_jwk_set(value: Value) -> Result<Vec<Jwk>, JwkSetError> {
    let Value::Object(mut members) = value else {
        return Err(JwkSetError::NoKeys);
    };
    let Some(Value::Array(keys)) = members.remove("keys") else {
        return Err(JwkSetError::NoKeys);
    };
    keys.into_iter()
        .enumerate()
        .map(|(index, key)| Jwk::parse(key).map_err(|source| JwkSetError::Key { index, source }))
        .collect()
}

#[cfg(test)]
mod tests;

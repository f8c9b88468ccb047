//! The key material inside a JWK, decoded and measured.
//!
//! Implements RFC 7518 §6 and RFC 8037 §2 (Ed25519). Deviates: a private RSA key needs its prime factors and CRT
//! values (§6.3.2 allows `d` alone), because the library signs with nothing less; keys of more than two primes are
//! refused. Whether a point lies on its curve is decided by the library, when a key is made from the material.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::alg::Alg;
use crate::b64;
use crate::jwk::JwkError;

/// Members of any key type that hold private or shared material.
pub(crate) const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Private bytes, wiped when dropped.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

pub(crate) enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
        private: Option<Box<RsaPrivate>>,
    },
    Ec {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
        d: Option<Secret>,
    },
    Ed25519 {
        x: Vec<u8>,
        d: Option<Secret>,
    },
    Oct {
        k: Secret,
    },
}

pub(crate) struct RsaPrivate {
    pub(crate) d: Secret,
    pub(crate) p: Secret,
    pub(crate) q: Secret,
    pub(crate) dp: Secret,
    pub(crate) dq: Secret,
    pub(crate) qi: Secret,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Length of a coordinate and of the scalar in bytes (RFC 7518 §6.2.1.2, §6.2.2.1).
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) const fn alg(self) -> Alg {
        match self {
            Self::P256 => Alg::ES256,
            Self::P384 => Alg::ES384,
            Self::P521 => Alg::ES512,
        }
    }
}

impl Material {
    /// Reads the members that `kty` demands; checks encoding, presence and size of each.
    pub(crate) fn read(members: &Map<String, Value>) -> Result<Self, JwkError> {
        let read = Members(members);
        match read.text("kty")? {
            "RSA" => read.rsa(),
            "EC" => read.ec(),
            "OKP" => read.okp(),
            "oct" => Ok(Self::Oct { k: read.secret("k")? }),
            other => Err(JwkError::UnsupportedKeyType(other.to_owned())),
        }
    }

    /// Whether a key of this type can be used with `alg`. A symmetric key must be as long as the hash (RFC 7518 §3.2).
    pub(crate) fn fits(&self, alg: Alg) -> bool {
        match self {
            Self::Rsa { .. } => {
                matches!(
                    alg,
                    Alg::RS256 | Alg::RS384 | Alg::RS512 | Alg::PS256 | Alg::PS384 | Alg::PS512
                )
            }
            Self::Ec { curve, .. } => curve.alg() == alg,
            Self::Ed25519 { .. } => alg == Alg::EdDSA,
            Self::Oct { k } => alg.is_symmetric() && k.len() >= alg.hash_len(),
        }
    }
}

/// Reads members and names the one at fault.
struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn has(&self, member: &str) -> bool {
        self.0.contains_key(member)
    }

    fn text(&self, member: &'static str) -> Result<&'a str, JwkError> {
        let value = self.0.get(member).ok_or(JwkError::Missing { member })?;
        value.as_str().ok_or(JwkError::NotAString { member })
    }

    fn bytes(&self, member: &'static str) -> Result<Vec<u8>, JwkError> {
        match b64::decode(self.text(member)?) {
            Some(bytes) if bytes.is_empty() => Err(JwkError::Empty { member }),
            Some(bytes) => Ok(bytes),
            None => Err(JwkError::Base64 { member }),
        }
    }

    fn secret(&self, member: &'static str) -> Result<Secret, JwkError> {
        self.bytes(member).map(Zeroizing::new)
    }

    fn exactly(&self, member: &'static str, expected: usize) -> Result<Vec<u8>, JwkError> {
        let bytes = self.bytes(member)?;
        if bytes.len() == expected {
            Ok(bytes)
        } else {
            Err(JwkError::WrongSize {
                member,
                expected,
                found: bytes.len(),
            })
        }
    }

    /// `Base64urlUInt`: "the minimum number of octets needed" (RFC 7518 §2).
    fn unsigned(&self, member: &'static str) -> Result<Vec<u8>, JwkError> {
        let bytes = self.bytes(member)?;
        if bytes.first() == Some(&0) {
            Err(JwkError::LeadingZero { member })
        } else {
            Ok(bytes)
        }
    }

    fn rsa(&self) -> Result<Material, JwkError> {
        let n = self.unsigned("n")?;
        let e = self.unsigned("e")?;
        let leading = n.first().map_or(0, |first| first.leading_zeros() as usize);
        let bits = n.len() * 8 - leading;
        if !RSA_BITS.contains(&bits) {
            return Err(JwkError::RsaSize {
                bits,
                least: *RSA_BITS.start(),
                most: *RSA_BITS.end(),
            });
        }
        // Up to 32 bits, odd, not 1: what the library verifies with, and all that anybody uses.
        if e.len() > 4 || e == [1] || e.last().is_none_or(|last| last & 1 == 0) {
            return Err(JwkError::RsaExponent);
        }
        if self.has("oth") {
            return Err(JwkError::MultiPrime);
        }
        let private = if PRIVATE_MEMBERS.iter().any(|member| self.has(member)) {
            Some(Box::new(RsaPrivate {
                d: self.secret("d")?,
                p: self.secret("p")?,
                q: self.secret("q")?,
                dp: self.secret("dp")?,
                dq: self.secret("dq")?,
                qi: self.secret("qi")?,
            }))
        } else {
            None
        };
        Ok(Material::Rsa { n, e, private })
    }

    fn ec(&self) -> Result<Material, JwkError> {
        let name = self.text("crv")?;
        let curve = [Curve::P256, Curve::P384, Curve::P521]
            .into_iter()
            .find(|curve| curve.name() == name);
        let curve = curve.ok_or_else(|| JwkError::UnsupportedCurve(name.to_owned()))?;
        let x = self.exactly("x", curve.size())?;
        let y = self.exactly("y", curve.size())?;
        Ok(Material::Ec {
            curve,
            x,
            y,
            d: self.scalar(curve.size())?,
        })
    }

    fn okp(&self) -> Result<Material, JwkError> {
        match self.text("crv")? {
            "Ed25519" => Ok(Material::Ed25519 {
                x: self.exactly("x", 32)?,
                d: self.scalar(32)?,
            }),
            other => Err(JwkError::UnsupportedCurve(other.to_owned())),
        }
    }

    fn scalar(&self, size: usize) -> Result<Option<Secret>, JwkError> {
        if self.has("d") {
            self.exactly("d", size).map(|d| Some(Zeroizing::new(d)))
        } else {
            Ok(None)
        }
    }
}

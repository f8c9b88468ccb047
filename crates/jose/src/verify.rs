//! Verifying keys, parsed once.
//!
//! Implements RFC 7518 §3.2 to §3.5 and RFC 8037 §3.1. A key carries the algorithms that it may verify, made from its
//! own type, so that a public RSA key can never serve as an HMAC secret (RFC 8725 §2.1).

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, EcdsaVerificationAlgorithm,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};

use crate::alg::Alg;
use crate::jwk::{Jwk, JwkError};
use crate::material::{Curve, Material};
use crate::sign::{KeyError, hmac_key, point};

/// A public or symmetric key with the algorithms that it may verify.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    checks: Vec<(Alg, Check)>,
}

#[derive(Clone)]
enum Check {
    Public(ParsedPublicKey),
    Hmac(Box<hmac::Key>),
}

impl VerifyingKey {
    /// Makes a verifying key from a public, private or symmetric JWK: for its `alg`, or without one for every
    /// algorithm of its type.
    ///
    /// # Errors
    /// [`KeyError`], also for a point that is not on its curve.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        if !jwk.is_for_signatures() {
            return Err(KeyError::NotForSignatures);
        }
        let material = jwk.material()?;
        let algs: Vec<Alg> = match (jwk.alg_name(), jwk.alg()) {
            (None, _) => Alg::ALL.into_iter().filter(|alg| material.fits(*alg)).collect(),
            (Some(_), Some(alg)) => vec![alg],
            (Some(name), None) => return Err(KeyError::UnsupportedAlg(name.to_owned())),
        };
        if let (Material::Oct { k }, []) = (&material, algs.as_slice()) {
            return Err(KeyError::TooShort {
                alg: Alg::HS256,
                needed: Alg::HS256.hash_len(),
                found: k.len(),
            });
        }
        let check = |alg| Ok((alg, Check::new(alg, &material)?));
        let checks = algs.into_iter().map(check).collect::<Result<_, KeyError>>()?;
        Ok(Self {
            kid: jwk.kid().map(str::to_owned),
            checks,
        })
    }

    /// A key for one HMAC algorithm from a shared secret, such as a client secret.
    ///
    /// # Errors
    /// If the algorithm is not symmetric or the secret is shorter than its hash (RFC 7518 §3.2).
    pub fn from_secret(alg: Alg, secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self {
            kid: None,
            checks: vec![(alg, Check::Hmac(Box::new(hmac_key(alg, secret)?)))],
        })
    }

    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key may verify `alg`.
    #[must_use]
    pub fn fits(&self, alg: Alg) -> bool {
        self.checks.iter().any(|(own, _)| *own == alg)
    }

    /// Whether `signature` is this key's signature of `message` by `alg`. Shared keys are compared in constant time.
    #[must_use]
    pub fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> bool {
        let check = self.checks.iter().find(|(own, _)| *own == alg);
        check.is_some_and(|(_, check)| match check {
            Check::Public(key) => key.verify_sig(message, signature).is_ok(),
            Check::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algs: Vec<Alg> = self.checks.iter().map(|(alg, _)| *alg).collect();
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algs", &algs)
            .finish_non_exhaustive()
    }
}

impl Check {
    fn new(alg: Alg, material: &Material) -> Result<Self, KeyError> {
        let (kty, key) = match material {
            Material::Rsa { n, e, .. } => {
                let parameters = rsa_parameters(alg).ok_or(JwkError::AlgMismatch { alg })?;
                ("RSA", PublicKeyComponents { n, e }.to_parsed_public_key(parameters))
            }
            Material::Ec { curve, x, y, .. } => ("EC", ParsedPublicKey::new(ec_verification(*curve), point(x, y))),
            Material::Ed25519 { x, .. } => ("OKP", ParsedPublicKey::new(&ED25519, x)),
            Material::Oct { k } => return Ok(Self::Hmac(Box::new(hmac_key(alg, k)?))),
        };
        key.map(Self::Public).map_err(|_| KeyError::Inconsistent { kty })
    }
}

fn rsa_parameters(alg: Alg) -> Option<&'static RsaParameters> {
    match alg {
        Alg::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Alg::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Alg::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Alg::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
        Alg::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
        Alg::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn ec_verification(curve: Curve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{b64, vectors};

    fn key(value: Value) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::from_jwk(&Jwk::parse(value)?)
    }

    #[test]
    fn a_key_verifies_only_algorithms_of_its_own_type() {
        let rsa = key(vectors::a2_rsa()).expect("the key is usable");
        let fits: Vec<Alg> = Alg::ALL.into_iter().filter(|alg| rsa.fits(*alg)).collect();
        assert_eq!(
            fits,
            [Alg::RS256, Alg::RS384, Alg::RS512, Alg::PS256, Alg::PS384, Alg::PS512]
        );
        let declared = key(vectors::rfc7638_rsa()).expect("the key is usable");
        assert!(declared.fits(Alg::RS256) && !declared.fits(Alg::PS256));
    }

    #[test]
    fn a_point_off_its_curve_is_refused() {
        let mut value = vectors::a3_ec();
        let object = value.as_object_mut().expect("a key is an object");
        object.remove("d");
        object.insert("y".into(), b64::encode([1; 32]).into());
        assert!(matches!(key(value), Err(KeyError::Inconsistent { kty: "EC" })));
    }

    #[test]
    fn short_symmetric_keys_are_refused() {
        let value = json!({"kty": "oct", "k": b64::encode([7; 16])});
        assert!(matches!(
            key(value),
            Err(KeyError::TooShort {
                needed: 32,
                found: 16,
                ..
            })
        ));
        assert!(VerifyingKey::from_secret(Alg::HS512, &[7; 63]).is_err());
        assert!(VerifyingKey::from_secret(Alg::RS256, &[7; 64]).is_err());
        let medium = key(json!({"kty": "oct", "k": b64::encode([7; 32])})).expect("the key is usable");
        assert!(medium.fits(Alg::HS256) && !medium.fits(Alg::HS384));
    }
}

//! The signature algorithms.
//!
//! Implements RFC 7518 §3 and RFC 8037 §3.1. Deviates: `none` does not exist here, so nothing can allow it by mistake.

use std::fmt;

use aws_lc_rs::digest;

use crate::b64;

/// A JWS algorithm (`alg`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256, which OpenID Connect obliges every provider to know.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// EdDSA on edwards25519.
    EdDSA,
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
}

impl Alg {
    /// Every algorithm.
    pub const ALL: [Self; 13] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::HS256,
        Self::HS384,
        Self::HS512,
    ];

    /// Reads the registered name. `none` and unknown names give nothing.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name)
    }

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// Whether signer and verifier share the key.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// The hash of the algorithm; for EdDSA the one that Ed25519 uses inside.
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::RS256 | Self::PS256 | Self::ES256 | Self::HS256 => &digest::SHA256,
            Self::RS384 | Self::PS384 | Self::ES384 | Self::HS384 => &digest::SHA384,
            Self::RS512 | Self::PS512 | Self::ES512 | Self::HS512 | Self::EdDSA => &digest::SHA512,
        }
    }

    /// Length of the algorithm's hash in bytes, which is also the shortest key that HMAC may have (RFC 7518 §3.2).
    pub(crate) fn hash_len(self) -> usize {
        self.digest().output_len()
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `at_hash`, `c_hash` and `s_hash`: the left half of the hash of `bytes`, by the hash of the ID token's algorithm
/// (OpenID Connect Core §3.1.3.6; SHA-512 for EdDSA).
#[must_use]
pub fn hash_half(alg: Alg, bytes: &[u8]) -> String {
    let hash = digest::digest(alg.digest(), bytes);
    let (half, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    b64::encode(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_itself() {
        for alg in Alg::ALL {
            assert_eq!(Alg::parse(alg.as_str()), Some(alg));
        }
    }

    #[test]
    fn none_and_names_in_another_case_are_no_algorithms() {
        for name in ["none", "None", "", "rs256", "RS256 ", "HS1"] {
            assert_eq!(Alg::parse(name), None, "{name:?}");
        }
    }
}

#[cfg(test)]
mod openid_connect_core_3_1_3_6 {
    use super::*;

    #[test]
    fn the_hash_of_the_examples_is_reproduced() {
        // OpenID Connect Core, Appendix A.3 and A.4.
        assert_eq!(
            hash_half(Alg::RS256, b"jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
        assert_eq!(
            hash_half(
                Alg::RS256,
                b"Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"
            ),
            "LDktKdoQak3Pk0cnXxCltA"
        );
    }

    #[test]
    fn the_length_follows_the_hash_of_the_algorithm() {
        let lengths = [(Alg::ES256, 16), (Alg::PS384, 24), (Alg::ES512, 32), (Alg::EdDSA, 32)];
        for (alg, bytes) in lengths {
            assert_eq!(
                b64::decode(&hash_half(alg, b"code")).map(|half| half.len()),
                Some(bytes),
                "{alg}"
            );
        }
    }
}

//! JWA, JWK and JWS for Claviger: a thin layer over aws-lc-rs in which keys are parsed once. No OAuth in it.
//!
//! | Specification | Module |
//! |---|---|
//! | RFC 7515 JWS, compact serialization | [`SigningKey::sign_jws`], [`verify_jws`], [`decode_unverified`] |
//! | RFC 7517 JWK, RFC 7638 thumbprints | [`Jwk`], [`parse_jwk_set`] |
//! | RFC 7518 JWA §3 (signatures), §6 (keys); RFC 8037 (Ed25519) | [`Alg`], [`SigningKey`], [`VerifyingKey`] |
//! | OpenID Connect Core §3.1.3.6 (`at_hash`, `c_hash`) | [`hash_half`] |
//!
//! What is deliberately absent: `none`, RSA keys below 2048 bits, symmetric keys shorter than their hash, `crit`
//! extensions, unencoded payloads (RFC 7797), and keys taken from a token's own header.

#![warn(missing_docs)]

mod alg;
mod b64;
mod der;
mod generate;
mod json;
mod jwk;
mod jws;
mod material;
mod sign;
#[cfg(test)]
mod vectors;
mod verify;

pub use alg::{Alg, hash_half};
pub use generate::{GenerationFailed, RsaSize};
pub use json::{JsonError, parse_object};
pub use jwk::{Jwk, JwkError, JwkSetError, parse_jwk_set};
pub use jws::{Header, HeaderError, Unverified, Verified, VerifyError, decode_unverified, verify_jws};
pub use sign::{KeyError, SigningFailed, SigningKey};
pub use verify::VerifyingKey;

//! Keys: what signs, what verifies, what is published, and what the operator does with key sets.
//!
//! Private keys rest in the database sealed under `secrets.system` (module `vault`). Every server keeps the published sets
//! parsed in memory ([`KeyRing`]) and reads them again when they are two seconds old, so that a rotation ordered on one
//! server is everywhere at once. The first key of a set is made once, whatever races: the database decides.
//!
//! Implements RFC 7517 §5 (key sets), OpenID Connect Core §10.1 (rotation: every published key still verifies, D28).

mod published;
mod ring;
pub mod rotation;
pub mod sets;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod vault;

use claviger_core::fault::Failure;
use claviger_core::port::StoreError;
use claviger_jose::{GenerationFailed, JwkError};

pub use published::Keys;
pub use ring::KeyRing;
pub use rotation::Rotation;

/// The set that signs ID tokens.
pub const ID_TOKEN_SET: &str = "hydra.openid.id-token";

/// The set that signs JWT access tokens.
pub const ACCESS_TOKEN_SET: &str = "hydra.jwt.access-token";

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key was sealed under a secret that is not configured.
    #[error(
        "key {kid} of set {set} cannot be opened: secrets.system is not the one of this database. Set SECRETS_SYSTEM \
         (or secrets.system) to the secret that this database was set up with; to rotate it, put the new one first \
         and keep the old one behind it"
    )]
    WrongSecrets {
        /// The set.
        set: String,
        /// The `kid`.
        kid: String,
    },
    /// A stored key was opened but cannot be read.
    #[error("key {kid} of set {set} is damaged: {source} Delete it or restore it from a backup")]
    Damaged {
        /// The set.
        set: String,
        /// The `kid`.
        kid: String,
        /// Why.
        source: JwkError,
    },
    /// A key could not be generated.
    #[error(transparent)]
    Generation(#[from] GenerationFailed),
    /// Keys were removed as fast as they were made.
    #[error("no key of set {set} could be made for {alg}: others removed it at once, again and again")]
    Contended {
        /// The set.
        set: String,
        /// The algorithm.
        alg: claviger_jose::Alg,
    },
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Store(error) => Self::Store(error),
            other => Self::Internal(other.to_string()),
        }
    }
}

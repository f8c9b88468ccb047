//! The key schedule: from each entry of `secrets.system`, one key per purpose.
//!
//! Implements RFC 5869 (HKDF with SHA-256). The first secret seals and signs, all of them open and verify, so that a
//! new one can be put in front and the old one dropped when nothing made under it is needed any more.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

/// Fewest bytes that an entry of `secrets.system` may have.
pub const SHORTEST_SECRET: usize = 16;

/// Why a list of secrets cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretsError {
    /// The list is empty.
    #[error(
        "secrets.system is not set. Set SECRETS_SYSTEM to at least {SHORTEST_SECRET} random characters and keep it."
    )]
    Missing,
    /// One entry is too short.
    #[error("entry {} of secrets.system has {length} bytes; every entry needs at least {SHORTEST_SECRET}.", index + 1)]
    TooShort {
        /// Which entry, from 0.
        index: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// The cryptographic library refused, which its documentation rules out for these sizes.
    #[error("a key could not be derived from secrets.system.")]
    Derivation,
}

/// All keys of the program.
pub struct Secrets {
    /// Newest first.
    keys: Vec<Keys>,
    /// Whether a row was met that none of them opens.
    has_missed: AtomicBool,
}

/// The keys derived from one entry of `secrets.system`.
pub(crate) struct Keys {
    /// Marks values sealed under this entry, so that opening tries the right one first. Not secret.
    pub(crate) mark: u8,
    pub(crate) seal: LessSafeKey,
    pub(crate) at_rest: LessSafeKey,
    pub(crate) token_checksum: hmac::Key,
    pub(crate) successor: hmac::Key,
    pub(crate) browser_mark: hmac::Key,
    pub(crate) user_code: hmac::Key,
}

impl Secrets {
    /// Derives every key from `secrets`, the list `secrets.system`.
    ///
    /// # Errors
    /// If the list is empty or an entry is shorter than [`SHORTEST_SECRET`].
    pub fn derive<S: AsRef<[u8]>>(secrets: &[S]) -> Result<Self, SecretsError> {
        if secrets.is_empty() {
            return Err(SecretsError::Missing);
        }
        let short = secrets
            .iter()
            .map(|s| s.as_ref().len())
            .enumerate()
            .find(|(_, length)| *length < SHORTEST_SECRET);
        if let Some((index, length)) = short {
            return Err(SecretsError::TooShort { index, length });
        }
        let keys = secrets.iter().map(|s| Keys::derive(s.as_ref()));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            has_missed: AtomicBool::new(false),
        })
    }

    /// Whether a row of the database was met whose secret is not in the list. Such rows count as gone, which the operator
    /// may not have meant.
    #[must_use]
    pub fn has_missed(&self) -> bool {
        self.has_missed.load(Ordering::Relaxed)
    }

    pub(crate) fn miss(&self) {
        self.has_missed.store(true, Ordering::Relaxed);
    }

    /// The keys that seal and sign.
    #[expect(clippy::indexing_slicing, reason = "derive refuses an empty list")]
    pub(crate) fn current(&self) -> &Keys {
        &self.keys[0]
    }

    /// Every generation of keys, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Keys> {
        self.keys.iter()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Keys {
    fn derive(secret: &[u8]) -> Result<Self, SecretsError> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"claviger/1");
        let root = salt.extract(secret);
        let bytes = |label: &str| -> Result<Zeroizing<[u8; 32]>, SecretsError> {
            let mut key = Zeroizing::new([0; 32]);
            let info = [label.as_bytes()];
            let output = root
                .expand(&info, hkdf::HKDF_SHA256)
                .map_err(|_| SecretsError::Derivation)?;
            output.fill(key.as_mut()).map_err(|_| SecretsError::Derivation)?;
            Ok(key)
        };
        let aead = |label: &str| -> Result<LessSafeKey, SecretsError> {
            let key =
                UnboundKey::new(&AES_256_GCM_SIV, bytes(label)?.as_ref()).map_err(|_| SecretsError::Derivation)?;
            Ok(LessSafeKey::new(key))
        };
        let mac = |label: &str| -> Result<hmac::Key, SecretsError> {
            Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes(label)?.as_ref()))
        };
        Ok(Self {
            mark: *bytes("mark")?.first().ok_or(SecretsError::Derivation)?,
            seal: aead("seal")?,
            at_rest: aead("at rest")?,
            token_checksum: mac("token checksum")?,
            successor: mac("refresh successor")?,
            browser_mark: mac("browser mark")?,
            user_code: mac("user code")?,
        })
    }
}

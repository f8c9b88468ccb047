//! Key sets as the operator sees them: read, extended, replaced and removed through the admin API.
//!
//! Every change is followed by a reading of the ring, so that it holds for the next request to this server; the
//! others follow within two seconds.

use claviger_core::context::{Cx, Timestamp};
use claviger_core::port::{Change, Outcome, Store, StoreError};
use claviger_jose::{
    Alg, JsonError, Jwk, JwkError, JwkSetError, KeyError, SigningKey, VerifyingKey, parse_jwk_set, parse_object,
};

use super::{KeyRing, KeysError, vault};

/// Most keys that a set may have: they are all published and parsed by every client.
const MOST_KEYS: usize = 100;

/// Longest name of a set and longest `kid`, in bytes.
const LONGEST_NAME: usize = 255;

/// Why an operation on a key set was not done.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The set has no key.
    #[error("The key set is not known.")]
    UnknownSet,
    /// The key is not in the set.
    #[error("The key is not known.")]
    UnknownKey,
    /// The `kid` is taken.
    #[error("The set has a key with this key id already.")]
    Exists,
    /// No key is made for this algorithm.
    #[error(
        "Unsupported key algorithm {0:?}. Use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, \
         HS256, HS384 or HS512."
    )]
    UnsupportedAlg(String),
    /// `use` is something else.
    #[error("Member 'use' is {0:?}; it must be 'sig' or 'enc'.")]
    UnsupportedUse(String),
    /// A name is too long or has control characters.
    #[error("Names of key sets and key ids have 1 to {LONGEST_NAME} bytes and no control characters.")]
    BadName,
    /// Two keys of one set have the same `kid`.
    #[error("Two keys of the set have the key id {0:?}.")]
    Duplicate(String),
    /// More keys than can be published.
    #[error("A key set may have at most {MOST_KEYS} keys. Delete those that no longer verify anything.")]
    TooMany,
    /// The text is no JSON object, or names a member twice.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A key cannot be read.
    #[error(transparent)]
    Jwk(#[from] JwkError),
    /// A key of a set cannot be read.
    #[error(transparent)]
    JwkSet(#[from] JwkSetError),
    /// A key cannot do what it says it is for.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Ours.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl From<StoreError> for SetError {
    fn from(error: StoreError) -> Self {
        Self::Keys(error.into())
    }
}

/// What the operator wants of a new key.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(rename = "createJsonWebKeySet")]
pub struct NewKey {
    /// JWS algorithm.
    pub alg: String,
    /// `sig`, `enc` or empty for `sig`.
    #[serde(rename = "use")]
    pub use_: String,
    /// `kid`, or empty for one that is made up.
    pub kid: String,
}

/// The operations on key sets.
pub struct KeySets<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// This server's ring.
    pub ring: &'a KeyRing,
    /// The request.
    pub cx: Cx<'a>,
}

impl KeySets<'_> {
    /// Every key of a set, newest first, private members included.
    ///
    /// # Errors
    /// [`SetError::UnknownSet`] if it has none.
    pub async fn read(&self, set: &str) -> Result<Vec<Jwk>, SetError> {
        let records = self.store.keys(set).await?;
        if records.is_empty() {
            return Err(SetError::UnknownSet);
        }
        records
            .iter()
            .map(|record| Ok(vault::open(self.cx.secrets, record)?))
            .collect()
    }

    /// One key, private members included.
    ///
    /// # Errors
    /// [`SetError::UnknownKey`] if the set, if there is one, does not have it.
    pub async fn read_key(&self, set: &str, kid: &str) -> Result<Jwk, SetError> {
        let records = self.store.keys(set).await?;
        let record = records
            .iter()
            .find(|record| record.kid == kid)
            .ok_or(SetError::UnknownKey)?;
        Ok(vault::open(self.cx.secrets, record)?)
    }

    /// Makes a key and adds it to a set; from then on it is the newest.
    ///
    /// # Errors
    /// [`SetError`]: an unsupported request, or a `kid` that is taken.
    pub async fn create(&self, set: &str, wanted: &NewKey) -> Result<Jwk, SetError> {
        let alg = Alg::parse(&wanted.alg).ok_or_else(|| SetError::UnsupportedAlg(wanted.alg.clone()))?;
        let use_ = match wanted.use_.as_str() {
            "" | "sig" => "sig",
            "enc" => "enc",
            other => return Err(SetError::UnsupportedUse(other.to_owned())),
        };
        let kid = if wanted.kid.is_empty() {
            self.cx.new_id().to_string()
        } else {
            wanted.kid.clone()
        };
        check_names([set, &kid])?;
        let records = self.store.keys(set).await?;
        if records.len() >= MOST_KEYS {
            return Err(SetError::TooMany);
        }
        // The statement below decides; looking first saves making a key for nothing.
        if records.iter().any(|record| record.kid == kid) {
            return Err(SetError::Exists);
        }
        let jwk = vault::generate(alg, kid, use_).await.map_err(KeysError::from)?;
        let key = vault::made(&self.cx, set, &jwk, vault::newest(self.cx.now, &records));
        match self.apply(Change::AddKey(key)).await? {
            Outcome::Applied => Ok(jwk),
            Outcome::LostRace => Err(SetError::Exists),
        }
    }

    /// Replaces a whole set, in the order given: the first key counts as the newest. A key without `kid` gets its
    /// thumbprint (RFC 7638) for one.
    ///
    /// # Errors
    /// [`SetError`] if a key is unusable; then nothing is changed.
    pub async fn replace(&self, set: &str, text: &[u8]) -> Result<Vec<Jwk>, SetError> {
        check_names([set])?;
        let body = serde_json::Value::Object(parse_object(text)?);
        let keys: Vec<Jwk> = parse_jwk_set(body)?.into_iter().map(named).collect();
        if keys.len() > MOST_KEYS {
            return Err(SetError::TooMany);
        }
        for (index, key) in keys.iter().enumerate() {
            check_key(key)?;
            if keys.iter().skip(index + 1).any(|other| other.kid() == key.kid()) {
                return Err(SetError::Duplicate(key.kid().unwrap_or_default().to_owned()));
            }
        }
        let newest_first = (0i64..).map(|steps| Timestamp(self.cx.now.0 - steps));
        let records = keys
            .iter()
            .zip(newest_first)
            .map(|(key, at)| vault::seal(&self.cx, set, key, at))
            .collect();
        let _applied = self
            .apply(Change::ReplaceKeySet {
                set: set.to_owned(),
                keys: records,
            })
            .await?;
        Ok(keys)
    }

    /// Inserts or replaces one key by the `kid` in its body; `path_kid` stands in if it has none. A key that is
    /// replaced keeps its age, a new one is the newest.
    ///
    /// # Errors
    /// [`SetError`] if the key is unusable.
    pub async fn put(&self, set: &str, path_kid: &str, text: &[u8]) -> Result<Jwk, SetError> {
        let jwk = Jwk::from_slice(text)?;
        let jwk = if jwk.kid().is_some_and(|kid| !kid.is_empty()) {
            jwk
        } else {
            jwk.with_kid(path_kid)
        };
        check_names([set])?;
        check_key(&jwk)?;
        let records = self.store.keys(set).await?;
        let replaced = records.iter().find(|record| jwk.kid() == Some(record.kid.as_str()));
        if replaced.is_none() && records.len() >= MOST_KEYS {
            return Err(SetError::TooMany);
        }
        let created_at = replaced.map_or_else(|| vault::newest(self.cx.now, &records), |record| record.created_at);
        let _applied = self
            .apply(Change::PutKey(vault::seal(&self.cx, set, &jwk, created_at)))
            .await?;
        Ok(jwk)
    }

    /// Removes a set. It does not matter whether it exists.
    ///
    /// # Errors
    /// What the store says.
    pub async fn delete(&self, set: &str) -> Result<(), SetError> {
        let _applied = self.apply(Change::DeleteKeySet(set.to_owned())).await?;
        Ok(())
    }

    /// Removes a key. It does not matter whether it exists.
    ///
    /// # Errors
    /// What the store says.
    pub async fn delete_key(&self, set: &str, kid: &str) -> Result<(), SetError> {
        let _applied = self
            .apply(Change::DeleteKey {
                set: set.to_owned(),
                kid: kid.to_owned(),
            })
            .await?;
        Ok(())
    }

    async fn apply(&self, change: Change) -> Result<Outcome, SetError> {
        let outcome = self.store.apply(change).await?;
        // The change is committed whatever this says; a ring that could not read forgets what it had and reads again.
        if let Err(error) = self.ring.reload(&self.cx).await {
            tracing::warn!(%error, "the signing keys could not be read after a change");
        }
        Ok(outcome)
    }
}

fn named(jwk: Jwk) -> Jwk {
    if jwk.kid().is_some_and(|kid| !kid.is_empty()) {
        return jwk;
    }
    let thumbprint = jwk.thumbprint();
    jwk.with_kid(&thumbprint)
}

fn check_names<const N: usize>(names: [&str; N]) -> Result<(), SetError> {
    let good = |name: &str| (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    if names.into_iter().all(good) {
        Ok(())
    } else {
        Err(SetError::BadName)
    }
}

/// A key that says it is for signatures must be able to make or verify them (D33). Keys for encryption are only kept.
fn check_key(jwk: &Jwk) -> Result<(), SetError> {
    check_names([jwk.kid().unwrap_or_default()])?;
    if let Some(other) = jwk.use_().filter(|use_| !matches!(*use_, "sig" | "enc")) {
        return Err(SetError::UnsupportedUse(other.to_owned()));
    }
    let checked = VerifyingKey::from_jwk(jwk).and_then(|_| {
        if jwk.is_private() {
            SigningKey::from_jwk(jwk).map(drop)
        } else {
            Ok(())
        }
    });
    match checked {
        Ok(()) | Err(KeyError::NotForSignatures | KeyError::UnsupportedAlg(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

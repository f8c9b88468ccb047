//! The keys of this server, parsed once and shared.

use std::sync::{Arc, PoisonError, RwLock};

use claviger_core::context::{Cx, Timestamp};
use claviger_core::port::{Change, KeyRecord, Outcome, Store, StoreError};
use claviger_jose::{Alg, SigningKey};
use tokio::sync::Mutex;

use super::published::{Entry, Keys};
use super::rotation::Rotation;
use super::{ACCESS_TOKEN_SET, ID_TOKEN_SET, KeysError, vault};

/// Keys older than this are read again before use, in milliseconds.
const STALE_MS: u64 = 2_000;

/// How often a removed first key is made again in one go. Only an operator who deletes in a loop gets there.
const MOST_SEEDS: u32 = 100;

/// How much longer than it is needed now a key is noted as needed, in seconds: a key that signs all the time costs a write
/// once in this time, and stays published for as much longer at the end.
const AHEAD: i64 = 24 * 3600;

/// The published key sets, read through from the store.
pub struct KeyRing {
    pub(super) store: Arc<dyn Store>,
    rotation: Option<Rotation>,
    /// The algorithm of new ID tokens and JWT access tokens.
    alg: Alg,
    /// [`ID_TOKEN_SET`] first, [`ACCESS_TOKEN_SET`] last.
    sets: Vec<String>,
    current: RwLock<Option<Reading>>,
    /// Held while the store is read, so that one task reads for all.
    loading: Mutex<()>,
}

#[derive(Clone)]
struct Reading {
    keys: Arc<Keys>,
    /// Milliseconds since 1970.
    at: u64,
}

/// Our own sets and those of the operator, each once.
fn published(broadcast: &[String]) -> Vec<String> {
    let mut sets = vec![ID_TOKEN_SET.to_owned()];
    for set in broadcast.iter().map(String::as_str).chain([ACCESS_TOKEN_SET]) {
        if !sets.iter().any(|known| known == set) {
            sets.push(set.to_owned());
        }
    }
    sets
}

impl KeyRing {
    /// A ring over [`ID_TOKEN_SET`] and [`ACCESS_TOKEN_SET`], which sign by `alg`, and the sets that are published
    /// besides (`webfinger.jwks.broadcast_keys`).
    #[must_use]
    pub fn new(store: Arc<dyn Store>, alg: Alg, broadcast: &[String]) -> Self {
        Self {
            store,
            rotation: None,
            alg,
            sets: published(broadcast),
            current: RwLock::new(None),
            loading: Mutex::new(()),
        }
    }

    /// Whether it is the one that [`Self::new`] makes of these.
    #[must_use]
    pub fn is_for(&self, alg: Alg, broadcast: &[String]) -> bool {
        self.alg == alg && self.sets == published(broadcast)
    }

    /// The same ring with keys that are replaced when they have signed for long enough.
    #[must_use]
    pub fn rotated(self, rotation: Option<Rotation>) -> Self {
        Self { rotation, ..self }
    }

    /// When they are replaced.
    #[must_use]
    pub fn rotation(&self) -> Option<Rotation> {
        self.rotation
    }

    /// The keys, read again if they are older than two seconds, with one that signs by the
    /// configured algorithm: if the set has none, it is made.
    ///
    /// A database that is away leaves the earlier reading in use, because what was published stays good for verifying;
    /// whoever needs the database for more will learn of its state there.
    ///
    /// # Errors
    /// If there is no earlier reading, or no key signs and none can be made.
    pub async fn keys(&self, cx: &Cx<'_>) -> Result<Arc<Keys>, KeysError> {
        let keys = self.read_through(cx).await?;
        if keys.signer(ID_TOKEN_SET, self.alg, cx.now).is_some() {
            return Ok(keys);
        }
        self.ensure(cx, ID_TOKEN_SET, self.alg).await
    }

    /// The key of [`ID_TOKEN_SET`] that signs by `alg`, or by the configured algorithm if none is given. It stays published
    /// until `until` at least.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn id_token_key(
        &self,
        cx: &Cx<'_>,
        alg: Option<Alg>,
        until: Timestamp,
    ) -> Result<Arc<SigningKey>, KeysError> {
        self.key(cx, ID_TOKEN_SET, alg.unwrap_or(self.alg), until).await
    }

    /// The same of [`ACCESS_TOKEN_SET`].
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn access_token_key(
        &self,
        cx: &Cx<'_>,
        alg: Option<Alg>,
        until: Timestamp,
    ) -> Result<Arc<SigningKey>, KeysError> {
        self.key(cx, ACCESS_TOKEN_SET, alg.unwrap_or(self.alg), until).await
    }

    /// The key of a published set that signs by `alg`; it is made if there is none. That it is needed until `until` is in
    /// the database before anything is signed with it.
    async fn key(&self, cx: &Cx<'_>, set: &str, alg: Alg, until: Timestamp) -> Result<Arc<SigningKey>, KeysError> {
        let mut keys = self.read_through(cx).await?;
        for _ in 0..MOST_SEEDS {
            if keys.signer(set, alg, cx.now).is_none() {
                keys = self.ensure(cx, set, alg).await?;
            }
            let signer = keys.signer(set, alg, cx.now);
            let Some((entry, key)) = signer.and_then(|entry| Some((entry, entry.signing.as_ref()?))) else {
                break;
            };
            if until <= entry.needed_until() || self.need(entry, until).await? {
                return Ok(Arc::clone(key));
            }
            // It was removed meanwhile.
            keys = self.reload(cx).await?;
        }
        Err(KeysError::Contended {
            set: set.to_owned(),
            alg,
        })
    }

    /// Notes how long a key is needed. False if it is not there any more.
    async fn need(&self, entry: &Entry, until: Timestamp) -> Result<bool, StoreError> {
        let until = Timestamp(until.0.saturating_add(AHEAD));
        let KeyRecord { set, kid, .. } = entry.record.clone();
        let outcome = self.store.apply(Change::NeedKey { set, kid, until }).await?;
        if outcome == Outcome::Applied {
            entry.is_needed(until);
        }
        Ok(outcome == Outcome::Applied)
    }

    /// Makes the first key of a published set for `alg`, unless there is one. Called at start, so that keys that do not
    /// open with the configured secrets stop the server there.
    ///
    /// Any number of servers may do this at once and exactly one key comes of it: the store lets one of them seed the
    /// set. If the operator deleted the seeded key since, the next seed is another one, with the same guarantee.
    ///
    /// # Errors
    /// [`KeysError::WrongSecrets`] if stored keys cannot be opened, or what the store says.
    pub async fn ensure(&self, cx: &Cx<'_>, set: &str, alg: Alg) -> Result<Arc<Keys>, KeysError> {
        let mut keys = self.reload(cx).await?;
        if keys.signer(set, alg, cx.now).is_some() {
            return Ok(keys);
        }
        let jwk = vault::generate(alg, cx.new_id().to_string(), "sig").await?;
        for seed in 1..=MOST_SEEDS {
            let records: Vec<KeyRecord> = keys.of(set).map(|entry| entry.record.clone()).collect();
            let key = vault::made(cx, set, &jwk, vault::newest(cx.now, &records));
            let outcome = self
                .store
                .apply(Change::SeedKey {
                    key,
                    alg: seed_name(alg, seed),
                })
                .await?;
            if outcome == Outcome::Applied {
                tracing::info!(set, kid = jwk.kid(), %alg, "made a signing key");
            }
            keys = self.reload(cx).await?;
            if keys.signer(set, alg, cx.now).is_some() {
                return Ok(keys);
            }
        }
        Err(KeysError::Contended {
            set: set.to_owned(),
            alg,
        })
    }

    /// Reads the store now. After a change by this server's own admin API, so that it holds from the next request on.
    ///
    /// # Errors
    /// If the store does not answer or a key cannot be opened. The next use then reads again.
    pub async fn reload(&self, cx: &Cx<'_>) -> Result<Arc<Keys>, KeysError> {
        let _one = self.loading.lock().await;
        let loaded = self.load(cx).await;
        if loaded.is_err() {
            self.set(None);
        }
        loaded
    }

    /// The keys as [`Self::keys`] reads them, where none is needed that signs: to verify something makes no key.
    pub(crate) async fn read_through(&self, cx: &Cx<'_>) -> Result<Arc<Keys>, KeysError> {
        let before = self.get();
        if let Some(fresh) = before.as_ref().filter(|reading| reading.is_fresh(cx.millis)) {
            return Ok(fresh.keys.clone());
        }
        let _one = match &before {
            None => self.loading.lock().await,
            // Somebody reads already; nobody else needs to wait for it.
            Some(stale) => match self.loading.try_lock() {
                Ok(one) => one,
                Err(_) => return Ok(stale.keys.clone()),
            },
        };
        if let Some(fresh) = self.get().filter(|reading| reading.is_fresh(cx.millis)) {
            return Ok(fresh.keys);
        }
        match (self.load(cx).await, before) {
            (Err(error @ KeysError::Store(StoreError::Unavailable(_))), Some(stale)) => {
                tracing::warn!(%error, "the signing keys could not be read again; the earlier ones stay in use");
                Ok(stale.keys)
            }
            (loaded, _) => loaded,
        }
    }

    /// Reads every set and keeps what has not changed. The caller holds `loading`.
    async fn load(&self, cx: &Cx<'_>) -> Result<Arc<Keys>, KeysError> {
        let before = self.get().map(|reading| reading.keys);
        let known = before.as_ref().map_or(&[][..], |keys| keys.entries.as_slice());
        let mut entries = Vec::with_capacity(known.len());
        for set in &self.sets {
            for record in self.store.keys(set).await? {
                let kept = known.iter().find(|entry| entry.is_of(&record)).cloned();
                entries.push(match kept {
                    Some(entry) => {
                        entry.is_needed(record.needed_until);
                        entry
                    }
                    None => Arc::new(Entry::open(cx.secrets, record)?),
                });
            }
        }
        let same = known.len() == entries.len() && known.iter().zip(&entries).all(|(a, b)| Arc::ptr_eq(a, b));
        let keys = match before.filter(|_| same) {
            Some(keys) => keys,
            None => Arc::new(Keys::new(entries)),
        };
        self.set(Some(Reading {
            keys: keys.clone(),
            at: cx.millis,
        }));
        Ok(keys)
    }

    fn get(&self) -> Option<Reading> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, reading: Option<Reading>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = reading;
    }
}

/// What the store remembers of the `seed`-th first key for `alg`: the bare name the first time.
fn seed_name(alg: Alg, seed: u32) -> String {
    if seed == 1 {
        alg.as_str().to_owned()
    } else {
        format!("{alg}/{seed}")
    }
}

impl Reading {
    /// A reading from the future was made before the clock was set back.
    fn is_fresh(&self, now: u64) -> bool {
        now.abs_diff(self.at) < STALE_MS
    }
}

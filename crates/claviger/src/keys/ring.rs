//! The keys of this server, parsed once and shared.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use claviger_core::context::Cx;
use claviger_core::port::{Change, KeyRecord, Outcome, Store, StoreError};
use claviger_core::secrets::Secrets;
use claviger_jose::{Alg, Jwk, SigningKey, VerifyingKey};
use tokio::sync::Mutex;

use super::{ACCESS_TOKEN_SET, ID_TOKEN_SET, KeysError, vault};

/// Keys older than this are read again before use, in milliseconds.
const STALE_MS: u64 = 2_000;

/// How often a removed first key is made again in one go. Only an operator who deletes in a loop gets there.
const MOST_SEEDS: u32 = 100;

/// The published key sets, read through from the store.
pub struct KeyRing {
    store: Arc<dyn Store>,
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

/// One reading of the published key sets. Private keys stay inside.
#[derive(Debug)]
pub struct Keys {
    /// By set, newest first.
    entries: Vec<Arc<Entry>>,
    verifying: Vec<VerifyingKey>,
    verifying_access: Vec<VerifyingKey>,
    jwks: Bytes,
}

/// One key, parsed. Kept from reading to reading while its record stays the same.
#[derive(Debug)]
struct Entry {
    record: KeyRecord,
    public: Option<Jwk>,
    signing: Option<Arc<SigningKey>>,
    verifying: Option<VerifyingKey>,
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
        if keys.signing(ID_TOKEN_SET, self.alg).is_some() {
            return Ok(keys);
        }
        self.ensure(cx, ID_TOKEN_SET, self.alg).await
    }

    /// The newest key of [`ID_TOKEN_SET`] that signs by `alg`, or by the configured algorithm if none is given.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn id_token_key(&self, cx: &Cx<'_>, alg: Option<Alg>) -> Result<Arc<SigningKey>, KeysError> {
        self.key(cx, ID_TOKEN_SET, alg.unwrap_or(self.alg)).await
    }

    /// The same of [`ACCESS_TOKEN_SET`].
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn access_token_key(&self, cx: &Cx<'_>, alg: Option<Alg>) -> Result<Arc<SigningKey>, KeysError> {
        self.key(cx, ACCESS_TOKEN_SET, alg.unwrap_or(self.alg)).await
    }

    /// The newest key of a published set that signs by `alg`; it is made if there is none.
    async fn key(&self, cx: &Cx<'_>, set: &str, alg: Alg) -> Result<Arc<SigningKey>, KeysError> {
        if let Some(key) = self.read_through(cx).await?.signing(set, alg) {
            return Ok(Arc::clone(key));
        }
        let keys = self.ensure(cx, set, alg).await?;
        keys.signing(set, alg).cloned().ok_or_else(|| KeysError::Contended {
            set: set.to_owned(),
            alg,
        })
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
        if keys.signing(set, alg).is_some() {
            return Ok(keys);
        }
        let jwk = vault::generate(alg, cx.new_id().to_string(), "sig").await?;
        for seed in 1..=MOST_SEEDS {
            let records: Vec<KeyRecord> = keys.of(set).map(|entry| entry.record.clone()).collect();
            let key = vault::seal(cx, set, &jwk, vault::newest(cx.now, &records));
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
            if keys.signing(set, alg).is_some() {
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

    async fn read_through(&self, cx: &Cx<'_>) -> Result<Arc<Keys>, KeysError> {
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
                let kept = known.iter().find(|entry| entry.record == record).cloned();
                entries.push(match kept {
                    Some(entry) => entry,
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
    fn is_fresh(&self, now: u64) -> bool {
        now.saturating_sub(self.at) < STALE_MS
    }
}

impl Keys {
    fn new(entries: Vec<Arc<Entry>>) -> Self {
        let verifying = |set| {
            let of_set = entries.iter().filter(move |entry| entry.record.set == set);
            of_set.filter_map(|entry| entry.verifying.clone()).collect()
        };
        let (verifying, verifying_access) = (verifying(ID_TOKEN_SET), verifying(ACCESS_TOKEN_SET));
        let public: Vec<&Jwk> = entries.iter().filter_map(|entry| entry.public.as_ref()).collect();
        #[expect(
            clippy::expect_used,
            reason = "JSON values with string keys can be written to memory"
        )]
        let jwks = serde_json::to_vec(&serde_json::json!({ "keys": public })).expect("a key set is JSON");
        Self {
            entries,
            verifying,
            verifying_access,
            jwks: jwks.into(),
        }
    }

    /// The newest key of a published set that signs by `alg`.
    #[must_use]
    pub fn signing(&self, set: &str, alg: Alg) -> Option<&Arc<SigningKey>> {
        self.of(set)
            .filter_map(|entry| entry.signing.as_ref())
            .find(|key| key.alg() == alg)
    }

    fn of(&self, set: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().filter(move |entry| entry.record.set == set)
    }

    /// Every key of [`ID_TOKEN_SET`]: an ID token that comes back is verified by any key that is still published.
    #[must_use]
    pub fn verifying(&self) -> &[VerifyingKey] {
        &self.verifying
    }

    /// Every key of [`ACCESS_TOKEN_SET`].
    #[must_use]
    pub fn verifying_access(&self) -> &[VerifyingKey] {
        &self.verifying_access
    }

    /// The algorithms for which [`ID_TOKEN_SET`] has a key that signs, newest key first.
    #[must_use]
    pub fn signing_algs(&self) -> Vec<Alg> {
        let ours = self.of(ID_TOKEN_SET);
        let mut algs = Vec::new();
        for alg in ours.filter_map(|entry| entry.signing.as_ref()).map(|key| key.alg()) {
            if !algs.contains(&alg) {
                algs.push(alg);
            }
        }
        algs
    }

    /// The JWK Set that is published: public halves only, no symmetric key.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.jwks.clone()
    }
}

impl Entry {
    fn open(secrets: &Secrets, record: KeyRecord) -> Result<Self, KeysError> {
        let jwk = vault::open(secrets, &record)?;
        let public = jwk.public();
        // A symmetric key in a published set could verify only what anybody with admin rights made; it has no use here.
        let verifying = public.as_ref().and_then(|public| VerifyingKey::from_jwk(public).ok());
        let signing = public
            .as_ref()
            .and_then(|_| SigningKey::from_jwk(&jwk).ok())
            .map(Arc::new);
        Ok(Self {
            record,
            public,
            signing,
            verifying,
        })
    }
}

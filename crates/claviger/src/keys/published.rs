//! One reading of the published key sets: which key signs, which verify, and what is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use claviger_core::context::Timestamp;
use claviger_core::port::KeyRecord;
use claviger_core::secrets::Secrets;
use claviger_jose::{Alg, Jwk, SigningKey, VerifyingKey};

use super::{ACCESS_TOKEN_SET, ID_TOKEN_SET, KeysError, vault};
use crate::edge::document::Document;

/// One reading of the published key sets. Private keys stay inside.
#[derive(Debug)]
pub struct Keys {
    /// By set, newest first.
    pub(super) entries: Vec<Arc<Entry>>,
    verifying: Vec<VerifyingKey>,
    verifying_access: Vec<VerifyingKey>,
    jwks: Document,
}

/// One key, parsed. Kept from reading to reading while its record stays the same.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: KeyRecord,
    /// The record's, and what was written or read since.
    needed_until: AtomicI64,
    public: Option<Jwk>,
    pub(super) signing: Option<Arc<SigningKey>>,
    verifying: Option<VerifyingKey>,
}

impl Keys {
    pub(super) fn new(entries: Vec<Arc<Entry>>) -> Self {
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
            jwks: Document::new(jwks.into()),
        }
    }

    /// The key of a published set that signs by `alg`: the newest whose time has come. If none's has, because the operator
    /// removed the others, the next one need not wait.
    pub(super) fn signer(&self, set: &str, alg: Alg, now: Timestamp) -> Option<&Arc<Entry>> {
        let has_come = |entry: &&Arc<Entry>| entry.record.signs_from <= now;
        let mut signing = self.signing_by(set, alg);
        let ready = signing.find(has_come);
        ready.or_else(|| self.signing_by(set, alg).min_by_key(|entry| entry.record.signs_from))
    }

    /// The keys of a published set that sign by `alg` now, before or later, newest first.
    pub(super) fn signing_by(&self, set: &str, alg: Alg) -> impl Iterator<Item = &Arc<Entry>> {
        let signs = move |entry: &&Arc<Entry>| entry.signing.as_ref().is_some_and(|key| key.alg() == alg);
        self.of(set).filter(signs)
    }

    pub(super) fn of(&self, set: &str) -> impl Iterator<Item = &Arc<Entry>> {
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
        self.algs(ID_TOKEN_SET)
    }

    pub(super) fn algs(&self, set: &str) -> Vec<Alg> {
        let ours = self.of(set);
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
    pub fn jwks(&self) -> &Document {
        &self.jwks
    }
}

impl Entry {
    pub(super) fn open(secrets: &Secrets, record: KeyRecord) -> Result<Self, KeysError> {
        let jwk = vault::open(secrets, &record)?;
        let public = jwk.public();
        // A symmetric key in a published set could verify only what anybody with admin rights made; it has no use here.
        let verifying = public.as_ref().and_then(|public| VerifyingKey::from_jwk(public).ok());
        let signing = public
            .as_ref()
            .and_then(|_| SigningKey::from_jwk(&jwk).ok())
            .map(Arc::new);
        Ok(Self {
            needed_until: record.needed_until.0.into(),
            record,
            public,
            signing,
            verifying,
        })
    }

    /// Whether this is the key of `record`. How long it is needed grows while it is in use and makes no other key of it.
    pub(super) fn is_of(&self, record: &KeyRecord) -> bool {
        let ours = &self.record;
        (&ours.set, &ours.kid, &ours.sealed) == (&record.set, &record.kid, &record.sealed)
            && (ours.created_at, ours.signs_from) == (record.created_at, record.signs_from)
    }

    /// Until when it is needed.
    pub(super) fn needed_until(&self) -> Timestamp {
        Timestamp(self.needed_until.load(Ordering::Relaxed))
    }

    /// Notes that the database says so.
    pub(super) fn is_needed(&self, until: Timestamp) {
        self.needed_until.fetch_max(until.0, Ordering::Relaxed);
    }
}

//! Equipment for tests of keys: a request with counted dice, and a store that holds keys and can be switched off.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::client::strangers::Strangers;
use claviger_core::context::{Cx, DevicePolicy, Entropy, Id, Policy, Prefixes, ScopeStrategy, Timestamp};
use claviger_core::device::user_code::UserCodeForm;
use claviger_core::hook::Hooks;
use claviger_core::port::*;
use claviger_core::secrets::Secrets;
use claviger_core::token::access::AccessTokens;
use claviger_jose::Alg;

use super::KeyRing;
use super::sets::KeySets;

/// Everything that a [`Cx`] borrows.
pub(crate) struct Desk {
    pub(crate) secrets: Secrets,
    pub(crate) policy: Policy,
    pub(crate) millis: u64,
}

struct Dice;

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the system has random bytes");
    }
}

impl Desk {
    pub(crate) fn new(secret: &str) -> Self {
        let secrets = Secrets::derive(&[secret]).expect("secrets of the tests are long enough");
        Self {
            secrets,
            policy: policy(),
            millis: 1_700_000_000_000,
        }
    }

    pub(crate) fn cx(&self) -> Cx<'_> {
        let now = Timestamp(i64::try_from(self.millis / 1000).expect("a time in range"));
        Cx {
            now,
            millis: self.millis,
            uptime: std::time::Duration::ZERO,
            entropy: &Dice,
            policy: &self.policy,
            secrets: &self.secrets,
        }
    }
}

fn policy() -> Policy {
    let url = |path: &str| format!("http://127.0.0.1:4444{path}");
    Policy {
        issuer: url("/"),
        public_url: url(""),
        login_url: url("/login"),
        registration_url: url("/login"),
        consent_url: url("/consent"),
        logout_url: String::new(),
        post_logout_url: String::new(),
        error_url: url("/error"),
        challenge_life: Duration::from_secs(1800),
        session_life: Duration::from_secs(86400),
        access_token_life: Duration::from_secs(3600),
        refresh_token_life: None,
        id_token_life: Duration::from_secs(3600),
        code_life: Duration::from_secs(600),
        device: DevicePolicy {
            verification_url: url("/device"),
            success_url: url("/device/done"),
            code_life: Duration::from_secs(600),
            interval: Duration::from_secs(5),
            user_code: UserCodeForm::high(),
        },
        scope_strategy: ScopeStrategy::Exact,
        pkce_enforced: false,
        pkce_enforced_for_public_clients: true,
        default_grant_allowed_scope: false,
        rotation_grace: Duration::ZERO,
        assertion_longest: Duration::from_secs(3600),
        assertion_id_optional: false,
        assertion_issue_optional: false,
        id_token_alg: claviger_jose::Alg::RS256,
        insecure_redirect_uris: Vec::new(),
        dev: true,
        access_token: AccessTokens::opaque(),
        prefixes: Prefixes::default(),
        dynamic_registration: false,
        default_client_scope: Vec::new(),
        strangers: Strangers::default(),
        hooks: Hooks::default(),
        public_subjects: true,
        pairwise_salt: None,
        supported_claims: Vec::new(),
        supported_scopes: Vec::new(),
        advertised: claviger_core::context::Advertised::default(),
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// One of the servers that share a store.
pub(crate) struct Server {
    pub(crate) desk: Desk,
    pub(crate) store: Arc<Shelf>,
    pub(crate) ring: KeyRing,
}

impl Server {
    pub(crate) fn new(store: &Arc<Shelf>) -> Self {
        let ring = KeyRing::new(store.clone(), Alg::ES256, &[]);
        Self {
            desk: Desk::new(SECRET),
            store: store.clone(),
            ring,
        }
    }

    pub(crate) fn sets(&self) -> KeySets<'_> {
        KeySets {
            store: &*self.store,
            ring: &self.ring,
            cx: self.desk.cx(),
        }
    }
}

/// Keys of a [`Shelf`], oldest first.
#[derive(Default)]
struct Content {
    keys: Vec<KeyRecord>,
    seeded: Vec<(String, String)>,
}

/// A store of keys only. Every statement yields first, so that tasks interleave.
#[derive(Default)]
pub(crate) struct Shelf {
    content: Mutex<Content>,
    pub(crate) down: AtomicBool,
    pub(crate) reads: AtomicU64,
}

impl Shelf {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    async fn statement(&self) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) {
            Err(unavailable())
        } else {
            Ok(())
        }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("switched off".into())
}

impl Content {
    fn change(&mut self, change: Change) -> Outcome {
        match change {
            Change::SeedKey { key, alg } => {
                let seed = (key.set.clone(), alg);
                if self.seeded.contains(&seed) {
                    return Outcome::LostRace;
                }
                self.seeded.push(seed);
                self.keys.push(key);
            }
            Change::AddKey(key) => {
                if self.keys.iter().any(|old| (&old.set, &old.kid) == (&key.set, &key.kid)) {
                    return Outcome::LostRace;
                }
                self.keys.push(key);
            }
            Change::PutKey(key) => {
                self.keys.retain(|old| (&old.set, &old.kid) != (&key.set, &key.kid));
                self.keys.push(key);
            }
            Change::ReplaceKeySet { set, keys } => {
                self.keys.retain(|old| old.set != set);
                self.keys.extend(keys);
            }
            Change::NeedKey { set, kid, until } => {
                let mut keys = self.keys.iter_mut();
                match keys.find(|key| (&key.set, &key.kid) == (&set, &kid)) {
                    None => return Outcome::LostRace,
                    Some(key) => key.needed_until = key.needed_until.max(until),
                }
            }
            Change::RetireKey { set, kid, needed_until } => {
                let is_it = |key: &KeyRecord| key.set == set && key.kid == kid && key.needed_until == needed_until;
                let before = self.keys.len();
                self.keys.retain(|key| !is_it(key));
                if self.keys.len() == before {
                    return Outcome::LostRace;
                }
            }
            Change::DeleteKey { set, kid } => self.keys.retain(|old| (&old.set, &old.kid) != (&set, &kid)),
            Change::DeleteKeySet(set) => self.keys.retain(|old| old.set != set),
            other => panic!("a test of keys has no business with {other:?}"),
        }
        Outcome::Applied
    }
}

#[async_trait]
impl Store for Shelf {
    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        self.statement().await?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        let content = self.content.lock().expect("no test panics with the lock");
        let mut keys: Vec<KeyRecord> = content.keys.iter().filter(|key| key.set == set).cloned().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.created_at));
        Ok(keys)
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        self.statement().await?;
        Ok(self
            .content
            .lock()
            .expect("no test panics with the lock")
            .change(change))
    }

    async fn client(&self, _: &str, _: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        Err(unavailable())
    }

    async fn clients(&self, _: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        Err(unavailable())
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        Err(unavailable())
    }

    async fn flow(&self, _: Id, _: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        Err(unavailable())
    }

    async fn session(&self, _: Id) -> Result<Option<SessionRecord>, StoreError> {
        Err(unavailable())
    }

    async fn remembered(&self, _: &str, _: &str, _: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        Err(unavailable())
    }

    async fn grants(&self, _: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        Err(unavailable())
    }

    async fn count_grants(&self, _: &GrantQuery) -> Result<u64, StoreError> {
        Err(unavailable())
    }

    async fn participants(&self, _: Id, _: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        Err(unavailable())
    }

    async fn claim_notices(&self, _: Timestamp, _: Timestamp, _: u32) -> Result<Vec<NoticeRecord>, StoreError> {
        Err(unavailable())
    }

    async fn code(&self, _: Id, _: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        Err(unavailable())
    }

    async fn access(&self, _: Id) -> Result<Option<AccessFacts>, StoreError> {
        Err(unavailable())
    }

    async fn refresh(&self, _: Id, _: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        Err(unavailable())
    }

    async fn is_used(&self, _: Digest) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn trust(&self, _: Id) -> Result<Option<TrustRecord>, StoreError> {
        Err(unavailable())
    }

    async fn trusts(&self, _: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        Err(unavailable())
    }

    async fn trusts_in(&self, _: &str, _: &str) -> Result<Vec<TrustRecord>, StoreError> {
        Err(unavailable())
    }

    async fn api_key(&self, _: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        Err(unavailable())
    }

    async fn api_keys(&self, _: Option<Id>, _: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        Err(unavailable())
    }

    async fn device(&self, _: Id) -> Result<Option<DeviceFacts>, StoreError> {
        Err(unavailable())
    }

    async fn device_by_user_code(&self, _: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        Err(unavailable())
    }

    async fn purge(&self, _: Timestamp, _: u32) -> Result<Purged, StoreError> {
        Err(unavailable())
    }

    async fn purge_older(&self, _: Timestamp, _: u32) -> Result<Purged, StoreError> {
        Err(unavailable())
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        Err(unavailable())
    }
}

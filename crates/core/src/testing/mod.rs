//! Equipment for the tests of this crate: a world whose time, dice and database are in memory and can be told to fail.
//!
//! Nothing in it waits, so a test needs no runtime: [`now`] finishes any future of this crate.

mod changes;
mod devices;
mod issued;
mod network;
mod scene;
mod store;
mod witness;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use claviger_jose::{Alg, Jwk, RsaSize, SigningKey, VerifyingKey};

pub(crate) use self::network::Network;
pub(crate) use self::scene::{VERIFIER, challenge, form};
pub(crate) use self::store::MemoryStore;
pub(crate) use self::witness::Heard;
use crate::client::ParsedClients;
use crate::client::strangers::Strangers;
use crate::context::{Cx, DevicePolicy, Policy, Prefixes, ScopeStrategy, Timestamp};
use crate::device::guesses::Guesses;
use crate::device::user_code::UserCodeForm;
use crate::fault::Failure;
use crate::hook::Hooks;
use crate::remote_keys::RemoteKeys;
use crate::secrets::Secrets;
use crate::token::access::AccessTokens;
use crate::token::testing::Counter;
use crate::world::{IdTokenKeys, Slow, World};

/// When tests begin.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000);

/// Finishes a future that waits for nothing.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a test waits for something that no test has"),
    }
}

/// Everything that a [`World`] borrows.
pub(crate) struct Desk {
    pub(crate) policy: Policy,
    pub(crate) secrets: Secrets,
    pub(crate) store: MemoryStore,
    pub(crate) keys: Keys,
    pub(crate) slow: Inline,
    pub(crate) network: Network,
    pub(crate) witness: Heard,
    remote_keys: RemoteKeys,
    clients: ParsedClients,
    guesses: Guesses,
    entropy: Counter,
    time: AtomicI64,
    uptime: AtomicI64,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            policy: policy(),
            secrets: Secrets::derive(&["0123456789abcdef"]).expect("the secret is long enough"),
            store: MemoryStore::default(),
            keys: Keys::new(Alg::ES256),
            slow: Inline::default(),
            network: Network::default(),
            witness: Heard::default(),
            remote_keys: RemoteKeys::new(10),
            clients: ParsedClients::new(100),
            guesses: Guesses::default(),
            entropy: Counter::default(),
            time: AtomicI64::new(START.0),
            uptime: AtomicI64::new(0),
        }
    }

    pub(crate) fn world(&self) -> World<'_> {
        World {
            cx: self.cx(),
            store: &self.store,
            keys: &self.keys,
            clients: &self.clients,
            guesses: &self.guesses,
            slow: &self.slow,
            fetch: &self.network,
            remote_keys: &self.remote_keys,
            witness: &self.witness,
        }
    }

    pub(crate) fn cx(&self) -> Cx<'_> {
        let now = self.time.load(Ordering::Relaxed);
        Cx {
            now: Timestamp(now),
            millis: now.unsigned_abs() * 1000,
            uptime: Duration::from_secs(self.uptime.load(Ordering::Relaxed).unsigned_abs()),
            entropy: &self.entropy,
            policy: &self.policy,
            secrets: &self.secrets,
        }
    }

    /// Goes back in time, to where somebody's clock is behind.
    pub(crate) fn rewind(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).expect("a test is short");
        self.time.fetch_sub(seconds, Ordering::Relaxed);
    }

    /// Lets time pass of which the server knows nothing.
    pub(crate) fn sleep(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).expect("a test is short");
        self.time.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, life: Duration) {
        let seconds = i64::try_from(life.as_secs()).expect("a test is short");
        self.time.fetch_add(seconds, Ordering::Relaxed);
        self.uptime.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn policy() -> Policy {
    let url = |path: &str| format!("https://op.example{path}");
    Policy {
        issuer: url("/"),
        public_url: url(""),
        login_url: url("/login"),
        registration_url: url("/login"),
        consent_url: url("/consent"),
        logout_url: url("/logout"),
        post_logout_url: url("/goodbye"),
        error_url: url("/error"),
        challenge_life: Duration::from_secs(1800),
        session_life: Duration::from_secs(86_400),
        access_token_life: Duration::from_secs(3600),
        refresh_token_life: Some(Duration::from_secs(720 * 3600)),
        id_token_life: Duration::from_secs(1800),
        code_life: Duration::from_secs(600),
        device: DevicePolicy {
            verification_url: url("/device"),
            success_url: url("/device/done"),
            code_life: Duration::from_secs(600),
            interval: Duration::from_secs(5),
            user_code: UserCodeForm::high(),
        },
        scope_strategy: ScopeStrategy::Wildcard,
        pkce_enforced: false,
        pkce_enforced_for_public_clients: true,
        default_grant_allowed_scope: false,
        rotation_grace: Duration::from_secs(10),
        assertion_longest: Duration::from_secs(720 * 3600),
        assertion_id_optional: false,
        assertion_issue_optional: false,
        id_token_alg: Alg::ES256,
        insecure_redirect_uris: Vec::new(),
        dev: false,
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
        advertised: crate::context::Advertised::default(),
    }
}

/// Two signing keys for ID tokens, the second for `EdDSA`, and one for access tokens.
pub(crate) struct Keys {
    signing: Arc<SigningKey>,
    public: Jwk,
    access: (Arc<SigningKey>, Jwk),
    other: (Arc<SigningKey>, Jwk),
}

impl Keys {
    fn new(alg: Alg) -> Self {
        let made = |kid: &str, alg| {
            let key = Jwk::generate(alg, kid, "sig", RsaSize::Bits2048).expect("a key can be generated");
            let signing = SigningKey::from_jwk(&key).expect("the key signs");
            (Arc::new(signing), key.public().expect("the key has a public half"))
        };
        let (signing, public) = made("key-1", alg);
        Self {
            signing,
            public,
            access: made("access-key-1", alg),
            other: made("key-2", Alg::EdDSA),
        }
    }

    /// The key of those that chose `EdDSA`.
    pub(crate) fn verifying_other(&self) -> VerifyingKey {
        VerifyingKey::from_jwk(&self.other.1).expect("the key verifies")
    }

    pub(crate) fn verifying(&self) -> VerifyingKey {
        VerifyingKey::from_jwk(&self.public).expect("the key verifies")
    }
}

#[async_trait]
impl IdTokenKeys for Keys {
    async fn verifying(&self, _: &Cx<'_>) -> Result<Vec<VerifyingKey>, Failure> {
        Ok(vec![Keys::verifying(self), self.verifying_other()])
    }

    async fn signing(&self, _: &Cx<'_>, alg: Option<Alg>, _: Timestamp) -> Result<Arc<SigningKey>, Failure> {
        let other = alg.filter(|alg| *alg == self.other.0.alg());
        Ok(Arc::clone(other.map_or(&self.signing, |_| &self.other.0)))
    }

    async fn signing_access(&self, _: &Cx<'_>, _: Option<Alg>, _: Timestamp) -> Result<Arc<SigningKey>, Failure> {
        Ok(Arc::clone(&self.access.0))
    }

    async fn verifying_access(&self, _: &Cx<'_>) -> Result<Vec<VerifyingKey>, Failure> {
        Ok(vec![VerifyingKey::from_jwk(&self.access.1).expect("the key verifies")])
    }

    async fn algorithms(&self, _: &Cx<'_>) -> Result<Vec<Alg>, Failure> {
        Ok(vec![self.signing.alg()])
    }
}

/// Runs long computations at once, and counts them.
#[derive(Default)]
pub(crate) struct Inline(AtomicUsize);

impl Inline {
    pub(crate) fn jobs(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Slow for Inline {
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        job();
        true
    }
}

//! The provider as the endpoints see it: one value with the store, the keys and the operator's decisions.

use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use claviger_core::client::ParsedClients;
use claviger_core::context::{Cx, Entropy, Policy, Timestamp};
use claviger_core::device::guesses::Guesses;
use claviger_core::fault::Failure;
use claviger_core::port::Store;
use claviger_core::remote_keys::RemoteKeys;
use claviger_core::secrets::{Secrets, SecretsError};
use claviger_core::world::{IdTokenKeys, Slow, World};
use claviger_jose::{Alg, SigningKey, VerifyingKey};
use claviger_store::Refused;
use tokio::sync::Semaphore;

use crate::admin::version::VERSION;
use crate::clock::{millis_of_ids, uptime};
use crate::config::settings::Cookies;
use crate::config::tls::Networks;
use crate::config::{self, Settings};
use crate::edge::admission::Admission;
use crate::edge::rates::Limiter;
use crate::keys::KeyRing;
use crate::notices::Notices;
use crate::outgoing::GuardedClient;
use crate::public::discovery::Prepared;
use crate::telemetry::events::SpanEvents;
use crate::telemetry::metrics::Metrics;

/// How many parsed clients are kept.
const PARSED_CLIENTS: usize = 10_000;
/// How many key sets of clients are kept.
const REMOTE_KEY_SETS: usize = 1_000;

/// The state of every handler.
pub type Shared = Arc<Provider>;

/// The provider in use. A request goes on with the one that it began with; a background job asks in each round.
pub struct Current(RwLock<Shared>);

impl Current {
    #[must_use]
    pub fn new(provider: Shared) -> Self {
        Self(RwLock::new(provider))
    }

    #[must_use]
    pub fn now(&self) -> Shared {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on it is this one.
    pub fn replace(&self, provider: Shared) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = provider;
    }
}

/// Everything that the endpoints share.
pub struct Provider {
    /// Facts and changes.
    pub store: Arc<dyn Store>,
    /// The published keys.
    pub ring: Arc<KeyRing>,
    /// What the operator decided.
    pub policy: Policy,
    /// The key schedule.
    pub secrets: Secrets,
    /// How cookies are written.
    pub cookies: Cookies,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    /// The discovery document.
    pub discovery: Prepared,
    /// Whether what only Hydra 1 has is there too ([`crate::v1`]).
    pub v1_paths: bool,
    /// News of logouts that wait to be sent.
    pub notices: Arc<Notices>,
    /// Whether the database takes changes.
    pub(crate) refused: Arc<Refused>,
    /// The guard of the admin port.
    pub(crate) admission: Arc<Admission>,
    /// How often one address may ask for what costs most, if there is a limit.
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Whose word about the addresses of the public port's clients counts.
    pub(crate) public_proxies: Networks,
    /// The same of the admin port.
    pub(crate) admin_proxies: Networks,
    clients: ParsedClients,
    guesses: Arc<Guesses>,
    slow: SlowThreads,
    fetch: GuardedClient,
    remote_keys: Arc<RemoteKeys>,
}

impl Provider {
    /// A provider over an open database.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, ring: KeyRing, policy: Policy, secrets: Secrets, settings: &Settings) -> Self {
        Self {
            admission: Admission::new(Arc::clone(&store), settings.admin_asks_for_keys),
            limiter: Limiter::new(&settings.rates),
            public_proxies: settings.public.proxies.clone(),
            admin_proxies: settings.admin.proxies.clone(),
            store,
            ring: Arc::new(ring),
            policy,
            secrets,
            cookies: settings.cookies.clone(),
            metrics: Arc::new(Metrics::new(VERSION)),
            discovery: Prepared::default(),
            v1_paths: settings.admin.v1_paths,
            notices: Arc::default(),
            refused: Arc::default(),
            clients: ParsedClients::new(PARSED_CLIENTS),
            guesses: Arc::default(),
            slow: SlowThreads::new(),
            fetch: GuardedClient::new(&settings.outgoing),
            remote_keys: Arc::new(RemoteKeys::new(REMOTE_KEY_SETS)),
        }
    }

    /// The same with metrics that count more than requests.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self {
            metrics: Arc::new(metrics),
            ..self
        }
    }

    /// The same with what is known of the database's refusals.
    #[must_use]
    pub(crate) fn with_refused(self, refused: Arc<Refused>) -> Self {
        Self { refused, ..self }
    }

    /// The same provider under other settings: what it counts, remembers of strangers and runs stays.
    ///
    /// # Errors
    /// If the secrets cannot be used.
    pub fn with_settings(&self, settings: &Settings, same_secrets: bool) -> Result<Self, SecretsError> {
        let policy = config::policy(settings);
        let broadcast = &settings.keys.broadcast;
        // Keys that were opened under a secret that is gone would hide that nothing opens them any more.
        let ring = if same_secrets && self.ring.is_for(policy.id_token_alg, broadcast) {
            Arc::clone(&self.ring)
        } else {
            let ring = KeyRing::new(Arc::clone(&self.store), policy.id_token_alg, broadcast);
            Arc::new(ring.rotated(settings.keys.rotation))
        };
        Ok(Self {
            store: Arc::clone(&self.store),
            ring,
            policy,
            secrets: Secrets::derive(&settings.system_secrets)?,
            cookies: settings.cookies.clone(),
            metrics: Arc::clone(&self.metrics),
            discovery: Prepared::default(),
            v1_paths: settings.admin.v1_paths,
            notices: Arc::clone(&self.notices),
            refused: Arc::clone(&self.refused),
            admission: Arc::clone(&self.admission),
            limiter: self.limiter.clone(),
            public_proxies: self.public_proxies.clone(),
            admin_proxies: self.admin_proxies.clone(),
            clients: ParsedClients::new(PARSED_CLIENTS),
            guesses: Arc::clone(&self.guesses),
            slow: self.slow.clone(),
            fetch: self.fetch.with_settings(&settings.outgoing),
            remote_keys: Arc::clone(&self.remote_keys),
        })
    }

    /// The context of a request that arrives now.
    #[must_use]
    pub fn cx(&self) -> Cx<'_> {
        let (elapsed, uptime) = (since_epoch(), uptime());
        Cx {
            now: timestamp(elapsed),
            millis: millis_of_ids(elapsed, uptime),
            uptime,
            entropy: &OperatingSystem,
            policy: &self.policy,
            secrets: &self.secrets,
        }
    }

    /// What the use cases of a request that arrives now work with.
    #[must_use]
    pub fn world(&self) -> World<'_> {
        World {
            cx: self.cx(),
            store: &*self.store,
            keys: &*self.ring,
            clients: &self.clients,
            guesses: &self.guesses,
            slow: &self.slow,
            fetch: &self.fetch,
            remote_keys: &self.remote_keys,
            witness: &SpanEvents,
        }
    }
}

/// Most computations that wait or run. Guessed secrets make some, and whoever waits longer is told to come back.
const MOST_COMPUTATIONS: usize = 64;

/// A bounded number of threads beside those that serve requests.
#[derive(Clone)]
struct SlowThreads {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl SlowThreads {
    fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            admitted: Arc::new(Semaphore::new(MOST_COMPUTATIONS)),
            running: Arc::new(Semaphore::new(2 * cores)),
        }
    }
}

#[async_trait]
impl Slow for SlowThreads {
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> bool {
        let Ok(admitted) = Arc::clone(&self.admitted).try_acquire_owned() else {
            return false;
        };
        let Ok(permit) = Arc::clone(&self.running).acquire_owned().await else {
            return false;
        };
        let done = tokio::task::spawn_blocking(move || {
            job();
            // Held to the end of the job, not of the request: one that gives up must not make room for another job.
            drop((permit, admitted));
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "a long computation failed");
        }
        true
    }
}

/// The time of this machine.
pub(crate) fn now() -> Timestamp {
    timestamp(since_epoch())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn timestamp(since_epoch: Duration) -> Timestamp {
    Timestamp(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}

/// The operating system's random generator.
pub struct OperatingSystem;

impl Entropy for OperatingSystem {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "every supported system has a generator, and it does not fail once the system runs"
        )]
        getrandom::fill(bytes).expect("the system's random generator answers");
    }
}

#[async_trait]
impl IdTokenKeys for KeyRing {
    async fn signing(&self, cx: &Cx<'_>, alg: Option<Alg>, until: Timestamp) -> Result<Arc<SigningKey>, Failure> {
        Ok(self.id_token_key(cx, alg, until).await?)
    }

    async fn verifying(&self, cx: &Cx<'_>) -> Result<Vec<VerifyingKey>, Failure> {
        Ok(self.read_through(cx).await?.verifying().to_vec())
    }

    async fn signing_access(
        &self,
        cx: &Cx<'_>,
        alg: Option<Alg>,
        until: Timestamp,
    ) -> Result<Arc<SigningKey>, Failure> {
        Ok(self.access_token_key(cx, alg, until).await?)
    }

    async fn verifying_access(&self, cx: &Cx<'_>) -> Result<Vec<VerifyingKey>, Failure> {
        Ok(self.read_through(cx).await?.verifying_access().to_vec())
    }

    async fn algorithms(&self, cx: &Cx<'_>) -> Result<Vec<Alg>, Failure> {
        Ok(self.keys(cx).await?.signing_algs())
    }
}

//! What a use case works with: the context of its request, the facts, and the keys.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use claviger_jose::{Alg, SigningKey, VerifyingKey};

use crate::client::{Client, ParsedClients};
use crate::context::{Cx, Timestamp};
use crate::device::guesses::Guesses;
use crate::fault::{Failure, Fault};
use crate::outgoing::Fetch;
use crate::port::{Freshness, Store};
use crate::remote_keys::RemoteKeys;
use crate::witness::Witness;

/// The keys that sign ID tokens and access tokens, and those that verify one that comes back.
#[async_trait]
pub trait IdTokenKeys: Send + Sync {
    /// The newest key for an algorithm that a client chose, or that the operator chose if none is given. It stays
    /// published at least until `until`, when what is signed with it has no use any more.
    async fn signing(&self, cx: &Cx<'_>, alg: Option<Alg>, until: Timestamp) -> Result<Arc<SigningKey>, Failure>;
    /// Every key that is still published (D28).
    async fn verifying(&self, cx: &Cx<'_>) -> Result<Vec<VerifyingKey>, Failure>;
    /// As [`Self::signing`] for access tokens.
    async fn signing_access(&self, cx: &Cx<'_>, alg: Option<Alg>, until: Timestamp)
    -> Result<Arc<SigningKey>, Failure>;
    /// Every key for access tokens that is still published.
    async fn verifying_access(&self, cx: &Cx<'_>) -> Result<Vec<VerifyingKey>, Failure>;
    /// The algorithms for which a key is there.
    async fn algorithms(&self, cx: &Cx<'_>) -> Result<Vec<Alg>, Failure>;
}

/// Threads for what takes long: hashing, which must not hold up those that serve requests.
#[async_trait]
pub trait Slow: Send + Sync {
    /// Runs the job to its end, also if nobody waits for it any more. False if there are too many jobs already: then it
    /// was not run.
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> bool;
}

/// Everything that a use case may ask.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// Time, randomness, policy and secrets.
    pub cx: Cx<'a>,
    /// Facts and changes.
    pub store: &'a dyn Store,
    /// The keys of ID tokens.
    pub keys: &'a dyn IdTokenKeys,
    /// Clients that were parsed before.
    pub clients: &'a ParsedClients,
    /// The wrong user codes that were entered lately.
    pub guesses: &'a Guesses,
    /// Where long computations run.
    pub slow: &'a dyn Slow,
    /// The way to what others publish.
    pub fetch: &'a dyn Fetch,
    /// Key sets that were fetched before.
    pub remote_keys: &'a RemoteKeys,
    /// Who is told what came to pass.
    pub witness: &'a dyn Witness,
}

impl World<'_> {
    /// The client with this id.
    ///
    /// # Errors
    /// What the store says.
    pub async fn client(&self, id: &str, freshness: Freshness) -> Result<Option<Arc<Client>>, Failure> {
        let Some(record) = self.store.client(id, freshness).await? else {
            return Ok(None);
        };
        Ok(Some(self.clients.read(&record)?))
    }

    /// The result of a long computation.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if too many wait, [`Failure::Internal`] if the job came to no end.
    pub async fn compute<T, F>(&self, job: F) -> Result<T, Failure>
    where
        T: Send + Sync + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let result = Arc::new(OnceLock::new());
        let slot = Arc::clone(&result);
        let is_run = self.slow.run(Box::new(move || {
            let _ = slot.set(job());
        }));
        if !is_run.await {
            return Err(Fault::Unavailable.into());
        }
        Arc::into_inner(result)
            .and_then(OnceLock::into_inner)
            .ok_or_else(|| Failure::Internal("a long computation came to no end".to_owned()))
    }
}

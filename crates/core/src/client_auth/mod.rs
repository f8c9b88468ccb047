//! Client authentication at the token endpoint and its like.
//!
//! Implements RFC 6749 §2.3 and §3.2.1: a client uses exactly one method, the one that it is registered for. One file
//! per method, one line per method in [`METHODS`].
//!
//! Attacks: guessing which clients exist (an unknown client and a wrong secret get the same answer after the same
//! work), guessing secrets (hashing is bounded in number and never on the threads that serve requests), downgrade to
//! another method (refused, and told only to who knows the secret).

mod assertion;
mod client_secret_jwt;
mod none;
mod private_key_jwt;
mod remembered;
pub mod secret;
mod secret_basic;
mod secret_post;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use self::assertion::Assertion;
pub use self::remembered::LastProven;
use crate::client::{AuthMethod, Client};
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::port::{Change, Freshness, Outcome};
use crate::world::World;

/// Reads the credentials of one method; none if the request does not use it.
type Read = fn(&Credentials<'_>) -> Result<Option<Presented>, Failure>;

/// Every method that works.
const METHODS: [(AuthMethod, Read); 5] = [
    (AuthMethod::ClientSecretBasic, secret_basic::read),
    (AuthMethod::ClientSecretPost, secret_post::read),
    (AuthMethod::PrivateKeyJwt, private_key_jwt::read),
    (AuthMethod::ClientSecretJwt, client_secret_jwt::read),
    (AuthMethod::None, none::read),
];

/// Where a request can carry the credentials of its client.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The `Authorization` header. A request with several of them is refused before.
    pub authorization: Option<&'a str>,
    /// The form in the body.
    pub params: &'a Params,
}

/// A client that proved who it is. Only [`authenticate`] makes one.
pub struct Authenticated {
    /// The client.
    pub client: Arc<Client>,
    _proof: Proof,
}

/// Keeps [`Authenticated`] from being made elsewhere.
struct Proof;

/// The credentials of a request, by the method that it uses.
struct Presented {
    method: AuthMethod,
    id: String,
    shown: Shown,
}

/// What is to prove it.
enum Shown {
    /// No secret, or an empty one.
    Nothing,
    Secret(Zeroizing<String>),
    Assertion(Assertion),
}

/// The credentials of one request, which may have to be judged more than once: an assertion is used up by the first time
/// that it proves anything, and stays good for this request.
pub struct Authentication<'a> {
    credentials: &'a Credentials<'a>,
    is_used: AtomicBool,
}

impl<'a> Authentication<'a> {
    /// Of these credentials, before anything is judged.
    #[must_use]
    pub fn of(credentials: &'a Credentials<'a>) -> Self {
        Self {
            credentials,
            is_used: AtomicBool::new(false),
        }
    }
}

/// Finds out which client sent the request: [`Authentication::client`], once.
///
/// # Errors
/// A refusal, or what the store says.
pub async fn authenticate(
    world: &World<'_>,
    credentials: &Credentials<'_>,
    freshness: Freshness,
) -> Result<Authenticated, Failure> {
    Authentication::of(credentials).client(world, freshness).await
}

impl Authentication<'_> {
    /// Finds out which client sent the request.
    ///
    /// With [`Freshness::ProvedByWrite`] the client may be a remembered one, so what follows must be a change that names
    /// its version. A refusal is always decided on the latest facts.
    ///
    /// # Errors
    /// A refusal, or what the store says.
    pub async fn client(&self, world: &World<'_>, freshness: Freshness) -> Result<Authenticated, Failure> {
        let presented = Presented::read(self.credentials)?;
        let known = world.client(&presented.id, freshness).await?;
        let refusal = match self.judge(world, &presented, known.clone()).await {
            Err(refusal @ Failure::Refused(..)) if freshness == Freshness::ProvedByWrite => refusal,
            decided => return decided,
        };
        let latest = world.client(&presented.id, Freshness::Latest).await?;
        if version(latest.as_deref()) == version(known.as_deref()) {
            return Err(refusal);
        }
        self.judge(world, &presented, latest).await
    }

    async fn judge(
        &self,
        world: &World<'_>,
        presented: &Presented,
        client: Option<Arc<Client>>,
    ) -> Result<Authenticated, Failure> {
        match &presented.shown {
            Shown::Nothing => {
                let client = client.filter(|client| client.is_public());
                client.map(Authenticated::proven).ok_or(Fault::ClientUnknown.into())
            }
            Shown::Secret(secret) => presented.judge_secret(world, secret, client).await,
            Shown::Assertion(assertion) => {
                // Who cannot sign for a client does not learn whether there is one.
                let client = client.filter(|client| client.auth_method == presented.method);
                let client = client.ok_or(Fault::ClientAssertion)?;
                self.judge_assertion(world, assertion, client).await
            }
        }
    }

    async fn judge_assertion(
        &self,
        world: &World<'_>,
        assertion: &Assertion,
        client: Arc<Client>,
    ) -> Result<Authenticated, Failure> {
        let verified = match client.auth_method {
            AuthMethod::ClientSecretJwt => {
                require_unexpired(world, &client)?;
                client_secret_jwt::verify(world, &client, assertion)
            }
            _ => private_key_jwt::verify(world, &client, assertion).await?,
        };
        let accepted = assertion::accept(world, &client, &verified.ok_or(Fault::ClientAssertion)?)?;
        if let Some(used) = accepted.used
            && !self.is_used.load(Ordering::Relaxed)
        {
            if world.store.apply(Change::UseAssertion(used)).await? == Outcome::LostRace {
                return Err(Fault::ClientAssertionUsed.into());
            }
            self.is_used.store(true, Ordering::Relaxed);
        }
        Ok(Authenticated::proven(client))
    }
}

fn version(client: Option<&Client>) -> Option<i64> {
    client.map(|client| client.version)
}

impl Presented {
    /// "The client MUST NOT use more than one authentication method in each request" (RFC 6749 §2.3).
    fn read(credentials: &Credentials<'_>) -> Result<Self, Failure> {
        let mut used = None;
        for (_, read) in METHODS {
            let Some(presented) = read(credentials)? else { continue };
            if used.replace(presented).is_some() {
                return Err(Fault::CredentialsTwice.into());
            }
        }
        let presented = used.ok_or(Fault::ClientUnnamed)?;
        if presented.id.is_empty() {
            return Err(Fault::ClientUnnamed.into());
        }
        match credentials.params.get("client_id") {
            Some(id) if id != presented.id => Err(Fault::CredentialsTwice.into()),
            _ => Ok(presented),
        }
    }

    async fn judge_secret(
        &self,
        world: &World<'_>,
        presented: &str,
        client: Option<Arc<Client>>,
    ) -> Result<Authenticated, Failure> {
        // A public client has no secret, so none can be right.
        let confidential = client.filter(|client| !client.is_public());
        let is_right = secret::proves(world, confidential.as_deref(), presented).await?;
        let Some(client) = confidential.filter(|_| is_right) else {
            return Err(Fault::ClientUnknown.into());
        };
        if client.auth_method != self.method {
            let detail = format!("It is registered for {}.", client.auth_method.as_str());
            return Err(Fault::ClientMethodUnregistered.because(detail));
        }
        // Only who knows the secret learns that it has expired.
        require_unexpired(world, &client)?;
        Ok(Authenticated::proven(client))
    }
}

/// `client_secret_expires_at` (RFC 7591 §3.2.1).
fn require_unexpired(world: &World<'_>, client: &Client) -> Result<(), Failure> {
    match client.choices.secret_expires_at {
        Some(at) if at <= world.cx.now => Err(Fault::ClientSecretExpired.into()),
        _ => Ok(()),
    }
}

impl Authenticated {
    fn proven(client: Arc<Client>) -> Self {
        Self { client, _proof: Proof }
    }
}

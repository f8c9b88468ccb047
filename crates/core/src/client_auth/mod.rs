//! Client authentication at the token endpoint and its like.
//!
//! Implements RFC 6749 §2.3 and §3.2.1: a client uses exactly one method, the one that it is registered for. One file
//! per method, one line per method in [`METHODS`].
//!
//! Attacks: guessing which clients exist (an unknown client and a wrong secret get the same answer after the same
//! work), guessing secrets (hashing is bounded in number and never on the threads that serve requests), downgrade to
//! another method (refused, and told only to who knows the secret).

mod none;
mod remembered;
pub mod secret;
mod secret_basic;
mod secret_post;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use zeroize::Zeroizing;

pub use self::remembered::LastProven;
use crate::client::{AuthMethod, Client};
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::port::Freshness;
use crate::world::World;

/// Reads the credentials of one method; none if the request does not use it.
type Read = fn(&Credentials<'_>) -> Result<Option<Presented>, Failure>;

/// Every method that works.
const METHODS: [(AuthMethod, Read); 3] = [
    (AuthMethod::ClientSecretBasic, secret_basic::read),
    (AuthMethod::ClientSecretPost, secret_post::read),
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
    /// None if no secret was sent, or an empty one.
    secret: Option<Zeroizing<String>>,
}

/// Finds out which client sent the request.
///
/// With [`Freshness::ProvedByWrite`] the client may be a remembered one, so what follows must be a change that names
/// its version. A refusal is always decided on the latest facts.
///
/// # Errors
/// A refusal, or what the store says.
pub async fn authenticate(
    world: &World<'_>,
    credentials: &Credentials<'_>,
    freshness: Freshness,
) -> Result<Authenticated, Failure> {
    let presented = Presented::read(credentials)?;
    let known = world.client(&presented.id, freshness).await?;
    let refusal = match presented.judge(world, known.clone()).await {
        Err(refusal @ Failure::Refused(..)) if freshness == Freshness::ProvedByWrite => refusal,
        decided => return decided,
    };
    let latest = world.client(&presented.id, Freshness::Latest).await?;
    if version(latest.as_deref()) == version(known.as_deref()) {
        return Err(refusal);
    }
    presented.judge(world, latest).await
}

fn version(client: Option<&Client>) -> Option<i64> {
    client.map(|client| client.version)
}

impl Presented {
    /// "The client MUST NOT use more than one authentication method in each request" (RFC 6749 §2.3).
    fn read(credentials: &Credentials<'_>) -> Result<Self, Failure> {
        if credentials.params.has("client_assertion") {
            return Err(Fault::ClientAssertion.into());
        }
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

    async fn judge(&self, world: &World<'_>, client: Option<Arc<Client>>) -> Result<Authenticated, Failure> {
        let Some(presented) = &self.secret else {
            let client = client.filter(|client| client.is_public());
            return client.map(Authenticated::proven).ok_or(Fault::ClientUnknown.into());
        };
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
        Ok(Authenticated::proven(client))
    }
}

impl Authenticated {
    fn proven(client: Arc<Client>) -> Self {
        Self { client, _proof: Proof }
    }
}

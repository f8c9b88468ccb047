//! The token endpoint: one file per grant type, one line per grant type in [`GRANTS`].
//!
//! Implements RFC 6749 §3.2 and §5. A grant decides on facts that may be remembered, because the change that issues its
//! tokens proves them; what it refuses, and every change that takes something away, is decided on the latest facts.
//!
//! Attacks: redeeming one code or refresh token several times at once (D2, D3: the store applies exactly one of the
//! changes), requests that make the server write without end (the tries are counted).

mod authorization_code;
mod client_credentials;
mod device_code;
mod jwt_bearer;
pub mod lives;
mod pair;
mod refresh_token;
mod response;
#[cfg(test)]
mod tests;

use async_trait::async_trait;

pub use self::response::TokenResponse;
use crate::client::Client;
use crate::client_auth::{Authenticated, Authentication, Credentials};
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::port::{Change, Freshness, Outcome};
use crate::witness::{Parties, Seen};
use crate::world::World;

/// Every grant type that works, in the order in which discovery lists them.
const GRANTS: [(&str, Parse); 5] = [
    ("authorization_code", authorization_code::parse),
    ("refresh_token", refresh_token::parse),
    ("client_credentials", client_credentials::parse),
    (jwt_bearer::NAME, jwt_bearer::parse),
    (DEVICE_CODE, device_code::parse),
];

/// RFC 8628 §3.4.
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Reads the parameters of one grant type.
type Parse = fn(&Cx<'_>, &Params) -> Result<Box<dyn Grant>, Failure>;

/// One decision on remembered facts, then this many on the latest ones. Each further one needs somebody who changed
/// the facts in between.
const TRIES: [Freshness; 4] = [
    Freshness::ProvedByWrite,
    Freshness::Latest,
    Freshness::Latest,
    Freshness::Latest,
];

/// A request for tokens whose parameters were read.
#[async_trait]
trait Grant: Send + Sync {
    /// Gathers facts of this freshness, decides and commits.
    async fn attempt(
        &self,
        world: &World<'_>,
        client: &Authenticated,
        freshness: Freshness,
    ) -> Result<Attempt, Failure>;
}

/// What an attempt came to, unless it was refused and that is all.
enum Attempt {
    /// The tokens are issued.
    Issued(TokenResponse),
    /// The facts were not the latest ones; decide again.
    Outdated,
    /// Refused, and the request shows that something must end: this change comes first.
    RefusedWith(Box<Change>, Fault),
}

/// Whose tokens an answer has, and why.
struct Whose<'a> {
    client: &'a Client,
    subject: &'a str,
    grant_type: &'static str,
}

impl Attempt {
    /// What the change came to that issues the tokens of this answer.
    fn of(world: &World<'_>, outcome: Outcome, response: TokenResponse, whose: Whose<'_>) -> Self {
        match outcome {
            Outcome::Applied => {
                world.witness.see(Seen::Issued {
                    to: Parties {
                        client: &whose.client.id,
                        subject: whose.subject,
                    },
                    grant_type: whose.grant_type,
                    access: Some(whose.client.access_token_format(world.cx.policy)),
                    refresh: response.has_refresh_token(),
                    id_token: response.has_id_token(),
                });
                Self::Issued(response)
            }
            Outcome::LostRace => Self::Outdated,
        }
    }
}

/// The names of the grant types that work.
pub fn supported() -> impl Iterator<Item = &'static str> {
    GRANTS.iter().map(|(name, _)| *name)
}

/// The grant type of this name as metrics call it; `other` for one that is unknown or missing.
#[must_use]
pub fn name_of(grant_type: &str) -> &'static str {
    let known = GRANTS.iter().map(|(name, _)| *name).find(|known| *known == grant_type);
    known.unwrap_or("other")
}

/// Answers a request to the token endpoint.
///
/// # Errors
/// A refusal, or what the store says.
pub async fn run(world: &World<'_>, credentials: &Credentials<'_>) -> Result<TokenResponse, Failure> {
    let name = credentials.params.get("grant_type").ok_or(Fault::GrantTypeMissing)?;
    let known = GRANTS.iter().find(|(known, _)| *known == name);
    let (_, parse) = known.ok_or(Fault::GrantTypeUnsupported)?;
    let authentication = Authentication::of(credentials);
    let mut request = None;
    // A try that is repeated would ask the operator's hook again, and remembered facts might ask it for nothing.
    let asks = world.cx.policy.hooks.is_any();
    let tries = TRIES
        .into_iter()
        .filter(|freshness| !asks || *freshness == Freshness::Latest);
    for freshness in tries {
        let client = authentication.client(world, freshness).await?;
        if !client.client.has_grant_type(name) {
            if freshness == Freshness::Latest {
                return Err(Fault::GrantTypeUnregistered.into());
            }
            continue;
        }
        // Only a client that authenticated learns what is wrong with its parameters; facts do not change them.
        let request = match &request {
            Some(request) => request,
            None => request.insert(parse(&world.cx, credentials.params)?),
        };
        if let Some(response) = settle(world, &**request, &client, freshness).await? {
            return Ok(response);
        }
    }
    Err(Fault::Unavailable.into())
}

/// One attempt and its consequences; none if it must be decided again.
async fn settle(
    world: &World<'_>,
    request: &dyn Grant,
    client: &Authenticated,
    freshness: Freshness,
) -> Result<Option<TokenResponse>, Failure> {
    let is_final = freshness == Freshness::Latest;
    match request.attempt(world, client, freshness).await {
        Ok(Attempt::Issued(response)) => Ok(Some(response)),
        Ok(Attempt::RefusedWith(change, fault)) if is_final => match world.store.apply(*change).await? {
            Outcome::Applied => Err(fault.into()),
            Outcome::LostRace => Ok(None),
        },
        Ok(Attempt::Outdated | Attempt::RefusedWith(..)) => Ok(None),
        Err(Failure::Refused(..)) if !is_final => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether the scopes of a person's grant include that it lasts beyond the person's presence (OpenID Connect Core §11,
/// and Hydra's synonym).
fn is_offline(scope: &[String]) -> bool {
    scope.iter().any(|word| word == "offline_access" || word == "offline")
}

/// Refuses scopes that the client is not registered for.
pub(crate) fn require_scopes(cx: &Cx<'_>, client: &Client, scope: &[String]) -> Result<(), Failure> {
    match scope.iter().find(|word| !client.may_have_scope(cx.policy, word)) {
        Some(word) => Err(Fault::ScopeUnregistered.because(format!("It is '{word}'."))),
        None => Ok(()),
    }
}

/// Refuses audiences that the client is not registered for.
pub(crate) fn require_audiences(client: &Client, audience: &[String]) -> Result<(), Failure> {
    match audience.iter().find(|wanted| !client.may_have_audience(wanted)) {
        Some(wanted) => Err(Fault::AudienceUnregistered.because(format!("It is '{wanted}'."))),
        None => Ok(()),
    }
}

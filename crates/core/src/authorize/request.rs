//! An authorization request that was judged: what the hops of a flow work with.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::checks::{CHECKS, Check, OF_DEVICES, Subject};
use super::claims::Claims;
use super::end::End;
use super::prompt::{Prompt, hint};
use super::return_path::ReturnPath;
use crate::client::Client;
use crate::context::{Id, Policy, Timestamp};
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::port::Freshness;
use crate::subject::pairwise;
use crate::world::World;

/// A request that may go on.
pub(crate) struct AuthorizationRequest {
    pub(crate) params: Params,
    pub(crate) client: Arc<Client>,
    pub(crate) end: End,
    pub(crate) prompt: Prompt,
    /// The parameter `claims`.
    pub(crate) claims: Claims,
    /// The claims of `id_token_hint`, if one was sent.
    hint: Option<Map<String, Value>>,
}

/// What of a request needs more than a look.
struct Judged {
    prompt: Prompt,
    hint: Option<Map<String, Value>>,
    claims: Claims,
}

/// A request that may not go on, and who is told.
pub(crate) enum Refused {
    /// The person, on a page: there is no address that may be trusted.
    Here(Failure),
    /// The client.
    There(ReturnPath, Failure),
}

impl Refused {
    /// Whether the request was judged, so that other facts may lead to another answer.
    pub(crate) fn is_decision(&self) -> bool {
        let (Self::Here(failure) | Self::There(_, failure)) = self;
        matches!(failure, Failure::Refused(..))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Here(fault.into())
    }
}

impl AuthorizationRequest {
    /// Reads and judges a request, of a client or on behalf of a device.
    pub(crate) async fn read(
        world: &World<'_>,
        params: Params,
        device: Option<Id>,
        freshness: Freshness,
    ) -> Result<Self, Refused> {
        let id = params.get("client_id").ok_or(Fault::ClientMissing)?;
        let client = world.client(id, freshness).await?.ok_or(Fault::ClientMissing)?;
        let end = End::find(world, &client, &params, device).await?;
        let checks = if device.is_some() { OF_DEVICES } else { CHECKS };
        match Self::judge(world, &params, &client, checks).await {
            Ok(Judged { prompt, hint, claims }) => Ok(Self {
                params,
                client,
                end,
                prompt,
                claims,
                hint,
            }),
            Err(failure) => Err(end.refuse(failure)),
        }
    }

    async fn judge(world: &World<'_>, params: &Params, client: &Client, checks: &[Check]) -> Result<Judged, Failure> {
        let subject = Subject {
            params,
            client,
            policy: world.cx.policy,
        };
        for check in checks {
            check(&subject)?;
        }
        let prompt = Prompt::parse(params.get("prompt").unwrap_or_default())?;
        let hint = match params.get("id_token_hint") {
            Some(text) => Some(hint(world, text).await?),
            None => None,
        };
        let claims = Claims::parse(params)?;
        Ok(Judged { prompt, hint, claims })
    }

    /// Whether the client may get an answer about this person, whose session this is (OpenID Connect Core §3.1.2.2). An
    /// identifier that the login app chose for the client is known by the session only.
    pub(crate) fn is_about(&self, policy: &Policy, subject: &str, session: Id) -> bool {
        if self.hint.is_none() && self.claims.subject().is_none() {
            return true;
        }
        // Where pairwise identifiers are not enabled any more, the flow ends in an error whatever the hint says.
        let pairwise = pairwise(policy, &self.client, subject, None).unwrap_or_default();
        let name = pairwise.as_deref().unwrap_or(subject);
        let is_wanted = self.claims.subject().is_none_or(|wanted| wanted == name);
        let is_hinted = self.hint.as_ref().is_none_or(|claims| {
            let hinted = |name: &str| claims.get(name).and_then(Value::as_str);
            let is_session = hinted("sid").and_then(Id::parse) == Some(session);
            hinted("sub") == Some(name) || pairwise.is_some() && is_session
        });
        is_wanted && is_hinted
    }

    /// Whether a login at `authenticated_at` is too old for the client at `now`. With `max_age=0` every one is.
    pub(crate) fn is_too_old(&self, authenticated_at: Timestamp, now: Timestamp) -> bool {
        let asked = self.params.get("max_age").and_then(|text| text.parse::<u64>().ok());
        // `default_max_age`: "The max_age request parameter overrides this default value" (Dynamic Registration §2).
        match asked.or(self.client.choices.default_max_age.map(u64::from)) {
            Some(0) => true,
            Some(most) => now.seconds_since(authenticated_at) > most,
            None => false,
        }
    }

    /// The error response.
    pub(crate) fn refuse(self, failure: impl Into<Failure>) -> Refused {
        self.end.refuse(failure.into())
    }
}

//! A logout request that was judged.
//!
//! RP-Initiated Logout §2 and §3.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::end::Ending;
use crate::authorize::hint;
use crate::client::Client;
use crate::context::Id;
use crate::fault::{Failure, Fault};
use crate::flow::with_parameter;
use crate::params::Params;
use crate::port::Freshness;
use crate::world::World;

/// Seconds by which the clock of the server that signed a hint may be ahead of ours.
const CLOCK_SKEW: i64 = 60;

/// What an ID token proves.
struct Hint {
    session: Id,
    subject: String,
    audience: Vec<String>,
}

/// A request that may go on.
pub(super) struct LogoutRequest {
    pub(super) params: Params,
    pub(super) client: Option<Arc<Client>>,
    /// Where the person goes in the end.
    pub(super) target: String,
    hint: Option<Hint>,
}

impl LogoutRequest {
    /// Reads and judges a request.
    pub(super) async fn read(world: &World<'_>, params: &Params) -> Result<Self, Failure> {
        let hint = match params.get("id_token_hint") {
            Some(text) => Some(Hint::of(&hint(world, text).await?, world.cx.now.0)?),
            None => None,
        };
        let client = client(world, params, hint.as_ref()).await?;
        Ok(Self {
            target: target(world, params, client.as_deref())?,
            params: params.clone(),
            client,
            hint,
        })
    }

    /// The session that is to end: the one of the ID token, or else the one that the browser shows.
    pub(super) fn session(&self, shown: Option<Id>) -> Option<Id> {
        self.hint.as_ref().map(|hint| hint.session).or(shown)
    }

    /// Whether an ID token proves that its client has something of the session.
    pub(super) fn is_hinted(&self) -> bool {
        self.hint.is_some()
    }

    /// Whose session the ID token says it is; empty if it does not, as one with an identifier for its client alone.
    pub(super) fn subject(&self) -> &str {
        let is_pairwise = self
            .client
            .as_ref()
            .is_some_and(|client| client.choices.sector.is_some());
        let hint = self.hint.as_ref().filter(|_| !is_pairwise);
        hint.map(|hint| hint.subject.as_str()).unwrap_or_default()
    }

    /// Whether the person need not be asked. Who merely names a client cannot save the question.
    pub(super) fn may_skip_page(&self) -> bool {
        self.is_hinted() && self.client.as_ref().is_some_and(|client| client.skips_logout_page())
    }

    pub(super) fn ending(&self, session: Id, subject: &str) -> Ending {
        Ending {
            session,
            subject: subject.to_owned(),
            target: self.target.clone(),
        }
    }
}

impl Hint {
    fn of(claims: &Map<String, Value>, now: i64) -> Result<Self, Fault> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if claims
            .get("iat")
            .and_then(Value::as_i64)
            .is_none_or(|iat| iat > now + CLOCK_SKEW)
        {
            return Err(Fault::HintInvalid);
        }
        let audience = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            session: text("sid").and_then(Id::parse).ok_or(Fault::HintInvalid)?,
            subject: text("sub").unwrap_or_default().to_owned(),
            audience,
        })
    }
}

/// The client that asks, if it says who it is (D29).
async fn client(world: &World<'_>, params: &Params, hint: Option<&Hint>) -> Result<Option<Arc<Client>>, Failure> {
    let named = params.get("client_id");
    let candidates: Vec<&str> = match (named, hint) {
        (None, None) => return Ok(None),
        (Some(named), None) => vec![named],
        (None, Some(hint)) => hint.audience.iter().map(String::as_str).collect(),
        (Some(named), Some(hint)) if hint.audience.iter().any(|aud| aud == named) => vec![named],
        (Some(_), Some(_)) => return Err(Fault::LogoutClientMismatch.into()),
    };
    for id in candidates {
        if let Some(client) = world.client(id, Freshness::Latest).await? {
            return Ok(Some(client));
        }
    }
    Err(Fault::LogoutClientUnknown.into())
}

/// Where the person goes in the end. `state` goes with a registered address, and means nothing without one.
pub(super) fn target(world: &World<'_>, params: &Params, client: Option<&Client>) -> Result<String, Failure> {
    let Some(uri) = params.get("post_logout_redirect_uri") else {
        return Ok(world.cx.policy.post_logout_url.clone());
    };
    let client = client.ok_or(Fault::LogoutUnbound)?;
    if !client.may_leave_to(uri) {
        return Err(Fault::LogoutUriUnregistered.into());
    }
    Ok(match params.get("state") {
        Some(state) => with_parameter(uri, "state", state),
        None => uri.to_owned(),
    })
}

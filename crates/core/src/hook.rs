//! Hooks: the operator's own service is asked before tokens are issued.
//!
//! No specification; the shapes are Hydra's (`oauth2.token_hook`, `oauth2.refresh_token_hook`). A hook runs after everything
//! else was judged and before anything is written, so that who refuses uses nothing up. It may give claims, for the access
//! token and for the ID token; what it does not name stays. Deviates from Hydra: claims of the hook win over those of the
//! consent at every grant, an empty answer changes nothing, and an answer that is a failure of the hook's own is not asked for
//! again.
//!
//! Attacks: a service that passes for the hook (TLS and the key that is sent are the operator's choice), one that never
//! answers (time and size are bounded by the way out), claims that pass as ours (reserved ones are left out where tokens
//! are made).

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::consented::Consented;
use crate::context::{Cx, Timestamp};
use crate::fault::{Failure, Fault};
use crate::outgoing::{Answer, Outgoing};
use crate::world::World;

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// An absolute URL.
    pub url: String,
    /// How it knows us, if it must.
    pub auth: Option<HookAuth>,
}

/// A key that is sent along (`auth`, of type `api_key`).
#[derive(Clone, PartialEq, Eq)]
pub struct HookAuth {
    /// In a cookie rather than in a header.
    pub in_cookie: bool,
    /// The name of either.
    pub name: String,
    /// The key.
    pub value: Zeroizing<String>,
}

impl fmt::Debug for HookAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookAuth({})", self.name)
    }
}

/// The operator's hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Asked at every grant (`oauth2.token_hook`).
    pub token: Option<Hook>,
    /// Asked at a refresh, before the other (`oauth2.refresh_token_hook`).
    pub refresh: Option<Hook>,
}

impl Hooks {
    /// Whether anybody is asked at all.
    pub(crate) fn is_any(&self) -> bool {
        self.token.is_some() || self.refresh.is_some()
    }
}

/// What is about to happen.
pub(crate) struct Event<'a> {
    pub(crate) grant_type: &'static str,
    pub(crate) client: &'a Client,
    pub(crate) subject: &'a str,
    pub(crate) requested: &'a [String],
    pub(crate) scope: &'a [String],
    pub(crate) audience: &'a [String],
    /// The assertion of a jwt-bearer grant.
    pub(crate) assertion: Option<&'a str>,
}

/// An answer with status 200.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    session: Option<Session>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Session {
    access_token: Option<Map<String, Value>>,
    id_token: Option<Map<String, Value>>,
}

/// Asks the token hook, if there is one, and says whether it changed the claims.
pub(crate) async fn token(world: &World<'_>, event: &Event<'_>, consented: &mut Consented) -> Result<bool, Failure> {
    let Some(hook) = &world.cx.policy.hooks.token else {
        return Ok(false);
    };
    let body = json!({"session": event.session(&world.cx, consented), "request": event.request()});
    Ok(take(consented, ask(world, hook, &body).await?))
}

/// Asks the hook for refreshed tokens, and then the other one.
pub(crate) async fn refresh(world: &World<'_>, event: &Event<'_>, consented: &mut Consented) -> Result<bool, Failure> {
    let Some(hook) = &world.cx.policy.hooks.refresh else {
        return token(world, event, consented).await;
    };
    let body = json!({
        "subject": event.subject,
        "session": event.session(&world.cx, consented),
        "requester": {
            "client_id": event.client.id, "granted_scopes": event.scope, "granted_audience": event.audience,
            "grant_types": [event.grant_type],
        },
        "client_id": event.client.id,
        "granted_scopes": event.scope,
        "granted_audience": event.audience,
    });
    let is_changed = take(consented, ask(world, hook, &body).await?);
    Ok(token(world, event, consented).await? || is_changed)
}

impl Event<'_> {
    fn session(&self, cx: &Cx<'_>, consented: &Consented) -> Value {
        let unset = "0001-01-01T00:00:00Z";
        let auth_time = match consented.auth_time {
            0 => unset.to_owned(),
            seconds => Timestamp(seconds).rfc3339(),
        };
        json!({
            "id_token": {
                "id_token_claims": {
                    "jti": "", "iss": cx.policy.issuer, "sub": self.subject, "aud": [self.client.id],
                    "nonce": consented.nonce.as_deref().unwrap_or_default(), "exp": unset, "iat": unset, "rat": unset,
                    "auth_time": auth_time, "at_hash": "", "acr": consented.acr.as_deref().unwrap_or_default(),
                    "amr": consented.amr, "c_hash": "", "ext": consented.id_token,
                },
                "headers": {"extra": {}},
                "expires_at": {},
                "subject": self.subject,
            },
            "extra": consented.access_token,
            "kid": "",
            "client_id": self.client.id,
            "consent_challenge": "",
            "exclude_not_before_claim": !cx.policy.access_token.not_before,
            "allowed_top_level_claims": cx.policy.access_token.top_level,
            "mirror_top_level_claims": cx.policy.access_token.mirror,
        })
    }

    fn request(&self) -> Value {
        let one = |value: &str| json!([value]);
        let mut payload = Map::new();
        payload.insert("grant_type".to_owned(), one(self.grant_type));
        payload.insert("client_id".to_owned(), one(&self.client.id));
        if !self.requested.is_empty() {
            payload.insert("scope".to_owned(), one(&self.requested.join(" ")));
        }
        if let Some(assertion) = self.assertion {
            payload.insert("assertion".to_owned(), one(assertion));
        }
        json!({
            "client_id": self.client.id,
            "requested_scopes": self.requested,
            "granted_scopes": self.scope,
            "granted_audience": self.audience,
            "grant_types": [self.grant_type],
            "payload": payload,
        })
    }
}

/// The claims that the hook gives; none if it lets everything be.
async fn ask(world: &World<'_>, hook: &Hook, body: &Value) -> Result<Session, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::Internal(error.to_string()))?;
    let mut request = Outgoing::post(&hook.url, "application/json; charset=UTF-8", body).repeatable();
    if let Some(auth) = &hook.auth {
        request = if auth.in_cookie {
            request.with_header("Cookie", &format!("{}={}", auth.name, auth.value.as_str()))
        } else {
            request.with_header(&auth.name, &auth.value)
        };
    }
    match world.fetch.fetch(request).await {
        Ok(Answer { status: 204, .. }) => Ok(Session::default()),
        Ok(Answer { status: 200, body }) if body.is_empty() => Ok(Session::default()),
        Ok(Answer { status: 200, body }) => {
            let unreadable = |_| Fault::HookFailed.because("It answered with something else than the documented JSON.");
            let members: Map<String, Value> = serde_json::from_slice(&body).map_err(unreadable)?;
            let reply: Reply = serde_json::from_value(members.into()).map_err(unreadable)?;
            Ok(reply.session.unwrap_or_default())
        }
        Ok(Answer { status: 403, .. }) => Err(Fault::HookDenied.into()),
        Ok(Answer { status, .. }) => Err(Fault::HookFailed.because(format!("It answered with status {status}."))),
        Err(failed) => Err(Fault::HookFailed.because(format!("It gave no answer: {failed}."))),
    }
}

/// Puts the claims in place of those that were there.
fn take(consented: &mut Consented, given: Session) -> bool {
    let mut is_changed = false;
    for (claims, given) in [
        (&mut consented.access_token, given.access_token),
        (&mut consented.id_token, given.id_token),
    ] {
        if let Some(given) = given.filter(|given| given != claims) {
            *claims = given;
            is_changed = true;
        }
    }
    is_changed
}

#[cfg(test)]
mod tests;

//! Token introspection.
//!
//! Implements RFC 7662 §2. Deviates: `token_type_hint` is not looked at, because a token tells its own kind. Attacks:
//! token scanning (§4: an answer says nothing about tokens that the caller has no business with), forged tokens (the
//! digest of the whole is compared, not only the lookup part).

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use crate::client_auth::Authenticated;
use crate::consented::Consented;
use crate::context::{Cx, Timestamp};
use crate::fault::{Failure, Fault};
use crate::params::words;
use crate::port::GrantRecord;
use crate::scope;
use crate::token::lookup::{KnownAccess, KnownRefresh};
use crate::world::World;

/// Who asks.
#[derive(Clone, Copy)]
pub enum Caller<'a> {
    /// The operator's side: every token is described.
    Admin {
        /// Only a token with all of these scopes, space-delimited, counts as active.
        scope: Option<&'a str>,
    },
    /// A client: its own tokens are described, and access tokens that have it in their audience.
    Client(&'a Authenticated),
}

/// What the caller is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspection {
    /// "`{"active": false}` ... SHOULD NOT include any additional information" (§2.2).
    Inactive,
    /// The token lives.
    Active(Box<Active>),
}

/// The description of a token that lives (§2.2).
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Active {
    active: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    client_id: Arc<str>,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    iat: i64,
    nbf: i64,
    aud: Vec<String>,
    iss: String,
    token_type: &'static str,
    token_use: &'static str,
    /// `session.access_token` of the consent application.
    #[serde(skip_serializing_if = "Map::is_empty")]
    ext: Map<String, Value>,
}

impl Serialize for Introspection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Active(active) => active.serialize(serializer),
            Self::Inactive => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("active", &false)?;
                map.end()
            }
        }
    }
}

/// Describes the token behind `text` to the caller.
///
/// # Errors
/// [`Fault::ClientUnknown`] if the caller is a public client, [`Failure::Store`] if the database does not answer: whether
/// the token lives is not known then.
pub async fn introspect(world: &World<'_>, text: &str, caller: Caller<'_>) -> Result<Introspection, Failure> {
    // "the endpoint MUST also require some form of authorization" (§2.1), which a client without a secret cannot give.
    if let Caller::Client(caller) = caller
        && caller.client.is_public()
    {
        return Err(Fault::ClientUnknown.because("A public client cannot introspect tokens."));
    }
    if let Some(token) = KnownAccess::find(world, text).await? {
        return access(&world.cx, &token, caller);
    }
    match KnownRefresh::find(world, text).await? {
        Some(token) => refresh(&world.cx, &token, caller),
        None => Ok(Introspection::Inactive),
    }
}

fn access(cx: &Cx<'_>, token: &KnownAccess, caller: Caller<'_>) -> Result<Introspection, Failure> {
    let is_told = token.lives(cx.now)
        && match caller {
            Caller::Admin { scope } => has_scopes(cx, token.scope(), scope),
            Caller::Client(Authenticated { client, .. }) => {
                client.id == *token.client_id() || token.audience().iter().any(|entry| **entry == *client.id)
            }
        };
    if !is_told {
        return Ok(Introspection::Inactive);
    }
    Ok(Introspection::Active(Box::new(Active {
        active: true,
        scope: token.scope().join(" "),
        client_id: Arc::clone(token.client_id()),
        sub: token.subject().to_owned(),
        exp: expiry(token.expires_at),
        iat: token.issued_at.0,
        nbf: token.issued_at.0,
        aud: token.audience().to_vec(),
        iss: cx.policy.issuer.clone(),
        token_type: "Bearer",
        token_use: "access_token",
        ext: extra(cx, token.grant())?,
    })))
}

fn refresh(cx: &Cx<'_>, token: &KnownRefresh, caller: Caller<'_>) -> Result<Introspection, Failure> {
    let grant = token.grant();
    let is_told = token.lives(cx.now)
        && match caller {
            Caller::Admin { scope } => has_scopes(cx, &grant.scope, scope),
            // "Refresh tokens are intended for use only with authorization servers and are never sent to resource
            // servers" (RFC 6749 §1.5): the audience has no business with them.
            Caller::Client(Authenticated { client, .. }) => client.id == grant.client_id,
        };
    if !is_told {
        return Ok(Introspection::Inactive);
    }
    let record = &token.facts().refresh;
    Ok(Introspection::Active(Box::new(Active {
        active: true,
        scope: grant.scope.join(" "),
        client_id: Arc::clone(&grant.client_id),
        sub: grant.subject.clone(),
        exp: expiry(record.expires_at),
        iat: record.issued_at.0,
        nbf: record.issued_at.0,
        aud: grant.audience.clone(),
        iss: cx.policy.issuer.clone(),
        token_type: "Bearer",
        token_use: "refresh_token",
        ext: extra(cx, Some(grant))?,
    })))
}

fn has_scopes(cx: &Cx<'_>, granted: &[String], required: Option<&str>) -> bool {
    words(required.unwrap_or_default()).all(|scope| scope::allows(cx.policy.scope_strategy, granted, scope))
}

/// A token that never expires has no `exp`.
fn expiry(at: Timestamp) -> Option<i64> {
    (at != Timestamp::NEVER).then_some(at.0)
}

fn extra(cx: &Cx<'_>, grant: Option<&GrantRecord>) -> Result<Map<String, Value>, Failure> {
    grant.map_or_else(|| Ok(Map::new()), |grant| Ok(Consented::open(cx, grant)?.access_token))
}

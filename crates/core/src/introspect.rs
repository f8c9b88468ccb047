//! Token introspection.
//!
//! Implements RFC 7662 §2. Deviates: `token_type_hint` is not looked at, because a token tells its own kind. Attacks:
//! token scanning (§4: an answer says nothing about tokens that the caller has no business with), forged tokens (the
//! digest of the whole is compared, not only the lookup part).

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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
use crate::witness::{Parties, Seen};
use crate::world::World;

/// Who asks.
#[derive(Clone, Copy)]
pub enum Caller<'a> {
    /// The operator's side: every token is described.
    Admin {
        /// Only a token with all of these scopes, space-delimited, counts as active.
        scope: Option<&'a str>,
    },
    /// A client: its own tokens are described, and access tokens that have it in their audience; to a resource server, every
    /// access token.
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
#[derive(Clone, Debug, PartialEq, serde::Serialize, JsonSchema)]
#[schemars(rename = "activeOAuth2Token")]
pub struct Active {
    /// `true`.
    #[schemars(extend("const" = true))]
    active: bool,
    /// Separated by spaces.
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    /// The client that the token was issued to.
    client_id: Arc<str>,
    /// The person, or the client that acts for itself.
    sub: String,
    /// Seconds since 1970; absent if the token does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// Seconds since 1970.
    iat: i64,
    /// Seconds since 1970.
    nbf: i64,
    /// For whom the token is meant.
    aud: Vec<String>,
    /// The issuer.
    iss: String,
    /// `Bearer`.
    token_type: &'static str,
    /// `access_token` or `refresh_token`.
    token_use: &'static str,
    /// What the client calls the person, if not by `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    obfuscated_subject: Option<String>,
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

impl JsonSchema for Introspection {
    fn schema_name() -> Cow<'static, str> {
        "introspectedOAuth2Token".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let active = generator.subschema_for::<Active>();
        json_schema!({
            "description": "What a token stands for. Of one that does not live nothing is told.",
            "oneOf": [
                active,
                {
                    "type": "object",
                    "properties": { "active": { "const": false } },
                    "required": ["active"],
                    "additionalProperties": false,
                },
            ],
        })
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
    let told = if let Some(token) = KnownAccess::find(world, text).await? {
        access(&world.cx, &token, caller)?
    } else if let Some(token) = KnownRefresh::find(world, text).await? {
        refresh(&world.cx, &token, caller)?
    } else {
        Introspection::Inactive
    };
    if let Introspection::Active(active) = &told {
        world.witness.see(Seen::Inspected(Parties {
            client: &active.client_id,
            subject: &active.sub,
        }));
    }
    Ok(told)
}

fn access(cx: &Cx<'_>, token: &KnownAccess, caller: Caller<'_>) -> Result<Introspection, Failure> {
    let is_told = token.lives(cx.now)
        && match caller {
            Caller::Admin { scope } => has_scopes(cx, token.scope(), scope),
            Caller::Client(Authenticated { client, .. }) => {
                client.is_resource_server()
                    || client.id == *token.client_id()
                    || token.audience().iter().any(|entry| **entry == *client.id)
            }
        };
    let person = if is_told {
        person(cx, token.grant(), token.hooked(cx))?
    } else {
        None
    };
    let Some(person) = person else {
        return Ok(Introspection::Inactive);
    };
    let (sub, obfuscated_subject) = person.named(token.subject(), token.client_id(), caller);
    Ok(Introspection::Active(Box::new(Active {
        active: true,
        scope: token.scope().join(" "),
        client_id: Arc::clone(token.client_id()),
        sub,
        exp: expiry(token.expires_at),
        iat: token.issued_at.0,
        nbf: token.issued_at.0,
        aud: token.audience().to_vec(),
        iss: cx.policy.issuer.clone(),
        token_type: "Bearer",
        token_use: "access_token",
        obfuscated_subject,
        ext: person.ext,
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
    let person = if is_told { person(cx, Some(grant), None)? } else { None };
    let Some(person) = person else {
        return Ok(Introspection::Inactive);
    };
    let (sub, obfuscated_subject) = person.named(&grant.subject, &grant.client_id, caller);
    let record = &token.facts().refresh;
    Ok(Introspection::Active(Box::new(Active {
        active: true,
        scope: grant.scope.join(" "),
        client_id: Arc::clone(&grant.client_id),
        sub,
        exp: expiry(record.expires_at),
        iat: record.issued_at.0,
        nbf: record.issued_at.0,
        aud: grant.audience.clone(),
        iss: cx.policy.issuer.clone(),
        token_type: "Bearer",
        token_use: "refresh_token",
        obfuscated_subject,
        ext: person.ext,
    })))
}

fn has_scopes(cx: &Cx<'_>, granted: &[String], required: Option<&str>) -> bool {
    words(required.unwrap_or_default()).all(|scope| scope::allows(cx.policy.scope_strategy, granted, scope))
}

/// A token that never expires has no `exp`.
fn expiry(at: Timestamp) -> Option<i64> {
    (at != Timestamp::NEVER).then_some(at.0)
}

/// What is told of who granted.
#[derive(Default)]
struct Person {
    /// The consent app's claims.
    ext: Map<String, Value>,
    /// What the client calls the person, if not by the subject.
    pairwise: Option<String>,
}

impl Person {
    /// `sub` and `obfuscated_subject`. The client itself must not learn what others call the person.
    fn named(&self, subject: &str, owner: &str, caller: Caller<'_>) -> (String, Option<String>) {
        match (caller, &self.pairwise) {
            (Caller::Client(caller), Some(pairwise)) if *caller.client.id == *owner => (pairwise.clone(), None),
            (_, pairwise) => (subject.to_owned(), pairwise.clone()),
        }
    }
}

/// None if the grant cannot be opened, so that its tokens are dead.
fn person(cx: &Cx<'_>, grant: Option<&GrantRecord>, hooked: Option<Consented>) -> Result<Option<Person>, Failure> {
    let consented = match grant {
        Some(grant) => Consented::open(cx, grant)?,
        None => hooked,
    };
    Ok(consented.map(|consented| Person {
        ext: consented.access_token,
        pairwise: consented.subject,
    }))
}

#[cfg(test)]
mod rfc7662_2;

//! Access tokens, opaque or as JWTs: one row in the database for either kind.
//!
//! Implements RFC 9068 §2 (`typ` is `at+jwt`, so that no ID token passes for one), with the claims `scp` and `ext` that
//! clients of Hydra read. Deviates: §3, `aud` has no default; a token for which no audience was asked is accepted by no
//! resource server that follows §4.
//!
//! A JWT stays revocable: `jti` is the lookup id of its row, which holds a digest of the signed claims and not of the
//! signature. So a repeated refresh can sign the very same claims again, though ECDSA never signs twice alike.
//!
//! Attacks: tokens signed by keys of other purposes (only the key set of access tokens counts), claims of the consent
//! app that pass as ours, a token whose row is gone.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use claviger_jose::{Alg, verify_jws};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::opaque::Fresh;
use crate::client::Client;
use crate::consented::Consented;
use crate::context::{Cx, Id, Timestamp};
use crate::fault::Failure;
use crate::port::{AccessRecord, Digest, GrantRecord, Owner};
use crate::subject::shown;
use crate::world::World;

/// The media type of the header, without `application/` (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";

/// Claims that only this server sets, at the top of a token.
const RESERVED: [&str; 12] = [
    "aud",
    "client_id",
    "cnf",
    "exp",
    "ext",
    "iat",
    "iss",
    "jti",
    "nbf",
    "scope",
    "scp",
    "sub",
];

/// The form of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Only this server can read it.
    Opaque,
    /// RFC 9068.
    Jwt,
}

impl Format {
    /// The form with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Opaque, Self::Jwt]
            .into_iter()
            .find(|format| format.as_str() == name)
    }

    /// The name on the admin API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Jwt => "jwt",
        }
    }
}

/// How a JWT names its scopes (`strategies.jwt.scope_claim`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeClaim {
    /// `scp`, a list.
    List,
    /// `scope`, space-delimited (RFC 9068 §2.2.3).
    Text,
    /// Both.
    Both,
}

/// What the operator decided about access tokens.
#[derive(Clone, Debug)]
pub struct AccessTokens {
    /// Their form, unless a client chose another one.
    pub format: Format,
    /// How a JWT names its scopes.
    pub scope_claim: ScopeClaim,
    /// Whether a JWT has `nbf`.
    pub not_before: bool,
    /// Claims of the consent app that stand at the top of a JWT.
    pub top_level: Vec<String>,
    /// Whether those stand in `ext` too.
    pub mirror: bool,
    /// Whether there is an `ext` with the other claims, though nothing is mirrored.
    pub preserve: bool,
}

impl AccessTokens {
    /// What holds if nothing is configured.
    #[must_use]
    pub fn opaque() -> Self {
        Self {
            format: Format::Opaque,
            scope_claim: ScopeClaim::List,
            not_before: true,
            top_level: Vec::new(),
            mirror: true,
            preserve: false,
        }
    }
}

/// An access token that is to be made.
pub(crate) struct Draft<'a> {
    /// The client that gets it.
    pub(crate) client: &'a Client,
    /// The grant of a person; none if the client acts for itself.
    pub(crate) grant: Option<&'a GrantRecord>,
    /// What the grant seals, or what the token hook said of the client.
    pub(crate) consented: &'a Consented,
    /// On whose behalf.
    pub(crate) owner: Owner,
    /// How long it lives.
    pub(crate) life: Duration,
}

/// An access token that was made: its text is for the client, its record for the database.
pub(crate) struct Made {
    pub(crate) text: Zeroizing<String>,
    pub(crate) record: AccessRecord,
}

impl Draft<'_> {
    /// The token with the lookup id of `fresh`.
    pub(crate) async fn make(self, world: &World<'_>, fresh: Fresh) -> Result<Made, Failure> {
        let cx = &world.cx;
        let mut record = AccessRecord {
            id: fresh.id,
            digest: fresh.digest,
            owner: self.owner,
            issued_at: cx.now,
            expires_at: cx.now.plus(self.life),
        };
        let text = match self.client.access_token_format(cx.policy) {
            Format::Opaque => fresh.text,
            Format::Jwt => {
                let payload = payload(cx, &record, self.grant, self.consented)?;
                record.digest = digest(record.id, &payload);
                sign(world, self.client, &payload, record.expires_at).await?
            }
        };
        Ok(Made { text, record })
    }
}

/// The token of a record that was made before, of which `opaque` is the opaque form; none if it cannot be made again,
/// because what it says depends on settings that have changed.
pub(crate) async fn remake(
    world: &World<'_>,
    client: &Client,
    (grant, consented): (&GrantRecord, &Consented),
    record: &AccessRecord,
    opaque: Fresh,
) -> Result<Option<Zeroizing<String>>, Failure> {
    if record.digest == opaque.digest {
        return Ok(Some(opaque.text));
    }
    let payload = payload(&world.cx, record, Some(grant), consented)?;
    if record.digest != digest(record.id, &payload) {
        return Ok(None);
    }
    sign(world, client, &payload, record.expires_at).await.map(Some)
}

/// Lookup id and digest of a JWT that this server signed as an access token, whatever became of it since.
pub(crate) async fn recognize(world: &World<'_>, text: &str) -> Result<Option<(Id, Digest)>, Failure> {
    // The header of every JWT begins with {" in base64url.
    if !text.starts_with("eyJ") {
        return Ok(None);
    }
    let keys = world.keys.verifying_access(&world.cx).await?;
    let Ok(verified) = verify_jws(text, &keys, &Alg::ALL) else {
        return Ok(None);
    };
    if verified.header.typ.as_deref() != Some(TYPE) {
        return Ok(None);
    }
    let claims = verified.claims().unwrap_or_default();
    let id = claims.get("jti").and_then(Value::as_str).and_then(Id::parse);
    Ok(id.map(|id| (id, digest(id, &verified.payload))))
}

async fn sign(
    world: &World<'_>,
    client: &Client,
    payload: &[u8],
    until: Timestamp,
) -> Result<Zeroizing<String>, Failure> {
    let alg = client.choices.id_token_alg;
    let key = world.keys.signing_access(&world.cx, alg, until).await?;
    let signed = key.sign_jws(TYPE, payload);
    let broken = |why: String| Failure::Internal(format!("an access token cannot be signed: {why}"));
    signed.map(Zeroizing::new).map_err(|error| broken(error.to_string()))
}

/// The claims as they are signed. They depend on the record, the grant and settings only, so that they can be made again.
fn payload(
    cx: &Cx<'_>,
    record: &AccessRecord,
    grant: Option<&GrantRecord>,
    consented: &Consented,
) -> Result<Vec<u8>, Failure> {
    let (client, subject, scope, audience) = said(&record.owner, grant, consented)?;
    let form = &cx.policy.access_token;
    let mut claims = of_session(form, consented.access_token.clone());
    let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    set("iss", cx.policy.issuer.as_str().into());
    set("sub", subject.into());
    set("aud", audience.into());
    set("client_id", client.into());
    set("exp", record.expires_at.0.into());
    set("iat", record.issued_at.0.into());
    if form.not_before {
        set("nbf", record.issued_at.0.into());
    }
    set("jti", record.id.to_string().into());
    if form.scope_claim != ScopeClaim::Text {
        set("scp", scope.into());
    }
    if form.scope_claim != ScopeClaim::List {
        set("scope", scope.join(" ").into());
    }
    serde_json::to_vec(&claims).map_err(|error| Failure::Internal(error.to_string()))
}

/// Client, subject, scope and audience.
type Said<'a> = (&'a str, &'a str, &'a [String], &'a [String]);

fn said<'a>(owner: &'a Owner, grant: Option<&'a GrantRecord>, consented: &'a Consented) -> Result<Said<'a>, Failure> {
    match (owner, grant) {
        (
            Owner::Client {
                id, scope, audience, ..
            },
            _,
        ) => Ok((id, id, scope, audience)),
        (Owner::Grant { scope, audience, .. }, Some(grant)) => Ok((
            &grant.client_id,
            shown(grant, consented),
            scope.as_ref().unwrap_or(&grant.scope),
            audience.as_ref().unwrap_or(&grant.audience),
        )),
        (Owner::Grant { id, .. }, None) => Err(Failure::Internal(format!("a token of grant {id} is made without it"))),
    }
}

/// The claims of the consent app: some at the top, the others in `ext`.
fn of_session(form: &AccessTokens, session: Map<String, Value>) -> Map<String, Value> {
    let is_top = |name: &str| !RESERVED.contains(&name) && form.top_level.iter().any(|allowed| allowed == name);
    let mut claims: Map<String, Value> = session
        .iter()
        .filter(|(name, _)| is_top(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if form.mirror {
        claims.insert("ext".to_owned(), session.into());
    } else if form.preserve {
        let others: Map<String, Value> = session.into_iter().filter(|(name, _)| !is_top(name)).collect();
        claims.insert("ext".to_owned(), others.into());
    }
    claims
}

/// What the database holds of a JWT: a digest of its claims.
fn digest(id: Id, payload: &[u8]) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(b"jwt");
    hash.update(&id.0);
    hash.update(payload);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    Digest(bytes)
}

#[cfg(test)]
mod tests;

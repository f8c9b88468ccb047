//! Trusted issuers: whose assertions are grants (RFC 7523 §2.1), about whom, for which scopes and until when.
//!
//! RFC 7523 leaves to the operator how trust is made; this is Hydra's admin API for it. A key that is private or shared is
//! refused (D32), and one that cannot verify signatures too.

use claviger_jose::{Jwk, VerifyingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{Id, Timestamp};
use crate::fault::{Failure, Fault};
use crate::port::{Change, Outcome, TrustQuery, TrustRecord};
use crate::scope::is_scope_token;
use crate::world::World;

/// Most bytes of issuer, subject and `kid`, so that all of them fit an index together.
const LONGEST: usize = 800;

/// The body of a request that creates a trust. Members are named as on the wire.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "trustOAuth2JwtGrantIssuer")]
pub struct TrustRequest {
    /// `iss` of the assertions. Required.
    pub issuer: String,
    /// The one `sub` that they may name.
    pub subject: String,
    /// Whether they may name anybody, instead of `subject`.
    pub allow_any_subject: bool,
    /// The scopes that they may be exchanged for.
    pub scope: Option<Vec<String>>,
    /// The public key that verifies them, with a `kid`. Required.
    pub jwk: Value,
    /// RFC 3339; when the trust ends. Required.
    pub expires_at: String,
}

/// A trust as the admin API shows it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "trustedOAuth2JwtGrantIssuer")]
pub struct Trust {
    /// The trust.
    pub id: String,
    /// `iss` of the assertions.
    issuer: String,
    /// The one `sub` that they may name; empty if any.
    subject: String,
    /// Whether they may name anybody.
    allow_any_subject: bool,
    /// The scopes that they may be exchanged for.
    scope: Vec<String>,
    /// The key that verifies them.
    public_key: PublicKey,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    expires_at: String,
}

/// Which key verifies the assertions of a trusted issuer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "trustedOAuth2JwtGrantJsonWebKey")]
struct PublicKey {
    /// The issuer.
    set: String,
    /// `kid` of the key.
    kid: String,
}

impl Trust {
    fn of(record: TrustRecord) -> Self {
        Self {
            id: record.id.to_string(),
            allow_any_subject: record.subject.is_none(),
            subject: record.subject.unwrap_or_default(),
            scope: record.scope,
            public_key: PublicKey {
                set: record.issuer.clone(),
                kid: record.kid,
            },
            issuer: record.issuer,
            created_at: record.created_at.rfc3339(),
            expires_at: record.expires_at.rfc3339(),
        }
    }
}

/// Makes a trust; none if there is one for its issuer, subject and key.
///
/// # Errors
/// If something is missing or makes no sense.
pub async fn create(world: &World<'_>, request: TrustRequest) -> Result<Option<Trust>, Failure> {
    let record = parse(world, request)?;
    match world.store.apply(Change::CreateTrust(record.clone())).await? {
        Outcome::Applied => Ok(Some(Trust::of(record))),
        Outcome::LostRace => Ok(None),
    }
}

/// The trust with this id.
///
/// # Errors
/// Only if the database does not answer.
pub async fn read(world: &World<'_>, id: Id) -> Result<Option<Trust>, Failure> {
    Ok(world.store.trust(id).await?.map(Trust::of))
}

/// A page of trusts.
///
/// # Errors
/// Only if the database does not answer.
pub async fn list(world: &World<'_>, query: &TrustQuery) -> Result<Vec<Trust>, Failure> {
    Ok(world.store.trusts(query).await?.into_iter().map(Trust::of).collect())
}

/// Ends a trust, and says whether there was one. Tokens that were issued live on.
///
/// # Errors
/// Only if the database does not answer.
pub async fn delete(world: &World<'_>, id: Id) -> Result<bool, Failure> {
    Ok(world.store.apply(Change::DeleteTrust(id)).await? == Outcome::Applied)
}

fn parse(world: &World<'_>, request: TrustRequest) -> Result<TrustRecord, Failure> {
    let missing = |member: &str| Fault::TrustIncomplete.because(format!("It is '{member}'."));
    if request.issuer.is_empty() {
        return Err(missing("issuer"));
    }
    if request.subject.is_empty() != request.allow_any_subject {
        let detail = "Send either 'subject', or 'allow_any_subject' with true.";
        return Err(Fault::TrustIncomplete.because(detail));
    }
    let expires_at = expiry(&request.expires_at)?.ok_or_else(|| missing("expires_at"))?;
    if request.jwk.is_null() {
        return Err(missing("jwk"));
    }
    let jwk = public_key(request.jwk)?;
    let kid = jwk
        .kid()
        .filter(|kid| !kid.is_empty())
        .ok_or_else(|| missing("jwk.kid"))?;
    let scope = request.scope.unwrap_or_default();
    if let Some(word) = scope.iter().find(|word| !is_scope_token(word)) {
        return Err(Fault::TrustInvalid.because(format!("The 'scope' has '{word}', which is no scope.")));
    }
    for (member, text) in [
        ("issuer", &*request.issuer),
        ("subject", &request.subject),
        ("jwk.kid", kid),
    ] {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            let detail = format!("The member '{member}' is longer than {LONGEST} bytes or has control characters.");
            return Err(Fault::TrustInvalid.because(detail));
        }
    }
    Ok(TrustRecord {
        id: world.cx.new_id(),
        kid: kid.to_owned(),
        key: String::from_utf8_lossy(&jwk.to_json()).into_owned(),
        issuer: request.issuer,
        subject: Some(request.subject).filter(|subject| !subject.is_empty()),
        scope,
        created_at: world.cx.now,
        expires_at,
    })
}

/// None for what programs in Go send for a time that was not set.
fn expiry(text: &str) -> Result<Option<Timestamp>, Failure> {
    if text.is_empty() || text == "0001-01-01T00:00:00Z" {
        return Ok(None);
    }
    let parsed = text
        .parse::<jiff::Timestamp>()
        .map(|time| Some(Timestamp(time.as_second())));
    parsed.map_err(|_| Fault::TrustInvalid.because("The 'expires_at' is no time as 2030-01-01T00:00:00Z is."))
}

/// What stands in a key is never repeated.
fn public_key(value: Value) -> Result<Jwk, Failure> {
    let refused = |reason: String| Fault::TrustInvalid.because(format!("The 'jwk' cannot be used. {reason}"));
    let jwk = Jwk::parse(value).map_err(|error| refused(error.to_string()))?;
    if jwk.is_private() {
        let reason =
            "It is private or shared: keep it to yourself, make a new one if it was in use, and send the public one.";
        return Err(refused(reason.to_owned()));
    }
    VerifyingKey::from_jwk(&jwk).map_err(|error| refused(error.to_string()))?;
    Ok(jwk)
}

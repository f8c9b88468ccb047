//! Tokens and codes: what kind, whose, and whether they still work, and if not, why.

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{Digest, Freshness, StoreError};
use claviger_core::token::lookup::KnownAccess;
use claviger_core::token::opaque::{Kind, Presented};

use super::{Told, time};
use crate::cli::failure::Failure;
use crate::provider::Shared;
use crate::server::jobs::JobError;

const KINDS: [(Kind, &str); 5] = [
    (Kind::Access, "an access token"),
    (Kind::Refresh, "a refresh token"),
    (Kind::Code, "an authorization code"),
    (Kind::Device, "a device code"),
    (Kind::Registration, "a registration access token"),
];

/// What a stored token of this id must have, to be this one.
struct Asked {
    id: Id,
    digest: Digest,
    now: Timestamp,
}

/// None if it was not made under the configured secrets or keys.
pub(super) async fn recognized(provider: &Shared, text: &str, is_theirs: bool) -> Result<Option<Told>, Failure> {
    let cx = provider.cx();
    let found = KINDS.into_iter().find_map(|(kind, name)| {
        let presented = Presented::recognize(&provider.secrets, kind, text)?;
        Some((kind, name, presented))
    });
    let Some((kind, name, presented)) = found else {
        return jwt(provider, text, is_theirs).await;
    };
    let made = Timestamp(i64::try_from(presented.id.millis() / 1000).unwrap_or(i64::MAX));
    let told = Told::of(format!("{name} of this server")).and("made", time(made));
    if !is_theirs {
        return Ok(Some(told.and("state", "not looked up: the database was not asked")));
    }
    let asked = Asked {
        id: presented.id,
        digest: presented.digest,
        now: cx.now,
    };
    let told = match kind {
        Kind::Access => access(provider, text, told).await?,
        Kind::Refresh => refresh(provider, &asked, told).await.map_err(JobError::from)?,
        Kind::Code => code(provider, &asked, told).await.map_err(JobError::from)?,
        Kind::Device | Kind::Registration => told.and("state", "not looked up: its client learns that when it uses it"),
    };
    Ok(Some(told))
}

/// A JWT is one of ours only if our keys signed it, and those are in the database.
async fn jwt(provider: &Shared, text: &str, is_theirs: bool) -> Result<Option<Told>, Failure> {
    if !text.starts_with("eyJ") || text.matches('.').count() != 2 {
        return Ok(None);
    }
    let told = Told::of("a JWT (RFC 7519); anybody can read its claims, for example with a decoder on this machine");
    if !is_theirs {
        let state = "not judged: the keys that would have signed it are in the database, which was not asked";
        return Ok(Some(told.and("state", state)));
    }
    let told = access(provider, text, told).await?;
    Ok(Some(told))
}

async fn access(provider: &Shared, text: &str, told: Told) -> Result<Told, Failure> {
    let known = KnownAccess::find(&provider.world(), text).await;
    let Some(token) = known.map_err(|error| Failure::input(error.to_string()))? else {
        let state = "inactive: it was revoked, its client or consent is gone, or it expired and its row was removed; if it is a JWT, \
                     it may also be no access token of this server";
        return Ok(told.and("state", state));
    };
    let told = told
        .and("client", token.client_id().to_string())
        .and("issued", time(token.issued_at))
        .and("ends", time(token.expires_at));
    let state = if token.lives(provider.cx().now) {
        "active"
    } else {
        "inactive: it has expired"
    };
    Ok(told.and("state", state))
}

async fn refresh(provider: &Shared, asked: &Asked, told: Told) -> Result<Told, StoreError> {
    let facts = provider.store.refresh(asked.id, Freshness::Latest).await?;
    let Some(facts) = facts.filter(|facts| facts.refresh.digest == asked.digest) else {
        return Ok(told.and("state", "inactive: it is not in the database (any more)"));
    };
    let told = told.and("ends", time(facts.refresh.expires_at));
    let Some(grant) = &facts.grant else {
        return Ok(told.and("state", "inactive: the consent or login behind it was revoked"));
    };
    let told = told.and("client", grant.client_id.to_string());
    let state = match &facts.rotated {
        Some(rotated) => format!("inactive: it was used at {}; its successor goes on", time(rotated.at)),
        None if asked.now >= facts.refresh.expires_at => "inactive: it has expired".to_owned(),
        None => "active".to_owned(),
    };
    Ok(told.and("state", state))
}

async fn code(provider: &Shared, asked: &Asked, told: Told) -> Result<Told, StoreError> {
    let facts = provider.store.code(asked.id, Freshness::Latest).await?;
    let Some(facts) = facts.filter(|facts| facts.code.digest == asked.digest) else {
        return Ok(told.and("state", "inactive: it is not in the database (any more)"));
    };
    let told = told.and("ends", time(facts.code.expires_at));
    let state = match (&facts.grant, facts.used_at) {
        (_, Some(at)) => format!("inactive: it was used at {}, and works once", time(at)),
        (None, None) => "inactive: the consent behind it was revoked".to_owned(),
        (Some(_), None) if asked.now >= facts.code.expires_at => "inactive: it has expired".to_owned(),
        (Some(grant), None) => format!("active, for the client {}", grant.client_id),
    };
    Ok(told.and("state", state))
}

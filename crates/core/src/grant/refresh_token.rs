//! `refresh_token`: a refresh token becomes the next pair of tokens.
//!
//! Implements RFC 6749 §6 (narrowing included, D19), RFC 9700 §4.14.2 (rotation), OpenID Connect Core §12.
//!
//! The successor is derived from the presented token, so that the same token presented again within the grace period,
//! by racing requests or because an answer was lost, gets the same pair (D3). Attacks: a stolen refresh token (bound to
//! its client; presented after the grace period it revokes its grant, whoever used it first).

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::lives::Lives;
use super::response::Given;
use super::{Attempt, Grant, TokenResponse, Whose, require_audiences, require_scopes};
use crate::client::Client;
use crate::client_auth::Authenticated;
use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::hook::{self, Event};
use crate::params::Params;
use crate::port::{AccessRecord, Change, Freshness, GrantRecord, Owner, RefreshFacts, RefreshRecord, Rotated};
use crate::seal::Age;
use crate::target::Target;
use crate::token::access::{Draft, remake};
use crate::token::opaque::{Fresh, Kind, Presented};
use crate::world::World;

struct Request {
    token: Presented,
    /// The scope to narrow to, if any.
    scope: Option<Vec<String>>,
    target: Target,
}

/// What the facts allow.
enum Decision<'a> {
    /// The next pair, with the scope of its access token if that is narrower than the grant's.
    Rotate(&'a GrantRecord, Option<Vec<String>>),
    /// The pair that the first use gave.
    Repeat(&'a GrantRecord, &'a RefreshRecord, &'a AccessRecord),
    /// The grant must end.
    RefuseWith(Box<Change>, Fault),
}

pub(super) fn parse(cx: &Cx<'_>, params: &Params) -> Result<Box<dyn Grant>, Failure> {
    let text = params.get("refresh_token").ok_or(Fault::RefreshTokenMissing)?;
    Ok(Box::new(Request {
        token: Presented::recognize(cx.secrets, Kind::Refresh, text).ok_or(Fault::RefreshTokenInvalid)?,
        scope: Some(params.scope()).filter(|scope| !scope.is_empty()),
        target: Target::parse(params)?,
    }))
}

#[async_trait]
impl Grant for Request {
    async fn attempt(
        &self,
        world: &World<'_>,
        client: &Authenticated,
        freshness: Freshness,
    ) -> Result<Attempt, Failure> {
        let facts = world.store.refresh(self.token.id, freshness).await?;
        let facts = facts.ok_or(Fault::RefreshTokenInvalid)?;
        let client = &*client.client;
        match self.decide(&world.cx, client, &facts)? {
            Decision::Rotate(grant, narrowed) => self.rotate(world, client, grant, narrowed).await,
            // No write follows that could prove remembered facts.
            Decision::Repeat(..) if freshness == Freshness::ProvedByWrite => Ok(Attempt::Outdated),
            Decision::Repeat(grant, refresh, access) => {
                let response = self.repeat(world, client, grant, (refresh, access)).await?;
                Ok(Attempt::Issued(response))
            }
            Decision::RefuseWith(change, fault) => Ok(Attempt::RefusedWith(change, fault)),
        }
    }
}

impl Request {
    fn decide<'a>(&self, cx: &Cx<'_>, client: &Client, facts: &'a RefreshFacts) -> Result<Decision<'a>, Failure> {
        if facts.refresh.digest != self.token.digest {
            return Err(Fault::RefreshTokenInvalid.into());
        }
        let grant = facts.grant.as_deref().ok_or(Fault::RefreshTokenInvalid)?;
        // Nothing ends because of a client that the token was not issued to.
        if grant.client_id != client.id {
            return Err(Fault::RefreshTokenInvalid.into());
        }
        if let Some(rotated) = &facts.rotated {
            return presented_again(cx, grant, rotated);
        }
        if facts.refresh.expires_at <= cx.now {
            return Err(Fault::RefreshTokenExpired.into());
        }
        let narrowed = self.narrowed(grant)?;
        // What the client lost since the consent is not renewed.
        require_scopes(cx, client, narrowed.as_deref().unwrap_or(&grant.scope))?;
        require_audiences(client, &grant.audience)?;
        Ok(Decision::Rotate(grant, narrowed))
    }

    /// "The requested scope MUST NOT include any scope not originally granted by the resource owner" (RFC 6749 §6).
    fn narrowed(&self, grant: &GrantRecord) -> Result<Option<Vec<String>>, Failure> {
        let Some(requested) = &self.scope else { return Ok(None) };
        if let Some(word) = requested.iter().find(|word| !grant.scope.contains(word)) {
            return Err(Fault::ScopeTooWide.because(format!("It is '{word}'.")));
        }
        let kept = grant.scope.iter().filter(|word| requested.contains(word));
        let kept: Vec<String> = kept.cloned().collect();
        Ok((kept.len() < grant.scope.len()).then_some(kept))
    }

    async fn rotate(
        &self,
        world: &World<'_>,
        client: &Client,
        grant: &GrantRecord,
        narrowed: Option<Vec<String>>,
    ) -> Result<Attempt, Failure> {
        let cx = &world.cx;
        let opened = Consented::open_with_age(cx, grant)?;
        let (mut consented, age) = opened.ok_or(Fault::RefreshTokenInvalid)?;
        let audience = self.target.narrow(grant)?;
        let event = Event {
            grant_type: "refresh_token",
            client,
            subject: &grant.subject,
            requested: narrowed.as_ref().unwrap_or(&grant.scope),
            scope: narrowed.as_ref().unwrap_or(&grant.scope),
            audience: audience.as_ref().unwrap_or(&grant.audience),
            assertion: None,
        };
        let is_changed = hook::refresh(world, &event, &mut consented).await?;
        // The secret under which the grant rests may be dropped once its last token is renewed.
        let resealed = match age {
            Age::Newest if !is_changed => None,
            Age::Newest | Age::Older => Some(consented.seal(cx, grant.id)?),
        };
        let lives = Lives::refresh_token(cx.policy, client);
        let (refresh, access) = self.token.successors(cx.secrets, &cx.policy.prefixes, cx.new_id());
        let draft = Draft {
            client,
            grant: Some(grant),
            consented: &consented,
            owner: Owner::Grant {
                id: grant.id,
                scope: narrowed,
                audience,
            },
            life: lives.access,
        };
        let access = draft.make(world, access).await?;
        let refresh_record = RefreshRecord {
            id: refresh.id,
            digest: refresh.digest,
            grant: grant.id,
            issued_at: cx.now,
            expires_at: lives.refresh_until(cx.now),
        };
        // The answer is complete before the token is consumed.
        let given = (client, grant, &consented);
        let response = answer(world, given, &access.record, (refresh, access.text), lives).await?;
        let change = Change::Rotate {
            old: self.token.id,
            at: cx.now,
            access: access.record,
            refresh: refresh_record,
            client: client.proof(),
            keep_grant: lives.keep_grant(&grant.scope, cx.now),
            resealed,
        };
        let whose = Whose {
            client,
            subject: &grant.subject,
            grant_type: "refresh_token",
        };
        Ok(Attempt::of(world, world.store.apply(change).await?, response, whose))
    }

    async fn repeat(
        &self,
        world: &World<'_>,
        client: &Client,
        grant: &GrantRecord,
        (refresh, access): (&RefreshRecord, &AccessRecord),
    ) -> Result<TokenResponse, Failure> {
        let cx = &world.cx;
        let pair = self
            .token
            .repeat(cx.secrets, &cx.policy.prefixes, refresh.id, refresh.digest);
        let (refresh, opaque) = pair.ok_or(Fault::RefreshTokenUsed)?;
        let consented = Consented::open(cx, grant)?.ok_or(Fault::RefreshTokenInvalid)?;
        let text = remake(world, client, (grant, &consented), access, opaque).await?;
        let text = text.ok_or(Fault::RefreshTokenUsed)?;
        let lives = Lives::refresh_token(cx.policy, client);
        answer(world, (client, grant, &consented), access, (refresh, text), lives).await
    }
}

/// A used token came back: within the grace period the client may have lost the answer, later it is a thief or was
/// robbed (RFC 9700 §4.14.2).
fn presented_again<'a>(cx: &Cx<'_>, grant: &'a GrantRecord, rotated: &'a Rotated) -> Result<Decision<'a>, Failure> {
    if cx.now >= rotated.at.plus(cx.policy.rotation_grace) {
        return Ok(Decision::RefuseWith(
            Box::new(Change::RevokeGrant(grant.id)),
            Fault::RefreshTokenUsed,
        ));
    }
    match (&rotated.successor, &rotated.access) {
        (Some(refresh), Some(access)) => Ok(Decision::Repeat(grant, refresh, access)),
        // The pair was used or revoked already: whoever has it needs no repetition.
        _ => Err(Fault::RefreshTokenUsed.into()),
    }
}

async fn answer(
    world: &World<'_>,
    (client, grant, consented): (&Client, &GrantRecord, &Consented),
    record: &AccessRecord,
    (refresh, access): (Fresh, Zeroizing<String>),
    lives: Lives,
) -> Result<TokenResponse, Failure> {
    let narrowed = match &record.owner {
        Owner::Grant { scope, .. } => scope.as_deref(),
        Owner::Client { .. } => None,
    };
    let given = Given {
        client,
        grant,
        consented,
        scope: narrowed.unwrap_or(&grant.scope),
        access,
        access_expires_at: record.expires_at,
        refresh: Some(refresh.text),
        id_token_life: lives.id,
    };
    TokenResponse::of_grant(world, given).await
}

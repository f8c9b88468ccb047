//! `authorization_code`: a code becomes tokens, once.
//!
//! Implements RFC 6749 §4.1.3, §4.1.4 and §10.5, RFC 7636 §4.5 and §4.6, RFC 9700 §2.1.1 and §4.8, OpenID Connect Core
//! §3.1.3.
//!
//! Attacks: a stolen code (bound to its client, its redirect URI and its challenge; the first wrong verifier consumes
//! it, D1), a code used twice (one redemption wins, D2; a later one revokes what the first gave), PKCE downgrade (a
//! verifier for a code without a challenge is refused).

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::lives::Lives;
use super::pair::Pair;
use super::{Attempt, Grant, Whose, require_audiences, require_scopes};
use crate::authorize::is_registered;
use crate::client::Client;
use crate::client_auth::Authenticated;
use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::hook::{self, Event};
use crate::params::Params;
use crate::port::{Change, CodeFacts, Freshness, GrantRecord};
use crate::target::Target;
use crate::token::opaque::{Kind, Presented};
use crate::world::World;

struct Request {
    code: Presented,
    target: Target,
    redirect_uri: Option<String>,
    verifier: Option<Zeroizing<String>>,
}

/// What the facts allow.
enum Decision<'a> {
    /// The grant gives its tokens.
    Redeem(&'a GrantRecord, Option<Vec<String>>),
    /// The code or what it gave must end.
    RefuseWith(Box<Change>, Fault),
}

pub(super) fn parse(cx: &Cx<'_>, params: &Params) -> Result<Box<dyn Grant>, Failure> {
    let text = params.get("code").ok_or(Fault::CodeMissing)?;
    Ok(Box::new(Request {
        code: Presented::recognize(cx.secrets, Kind::Code, text).ok_or(Fault::CodeInvalid)?,
        target: Target::parse(params)?,
        redirect_uri: params.get("redirect_uri").map(str::to_owned),
        verifier: params
            .get("code_verifier")
            .map(|verifier| Zeroizing::new(verifier.to_owned())),
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
        let facts = world.store.code(self.code.id, freshness).await?;
        let facts = facts.ok_or(Fault::CodeInvalid)?;
        match self.decide(&world.cx, &client.client, &facts)? {
            Decision::Redeem(grant, audience) => redeem(world, &client.client, &facts, (grant, audience)).await,
            Decision::RefuseWith(change, fault) => Ok(Attempt::RefusedWith(change, fault)),
        }
    }
}

impl Request {
    fn decide<'a>(&self, cx: &Cx<'_>, client: &Client, facts: &'a CodeFacts) -> Result<Decision<'a>, Failure> {
        let code = &facts.code;
        if code.digest != self.code.digest {
            return Err(Fault::CodeInvalid.into());
        }
        let grant = facts.grant.as_deref().ok_or(Fault::CodeInvalid)?;
        // Nothing ends because of a client that the code was not issued to.
        if grant.client_id != client.id {
            return Err(Fault::CodeInvalid.into());
        }
        // "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
        // revoke (when possible) all tokens previously issued" (RFC 6749 §4.1.2).
        if facts.used_at.is_some() {
            return Ok(Decision::RefuseWith(
                Box::new(Change::RevokeGrant(grant.id)),
                Fault::CodeUsed,
            ));
        }
        if code.expires_at <= cx.now {
            return Err(Fault::CodeExpired.into());
        }
        if !self.returns_to(code.redirect_uri.as_deref(), client) {
            return Err(Fault::RedirectUriMismatch.into());
        }
        // What the client lost since the consent is not given any more.
        if code
            .redirect_uri
            .as_deref()
            .is_some_and(|uri| !is_registered(client, uri))
        {
            return Err(Fault::RedirectUriUnregistered.into());
        }
        require_scopes(cx, client, &grant.scope)?;
        require_audiences(client, &grant.audience)?;
        match (code.challenge.as_deref(), self.verifier.as_deref()) {
            // Judged at the authorization request already; here again for codes from before the setting changed.
            (None, None) if client.must_use_pkce(cx.policy) => Err(Fault::ChallengeRequired.into()),
            (None, None) => Ok(Decision::Redeem(grant, self.target.narrow(grant)?)),
            (None, Some(_)) => Err(Fault::VerifierUnexpected.into()),
            (Some(_), None) => Err(Fault::VerifierMissing.into()),
            (Some(challenge), Some(verifier)) if proves(challenge, verifier) => {
                Ok(Decision::Redeem(grant, self.target.narrow(grant)?))
            }
            (Some(_), Some(_)) => {
                let burn = Change::BurnCode {
                    code: code.id,
                    at: cx.now,
                };
                Ok(Decision::RefuseWith(Box::new(burn), Fault::VerifierWrong))
            }
        }
    }

    /// "If the "redirect_uri" parameter was included in the authorization request ... their values MUST be identical"
    /// (RFC 6749 §4.1.3). If it was not, one that is sent now must at least be registered.
    fn returns_to(&self, requested: Option<&str>, client: &Client) -> bool {
        match (requested, self.redirect_uri.as_deref()) {
            (None, None) => true,
            (None, Some(sent)) => client.redirect_uris.iter().any(|registered| registered == sent),
            (requested, sent) => requested == sent,
        }
    }
}

/// `BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) == code_challenge` (RFC 7636 §4.6), for a verifier of 43 to 128
/// unreserved characters (§4.1).
fn proves(challenge: &str, verifier: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) {
        return false;
    }
    let computed = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    verify_slices_are_equal(computed.as_bytes(), challenge.as_bytes()).is_ok()
}

async fn redeem(
    world: &World<'_>,
    client: &Client,
    facts: &CodeFacts,
    (grant, audience): (&GrantRecord, Option<Vec<String>>),
) -> Result<Attempt, Failure> {
    let cx = &world.cx;
    let mut consented = Consented::open(cx, grant)?.ok_or(Fault::CodeInvalid)?;
    let event = Event {
        grant_type: "authorization_code",
        client,
        subject: &grant.subject,
        requested: &grant.scope,
        scope: &grant.scope,
        audience: audience.as_ref().unwrap_or(&grant.audience),
        assertion: None,
    };
    let resealed = match hook::token(world, &event, &mut consented).await? {
        true => Some(consented.seal(cx, grant.id)?),
        false => None,
    };
    let pair = Pair::make(
        world,
        client,
        (grant, &consented),
        audience,
        Lives::authorization_code(cx.policy, client),
    )
    .await?;
    let change = Change::Redeem {
        code: facts.code.id,
        at: cx.now,
        access: pair.access_record(),
        refresh: pair.refresh_record(),
        client: client.proof(),
        resealed,
    };
    // The answer is complete before the code is consumed.
    let response = pair.response(world).await?;
    let whose = Whose {
        client,
        subject: &grant.subject,
        grant_type: "authorization_code",
    };
    Ok(Attempt::of(world, world.store.apply(change).await?, response, whose))
}

//! `urn:ietf:params:oauth:grant-type:jwt-bearer`: an assertion of a trusted issuer becomes an access token.
//!
//! Implements RFC 7521 §4.1 and RFC 7523 §2.1, §3 and §3.1. Whose assertions are believed, about whom and for what, is the
//! operator's decision ([`crate::trust`]). Neither refresh nor ID token: whoever has an assertion can make another one, and
//! nobody logged in here. Attacks: a key whose trust has expired (D8), a scope beyond what the client or the trust has
//! (D9), an assertion that comes twice (one change consumes it and issues the token), keys that the assertion names
//! itself (they are not looked at).

use std::sync::Arc;

use async_trait::async_trait;
use claviger_jose::{Alg, Jwk, Verified, VerifyingKey, decode_unverified, verify_jws};
use serde_json::Value;

use super::lives::Lives;
use super::{Attempt, Grant, TokenResponse, Whose, require_scopes};
use crate::assertion::{Accepted, Rules};
use crate::client::Client;
use crate::client_auth::Authenticated;
use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::hook::{self, Event};
use crate::params::Params;
use crate::port::{Change, Freshness, GrantRecord, Owner, TrustRecord};
use crate::scope;
use crate::target::Target;
use crate::token::access::Draft;
use crate::token::opaque::{Fresh, Kind};
use crate::world::World;

/// RFC 7523 §2.1.
pub(super) const NAME: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

struct Request {
    assertion: String,
    issuer: String,
    subject: String,
    scope: Vec<String>,
    target: Target,
}

pub(super) fn parse(_: &Cx<'_>, params: &Params) -> Result<Box<dyn Grant>, Failure> {
    let assertion = params.get("assertion").ok_or(Fault::AssertionMissing)?;
    let unverified =
        decode_unverified(assertion).map_err(|error| Fault::AssertionInvalid.because(error.to_string()))?;
    let claims = unverified.claims();
    let claims = claims.map_err(|_| Fault::AssertionInvalid.because("Its payload is not a JSON object."))?;
    // Only to find the keys; what is believed is read from what they verified.
    let named = |claim: &str| {
        let text = claims
            .get(claim)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        text.map(str::to_owned)
            .ok_or_else(|| Fault::AssertionInvalid.because(format!("The claim '{claim}' is missing or no text.")))
    };
    Ok(Box::new(Request {
        assertion: assertion.to_owned(),
        issuer: named("iss")?,
        subject: named("sub")?,
        scope: params.scope(),
        target: Target::parse(params)?,
    }))
}

impl Request {
    /// What may be granted, and the assertion.
    fn decide(&self, cx: &Cx<'_>, client: &Client, trusts: &[TrustRecord]) -> Result<Accepted, Failure> {
        let alive = trusts.iter().filter(|trust| trust.expires_at > cx.now);
        let verified: Vec<_> = alive
            .filter_map(|trust| Some((self.verified_by(trust)?, trust)))
            .collect();
        let (proof, _) = verified.first().ok_or(Fault::AssertionUntrusted)?;
        let rules = Rules {
            purpose: "authorization grant",
            typ: "authorization-grant+jwt",
            longest: cx.policy.assertion_longest,
            needs_id: !cx.policy.assertion_id_optional,
            needs_issue: !cx.policy.assertion_issue_optional,
        };
        let accepted = rules
            .accept(cx, proof)
            .map_err(|why| Fault::AssertionInvalid.because(why.to_string()))?;
        require_scopes(cx, client, &self.scope)?;
        self.target.require_registered(client)?;
        let is_trusted = |word: &&String| {
            let mut trusts = verified.iter().map(|(_, trust)| trust);
            trusts.any(|trust| scope::allows(cx.policy.scope_strategy, &trust.scope, word))
        };
        match self.scope.iter().find(|word| !is_trusted(word)) {
            Some(word) => Err(Fault::ScopeUntrusted.because(format!("It is '{word}'."))),
            None => Ok(accepted),
        }
    }

    /// The assertion, if it is signed with the key of `trust`.
    fn verified_by(&self, trust: &TrustRecord) -> Option<Verified> {
        let jwk = Jwk::from_slice(trust.key.as_bytes())
            .ok()
            .filter(|jwk| !jwk.is_symmetric())?;
        let key = VerifyingKey::from_jwk(&jwk).ok()?;
        verify_jws(&self.assertion, &[key], &Alg::ALL).ok()
    }
}

#[async_trait]
impl Grant for Request {
    async fn attempt(
        &self,
        world: &World<'_>,
        client: &Authenticated,
        freshness: Freshness,
    ) -> Result<Attempt, Failure> {
        let (cx, client) = (&world.cx, &*client.client);
        let trusts = world.store.trusts_in(&self.issuer, &self.subject).await?;
        let accepted = self.decide(cx, client, &trusts)?;
        // The first try finds out by its write.
        if let Some(used) = &accepted.used
            && freshness == Freshness::Latest
            && world.store.is_used(used.digest).await?
        {
            return Err(Fault::AssertionUsed.into());
        }
        let id = cx.new_id();
        let fresh = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Access, cx.new_id());
        let life = Lives::jwt_bearer(cx.policy, client);
        let mut consented = Consented::default();
        let event = Event {
            grant_type: NAME,
            client,
            subject: &accepted.subject,
            requested: &self.scope,
            scope: &self.scope,
            audience: &self.target.clone().into_audience(),
            assertion: Some(&self.assertion),
        };
        hook::token(world, &event, &mut consented).await?;
        let grant = Arc::new(GrantRecord {
            id,
            client_id: client.id.clone(),
            subject: accepted.subject,
            session_id: None,
            scope: self.scope.clone(),
            audience: self.target.clone().into_audience(),
            sealed: consented.seal(cx, id)?,
            // Nobody consented, so no list of consents shows it.
            skipped: true,
            remembered_until: None,
            created_at: cx.now,
            expires_at: cx.now.plus(life),
        });
        let owner = Owner::Grant {
            id,
            scope: None,
            audience: None,
        };
        let draft = Draft {
            client,
            grant: Some(&grant),
            consented: &consented,
            owner,
            life,
        };
        let access = draft.make(world, fresh).await?;
        let response = TokenResponse::of_client(cx, access.text, access.record.expires_at, &self.scope);
        let change = Change::IssueGrant {
            grant: Arc::clone(&grant),
            access: access.record,
            client: client.proof(),
            assertion: accepted.used,
        };
        let whose = Whose {
            client,
            subject: &grant.subject,
            grant_type: NAME,
        };
        Ok(Attempt::of(world, world.store.apply(change).await?, response, whose))
    }
}

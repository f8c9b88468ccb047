//! `client_credentials`: a client gets a token for itself.
//!
//! Implements RFC 6749 §4.4. Neither refresh nor ID token: the client can always ask again, and there is no person.
//! Attacks: a public client, which proves nothing, is refused (§4.4: "MUST only be used by confidential clients").

use async_trait::async_trait;

use super::lives::Lives;
use super::{Attempt, Grant, TokenResponse, Whose, require_scopes};
use crate::client::Client;
use crate::client_auth::Authenticated;
use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::hook::{self, Event};
use crate::params::Params;
use crate::port::{Change, Freshness, Owner};
use crate::target::Target;
use crate::token::access::Draft;
use crate::token::opaque::{Fresh, Kind};
use crate::world::World;

struct Request {
    scope: Vec<String>,
    target: Target,
}

pub(super) fn parse(_: &Cx<'_>, params: &Params) -> Result<Box<dyn Grant>, Failure> {
    Ok(Box::new(Request {
        scope: params.scope(),
        target: Target::parse(params)?,
    }))
}

impl Request {
    /// The scope to grant.
    fn decide(&self, cx: &Cx<'_>, client: &Client) -> Result<Vec<String>, Failure> {
        if client.is_public() {
            return Err(Fault::ClientPublic.into());
        }
        require_scopes(cx, client, &self.scope)?;
        self.target.require_registered(client)?;
        let takes_default = self.scope.is_empty() && cx.policy.default_grant_allowed_scope;
        Ok(if takes_default { &client.scope } else { &self.scope }.clone())
    }
}

#[async_trait]
impl Grant for Request {
    async fn attempt(&self, world: &World<'_>, client: &Authenticated, _: Freshness) -> Result<Attempt, Failure> {
        let (cx, client) = (&world.cx, &*client.client);
        let scope = self.decide(cx, client)?;
        let fresh = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Access, cx.new_id());
        let audience = self.target.clone().into_audience();
        let mut consented = Consented::default();
        let event = Event {
            grant_type: "client_credentials",
            client,
            subject: &client.id,
            requested: &self.scope,
            scope: &scope,
            audience: &audience,
            assertion: None,
        };
        let sealed = match hook::token(world, &event, &mut consented).await? {
            true => Some(consented.seal(cx, fresh.id)?),
            false => None,
        };
        let draft = Draft {
            client,
            grant: None,
            consented: &consented,
            owner: Owner::Client {
                id: client.id.clone(),
                scope: scope.clone(),
                audience,
                sealed,
            },
            life: Lives::client_credentials(cx.policy, client),
        };
        let access = draft.make(world, fresh).await?;
        let response = TokenResponse::of_client(cx, access.text, access.record.expires_at, &scope);
        let change = Change::Issue {
            access: access.record,
            client: client.proof(),
        };
        let whose = Whose {
            client,
            subject: &client.id,
            grant_type: "client_credentials",
        };
        Ok(Attempt::of(world, world.store.apply(change).await?, response, whose))
    }
}

//! The first tokens of a person's grant: an access token and, if the grant outlasts the person's presence, a refresh token.
//!
//! RFC 6749 §5.1. Both have the same lookup id.

use zeroize::Zeroizing;

use super::lives::Lives;
use super::response::Given;
use super::{TokenResponse, is_offline};
use crate::client::Client;
use crate::consented::Consented;
use crate::context::Timestamp;
use crate::fault::Failure;
use crate::port::{AccessRecord, GrantRecord, Owner, RefreshRecord};
use crate::token::access::{Draft, Made};
use crate::token::opaque::{Fresh, Kind};
use crate::world::World;

pub(super) struct Pair<'a> {
    client: &'a Client,
    grant: &'a GrantRecord,
    consented: &'a Consented,
    lives: Lives,
    now: Timestamp,
    access: Made,
    refresh: Option<Fresh>,
}

impl<'a> Pair<'a> {
    pub(super) async fn make(
        world: &World<'_>,
        client: &'a Client,
        (grant, consented): (&'a GrantRecord, &'a Consented),
        audience: Option<Vec<String>>,
        lives: Lives,
    ) -> Result<Self, Failure> {
        let cx = &world.cx;
        let generate = |kind, id| Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, kind, id);
        let draft = Draft {
            client,
            grant: Some((grant, consented)),
            owner: Owner::Grant {
                id: grant.id,
                scope: None,
                audience,
            },
            life: lives.access,
        };
        let access = draft.make(world, generate(Kind::Access, cx.new_id())).await?;
        let has_refresh = is_offline(&grant.scope) && client.has_grant_type("refresh_token");
        Ok(Self {
            client,
            grant,
            consented,
            lives,
            now: cx.now,
            refresh: has_refresh.then(|| generate(Kind::Refresh, access.record.id)),
            access,
        })
    }

    pub(super) fn access_record(&self) -> AccessRecord {
        self.access.record.clone()
    }

    pub(super) fn refresh_record(&self) -> Option<RefreshRecord> {
        self.refresh.as_ref().map(|refresh| RefreshRecord {
            id: refresh.id,
            digest: refresh.digest,
            grant: self.grant.id,
            issued_at: self.now,
            expires_at: self.lives.refresh_until(self.now),
        })
    }

    pub(super) async fn response(self, world: &World<'_>) -> Result<TokenResponse, Failure> {
        let refresh: Option<Zeroizing<String>> = self.refresh.map(|refresh| refresh.text);
        let given = Given {
            client: self.client,
            grant: self.grant,
            consented: self.consented,
            scope: &self.grant.scope,
            access: self.access.text,
            access_expires_at: self.access.record.expires_at,
            refresh,
            id_token_life: self.lives.id,
        };
        TokenResponse::of_grant(world, given).await
    }
}

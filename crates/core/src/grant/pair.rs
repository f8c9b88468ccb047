//! The first tokens of a person's grant: an access token and, if the grant outlasts the person's presence, a refresh token.
//!
//! RFC 6749 §5.1. Both have the same lookup id.

use super::lives::Lives;
use super::response::Given;
use super::{TokenResponse, is_offline};
use crate::client::Client;
use crate::consented::Consented;
use crate::context::{Cx, Timestamp};
use crate::fault::Failure;
use crate::port::{AccessRecord, GrantRecord, Owner, RefreshRecord};
use crate::token::opaque::{Fresh, Kind};
use crate::world::World;

pub(super) struct Pair<'a> {
    grant: &'a GrantRecord,
    lives: Lives,
    now: Timestamp,
    access: Fresh,
    refresh: Option<Fresh>,
}

impl<'a> Pair<'a> {
    pub(super) fn generate(cx: &Cx<'_>, client: &Client, grant: &'a GrantRecord, lives: Lives) -> Self {
        let generate = |kind, id| Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, kind, id);
        let access = generate(Kind::Access, cx.new_id());
        let has_refresh = is_offline(&grant.scope) && client.has_grant_type("refresh_token");
        Self {
            grant,
            lives,
            now: cx.now,
            refresh: has_refresh.then(|| generate(Kind::Refresh, access.id)),
            access,
        }
    }

    pub(super) fn access_record(&self) -> AccessRecord {
        AccessRecord {
            id: self.access.id,
            digest: self.access.digest,
            owner: Owner::Grant {
                id: self.grant.id,
                scope: None,
            },
            issued_at: self.now,
            expires_at: self.now.plus(self.lives.access),
        }
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

    pub(super) async fn response(self, world: &World<'_>, consented: &Consented) -> Result<TokenResponse, Failure> {
        let given = Given {
            grant: self.grant,
            consented,
            scope: &self.grant.scope,
            access: self.access.text,
            access_expires_at: self.now.plus(self.lives.access),
            refresh: self.refresh.map(|refresh| refresh.text),
            id_token_life: self.lives.id,
        };
        TokenResponse::of_grant(world, given).await
    }
}

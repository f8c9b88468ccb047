//! Tokens that were issued before a test begins, without the endpoint that issues them.

use super::{Desk, form, now};
use crate::client::Client;
use crate::client_auth::{Authenticated, Credentials, authenticate};
use crate::context::Timestamp;
use crate::port::{AccessRecord, Change, Freshness, GrantRecord, Owner, RefreshRecord};
use crate::token::opaque::{Fresh, Kind};

/// What the redemption of a code gave.
pub(crate) struct Pair {
    pub(crate) access: Fresh,
    pub(crate) refresh: Fresh,
}

impl Desk {
    /// The registered client with this id, by the secret of [`Desk::draft`] if it has one.
    pub(crate) fn authenticated(&self, client: &Client) -> Authenticated {
        let mut pairs = vec![("client_id", &*client.id)];
        if !client.is_public() {
            pairs.push(("client_secret", "secret"));
        }
        let credentials = Credentials {
            authorization: None,
            params: &form(&pairs),
        };
        let proven = now(authenticate(&self.world(), &credentials, Freshness::Latest));
        proven.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Stores the grant and redeems a code of it: an access token for an hour, of the narrowed scope if one is given, and
    /// a refresh token for as long as the grant.
    pub(crate) fn issued(&self, client: &Client, grant: &GrantRecord, narrowed: Option<&str>) -> Pair {
        let code = self.code(grant, None);
        let (access, refresh) = self.pair(grant, narrowed);
        self.apply(Change::Redeem {
            code: code.id,
            at: self.cx().now,
            access: access.1,
            refresh: Some(refresh.1),
            client: client.proof(),
            resealed: None,
        });
        Pair {
            access: access.0,
            refresh: refresh.0,
        }
    }

    /// Uses the refresh token up.
    pub(crate) fn rotated(&self, client: &Client, grant: &GrantRecord, old: &Pair) -> Pair {
        let (access, refresh) = self.pair(grant, None);
        self.apply(Change::Rotate {
            old: old.refresh.id,
            at: self.cx().now,
            access: access.1,
            refresh: refresh.1,
            client: client.proof(),
            keep_grant: grant.expires_at,
            resealed: None,
        });
        Pair {
            access: access.0,
            refresh: refresh.0,
        }
    }

    /// An access token of the client itself, for an hour.
    pub(crate) fn own_token(&self, client: &Client, scope: &str) -> Fresh {
        let fresh = self.fresh(Kind::Access, self.cx().new_id());
        let owner = Owner::Client {
            id: client.id.clone(),
            scope: scope.split(' ').map(str::to_owned).collect(),
            audience: Vec::new(),
            sealed: None,
        };
        self.apply(Change::Issue {
            access: self.access(&fresh, owner),
            client: client.proof(),
        });
        fresh
    }

    /// A token with our checksum that nobody was given.
    pub(crate) fn fresh(&self, kind: Kind, id: crate::context::Id) -> Fresh {
        let cx = self.cx();
        Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, kind, id)
    }

    fn access(&self, fresh: &Fresh, owner: Owner) -> AccessRecord {
        let now = self.cx().now;
        AccessRecord {
            id: fresh.id,
            digest: fresh.digest,
            owner,
            issued_at: now,
            expires_at: Timestamp(now.0 + 3600),
        }
    }

    fn pair(&self, grant: &GrantRecord, narrowed: Option<&str>) -> ((Fresh, AccessRecord), (Fresh, RefreshRecord)) {
        let id = self.cx().new_id();
        let (access, refresh) = (self.fresh(Kind::Access, id), self.fresh(Kind::Refresh, id));
        let owner = Owner::Grant {
            id: grant.id,
            scope: narrowed.map(|scope| scope.split(' ').map(str::to_owned).collect()),
            audience: None,
        };
        let record = RefreshRecord {
            id,
            digest: refresh.digest,
            grant: grant.id,
            issued_at: self.cx().now,
            expires_at: grant.expires_at,
        };
        let described = self.access(&access, owner);
        ((access, described), (refresh, record))
    }
}

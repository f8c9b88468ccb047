//! What the database knows about a token that somebody presented.
//!
//! RFC 6749 §1.4 and §1.5. Garbage is refused by its checksum or signature, without a query; what is found is compared by
//! digest.

use std::sync::Arc;

use crate::client::Client;
use crate::consented::Consented;
use crate::context::{Cx, Id, Timestamp};
use crate::fault::Failure;
use crate::port::{Freshness, GrantRecord, Owner, RefreshFacts};
use crate::token::access;
use crate::token::opaque::{Kind, Presented};
use crate::world::World;

/// An access token that is neither revoked nor unknown. It may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAccess {
    /// The lookup part.
    pub id: Id,
    /// On whose behalf it acts.
    pub holder: Holder,
    /// Time of issue.
    pub issued_at: Timestamp,
    /// End of life.
    pub expires_at: Timestamp,
    client_version: i64,
}

/// On whose behalf an access token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A person, by a grant.
    Person {
        /// The grant.
        grant: Arc<GrantRecord>,
        /// The scope of the token, if it is narrower than the grant's (RFC 6749 §6).
        scope: Option<Vec<String>>,
        /// The audience of the token, if it is narrower than the grant's (RFC 8707 §2.2).
        audience: Option<Vec<String>>,
    },
    /// The client itself (RFC 6749 §4.4).
    Client {
        /// The client.
        id: Arc<str>,
        /// Granted scopes.
        scope: Vec<String>,
        /// Granted audiences.
        audience: Vec<String>,
        /// Claims of the token hook, sealed.
        sealed: Option<Vec<u8>>,
    },
}

impl KnownAccess {
    /// The access token behind `text`.
    ///
    /// # Errors
    /// What the store says.
    pub async fn find(world: &World<'_>, text: &str) -> Result<Option<Self>, Failure> {
        let (id, digest) = match Presented::recognize(world.cx.secrets, Kind::Access, text) {
            Some(presented) => (presented.id, presented.digest),
            None => match access::recognize(world, text).await? {
                Some(recognized) => recognized,
                None => return Ok(None),
            },
        };
        let Some(facts) = world.store.access(id).await? else {
            return Ok(None);
        };
        let access = facts.access;
        if access.digest != digest {
            return Ok(None);
        }
        let holder = match (access.owner, facts.grant) {
            (Owner::Grant { scope, audience, .. }, Some(grant)) => Holder::Person { grant, scope, audience },
            (Owner::Grant { .. }, None) => return Ok(None),
            (
                Owner::Client {
                    id,
                    scope,
                    audience,
                    sealed,
                },
                _,
            ) => Holder::Client {
                id,
                scope,
                audience,
                sealed,
            },
        };
        Ok(Some(Self {
            id: access.id,
            holder,
            issued_at: access.issued_at,
            expires_at: access.expires_at,
            client_version: facts.client_version,
        }))
    }

    /// The client to which the token was issued, as it is now. A remembered one will do if it has the version that the
    /// database told along with the token.
    ///
    /// # Errors
    /// What the store says.
    pub async fn client(&self, world: &World<'_>) -> Result<Option<Arc<Client>>, Failure> {
        let remembered = world.client(self.client_id(), Freshness::ProvedByWrite).await?;
        match remembered.filter(|client| client.version == self.client_version) {
            Some(client) => Ok(Some(client)),
            None => world.client(self.client_id(), Freshness::Latest).await,
        }
    }

    /// Whether the token has not expired.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// The grant of a person; none for a token of the client itself.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantRecord> {
        match &self.holder {
            Holder::Person { grant, .. } => Some(grant),
            Holder::Client { .. } => None,
        }
    }

    /// What the token hook said of a token of the client itself; none if it cannot be opened, so that the token is dead.
    #[must_use]
    pub fn hooked(&self, cx: &Cx<'_>) -> Option<Consented> {
        match &self.holder {
            Holder::Client {
                sealed: Some(sealed), ..
            } => Consented::open_sealed(cx, self.id, sealed),
            _ => Some(Consented::default()),
        }
    }

    /// The client to which the token was issued.
    #[must_use]
    pub fn client_id(&self) -> &Arc<str> {
        match &self.holder {
            Holder::Person { grant, .. } => &grant.client_id,
            Holder::Client { id, .. } => id,
        }
    }

    /// The person who granted, or the client itself.
    #[must_use]
    pub fn subject(&self) -> &str {
        match &self.holder {
            Holder::Person { grant, .. } => &grant.subject,
            Holder::Client { id, .. } => id,
        }
    }

    /// Granted scopes.
    #[must_use]
    pub fn scope(&self) -> &[String] {
        match &self.holder {
            Holder::Person { grant, scope, .. } => scope.as_ref().unwrap_or(&grant.scope),
            Holder::Client { scope, .. } => scope,
        }
    }

    /// Granted audiences.
    #[must_use]
    pub fn audience(&self) -> &[String] {
        match &self.holder {
            Holder::Person { grant, audience, .. } => audience.as_ref().unwrap_or(&grant.audience),
            Holder::Client { audience, .. } => audience,
        }
    }
}

/// A refresh token of a grant that is not revoked. It may have expired or been used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRefresh {
    facts: Arc<RefreshFacts>,
    grant: Arc<GrantRecord>,
}

impl KnownRefresh {
    /// The refresh token behind `text`, as the database has it now.
    ///
    /// # Errors
    /// What the store says.
    pub async fn find(world: &World<'_>, text: &str) -> Result<Option<Self>, Failure> {
        let Some(presented) = Presented::recognize(world.cx.secrets, Kind::Refresh, text) else {
            return Ok(None);
        };
        let Some(facts) = world.store.refresh(presented.id, Freshness::Latest).await? else {
            return Ok(None);
        };
        if facts.refresh.digest != presented.digest {
            return Ok(None);
        }
        let grant = facts.grant.clone();
        Ok(grant.map(|grant| Self { facts, grant }))
    }

    /// What is stored.
    #[must_use]
    pub fn facts(&self) -> &RefreshFacts {
        &self.facts
    }

    /// Its grant.
    #[must_use]
    pub fn grant(&self) -> &GrantRecord {
        &self.grant
    }

    /// Whether the token has neither expired nor been used.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        now < self.facts.refresh.expires_at && self.facts.rotated.is_none()
    }
}

//! Grants, their tokens, and keys as they are stored.

use std::sync::Arc;

use super::Digest;
use crate::context::{Id, Timestamp};

/// What a person granted to a client: stored once, pointed to by every token of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// The grant; `consent_request_id` on the admin API.
    pub id: Id,
    /// The client.
    pub client_id: Arc<str>,
    /// Who granted.
    pub subject: String,
    /// The login session (`sid`).
    pub session_id: Option<Id>,
    /// Granted scopes.
    pub scope: Vec<String>,
    /// Granted audiences.
    pub audience: Vec<String>,
    /// Claims and authentication facts, sealed.
    pub sealed: Vec<u8>,
    /// Until when the consent is remembered: none if it is not, [`Timestamp::NEVER`] if for ever.
    pub remembered_until: Option<Timestamp>,
    /// Whether an earlier consent was repeated without asking, so that lists of consents leave it out.
    pub skipped: bool,
    /// Creation time.
    pub created_at: Timestamp,
    /// From then on the row may be removed: no token of it lives and no memory is left.
    pub expires_at: Timestamp,
}

/// An authorization code (RFC 6749 §4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    /// The lookup part of the code.
    pub id: Id,
    /// Digest of the whole code.
    pub digest: Digest,
    /// What it redeems.
    pub grant: Id,
    /// `redirect_uri` of the authorization request, if it had one.
    pub redirect_uri: Option<String>,
    /// `code_challenge` with the method S256, if it had one (RFC 7636).
    pub challenge: Option<String>,
    /// End of life.
    pub expires_at: Timestamp,
}

/// A code with what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFacts {
    /// The code.
    pub code: CodeRecord,
    /// When it was consumed, by redemption or by a wrong verifier.
    pub used_at: Option<Timestamp>,
    /// Its grant, unless revoked.
    pub grant: Option<Arc<GrantRecord>>,
}

/// On whose behalf an access token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A person's grant, with what the token has less than the grant.
    Grant {
        /// The grant.
        id: Id,
        /// Narrower scope, if it was narrowed (RFC 6749 §6).
        scope: Option<Vec<String>>,
        /// Fewer audiences, if it was narrowed (RFC 8707 §2.2).
        audience: Option<Vec<String>>,
    },
    /// The client itself (client_credentials).
    Client {
        /// The client.
        id: Arc<str>,
        /// Granted scopes.
        scope: Vec<String>,
        /// Granted audiences.
        audience: Vec<String>,
        /// Claims of the token hook, sealed, if it gave any.
        sealed: Option<Vec<u8>>,
    },
}

/// An access token: about a hundred bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRecord {
    /// The lookup part of the token.
    pub id: Id,
    /// Digest of the whole token.
    pub digest: Digest,
    /// On whose behalf.
    pub owner: Owner,
    /// Time of issue.
    pub issued_at: Timestamp,
    /// End of life.
    pub expires_at: Timestamp,
}

/// An access token with what it leads to. A token whose grant or client is gone is not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFacts {
    /// The token.
    pub access: AccessRecord,
    /// Its grant, if it has one.
    pub grant: Option<Arc<GrantRecord>>,
    /// The version of its client, which proves a remembered one.
    pub client_version: i64,
}

/// A refresh token. The access token issued with it has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRecord {
    /// The lookup part of the token.
    pub id: Id,
    /// Digest of the whole token.
    pub digest: Digest,
    /// The grant.
    pub grant: Id,
    /// Time of issue.
    pub issued_at: Timestamp,
    /// End of life.
    pub expires_at: Timestamp,
}

/// A refresh token with what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshFacts {
    /// The token.
    pub refresh: RefreshRecord,
    /// When it was rotated, and into which token.
    pub rotated: Option<Rotated>,
    /// Its grant, unless revoked.
    pub grant: Option<Arc<GrantRecord>>,
}

/// The end of a refresh token that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// First use.
    pub at: Timestamp,
    /// Its successor, if that still exists.
    pub successor: Option<RefreshRecord>,
    /// The access token issued with the successor, if that still exists.
    pub access: Option<AccessRecord>,
}

/// What the end of an authorization writes: the grant, and what the client gets in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What the person granted.
    pub grant: Arc<GrantRecord>,
    /// Its code, if the response type has one.
    pub code: Option<CodeRecord>,
    /// Its access token, if the response type has one.
    pub access: Option<AccessRecord>,
}

/// A signing key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key set.
    pub set: String,
    /// `kid`.
    pub kid: String,
    /// The JWK, sealed.
    pub sealed: Vec<u8>,
    /// Creation time; the newest key of a set that may sign already signs.
    pub created_at: Timestamp,
    /// Before that time it is published only.
    pub signs_from: Timestamp,
    /// When the last of what it signed has expired; [`Timestamp::NEVER`] if that is not known, because the key came from
    /// elsewhere.
    pub needed_until: Timestamp,
}

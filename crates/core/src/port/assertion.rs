//! Assertions (RFC 7521): those that were used, and the keys of those who may make grants of them.

use super::Digest;
use crate::context::{Id, Timestamp};

/// An assertion that must not be accepted again (`jti`, RFC 7523 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedAssertion {
    /// Digest of its use, its issuer and its `jti`.
    pub digest: Digest,
    /// From then on it is refused for its age, and the row may be removed.
    pub expires_at: Timestamp,
}

/// A key whose assertions are grants (RFC 7523 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRecord {
    /// The trust.
    pub id: Id,
    /// `iss` of the assertions.
    pub issuer: String,
    /// `sub` of the assertions; none for any.
    pub subject: Option<String>,
    /// What they may grant.
    pub scope: Vec<String>,
    /// `kid` of the key.
    pub kid: String,
    /// The public JWK, as JSON.
    pub key: String,
    /// Creation time.
    pub created_at: Timestamp,
    /// From then on the key is not trusted.
    pub expires_at: Timestamp,
}

/// Which trusts a page of the list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustQuery {
    /// Exact issuer.
    pub issuer: Option<String>,
    /// Only ids after this one.
    pub after: Option<Id>,
    /// How many to skip, for callers that page by offset.
    pub offset: u32,
    /// At most this many.
    pub limit: u32,
}

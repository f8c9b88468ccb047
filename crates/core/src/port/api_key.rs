//! Keys of the admin port.

use super::Digest;
use crate::context::{Id, Timestamp};

/// A key by which a service of the operator uses the admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The key; part of its text.
    pub id: Id,
    /// What people call it; no two have the same.
    pub name: String,
    /// Of its text.
    pub digest: Digest,
    /// What it opens, by names of [`crate::api_key::Area`].
    pub scope: Vec<String>,
    /// Creation time.
    pub created_at: Timestamp,
    /// From then on it opens nothing. The row stays until the key is revoked.
    pub expires_at: Timestamp,
    /// When it was used, to about an hour.
    pub last_used_at: Option<Timestamp>,
}

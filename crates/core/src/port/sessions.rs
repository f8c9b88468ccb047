//! Facts about consents, login sessions and their end.

use crate::context::{Id, Timestamp};

/// Which grants a list of consents shows: those that a person was asked about and that are not forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantQuery {
    /// Who granted.
    pub subject: String,
    /// Only those of this login session.
    pub session: Option<Id>,
    /// Only those that are neither expired nor forgotten at this time.
    pub at: Timestamp,
    /// Only ids after this one.
    pub after: Option<Id>,
    /// How many to skip, for callers that page by offset.
    pub offset: u32,
    /// At most this many.
    pub limit: u32,
}

/// A client that has something of a login session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// `client_id`.
    pub client: String,
    /// Whose session it is.
    pub subject: String,
}

/// What a client is to be told by back-channel logout. There is one for each client and session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRecord {
    /// The notice.
    pub id: Id,
    /// The client.
    pub client: String,
    /// The session that ended.
    pub session: Id,
    /// Whose session it was.
    pub subject: String,
    /// How often it was claimed for sending.
    pub attempts: u32,
    /// When it is sent (again); [`Timestamp::NEVER`] when that is over.
    pub due_at: Timestamp,
    /// From then on nobody tries any more and the row may be removed.
    pub expires_at: Timestamp,
}

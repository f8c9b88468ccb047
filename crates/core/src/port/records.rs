//! Clients, flows and login sessions as they are stored.

use std::sync::Arc;

use crate::context::{Id, Timestamp};

/// A registered client as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// `client_id`.
    pub id: String,
    /// Grows by one with each change; a change that relies on a remembered client names the version that it saw. The
    /// store chooses the first one, such that a client made again under an old id has no version that it had before.
    pub version: i64,
    /// `client_name`, for the list's filter.
    pub name: String,
    /// `owner`, for the list's filter.
    pub owner: String,
    /// The validated metadata and secret digests, as JSON.
    pub document: String,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
}

/// The client that a decision relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientProof {
    /// `client_id`.
    pub id: Arc<str>,
    /// The version that was seen.
    pub version: i64,
}

/// Which clients a page of the list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientQuery {
    /// Exact `client_name`.
    pub name: Option<String>,
    /// Exact `owner`.
    pub owner: Option<String>,
    /// Only ids after this one.
    pub after: Option<String>,
    /// How many to skip, for callers that page by offset.
    pub offset: u32,
    /// At most this many.
    pub limit: u32,
}

/// How far an authorization has come. Steps only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum FlowStep {
    /// The login app accepted or rejected; the browser has not come back yet.
    LoginAnswered = 1,
    /// The browser came back with the login verifier and was sent to consent.
    ConsentAsked = 2,
    /// The consent app accepted or rejected; the browser has not come back yet.
    ConsentAnswered = 3,
    /// The client has its answer.
    Done = 4,
}

impl FlowStep {
    /// Reads the number that the database holds.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        [
            Self::LoginAnswered,
            Self::ConsentAsked,
            Self::ConsentAnswered,
            Self::Done,
        ]
        .into_iter()
        .find(|step| *step as i16 == number)
    }
}

/// The state of one authorization from the moment the login app answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// The flow.
    pub id: Id,
    /// How far it has come.
    pub step: FlowStep,
    /// Changes with each write of this row.
    pub version: i64,
    /// Request, login answer and consent answer, sealed.
    pub sealed: Vec<u8>,
    /// From then on the row may be removed.
    pub expires_at: Timestamp,
}

/// A login session, which a browser holds by its sealed cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// `sid` of ID tokens.
    pub id: Id,
    /// Who logged in.
    pub subject: String,
    /// When they authenticated (`auth_time`).
    pub authenticated_at: Timestamp,
    /// Whether the session serves later authorizations without login.
    pub remember: bool,
    /// `acr`, `amr` and the identity provider's session, sealed.
    pub sealed: Vec<u8>,
    /// End of the session.
    pub expires_at: Timestamp,
}

/// What happens to the browser's login session when a login verifier is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// Insert the session or replace the one with its id.
    Put(SessionRecord),
    /// Move the end of a session (`extend_session_lifespan`).
    Extend(Id, Timestamp),
    /// Remove the session; it does not matter whether it still exists (D4).
    End(Id),
}

//! Why a request gets no success: the table of refusals, and what happens before and beside the protocol.

use claviger_core::fault::{Code, Failure, Fault};
use claviger_core::port::StoreError;
use http::StatusCode;

use super::call::Unreadable;

/// Why a request gets no success, with all that the answer needs.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The protocol refuses, or something of ours failed.
    #[error(transparent)]
    Failure(Failure),
    /// The request could not be read.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// An admin request concerns something that is not there, or not so; with the text for `error_description`.
    #[error("{0:?}: {1}")]
    Resource(Resource, String),
}

/// How admin requests fail where OAuth has no code: Hydra answers a sentence in its place, and programs compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A challenge or key set that nobody knows.
    Unknown,
    /// A client, key, grant or logout request without a row.
    Missing,
    /// The id is taken.
    Exists,
    /// It was decided before, differently.
    Conflict,
    /// It was used before: 410, whose body the handler writes when there is somewhere to go.
    Gone,
    /// The parameters make no sense.
    Malformed,
    /// No credentials, or wrong ones.
    Unauthorized,
    /// Not with these credentials.
    Forbidden,
    /// The collection has no such member.
    NotFound,
    /// A key algorithm that is not supported.
    BadRequest,
}

impl Resource {
    fn status(self) -> StatusCode {
        match self {
            Self::Unknown | Self::Missing | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Exists | Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::Malformed | Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Unknown => "Not Found",
            Self::Missing => "Unable to locate the resource",
            Self::Exists => "Unable to insert or update resource because a resource with that value exists already",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Malformed => "The request was malformed or contained invalid parameters",
            Self::Unauthorized => "The request could not be authorized",
            Self::Forbidden => "The requested action was forbidden",
            Self::NotFound => "The requested resource could not be found",
            Self::BadRequest => "Bad Request",
        }
    }

    /// The problem, with a text that says what happened and what to do.
    #[must_use]
    pub fn because(self, description: impl Into<String>) -> Problem {
        Problem::Resource(self, description.into())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Failure(fault.into())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Resource> for Problem {
    fn from(resource: Resource) -> Self {
        resource.because("")
    }
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Failure(failure) => Self::Failure(failure),
            Unreadable::Json(fault) => Self::Failure(Fault::AnswerMalformed.because(fault.to_string())),
            other => Self::Unreadable(other),
        }
    }
}

impl Problem {
    /// The status of an answer of its own.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Failure(failure) => {
                StatusCode::from_u16(failure.fault().code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Unreadable(Unreadable::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable(Unreadable::Slow) => StatusCode::REQUEST_TIMEOUT,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Resource(resource, _) => resource.status(),
        }
    }

    /// The `error` member.
    #[must_use]
    pub fn error(&self) -> &'static str {
        match self {
            Self::Failure(failure) => failure.fault().code().as_str(),
            Self::Unreadable(_) => Code::InvalidRequest.as_str(),
            Self::Resource(resource, _) => resource.title(),
        }
    }

    /// The `error_description` member.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Failure(failure) => failure.description(),
            Self::Unreadable(unreadable) => unreadable.to_string(),
            Self::Resource(_, description) => description.replace('"', "'"),
        }
    }

    /// For the log line of the request: the name in the table of refusals.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Failure(failure) => failure.fault().name(),
            Self::Unreadable(_) => "Unreadable",
            Self::Resource(resource, _) => resource.title(),
        }
    }

    /// The rest of a body that was not read would be taken for the next request.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(Unreadable::TooLarge { .. } | Unreadable::Slow | Unreadable::Broken)
        )
    }

    /// What is ours is reported once, here; what is theirs is told to them, and noted only for who debugs a client.
    pub(crate) fn report(&self) {
        match self {
            Self::Failure(failure @ (Failure::Store(_) | Failure::Internal(_))) => {
                tracing::error!(error = %Chain(failure), "a request failed");
            }
            _ => tracing::debug!(
                error = self.name(),
                status = self.status().as_u16(),
                "a request was refused"
            ),
        }
    }
}

/// An error and what caused it, on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

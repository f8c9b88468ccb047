//! Why a command failed, said so that the person knows what to do next.

use std::io;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::server::JobError;

/// A command's failure. The text is for standard error; secrets and tokens are never part of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(
        "The address of the server is missing, so there is nothing to talk to.\n\
         Pass --endpoint URL, or set {variables}. Example: --endpoint {example}"
    )]
    NoEndpoint {
        variables: &'static str,
        example: &'static str,
    },

    #[error(
        "{given:?} is not an address of a server: {reason}.\n\
         Give a URL with scheme and host, for example http://127.0.0.1:4445"
    )]
    BadAddress { given: String, reason: String },

    #[error("{0:?} is not a header.\nWrite it as --http-header 'Name: value', for example 'X-Forwarded-Proto: https'")]
    BadHeader(String),

    #[error(
        "{method} {url} did not get through: {reason}.\n\
         Check that the server is running and that its address and port are right"
    )]
    Unreachable {
        method: Method,
        url: String,
        reason: String,
    },

    #[error(
        "{method} {url} was not answered within {seconds} s, so the command gave up.\n\
         Check the server's log{advice}"
    )]
    TimedOut {
        method: Method,
        url: String,
        seconds: u64,
        advice: &'static str,
    },

    #[error("{0}")]
    Refused(Box<Refusal>),

    #[error(
        "{method} {url} was answered with status {status}, but not in JSON as this API does.\n\
         Something else listens there, or a proxy stands between: check the address and the port"
    )]
    NotTheApi {
        method: Method,
        url: String,
        status: StatusCode,
    },

    #[error("{path} could not be read: {reason}")]
    File { path: String, reason: String },

    /// Something that the person gave cannot be used. The text says what, why and what to write instead.
    #[error("{0}")]
    Input(String),

    #[error("the result could not be written: {0}")]
    Output(io::Error),

    /// A command that works on the database itself.
    #[error(transparent)]
    Job(#[from] JobError),

    /// Part of the work failed and each part was reported when it did.
    #[error("{failed} of {total} failed; see above")]
    Partly { failed: usize, total: usize },
}

impl Failure {
    pub(crate) fn file(path: &str, reason: &io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn input(text: impl Into<String>) -> Self {
        Self::Input(text.into())
    }
}

/// An error answer of the server.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Refusal {
    /// The OAuth 2.0 error code (RFC 6749 §5.2), when the answer has one.
    pub(crate) fn code(&self) -> Option<&str> {
        self.body.get("error").and_then(Value::as_str)
    }

    fn advice(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED if self.code() == Some("invalid_client") => {
                "\nCheck the client's id and secret, and the authentication method it is registered with"
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "\nThis server wants credentials: pass --access-token (or, with the newer commands, -H 'Authorization: Bearer …' or the variable CLAVIGER_API_KEY)"
            }
            // An unknown object and an unknown route look alike; only the route is helped by another port.
            StatusCode::NOT_FOUND => {
                "\nIf the name is right, check the address: administration and OAuth 2.0 are on different ports (4445 and 4444)"
            }
            StatusCode::SERVICE_UNAVAILABLE => "\nThe server is up but not ready: its /health/ready says why",
            _ => "",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            method,
            url,
            status,
            body,
        } = self;
        let (advice, body) = (self.advice(), serde_json::to_string_pretty(body).unwrap_or_default());
        write!(
            formatter,
            "{method} {url} was refused ({status}) with the following error message:\n{body}{advice}"
        )
    }
}

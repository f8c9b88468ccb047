//! What errors of the server and of the connection mean.

use std::error::Error as _;

use claviger_core::port::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What PostgreSQL's error means to the protocol.
pub(super) fn refused(error: &Error) -> StoreError {
    let reason = explained(error);
    let Some(code) = error.code() else {
        // Without an answer of the server only a value that does not fit its type is our fault.
        let is_transport = error.is_closed()
            || error
                .source()
                .is_some_and(|source| source.is::<std::io::Error>() || source.is::<rustls::Error>());
        return match is_transport {
            true => StoreError::Unavailable(reason),
            false => StoreError::Broken(reason),
        };
    };
    match *code {
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => StoreError::NotMigrated,
        SqlState::QUERY_CANCELED
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::READ_ONLY_SQL_TRANSACTION
        | SqlState::LOCK_NOT_AVAILABLE => StoreError::Unavailable(reason),
        // Connection, resources, operator (shutdown), system.
        _ if ["08", "53", "57", "58"]
            .iter()
            .any(|class| code.code().starts_with(class)) =>
        {
            StoreError::Unavailable(reason)
        }
        _ if is_outdated(error) => StoreError::Unavailable(reason),
        _ => StoreError::Broken(reason),
    }
}

/// Whether there is no connection because nobody is there, or nobody who is up: starting, stopping, full, or a standby where
/// a primary is asked for. A certificate that is not trusted does not mend itself.
pub(super) fn is_away(error: &Error) -> bool {
    if let Some(server) = error.as_db_error() {
        let code = server.code();
        let is_for_good = *code == SqlState::PROTOCOL_VIOLATION && is_poolers_refusal(server.message());
        return !is_for_good && ["08", "53", "57"].iter().any(|class| code.code().starts_with(class));
    }
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_closed() || cause.is_some_and(|cause| cause.kind() != std::io::ErrorKind::InvalidData)
}

/// Older releases of PgBouncer have one code (08P01) for everything: these messages say that it, or the server behind it, does
/// not let us in; the others that the server is away.
fn is_poolers_refusal(message: &str) -> bool {
    let refusals = [
        "no such database",
        "no such user",
        "authentication failed",
        "does not exist",
    ];
    refusals.iter().any(|refusal| message.contains(refusal))
}

/// Whether the connection is of no use any more: it is closed, or the server shuts down or was told to end it.
pub(super) fn is_lost(error: &Error) -> bool {
    let shutdown = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::CANNOT_CONNECT_NOW,
    ];
    error.is_closed() || error.code().is_some_and(|code| shutdown.contains(&code))
}

/// Whether the server takes no writes, as a standby does. The next connection may reach the one that took over.
pub(super) fn is_read_only(error: &Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether the server undid the statement for the sake of another one.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
    )
}

/// Whether a prepared statement does not fit the schema any more, as a migration ran meanwhile.
pub(super) fn is_outdated(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::FEATURE_NOT_SUPPORTED | &SqlState::INVALID_SQL_STATEMENT_NAME)
    )
}

/// The error with its cause and code, without the detail, which may repeat values.
pub(super) fn explained(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(server), _) => format!("{} (SQLSTATE {})", server.message(), server.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PgBouncer 1.18 says it.
    #[test]
    fn a_pooler_that_does_not_let_us_in_is_told_from_one_whose_server_is_away() {
        for refusal in [
            "no such database: nowhere",
            "no such user: nobody",
            "password authentication failed",
        ] {
            assert!(is_poolers_refusal(refusal), "{refusal}");
        }
        for passing in [
            "query_wait_timeout",
            "no more connections allowed (max_client_conn)",
            "connect failed",
        ] {
            assert!(!is_poolers_refusal(passing), "{passing}");
        }
    }
}

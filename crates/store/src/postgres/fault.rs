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

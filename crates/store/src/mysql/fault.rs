//! What errors of the server and of the connection mean.

use std::time::Duration;

use claviger_core::port::StoreError;
use mysql_async::{DriverError, Error, IoError, ServerError};

/// Undone for the sake of another transaction, here (1213, 1205) or on another server of the cluster (1213).
const DEADLOCK: u16 = 1213;
pub(super) const LOCK_WAIT: u16 = 1205;
/// The group undid a transaction while it was committed.
const ROLLED_BACK: u16 = 3101;
/// The savepoint of a transaction that was undone without a word.
const NO_SAVEPOINT: u16 = 1305;
/// A Galera server that is not part of the cluster at the moment: nothing was done, if it said so at first.
const NOT_PREPARED: u16 = 1047;

/// Errors that end when somebody frees room, the load sinks, or another server takes over.
const PASSING: [u16; 26] = [
    NO_SAVEPOINT,
    1021,
    1030,
    1037,
    1038,
    1040,
    1041,
    1042,
    1043,
    NOT_PREPARED,
    1078,
    1080,
    1114,
    1129,
    1158,
    1159,
    1160,
    1161,
    1203,
    LOCK_WAIT,
    DEADLOCK,
    1226,
    1637,
    3024,
    ROLLED_BACK,
    3168,
];

/// Errors of a server that does not take writes, or ends the connection. The next connection may reach another server.
const ELSEWHERE: [u16; 11] = [NOT_PREPARED, 1053, 1077, 1079, 1290, 1792, 1836, 1927, 3100, 3169, 4031];

/// Errors that may come when the commit was done already (seen with `KILL QUERY`): the statement or the connection was
/// ended from outside, the server stops, or it failed in the midst of the commit.
const UNCLEAR: [u16; 9] = [1053, 1077, 1079, 1180, 1317, 1927, 1969, 3169, 4031];

/// Errors whose message repeats values.
const TALKATIVE: [u16; 7] = [1062, 1064, 1292, 1300, 1366, 1586, 1690];

/// Whoever waited for a lock for so long does not ask for it again: others wait behind.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Failed {
    /// There is no connection, and nothing was asked.
    Unconnected(StoreError),
    /// The server said so, and everything that was asked is undone.
    Refused { code: u16, reason: String },
    /// The server said so. Whether it happened is not known.
    Unclear { code: u16, reason: String },
    /// The connection ended. Whether it happened is not known.
    Lost(String),
    /// Nobody said anything until the deadline. Whether it happened is not known.
    Silent,
}

impl Failed {
    pub(super) fn from(error: &Error) -> Self {
        match error {
            Error::Server(error) if UNCLEAR.contains(&error.code) => Self::Unclear {
                code: error.code,
                reason: explained(error),
            },
            Error::Server(error) => Self::Refused {
                code: error.code,
                reason: explained(error),
            },
            error => Self::Lost(transport(error)),
        }
    }

    /// The same after the server answered a part already, when it may be the commit that it did not get done.
    pub(super) fn midway(self) -> Self {
        match self {
            Self::Refused {
                code: NOT_PREPARED,
                reason,
            } => Self::Unclear {
                code: NOT_PREPARED,
                reason,
            },
            failed => failed,
        }
    }

    /// Whether trying the whole again may help at once.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: DEADLOCK | LOCK_WAIT | NOT_PREPARED | NO_SAVEPOINT | ROLLED_BACK,
                ..
            }
        )
    }

    /// The same for an operation that took so long already.
    pub(super) fn may_pass_after(&self, spent: Duration) -> bool {
        let is_lock = matches!(self, Self::Refused { code: LOCK_WAIT, .. });
        self.may_pass() && !(is_lock && spent >= LOCK_PATIENCE)
    }

    /// Whether the connection is of no use any more.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Refused { code, .. } => ELSEWHERE.contains(code),
            Self::Unconnected(_) | Self::Unclear { .. } | Self::Lost(_) | Self::Silent => true,
        }
    }

    /// Whether the server is gone or no primary. A statement that took too long says nothing of the kind.
    pub(super) fn leaves_server(&self) -> bool {
        match self {
            Self::Refused { code, .. } | Self::Unclear { code, .. } => ELSEWHERE.contains(code),
            Self::Lost(_) => true,
            // One that is gone does not take the next connection either, which goes elsewhere then.
            Self::Unconnected(_) | Self::Silent => false,
        }
    }

    /// Whether a question that changes nothing may be asked again on a new connection.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Unclear { code, .. } => ELSEWHERE.contains(code),
            Self::Unconnected(_) | Self::Refused { .. } | Self::Silent => false,
        }
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unconnected(error) => error,
            // No such table, no such column.
            Failed::Refused { code: 1146 | 1054, .. } => Self::NotMigrated,
            Failed::Refused { code, reason } if PASSING.contains(&code) || ELSEWHERE.contains(&code) => {
                Self::Unavailable(reason)
            }
            Failed::Refused { reason, .. } => Self::Broken(reason),
            Failed::Unclear { reason, .. } | Failed::Lost(reason) => Self::Unavailable(reason),
            Failed::Silent => Self::Unavailable("it did not answer in time".to_owned()),
        }
    }
}

/// Whether there is no connection because nobody is there, or nobody who is up. A certificate that is not trusted, or a method of
/// authentication that is not known, does not mend itself.
pub(super) fn is_away(error: &Error) -> bool {
    match error {
        Error::Server(error) => PASSING.contains(&error.code) || ELSEWHERE.contains(&error.code),
        // What TLS refuses is invalid data.
        Error::Io(IoError::Io(error)) => error.kind() != std::io::ErrorKind::InvalidData,
        Error::Driver(DriverError::ConnectionClosed) => true,
        _ => false,
    }
}

/// The message with its code; without the message where that repeats values.
pub(super) fn explained(error: &ServerError) -> String {
    let ServerError { code, message, state } = error;
    match code {
        1062 => format!("a row with that key is there already (error {code}, SQLSTATE {state})"),
        code if TALKATIVE.contains(code) => format!("error {code} (SQLSTATE {state})"),
        code => format!("{message} (error {code}, SQLSTATE {state})"),
    }
}

pub(super) fn transport(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Driver(error) => match error {
            mysql_async::DriverError::NoClientSslFlagFromServer => {
                "the server does not offer TLS; use the parameter tls=preferred or tls=false if that is meant"
                    .to_owned()
            }
            mysql_async::DriverError::UnexpectedPacket { .. } => "the server sent an unexpected packet".to_owned(),
            error => error.to_string(),
        },
        _ => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> Failed {
        Failed::from(&Error::Server(ServerError {
            code,
            message: message.to_owned(),
            state: "HY000".to_owned(),
        }))
    }

    #[test]
    fn deadlocks_lock_waits_and_galera_conflicts_are_tried_again() {
        for code in [1213, 1205, 1047, 1305, 3101] {
            assert!(refused(code, "").may_pass(), "{code}");
            assert!(matches!(
                StoreError::from(refused(code, "")),
                StoreError::Unavailable(_)
            ));
        }
        assert!(!refused(1062, "").may_pass());
    }

    #[test]
    fn what_may_have_been_committed_is_never_done_again() {
        let midway = refused(NOT_PREPARED, "").midway();
        for failed in UNCLEAR.map(|code| refused(code, "")).into_iter().chain([midway]) {
            assert!(matches!(failed, Failed::Unclear { .. }), "{failed:?}");
            assert!(!failed.may_pass() && failed.ends_connection(), "{failed:?}");
            assert!(matches!(StoreError::from(failed), StoreError::Unavailable(_)));
        }
        // These surely undid it, also when they come late.
        for code in [DEADLOCK, LOCK_WAIT, NO_SAVEPOINT, ROLLED_BACK] {
            assert!(refused(code, "").midway().may_pass(), "{code}");
        }
    }

    #[test]
    fn a_lock_is_not_waited_for_again_and_again() {
        let long = Duration::from_secs(5);
        assert!(!refused(LOCK_WAIT, "").may_pass_after(long));
        assert!(refused(LOCK_WAIT, "").may_pass_after(Duration::ZERO));
        assert!(refused(DEADLOCK, "").may_pass_after(long));
    }

    #[test]
    fn a_server_that_takes_no_writes_is_left() {
        for code in [1290, 1792, 1836, 1047, 1927] {
            assert!(
                refused(code, "").ends_connection() && refused(code, "").leaves_server(),
                "{code}"
            );
            assert!(matches!(
                StoreError::from(refused(code, "")),
                StoreError::Unavailable(_)
            ));
        }
        assert!(!refused(1213, "").ends_connection());
        assert!(Failed::Lost(String::new()).leaves_server());
    }

    #[test]
    fn a_server_is_not_left_for_a_statement_that_took_too_long() {
        for failed in [
            refused(1317, ""),
            refused(1969, ""),
            refused(LOCK_WAIT, ""),
            Failed::Silent,
        ] {
            assert!(!failed.leaves_server(), "{failed:?}");
        }
    }

    #[test]
    fn a_message_that_repeats_values_is_not_shown() {
        for code in TALKATIVE {
            let shown = StoreError::from(refused(code, "Duplicate entry 'geheim' for key 'x'")).to_string();
            assert!(
                !shown.contains("geheim") && shown.contains(&code.to_string()),
                "{shown}"
            );
        }
    }
}

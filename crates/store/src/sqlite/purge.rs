//! The purge: every kind of row that has ended, and what removed clients left.

use claviger_core::context::Timestamp;
use claviger_core::port::Purged;
use rusqlite::{Connection, Result, TransactionBehavior, params};

use super::apply::run;

/// Up to `?2` rows that ended before `?1`.
macro_rules! expired {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE id IN (SELECT id FROM ",
            $table,
            " WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)"
        )
    };
}
/// Grants without end of clients that were removed. The list of these is read first, as it is short.
macro_rules! orphans {
    () => {
        "SELECT claviger_grant.id FROM claviger_removed_client CROSS JOIN claviger_grant
         WHERE claviger_grant.client_serial = claviger_removed_client.serial
           AND claviger_grant.expires_at = 9223372036854775807 LIMIT ?2"
    };
}

/// A grant stays until no refresh token without end is left of it, so that a batch is small however many there are. A
/// removed client is remembered for some time after it was seen, as somebody may have been making a grant just then.
#[rustfmt::skip]
pub(super) const ALL: &[&str] = &[
    expired!("claviger_flow"),
    expired!("claviger_session"),
    expired!("claviger_code"),
    expired!("claviger_access"),
    expired!("claviger_refresh"),
    expired!("claviger_grant"),
    expired!("claviger_logout_notice"),
    expired!("claviger_assertion"),
    expired!("claviger_device"),
    expired!("claviger_trust"),
    concat!(
        "DELETE FROM claviger_refresh WHERE id IN (
            SELECT r.id FROM (", orphans!(), ") o CROSS JOIN claviger_refresh r
            WHERE r.grant_id = o.id AND r.expires_at = 9223372036854775807 LIMIT ?2)"
    ),
    concat!(
        "DELETE FROM claviger_grant WHERE id IN (", orphans!(), ") AND NOT EXISTS (
            SELECT 1 FROM claviger_refresh r
            WHERE r.grant_id = claviger_grant.id AND r.expires_at = 9223372036854775807)"
    ),
    "DELETE FROM claviger_removed_client WHERE serial IN (
        SELECT serial FROM claviger_removed_client WHERE seen_at <= ?1 - 600 ORDER BY seen_at LIMIT ?2)
        AND NOT EXISTS (
            SELECT 1 FROM claviger_grant g
            WHERE g.client_serial = claviger_removed_client.serial AND g.expires_at = 9223372036854775807)",
];

const SEE: &str = "UPDATE claviger_removed_client SET seen_at = ?1 WHERE seen_at IS NULL";

/// Removes up to `limit` rows of each kind.
pub(super) fn purge(connection: &mut Connection, now: Timestamp, limit: u32) -> Result<Purged> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut purged = Purged::default();
    for sql in ALL {
        let rows = run(&transaction, sql, params![now.0, limit])?;
        purged.rows += u64::try_from(rows).unwrap_or(u64::MAX);
    }
    run(&transaction, SEE, [now.0])?;
    transaction.commit()?;
    Ok(purged)
}

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
/// Removed clients that nobody has looked at yet.
macro_rules! unseen {
    () => {
        "SELECT serial FROM claviger_removed_client WHERE seen_at IS NULL LIMIT ?2"
    };
}
/// Removed clients of which nobody can be making a grant any more.
macro_rules! settled {
    () => {
        "SELECT serial FROM claviger_removed_client WHERE seen_at <= ?1 - 600 ORDER BY seen_at LIMIT ?2"
    };
}
/// Grants without end of those. Not of all that were removed, as strangers may register and remove as many as they like.
macro_rules! orphans {
    () => {
        concat!(
            "SELECT g.id FROM (SELECT serial FROM (",
            unseen!(),
            ") UNION ALL SELECT serial FROM (",
            settled!(),
            ")) c
             CROSS JOIN claviger_grant g
             WHERE g.client_serial = c.serial AND g.expires_at = 9223372036854775807 LIMIT ?2"
        )
    };
}
macro_rules! has_none_left {
    () => {
        " AND NOT EXISTS (
            SELECT 1 FROM claviger_grant g
            WHERE g.client_serial = claviger_removed_client.serial AND g.expires_at = 9223372036854775807)"
    };
}

#[rustfmt::skip]
const EXPIRED: &[&str] = &[
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
];

/// A grant stays until no refresh token without end is left of it, so that a batch is small however many there are. A
/// removed client is looked at again some time after nothing was left, as somebody may have been making a grant just then.
#[rustfmt::skip]
const LEFTOVERS: &[&str] = &[
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
    concat!("DELETE FROM claviger_removed_client WHERE serial IN (", settled!(), ")", has_none_left!()),
];

/// It removes nothing, and is not counted.
const SEE: &str = concat!(
    "UPDATE claviger_removed_client SET seen_at = ?1 WHERE serial IN (",
    unseen!(),
    ")",
    has_none_left!()
);

/// For those who look at their plans.
#[cfg(test)]
pub(super) const ALL: &[&[&str]] = &[EXPIRED, LEFTOVERS, &[SEE]];

/// Removes up to `limit` rows of each kind.
pub(super) fn purge(connection: &mut Connection, time: Timestamp, limit: u32, with_leftovers: bool) -> Result<Purged> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut purged = Purged::default();
    let leftovers = if with_leftovers { LEFTOVERS } else { &[] };
    for sql in EXPIRED.iter().chain(leftovers) {
        let rows = run(&transaction, sql, params![time.0, limit])?;
        purged.rows += u64::try_from(rows).unwrap_or(u64::MAX);
    }
    if with_leftovers {
        run(&transaction, SEE, params![time.0, limit])?;
    }
    transaction.commit()?;
    Ok(purged)
}

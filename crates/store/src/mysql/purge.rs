//! The purge: every kind of row that has ended, and what removed clients left.

use claviger_core::context::Timestamp;

use super::sql::{self, values};

/// Up to `?2` rows that ended before `?1`.
macro_rules! expired {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2"
        )
    };
}
/// Grants without end of clients that were removed. The list of these is read first, as it is short.
macro_rules! orphans {
    () => {
        "SELECT g.id FROM claviger_removed_client c STRAIGHT_JOIN claviger_grant g
         ON g.client_serial = c.serial AND g.expires_at = 9223372036854775807 LIMIT ?2"
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
        "DELETE d FROM (
            SELECT r.id FROM (", orphans!(), ") o STRAIGHT_JOIN claviger_refresh r
            ON r.grant_id = o.id AND r.expires_at = 9223372036854775807 LIMIT ?2) found
         STRAIGHT_JOIN claviger_refresh d ON d.id = found.id"
    ),
    concat!(
        "DELETE d FROM (", orphans!(), ") found STRAIGHT_JOIN claviger_grant d ON d.id = found.id
         WHERE NOT EXISTS (
            SELECT 1 FROM claviger_refresh r WHERE r.grant_id = d.id AND r.expires_at = 9223372036854775807)"
    ),
    "DELETE FROM claviger_removed_client WHERE seen_at <= ?1 - 600 AND NOT EXISTS (
        SELECT 1 FROM claviger_grant g
        WHERE g.client_serial = claviger_removed_client.serial AND g.expires_at = 9223372036854775807)
     ORDER BY seen_at LIMIT ?2",
];

const SEE: &str = "UPDATE claviger_removed_client SET seen_at = ?1 WHERE seen_at IS NULL";

/// Removes up to `limit` rows of each kind; each statement says how many it removed.
pub(super) fn text(now: Timestamp, limit: u32) -> String {
    let mut text = String::new();
    for statement in ALL {
        sql::write(&mut text, statement, &values![now.0, limit]);
        text.push_str("SELECT ROW_COUNT();");
    }
    sql::write(&mut text, SEE, &values![now.0]);
    text
}

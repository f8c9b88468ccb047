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
/// Removed clients that nobody has looked at yet.
macro_rules! unseen {
    () => {
        "(SELECT serial FROM claviger_removed_client WHERE seen_at IS NULL LIMIT ?2)"
    };
}
/// Removed clients of which nobody can be making a grant any more.
macro_rules! settled {
    () => {
        "(SELECT serial FROM claviger_removed_client WHERE seen_at <= ?1 - 600 ORDER BY seen_at LIMIT ?2)"
    };
}
/// Grants without end of those. Not of all that were removed, as strangers may register and remove as many as they like.
macro_rules! orphans {
    () => {
        concat!(
            "SELECT g.id FROM (",
            unseen!(),
            " UNION ALL ",
            settled!(),
            ") c STRAIGHT_JOIN claviger_grant g
             ON g.client_serial = c.serial AND g.expires_at = 9223372036854775807 LIMIT ?2"
        )
    };
}
macro_rules! has_none_left {
    () => {
        " WHERE NOT EXISTS (
            SELECT 1 FROM claviger_grant g WHERE g.client_serial = d.serial AND g.expires_at = 9223372036854775807)"
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
    concat!(
        "DELETE d FROM ", settled!(), " found STRAIGHT_JOIN claviger_removed_client d ON d.serial = found.serial",
        has_none_left!()
    ),
];

/// It removes nothing, and is not counted.
#[rustfmt::skip]
const SEE: &str = concat!(
    "UPDATE ", unseen!(), " found STRAIGHT_JOIN claviger_removed_client d ON d.serial = found.serial SET d.seen_at = ?1",
    has_none_left!()
);

/// For those who look at their plans.
pub(super) const ALL: &[&[&str]] = &[EXPIRED, LEFTOVERS, &[SEE]];

/// Removes up to `limit` rows of each kind; each statement says how many it removed.
pub(super) fn text(now: Timestamp, limit: u32) -> String {
    let mut text = older(now, limit);
    count(&mut text, LEFTOVERS, now, limit);
    sql::write(&mut text, SEE, &values![now.0, limit]);
    text
}

/// The same without what removed clients left.
pub(super) fn older(before: Timestamp, limit: u32) -> String {
    let mut text = String::new();
    count(&mut text, EXPIRED, before, limit);
    text
}

fn count(text: &mut String, statements: &[&str], time: Timestamp, limit: u32) {
    for statement in statements {
        sql::write(text, statement, &values![time.0, limit]);
        text.push_str("SELECT ROW_COUNT();");
    }
}

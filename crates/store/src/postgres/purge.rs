//! The purge: every kind of row that has ended, and what removed clients left, in one statement.

// An array, so that the rows are looked up by their ids: with IN the planner may read all that have expired for each batch.
macro_rules! expired {
    ($name:literal, $table:literal) => {
        concat!(
            $name,
            " AS (DELETE FROM ",
            $table,
            " WHERE (SELECT ok FROM lock) AND expires_at <= $1
              AND id = ANY(ARRAY(SELECT id FROM ",
            $table,
            " WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)) RETURNING 1), "
        )
    };
}

/// Up to `$2` rows of each kind that ended before `$1`; and if `$3`, of what removed clients left.
///
/// One server at a time, to save work: the lock lasts as long as the statement. Without it two servers would remove the
/// same rows, which does no harm.
///
/// A grant without end of a removed client stays until no refresh token without end is left of it, so that a batch is
/// small however many there are. A removed client is looked at again some time after nothing was left, as somebody may have
/// been making a grant just then. Not all that were removed are looked at, as strangers may register and remove as many as
/// they like.
#[rustfmt::skip]
pub(super) const PURGE: &str = concat!(
    "WITH lock AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(7812733648501139827) AS ok), ",
    expired!("flows", "claviger_flow"),
    expired!("sessions", "claviger_session"),
    expired!("codes", "claviger_code"),
    expired!("accesses", "claviger_access"),
    expired!("refreshes", "claviger_refresh"),
    expired!("grants", "claviger_grant"),
    expired!("notices", "claviger_logout_notice"),
    expired!("assertions", "claviger_assertion"),
    expired!("devices", "claviger_device"),
    expired!("trusts", "claviger_trust"),
    "unseen AS MATERIALIZED (
          SELECT serial FROM claviger_removed_client
          WHERE (SELECT ok AND $3 FROM lock) AND seen_at IS NULL LIMIT $2),
     settled AS MATERIALIZED (
          SELECT serial FROM claviger_removed_client
          WHERE (SELECT ok AND $3 FROM lock) AND seen_at <= $1 - 600 ORDER BY seen_at LIMIT $2),
     orphans AS MATERIALIZED (
          SELECT g.id FROM (SELECT serial FROM unseen UNION ALL SELECT serial FROM settled) c
          JOIN claviger_grant g ON g.client_serial = c.serial AND g.expires_at = 9223372036854775807 LIMIT $2),
     orphaned_refreshes AS (
          DELETE FROM claviger_refresh WHERE id = ANY(ARRAY(
               SELECT r.id FROM orphans o
               JOIN claviger_refresh r ON r.grant_id = o.id AND r.expires_at = 9223372036854775807 LIMIT $2))
          RETURNING 1),
     orphaned_grants AS (
          DELETE FROM claviger_grant WHERE id = ANY(ARRAY(
               SELECT o.id FROM orphans o WHERE NOT EXISTS (
                    SELECT 1 FROM claviger_refresh r
                    WHERE r.grant_id = o.id AND r.expires_at = 9223372036854775807)))
          RETURNING 1),
     seen AS (
          UPDATE claviger_removed_client SET seen_at = $1
          WHERE serial = ANY(ARRAY(SELECT serial FROM unseen)) AND NOT EXISTS (
               SELECT 1 FROM claviger_grant g
               WHERE g.client_serial = claviger_removed_client.serial AND g.expires_at = 9223372036854775807)),
     clients AS (
          DELETE FROM claviger_removed_client
          WHERE serial = ANY(ARRAY(SELECT serial FROM settled)) AND NOT EXISTS (
               SELECT 1 FROM claviger_grant g
               WHERE g.client_serial = claviger_removed_client.serial AND g.expires_at = 9223372036854775807)
          RETURNING 1)
     SELECT (SELECT ok FROM lock),
            (SELECT count(*) FROM flows) + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM codes)
            + (SELECT count(*) FROM accesses) + (SELECT count(*) FROM refreshes) + (SELECT count(*) FROM grants)
            + (SELECT count(*) FROM notices) + (SELECT count(*) FROM assertions) + (SELECT count(*) FROM devices)
            + (SELECT count(*) FROM trusts) + (SELECT count(*) FROM orphaned_refreshes)
            + (SELECT count(*) FROM orphaned_grants) + (SELECT count(*) FROM clients)"
);

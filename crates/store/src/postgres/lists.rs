//! Lists for people, counts, and what background jobs ask.

use super::purge::PURGE;
use super::statements::{api_key_columns, client_columns, grant_columns, trust_columns};

/// What was applied to the schema.
pub(super) const APPLIED: &str = "SELECT version, name, sha256 FROM claviger_migration ORDER BY version";

pub(super) const RARE: &[&str] = &[
    CLIENTS,
    GRANTS,
    COUNT_GRANTS,
    TRUSTS,
    API_KEYS,
    COUNT_CLIENTS,
    CLOCK,
    PURGE,
];

pub(super) const CLIENTS: &str = concat!(
    "SELECT ",
    client_columns!(),
    " FROM claviger_client
      WHERE ($1::text IS NULL OR name = $1) AND ($2::text IS NULL OR owner = $2) AND id > $3
      ORDER BY id LIMIT $4 OFFSET $5"
);

macro_rules! listed {
    ($columns:expr, $more:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
              WHERE g.subject = $1 AND ($2::uuid IS NULL OR g.session_id = $2) AND NOT g.skipped
                AND g.expires_at > $3 AND (g.remembered_until IS NULL OR g.remembered_until > $3) ",
            $more
        )
    };
}

pub(super) const GRANTS: &str = listed!(grant_columns!(), "AND g.id > $4 ORDER BY g.id LIMIT $5 OFFSET $6");

pub(super) const COUNT_GRANTS: &str = listed!("count(*)", "");

pub(super) const TRUSTS: &str = concat!(
    "SELECT ",
    trust_columns!(),
    " FROM claviger_trust WHERE ($1::text IS NULL OR issuer = $1) AND id > $2 ORDER BY id LIMIT $3 OFFSET $4"
);

pub(super) const API_KEYS: &str = concat!(
    "SELECT ",
    api_key_columns!(),
    " FROM claviger_api_key WHERE id > $1 ORDER BY id LIMIT $2"
);

pub(super) const COUNT_CLIENTS: &str = "SELECT count(*) FROM claviger_client";

pub(super) const CLOCK: &str = "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint";

/// One that is due later than any is put off waits since before a clock was set back.
pub(super) const CLAIM_NOTICES: &str =
    "UPDATE claviger_logout_notice n SET attempts = attempts + 1, due_at = $2 FROM claviger_client c
          WHERE c.serial = n.client_serial AND n.id = ANY(ARRAY(
                SELECT d.id FROM claviger_logout_notice d JOIN claviger_client o ON o.serial = d.client_serial
                WHERE d.due_at < 9223372036854775807 AND (d.due_at <= $1 OR d.due_at > $1 + 2000) AND d.expires_at > $1
                ORDER BY d.due_at LIMIT $3 FOR UPDATE OF d SKIP LOCKED))
          RETURNING n.id, c.id, n.session_id, n.subject, n.attempts, n.due_at, n.expires_at";

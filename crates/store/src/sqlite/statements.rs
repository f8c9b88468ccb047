//! Every statement of the SQLite engine. Columns are always named: a later migration may add some.

macro_rules! grant_columns {
    () => {
        "g.id, c.id, g.subject, g.session_id, g.scope, g.audience, g.sealed, g.remembered_until, g.created_at, g.expires_at"
    };
}
macro_rules! client_columns {
    () => {
        "id, version, name, owner, document, created_at, updated_at"
    };
}
macro_rules! purge {
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

pub(super) const CLIENT: &str = concat!("SELECT ", client_columns!(), " FROM claviger_client WHERE id = ?1");

pub(super) const CLIENTS: &str = concat!(
    "SELECT ",
    client_columns!(),
    " FROM claviger_client
      WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR owner = ?2) AND id > ?3
      ORDER BY id LIMIT ?4 OFFSET ?5"
);

pub(super) const COUNT_CLIENTS: &str = "SELECT count(*) FROM claviger_client";

pub(super) const FLOW: &str = "SELECT id, step, version, sealed, expires_at FROM claviger_flow WHERE id = ?1";

pub(super) const SESSION: &str =
    "SELECT id, subject, authenticated_at, remember, sealed, expires_at FROM claviger_session WHERE id = ?1";

pub(super) const REMEMBERED: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM claviger_client c JOIN claviger_grant g ON g.client_serial = c.serial AND g.subject = ?1
      WHERE c.id = ?2 AND g.remembered_until > ?3
      ORDER BY g.created_at DESC, g.id DESC LIMIT 1"
);

pub(super) const CODE: &str = concat!(
    "SELECT k.id, k.digest, k.grant_id, k.redirect_uri, k.challenge, k.expires_at, k.used_at, ",
    grant_columns!(),
    " FROM claviger_code k
      LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial) ON g.id = k.grant_id
      WHERE k.id = ?1"
);

pub(super) const ACCESS: &str = concat!(
    "SELECT a.id, a.digest, a.grant_id, a.scope, a.audience, a.issued_at, a.expires_at, ",
    grant_columns!(),
    " FROM claviger_access a
      LEFT JOIN claviger_grant g ON g.id = a.grant_id
      JOIN claviger_client c ON c.serial = coalesce(g.client_serial, a.client_serial)
      WHERE a.id = ?1"
);

pub(super) const REFRESH: &str = concat!(
    "SELECT r.id, r.digest, r.grant_id, r.issued_at, r.expires_at, r.used_at,
            s.id, s.digest, s.issued_at, s.expires_at,
            a.id, a.digest, a.scope, a.issued_at, a.expires_at, ",
    grant_columns!(),
    " FROM claviger_refresh r
      LEFT JOIN claviger_refresh s ON s.id = r.successor
      LEFT JOIN claviger_access a ON a.id = r.successor
      LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial) ON g.id = r.grant_id
      WHERE r.id = ?1"
);

pub(super) const KEYS: &str = "SELECT key_set, kid, sealed, created_at FROM claviger_key WHERE key_set = ?1
      ORDER BY created_at DESC, position DESC";

pub(super) const ISSUE: &str =
    "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at)
      SELECT ?1, ?2, serial, ?3, ?4, ?5, ?6 FROM claviger_client WHERE id = ?7 AND version = ?8";

pub(super) const ANSWER_LOGIN: &str = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES (?1, 1, ?2, ?3, ?4)
      ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed, expires_at = excluded.expires_at
      WHERE claviger_flow.step = 1";

pub(super) const ADVANCE: &str = "UPDATE claviger_flow SET step = ?2, version = ?3 + 1, sealed = ?4, expires_at = ?5
      WHERE id = ?1 AND version = ?3";

pub(super) const PUT_SESSION: &str =
    "INSERT INTO claviger_session (id, subject, authenticated_at, remember, sealed, expires_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6)
      ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, authenticated_at = excluded.authenticated_at,
             remember = excluded.remember, sealed = excluded.sealed, expires_at = excluded.expires_at";

pub(super) const EXTEND_SESSION: &str = "UPDATE claviger_session SET expires_at = ?2 WHERE id = ?1";

pub(super) const END_SESSION: &str = "DELETE FROM claviger_session WHERE id = ?1";

pub(super) const FORGET_GRANTS: &str = "UPDATE claviger_grant SET remembered_until = NULL
      WHERE subject = ?1 AND client_serial = (SELECT serial FROM claviger_client WHERE id = ?2)
        AND remembered_until IS NOT NULL";

pub(super) const PUT_GRANT: &str = "INSERT INTO claviger_grant
             (id, client_serial, subject, session_id, scope, audience, sealed, remembered_until, created_at, expires_at)
      SELECT ?1, serial, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM claviger_client WHERE id = ?2";

pub(super) const PUT_CODE: &str =
    "INSERT INTO claviger_code (id, digest, grant_id, redirect_uri, challenge, expires_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const USE_CODE: &str = "UPDATE claviger_code SET used_at = ?2
      WHERE id = ?1 AND used_at IS NULL AND EXISTS (
            SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
            WHERE g.id = claviger_code.grant_id AND c.id = ?3 AND c.version = ?4)
      RETURNING grant_id";

pub(super) const BURN_CODE: &str = "UPDATE claviger_code SET used_at = ?2 WHERE id = ?1 AND used_at IS NULL";

pub(super) const USE_REFRESH: &str = "UPDATE claviger_refresh SET used_at = ?2, successor = ?5
      WHERE id = ?1 AND used_at IS NULL AND EXISTS (
            SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
            WHERE g.id = claviger_refresh.grant_id AND c.id = ?3 AND c.version = ?4)
      RETURNING grant_id";

pub(super) const PUT_ACCESS: &str = "INSERT INTO claviger_access (id, digest, grant_id, scope, issued_at, expires_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const PUT_REFRESH: &str = "INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
      VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const KEEP_GRANT: &str = "UPDATE claviger_grant SET expires_at = ?2 WHERE id = ?1 AND expires_at < ?2";

pub(super) const REVOKE_GRANT: &str = "DELETE FROM claviger_grant WHERE id = ?1";

/// Refresh tokens that would outlive their grant for ever. Others die with their time.
pub(super) const REMOVE_ENDLESS: &str =
    "DELETE FROM claviger_refresh WHERE grant_id = ?1 AND expires_at = 9223372036854775807";

pub(super) const REVOKE_ACCESS: &str = "DELETE FROM claviger_access WHERE id = ?1";

pub(super) const CREATE_CLIENT: &str =
    "INSERT INTO claviger_client (id, version, name, owner, document, created_at, updated_at)
      VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";

pub(super) const NUMBER_CLIENT: &str = "UPDATE claviger_client SET version = (serial << ?2) + 1 WHERE id = ?1";

pub(super) const UPDATE_CLIENT: &str =
    "UPDATE claviger_client SET version = ?2, name = ?3, owner = ?4, document = ?5, updated_at = ?6
      WHERE id = ?1 AND version = ?2 - 1";

pub(super) const DELETE_CLIENT: &str = "DELETE FROM claviger_client WHERE id = ?1";

pub(super) const ADD_KEY: &str =
    "INSERT INTO claviger_key (key_set, kid, seed, sealed, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
      ON CONFLICT DO NOTHING";

pub(super) const PUT_KEY: &str = "INSERT INTO claviger_key (key_set, kid, sealed, created_at) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT (key_set, kid) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at";

pub(super) const DELETE_KEY: &str = "DELETE FROM claviger_key WHERE key_set = ?1 AND kid = ?2";

pub(super) const DELETE_KEY_SET: &str = "DELETE FROM claviger_key WHERE key_set = ?1";

/// One for each table whose rows expire.
pub(super) const PURGE: [&str; 6] = [
    purge!("claviger_flow"),
    purge!("claviger_session"),
    purge!("claviger_code"),
    purge!("claviger_access"),
    purge!("claviger_refresh"),
    purge!("claviger_grant"),
];

//! Every statement of the SQLite engine. Columns are always named: a later migration may add some.

macro_rules! statements {
    ($($(#[$note:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$note])* pub(super) const $name: &str = $sql;)*

        /// Names and texts.
        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
    };
}
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

statements! {
    CLIENT = concat!("SELECT ", client_columns!(), " FROM claviger_client WHERE id = ?1");

    CLIENTS = concat!(
        "SELECT ",
        client_columns!(),
        " FROM claviger_client
          WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR owner = ?2) AND id > ?3
          ORDER BY id LIMIT ?4 OFFSET ?5"
    );

    COUNT_CLIENTS = "SELECT count(*) FROM claviger_client";

    FLOW = "SELECT id, step, version, sealed, expires_at FROM claviger_flow WHERE id = ?1";

    SESSION = "SELECT id, subject, authenticated_at, remember, sealed, expires_at FROM claviger_session WHERE id = ?1";

    REMEMBERED = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM claviger_client c JOIN claviger_grant g ON g.client_serial = c.serial AND g.subject = ?1
          WHERE c.id = ?2 AND g.remembered_until > ?3
          ORDER BY g.created_at DESC, g.id DESC LIMIT 1"
    );

    CODE = concat!(
        "SELECT k.id, k.digest, k.grant_id, k.redirect_uri, k.challenge, k.expires_at, k.used_at, ",
        grant_columns!(),
        " FROM claviger_code k
          LEFT JOIN claviger_grant g ON g.id = k.grant_id
          LEFT JOIN claviger_client c ON c.serial = g.client_serial
          WHERE k.id = ?1"
    );

    ACCESS = concat!(
        "SELECT a.id, a.digest, a.grant_id, a.scope, a.audience, a.issued_at, a.expires_at, ",
        grant_columns!(),
        ", c.version FROM claviger_access a
          LEFT JOIN claviger_grant g ON g.id = a.grant_id
          JOIN claviger_client c ON c.serial = coalesce(g.client_serial, a.client_serial)
          WHERE a.id = ?1 AND a.id > c.access_after"
    );

    REFRESH = concat!(
        "SELECT r.id, r.digest, r.grant_id, r.issued_at, r.expires_at, r.used_at,
                s.id, s.digest, s.issued_at, s.expires_at,
                a.id, a.digest, a.scope, a.audience, a.issued_at, a.expires_at, ",
        grant_columns!(),
        " FROM claviger_refresh r
          LEFT JOIN claviger_refresh s ON s.id = r.successor
          LEFT JOIN claviger_grant g ON g.id = r.grant_id
          LEFT JOIN claviger_client c ON c.serial = g.client_serial
          LEFT JOIN claviger_access a ON a.id = r.successor AND a.id > c.access_after
          WHERE r.id = ?1"
    );

    KEYS = "SELECT key_set, kid, sealed, created_at FROM claviger_key WHERE key_set = ?1
          ORDER BY created_at DESC, position DESC";

    ISSUE = "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at)
          SELECT ?1, ?2, serial, ?3, ?4, ?5, ?6 FROM claviger_client WHERE id = ?7 AND version = ?8";

    ANSWER_LOGIN = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES (?1, 1, ?2, ?3, ?4)
          ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed, expires_at = excluded.expires_at
          WHERE claviger_flow.step = 1";

    ADVANCE = "UPDATE claviger_flow SET step = ?2, version = ?3 + 1, sealed = ?4, expires_at = ?5
          WHERE id = ?1 AND version = ?3";

    PUT_SESSION = "INSERT INTO claviger_session (id, subject, authenticated_at, remember, sealed, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6)
          ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, authenticated_at = excluded.authenticated_at,
                 remember = excluded.remember, sealed = excluded.sealed, expires_at = excluded.expires_at";

    EXTEND_SESSION = "UPDATE claviger_session SET expires_at = ?2 WHERE id = ?1";

    END_SESSION = "DELETE FROM claviger_session WHERE id = ?1";

    FORGET_GRANTS = "UPDATE claviger_grant SET remembered_until = NULL
          WHERE subject = ?1 AND client_serial = (SELECT serial FROM claviger_client WHERE id = ?2)
            AND remembered_until IS NOT NULL";

    PUT_GRANT = "INSERT INTO claviger_grant
                 (id, client_serial, subject, session_id, scope, audience, sealed, remembered_until, created_at, expires_at)
          SELECT ?1, serial, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM claviger_client WHERE id = ?2";

    PUT_CODE = "INSERT INTO claviger_code (id, digest, grant_id, redirect_uri, challenge, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

    USE_CODE = "UPDATE claviger_code SET used_at = ?2
          WHERE id = ?1 AND used_at IS NULL AND EXISTS (
                SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
                WHERE g.id = claviger_code.grant_id AND c.id = ?3 AND c.version = ?4)
          RETURNING grant_id";

    BURN_CODE = "UPDATE claviger_code SET used_at = ?2 WHERE id = ?1 AND used_at IS NULL";

    USE_REFRESH = "UPDATE claviger_refresh SET used_at = ?2, successor = ?5
          WHERE id = ?1 AND used_at IS NULL AND EXISTS (
                SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
                WHERE g.id = claviger_refresh.grant_id AND c.id = ?3 AND c.version = ?4)
          RETURNING grant_id";

    PUT_ACCESS = "INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

    PUT_REFRESH = "INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5)";

    KEEP_GRANT = "UPDATE claviger_grant SET expires_at = ?2 WHERE id = ?1 AND expires_at < ?2";

    REVOKE_GRANT = "DELETE FROM claviger_grant WHERE id = ?1";

    /// Refresh tokens that would outlive their grant for ever. Others die with their time.
    REMOVE_ENDLESS = "DELETE FROM claviger_refresh WHERE grant_id = ?1 AND expires_at = 9223372036854775807";

    REVOKE_ACCESS = "DELETE FROM claviger_access WHERE id = ?1";

    REVOKE_CLIENT_ACCESS = "UPDATE claviger_client SET access_after = max(access_after, ?2) WHERE id = ?1";

    CREATE_CLIENT = "INSERT INTO claviger_client (id, version, name, owner, document, created_at, updated_at)
          VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";

    NUMBER_CLIENT = "UPDATE claviger_client SET version = (serial << ?2) + 1 WHERE id = ?1";

    UPDATE_CLIENT = "UPDATE claviger_client SET version = ?2, name = ?3, owner = ?4, document = ?5, updated_at = ?6
          WHERE id = ?1 AND version = ?2 - 1";

    DELETE_CLIENT = "DELETE FROM claviger_client WHERE id = ?1";

    ADD_KEY = "INSERT INTO claviger_key (key_set, kid, seed, sealed, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
          ON CONFLICT DO NOTHING";

    PUT_KEY = "INSERT INTO claviger_key (key_set, kid, sealed, created_at) VALUES (?1, ?2, ?3, ?4)
          ON CONFLICT (key_set, kid) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at";

    DELETE_KEY = "DELETE FROM claviger_key WHERE key_set = ?1 AND kid = ?2";

    DELETE_KEY_SET = "DELETE FROM claviger_key WHERE key_set = ?1";
}

/// One for each table whose rows expire.
pub(super) const PURGE: [&str; 6] = [
    purge!("claviger_flow"),
    purge!("claviger_session"),
    purge!("claviger_code"),
    purge!("claviger_access"),
    purge!("claviger_refresh"),
    purge!("claviger_grant"),
];

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::migrate::SQLITE;

    /// Lists for people, and counts, may read everything.
    const RARE: [&str; 2] = ["CLIENTS", "COUNT_CLIENTS"];

    #[test]
    fn no_statement_of_a_request_reads_a_whole_table() {
        let connection = Connection::open_in_memory().unwrap();
        for migration in SQLITE {
            connection.execute_batch(migration.sql).unwrap();
        }
        let purge = PURGE.iter().map(|sql| ("PURGE", *sql));
        for (name, sql) in ALL
            .iter()
            .copied()
            .chain(purge)
            .filter(|(name, _)| !RARE.contains(name))
        {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
            let steps = explain
                .query_map(rusqlite::params_from_iter(nulls), |row| row.get::<_, String>(3))
                .unwrap();
            for step in steps.map(Result::unwrap) {
                assert!(
                    !step.starts_with("SCAN") && !step.contains("AUTOMATIC"),
                    "{name}: {step}"
                );
            }
        }
    }
}

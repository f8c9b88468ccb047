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
        "g.id, c.id, g.subject, g.session_id, g.scope, g.audience, g.sealed, g.remembered_until, g.created_at, g.expires_at,
         g.skipped"
    };
}
macro_rules! device {
    ($condition:literal) => {
        concat!(
            "SELECT d.id, d.digest, d.user_code, o.id, d.scope, d.audience, d.poll_interval, d.ends_at, d.expires_at,
                    d.state, d.polled_at, ",
            grant_columns!(),
            " FROM claviger_device d
              JOIN claviger_client o ON o.serial = d.client_serial
              LEFT JOIN claviger_grant g ON g.id = d.grant_id AND NOT g.ended
              LEFT JOIN claviger_client c ON c.serial = g.client_serial
              WHERE ",
            $condition
        )
    };
}
macro_rules! client_columns {
    () => {
        "id, version, name, owner, document, created_at, updated_at"
    };
}
macro_rules! api_key_columns {
    () => {
        "id, name, digest, scope, created_at, expires_at, last_used_at"
    };
}
macro_rules! trust_columns {
    () => {
        "id, issuer, subject, kid, scope, key, created_at, expires_at"
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

    GRANTS = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
          WHERE g.subject = ?1 AND (?2 IS NULL OR g.session_id = ?2) AND g.id > ?3 AND NOT g.skipped
            AND g.expires_at > ?4 AND (g.remembered_until IS NULL OR g.remembered_until > ?4)
          ORDER BY g.id LIMIT ?5 OFFSET ?6"
    );

    COUNT_GRANTS = "SELECT count(*) FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
          WHERE g.subject = ?1 AND (?2 IS NULL OR g.session_id = ?2) AND NOT g.skipped
            AND g.expires_at > ?3 AND (g.remembered_until IS NULL OR g.remembered_until > ?3)";

    /// The first grant of a session in which somebody logged in has the session's id.
    PARTICIPANTS = "SELECT DISTINCT c.id, g.subject
          FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
          WHERE g.session_id = ?1 AND g.subject IN (
                ?2,
                (SELECT subject FROM claviger_session WHERE id = ?1),
                (SELECT subject FROM claviger_grant WHERE id = ?1))
          ORDER BY c.id";

    /// One that is due later than any is put off waits since before a clock was set back.
    CLAIM_NOTICES = "UPDATE claviger_logout_notice SET attempts = attempts + 1, due_at = ?2
          WHERE id IN (SELECT n.id FROM claviger_logout_notice n JOIN claviger_client c ON c.serial = n.client_serial
                       WHERE n.due_at < 9223372036854775807 AND (n.due_at <= ?1 OR n.due_at > ?1 + 2000)
                         AND n.expires_at > ?1
                       ORDER BY n.due_at LIMIT ?3)
          RETURNING id, (SELECT c.id FROM claviger_client c WHERE c.serial = client_serial), session_id, subject, attempts,
                    due_at, expires_at";

    CODE = concat!(
        "SELECT k.id, k.digest, k.grant_id, k.redirect_uri, k.challenge, k.expires_at, k.used_at, ",
        grant_columns!(),
        " FROM claviger_code k
          LEFT JOIN claviger_grant g ON g.id = k.grant_id AND NOT g.ended
          LEFT JOIN claviger_client c ON c.serial = g.client_serial
          WHERE k.id = ?1"
    );

    ACCESS = concat!(
        "SELECT a.id, a.digest, a.grant_id, a.scope, a.audience, a.issued_at, a.expires_at, ",
        grant_columns!(),
        ", c.version, a.sealed FROM claviger_access a
          LEFT JOIN claviger_grant g ON g.id = a.grant_id
          JOIN claviger_client c ON c.serial = coalesce(g.client_serial, a.client_serial)
          WHERE a.id = ?1 AND a.id > c.access_after AND g.ended IS NOT TRUE"
    );

    REFRESH = concat!(
        "SELECT r.id, r.digest, r.grant_id, r.issued_at, r.expires_at, r.used_at,
                s.id, s.digest, s.issued_at, s.expires_at,
                a.id, a.digest, a.scope, a.audience, a.issued_at, a.expires_at, ",
        grant_columns!(),
        " FROM claviger_refresh r
          LEFT JOIN claviger_refresh s ON s.id = r.successor
          LEFT JOIN claviger_grant g ON g.id = r.grant_id AND NOT g.ended
          LEFT JOIN claviger_client c ON c.serial = g.client_serial
          LEFT JOIN claviger_access a ON a.id = r.successor AND a.id > c.access_after
          WHERE r.id = ?1"
    );

    DEVICE = device!("d.id = ?1");

    DEVICE_BY_USER_CODE = device!("d.user_code = ?1");

    KEYS = "SELECT key_set, kid, sealed, created_at, signs_from, needed_until FROM claviger_key WHERE key_set = ?1
          ORDER BY created_at DESC, position DESC";

    ASSERTION = "SELECT 1 FROM claviger_assertion WHERE id = ?1";

    TRUST = concat!("SELECT ", trust_columns!(), " FROM claviger_trust WHERE id = ?1");

    TRUSTS = concat!(
        "SELECT ",
        trust_columns!(),
        " FROM claviger_trust
          WHERE (?1 IS NULL OR issuer = ?1) AND id > ?2
          ORDER BY id LIMIT ?3 OFFSET ?4"
    );

    TRUSTS_IN = concat!(
        "SELECT ",
        trust_columns!(),
        " FROM claviger_trust WHERE issuer = ?1 AND subject IN (?2, '') ORDER BY id DESC LIMIT 100"
    );

    API_KEY = concat!("SELECT ", api_key_columns!(), " FROM claviger_api_key WHERE id = ?1");

    API_KEYS = concat!("SELECT ", api_key_columns!(), " FROM claviger_api_key WHERE id > ?1 ORDER BY id LIMIT ?2");

    ISSUE = "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at, sealed)
          SELECT ?1, ?2, serial, ?3, ?4, ?5, ?6, ?9 FROM claviger_client WHERE id = ?7 AND version = ?8";

    USE_ASSERTION = "INSERT INTO claviger_assertion (id, expires_at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";

    PROVE_CLIENT = "SELECT 1 FROM claviger_client WHERE id = ?1 AND version = ?2";

    ANSWER_LOGIN = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES (?1, 1, ?2, ?3, ?4)
          ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed, expires_at = excluded.expires_at
          WHERE claviger_flow.step = 1";

    ADVANCE = "UPDATE claviger_flow SET step = ?2, version = ?3 + 1, sealed = ?4, expires_at = ?5
          WHERE id = ?1 AND version = ?3
            AND (?6 IS NULL OR EXISTS (SELECT 1 FROM claviger_client WHERE id = ?6 AND version = ?7))";

    PUT_SESSION = "INSERT INTO claviger_session (id, subject, authenticated_at, remember, sealed, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6)
          ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, authenticated_at = excluded.authenticated_at,
                 remember = excluded.remember, sealed = excluded.sealed, expires_at = excluded.expires_at";

    EXTEND_SESSION = "UPDATE claviger_session SET expires_at = ?2 WHERE id = ?1";

    END_SESSION = "DELETE FROM claviger_session WHERE id = ?1";

    /// One that ended was kept for its memory only.
    FORGET_GRANTS = "UPDATE claviger_grant SET remembered_until = NULL, expires_at = iif(ended, 0, expires_at)
          WHERE subject = ?1 AND client_serial = (SELECT serial FROM claviger_client WHERE id = ?2)
            AND remembered_until IS NOT NULL";

    PUT_GRANT = "INSERT INTO claviger_grant
                 (id, client_serial, subject, session_id, scope, audience, sealed, remembered_until, created_at, expires_at,
                  skipped)
          SELECT ?1, serial, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM claviger_client WHERE id = ?2";

    PUT_CODE = "INSERT INTO claviger_code (id, digest, grant_id, redirect_uri, challenge, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

    USE_CODE = "UPDATE claviger_code SET used_at = ?2
          WHERE id = ?1 AND used_at IS NULL AND EXISTS (
                SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
                WHERE g.id = claviger_code.grant_id AND NOT g.ended AND c.id = ?3 AND c.version = ?4)
          RETURNING grant_id";

    BURN_CODE = "UPDATE claviger_code SET used_at = ?2 WHERE id = ?1 AND used_at IS NULL";

    USE_REFRESH = "UPDATE claviger_refresh SET used_at = ?2, successor = ?5
          WHERE id = ?1 AND used_at IS NULL AND EXISTS (
                SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
                WHERE g.id = claviger_refresh.grant_id AND NOT g.ended AND c.id = ?3 AND c.version = ?4)
          RETURNING grant_id";

    BEGIN_DEVICE = "INSERT INTO claviger_device
                 (id, digest, user_code, client_serial, scope, audience, poll_interval, state, ends_at, expires_at)
          SELECT ?1, ?2, ?3, serial, ?4, ?5, ?6, 0, ?7, ?8 FROM claviger_client WHERE id = ?9 AND version = ?10
          ON CONFLICT DO NOTHING";

    POLL_DEVICE = "UPDATE claviger_device SET polled_at = ?2, poll_interval = max(poll_interval, ?3) WHERE id = ?1";

    DENY_DEVICE = "UPDATE claviger_device SET state = 2 WHERE id = ?1 AND state = 0";

    APPROVE_DEVICE = "UPDATE claviger_device SET state = 1, grant_id = ?2 WHERE id = ?1 AND state = 0";

    USE_DEVICE = "UPDATE claviger_device SET state = 3
          WHERE id = ?1 AND state = 1 AND EXISTS (
                SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
                WHERE g.id = claviger_device.grant_id AND NOT g.ended AND c.id = ?2 AND c.version = ?3)
          RETURNING grant_id";

    PUT_ACCESS = "INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

    PUT_REFRESH = "INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5)";

    KEEP_GRANT = "UPDATE claviger_grant SET expires_at = max(expires_at, ?2), sealed = coalesce(?3, sealed)
          WHERE id = ?1 AND (expires_at < ?2 OR ?3 IS NOT NULL)";

    RESEAL_GRANT = "UPDATE claviger_grant SET sealed = ?2 WHERE id = ?1";

    REVOKE_GRANT = "DELETE FROM claviger_grant WHERE id = ?1";

    KEEP_MEMORY = "UPDATE claviger_grant SET ended = TRUE, expires_at = remembered_until
          WHERE id = ?1 AND remembered_until IS NOT NULL";

    REVOKE_UNREMEMBERED = "DELETE FROM claviger_grant WHERE id = ?1 AND remembered_until IS NULL";

    /// Before the grants themselves.
    REMOVE_ENDLESS_OF = "DELETE FROM claviger_refresh
          WHERE expires_at = 9223372036854775807 AND grant_id IN (
                SELECT id FROM claviger_grant WHERE subject = ?1
                   AND (?2 IS NULL OR client_serial = (SELECT serial FROM claviger_client WHERE id = ?2)))";

    REVOKE_GRANTS = "DELETE FROM claviger_grant WHERE subject = ?1
             AND (?2 IS NULL OR client_serial = (SELECT serial FROM claviger_client WHERE id = ?2))";

    END_SESSIONS = "DELETE FROM claviger_session WHERE subject = ?1";

    SPEND_FLOW = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
          ON CONFLICT (id) DO NOTHING";

    /// Nobody is told twice of one session.
    PUT_NOTICE = "INSERT INTO claviger_logout_notice (id, client_serial, session_id, subject, attempts, due_at, expires_at)
          SELECT ?1, serial, ?3, ?4, ?5, ?6, ?7 FROM claviger_client WHERE id = ?2
          ON CONFLICT (session_id, client_serial) DO NOTHING";

    RESCHEDULE_NOTICE = "UPDATE claviger_logout_notice SET due_at = ?3 WHERE id = ?1 AND attempts = ?2";

    /// Refresh tokens that would outlive their grant for ever. Others die with their time.
    REMOVE_ENDLESS = "DELETE FROM claviger_refresh WHERE grant_id = ?1 AND expires_at = 9223372036854775807";

    REVOKE_ACCESS = "DELETE FROM claviger_access WHERE id = ?1";

    REVOKE_CLIENT_ACCESS = "UPDATE claviger_client SET access_after = max(access_after, ?2) WHERE id = ?1";

    CREATE_CLIENT = "INSERT INTO claviger_client (id, version, name, owner, document, created_at, updated_at)
          VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";

    NUMBER_CLIENT = "UPDATE claviger_client SET version = (serial << ?2) + 1 WHERE id = ?1";

    UPDATE_CLIENT = "UPDATE claviger_client SET version = ?2, name = ?3, owner = ?4, document = ?5, updated_at = ?6
          WHERE id = ?1 AND version = ?2 - 1";

    /// For the purge, which removes what the client leaves.
    NOTE_REMOVAL = "INSERT INTO claviger_removed_client (serial) SELECT serial FROM claviger_client WHERE id = ?1";

    DELETE_CLIENT = "DELETE FROM claviger_client WHERE id = ?1";

    ADD_KEY = "INSERT INTO claviger_key (key_set, kid, seed, sealed, created_at, signs_from, needed_until)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";

    PUT_KEY = "INSERT INTO claviger_key (key_set, kid, sealed, created_at, signs_from, needed_until)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6)
          ON CONFLICT (key_set, kid) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at,
              signs_from = excluded.signs_from, needed_until = excluded.needed_until";

    NEED_KEY = "UPDATE claviger_key SET needed_until = max(needed_until, ?3) WHERE key_set = ?1 AND kid = ?2";

    RETIRE_KEY = "DELETE FROM claviger_key WHERE key_set = ?1 AND kid = ?2 AND needed_until = ?3";

    DELETE_KEY = "DELETE FROM claviger_key WHERE key_set = ?1 AND kid = ?2";

    DELETE_KEY_SET = "DELETE FROM claviger_key WHERE key_set = ?1";

    CREATE_TRUST = "INSERT INTO claviger_trust (id, issuer, subject, kid, scope, key, created_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";

    DELETE_TRUST = "DELETE FROM claviger_trust WHERE id = ?1";

    CREATE_API_KEY = "INSERT INTO claviger_api_key (id, name, digest, scope, created_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING";

    REVOKE_API_KEY = "DELETE FROM claviger_api_key WHERE id = ?1";

    USE_API_KEY = "UPDATE claviger_api_key SET last_used_at = ?2
          WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)";
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus};

    use super::*;
    use crate::migrate::SQLITE;
    use crate::sqlite::purge::ALL as ALL_OF_PURGE;

    /// Lists for people, and counts, may read everything.
    const RARE: [&str; 2] = ["CLIENTS", "COUNT_CLIENTS"];

    #[test]
    fn no_statement_of_a_request_reads_a_whole_table() {
        let connection = Connection::open_in_memory().unwrap();
        for migration in SQLITE {
            connection.execute_batch(migration.sql).unwrap();
        }
        let purge = ALL_OF_PURGE.iter().copied().flatten().map(|sql| ("PURGE", *sql));
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
                // A batch of clients that were removed, and of what they left.
                let is_short = step == "SCAN c" || step == "SCAN o" || step.starts_with("SCAN (subquery");
                assert!(
                    is_short || !step.starts_with("SCAN") && !step.contains("AUTOMATIC"),
                    "{name}: {step}"
                );
            }
        }
    }

    #[test]
    fn no_statement_is_compiled_anew_for_other_values() {
        let connection = crate::sqlite::connect(None, &crate::Options::default()).unwrap();
        for migration in SQLITE {
            connection.execute_batch(migration.sql).unwrap();
        }
        for (name, sql) in ALL.iter().copied() {
            let mut statement = connection.prepare(sql).unwrap();
            for _ in 0..3 {
                let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
                let mut rows = statement.query(rusqlite::params_from_iter(nulls)).unwrap();
                // What cannot be null does not matter here.
                let _ = rows.next();
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{name}");
        }
    }
}

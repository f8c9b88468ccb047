//! Every statement of the MySQL engine.
//!
//! `@ok` is whether the predicates of the change under way held so far, `@granted` the grant that it found. The first
//! statements of a change set `@ok`, and those that follow do nothing without it. Columns are always named, as a later
//! migration may add some. What is compared is binary, so that no collation matters.

macro_rules! statements {
    ($($(#[$note:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$note])* pub(super) const $name: &str = $sql;)*

        /// Names and texts.
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
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
              LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial)
                ON g.id = d.grant_id AND NOT g.ended
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
macro_rules! trust_columns {
    () => {
        "id, issuer, subject, kid, scope, `key`, created_at, expires_at"
    };
}
macro_rules! api_key_columns {
    () => {
        "id, name, digest, scope, created_at, expires_at, last_used_at"
    };
}
/// The row of `$table` that names a grant is unused, and everything it relies on is as it was seen.
macro_rules! unused {
    ($table:literal, $set:literal, $is_unused:literal, $client:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ",
            $set,
            " WHERE id = ?1 AND ",
            $is_unused,
            " AND EXISTS (
                SELECT 1 FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
                WHERE g.id = ",
            $table,
            ".grant_id AND NOT g.ended AND ",
            $client,
            ")"
        )
    };
}
macro_rules! listed {
    ($columns:expr, $more:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
              WHERE g.subject = ?1 AND (?2 IS NULL OR g.session_id = ?2) AND NOT g.skipped
                AND g.expires_at > ?3 AND (g.remembered_until IS NULL OR g.remembered_until > ?3) ",
            $more
        )
    };
}

statements! {
    CLIENT = concat!("SELECT ", client_columns!(), " FROM claviger_client WHERE id = ?1");

    FLOW = "SELECT id, step, version, sealed, expires_at FROM claviger_flow WHERE id = ?1";

    SESSION = "SELECT id, subject, authenticated_at, remember, sealed, expires_at FROM claviger_session WHERE id = ?1";

    REMEMBERED = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM claviger_client c JOIN claviger_grant g ON g.client_serial = c.serial AND g.subject = ?1
          WHERE c.id = ?2 AND g.remembered_until > ?3
          ORDER BY g.created_at DESC, g.id DESC LIMIT 1"
    );

    GRANTS = listed!(grant_columns!(), "AND g.id > ?4 ORDER BY g.id LIMIT ?5 OFFSET ?6");

    COUNT_GRANTS = listed!("COUNT(*)", "");

    /// The first grant of a session in which somebody logged in has the session's id.
    PARTICIPANTS = "SELECT DISTINCT c.id, g.subject
          FROM (SELECT subject FROM claviger_session WHERE id = ?1
                UNION SELECT subject FROM claviger_grant WHERE id = ?1
                UNION SELECT ?2) s
          JOIN claviger_grant g ON g.subject = s.subject AND g.session_id = ?1
          JOIN claviger_client c ON c.serial = g.client_serial
          ORDER BY c.id";

    /// One that is due later than any is put off waits since before a clock was set back.
    DUE_NOTICES = "SELECT n.id, c.id, n.session_id, n.subject, n.attempts, n.due_at, n.expires_at
          FROM claviger_logout_notice n JOIN claviger_client c ON c.serial = n.client_serial
          WHERE n.due_at < 9223372036854775807 AND (n.due_at <= ?1 OR n.due_at > ?1 + 2000) AND n.expires_at > ?1
          ORDER BY n.due_at, n.id LIMIT ?2";

    CLAIM_NOTICE = "UPDATE claviger_logout_notice SET attempts = attempts + 1, due_at = ?3 WHERE id = ?1 AND attempts = ?2";

    CODE = concat!(
        "SELECT k.id, k.digest, k.grant_id, k.redirect_uri, k.challenge, k.expires_at, k.used_at, ",
        grant_columns!(),
        " FROM claviger_code k
          LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial)
                 ON g.id = k.grant_id AND NOT g.ended
          WHERE k.id = ?1"
    );

    /// Another list follows.
    ACCESS = concat!(
        "SELECT a.id, a.digest, a.grant_id, a.scope, a.audience, a.issued_at, a.expires_at, ",
        grant_columns!(),
        ", c.version, a.sealed FROM claviger_access a
          LEFT JOIN claviger_grant g ON g.id = a.grant_id
          JOIN claviger_client c ON c.serial = COALESCE(g.client_serial, a.client_serial)
          WHERE a.id > c.access_after AND g.ended IS NOT TRUE AND a.id IN "
    );

    REFRESH = concat!(
        "SELECT r.id, r.digest, r.grant_id, r.issued_at, r.expires_at, r.used_at,
                s.id, s.digest, s.issued_at, s.expires_at,
                a.id, a.digest, a.scope, a.audience, a.issued_at, a.expires_at, ",
        grant_columns!(),
        " FROM claviger_refresh r
          LEFT JOIN claviger_refresh s ON s.id = r.successor
          LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial)
                 ON g.id = r.grant_id AND NOT g.ended
          LEFT JOIN claviger_access a ON a.id = r.successor AND a.id > c.access_after
          WHERE r.id = ?1"
    );

    DEVICE = device!("d.id = ?1");

    DEVICE_BY_USER_CODE = device!("d.user_code = ?1");

    KEYS = "SELECT key_set, kid, sealed, created_at, signs_from, needed_until FROM claviger_key WHERE key_set = ?1
          ORDER BY created_at DESC, position DESC, kid";

    ASSERTION = "SELECT 1 FROM claviger_assertion WHERE id = ?1";

    TRUST = concat!("SELECT ", trust_columns!(), " FROM claviger_trust WHERE id = ?1");

    TRUSTS_IN = concat!(
        "SELECT ",
        trust_columns!(),
        " FROM claviger_trust WHERE issuer = ?1 AND subject IN (?2, x'') ORDER BY id DESC LIMIT 100"
    );

    /// Rows follow: id, digest, scope, audience, issued_at, expires_at, sealed.
    ISSUE = "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at, sealed)
          SELECT t.id, t.digest, c.serial, t.scope, t.audience, t.issued_at, t.expires_at, t.sealed
          FROM claviger_client c JOIN (?3) t WHERE c.id = ?1 AND c.version = ?2";

    PROVE_CLIENT = "SET @ok = (SELECT COUNT(*) FROM claviger_client WHERE id = ?1 AND version = ?2)";

    USE_ASSERTION = "INSERT INTO claviger_assertion (id, expires_at) SELECT ?1, ?2 FROM DUAL WHERE @ok
          ON DUPLICATE KEY UPDATE claviger_assertion.id = claviger_assertion.id";

    /// What it wrote is looked at afterwards: the same answer twice changes nothing and is no lost race.
    ANSWER_LOGIN = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES (?1, 1, ?2, ?3, ?4)
          ON DUPLICATE KEY UPDATE version = IF(step = 1, ?2, version), sealed = IF(step = 1, ?3, sealed),
                 expires_at = IF(step = 1, ?4, expires_at)";

    IS_ANSWERED = "SET @ok = (SELECT COUNT(*) FROM claviger_flow WHERE id = ?1 AND step = 1 AND version = ?2)";

    ADVANCE = "UPDATE claviger_flow SET step = ?2, version = ?3 + 1, sealed = ?4, expires_at = ?5
          WHERE id = ?1 AND version = ?3
            AND (?6 IS NULL OR EXISTS (SELECT 1 FROM claviger_client WHERE id = ?6 AND version = ?7)) AND @ok";

    PUT_SESSION = "INSERT INTO claviger_session (id, subject, authenticated_at, remember, sealed, expires_at)
          SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM DUAL WHERE @ok
          ON DUPLICATE KEY UPDATE claviger_session.subject = ?2, claviger_session.authenticated_at = ?3,
                 claviger_session.remember = ?4, claviger_session.sealed = ?5, claviger_session.expires_at = ?6";

    EXTEND_SESSION = "UPDATE claviger_session SET expires_at = ?2 WHERE id = ?1 AND @ok";

    END_SESSION = "DELETE FROM claviger_session WHERE id = ?1 AND @ok";

    END_SESSIONS = "DELETE FROM claviger_session WHERE subject = ?1";

    /// One that ended was kept for its memory only.
    FORGET_GRANTS = "UPDATE claviger_grant SET remembered_until = NULL, expires_at = IF(ended, 0, expires_at)
          WHERE subject = ?1 AND client_serial = (SELECT serial FROM claviger_client WHERE id = ?2)
            AND remembered_until IS NOT NULL AND @ok";

    PUT_GRANT = "INSERT INTO claviger_grant
                 (id, client_serial, subject, session_id, scope, audience, sealed, remembered_until, created_at, expires_at,
                  skipped)
          SELECT ?1, serial, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM claviger_client WHERE id = ?2 AND @ok";

    PUT_CODE = "INSERT INTO claviger_code (id, digest, grant_id, redirect_uri, challenge, expires_at)
          SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM DUAL WHERE @ok";

    USE_CODE = unused!("claviger_code", "used_at = ?2", "used_at IS NULL", "c.id = ?3 AND c.version = ?4");

    CODE_GRANT = "SET @granted = (SELECT grant_id FROM claviger_code WHERE id = ?1)";

    BURN_CODE = "UPDATE claviger_code SET used_at = ?2 WHERE id = ?1 AND used_at IS NULL";

    USE_REFRESH = unused!(
        "claviger_refresh",
        "used_at = ?2, successor = ?5",
        "used_at IS NULL",
        "c.id = ?3 AND c.version = ?4"
    );

    REFRESH_GRANT = "SET @granted = (SELECT grant_id FROM claviger_refresh WHERE id = ?1)";

    BEGIN_DEVICE = "INSERT INTO claviger_device
                 (id, digest, user_code, client_serial, scope, audience, poll_interval, state, ends_at, expires_at)
          SELECT ?1, ?2, ?3, serial, ?4, ?5, ?6, 0, ?7, ?8 FROM claviger_client WHERE id = ?9 AND version = ?10
          ON DUPLICATE KEY UPDATE claviger_device.id = claviger_device.id";

    POLL_DEVICE = "UPDATE claviger_device SET polled_at = ?2, poll_interval = GREATEST(poll_interval, ?3) WHERE id = ?1";

    DENY_DEVICE = "UPDATE claviger_device SET state = 2 WHERE id = ?1 AND state = 0";

    /// The lock on the flow makes sure that it still moves once the device is approved.
    LOCK_FLOW = "SELECT COUNT(*) INTO @ok FROM claviger_flow
          WHERE id = ?1 AND version = ?2 AND EXISTS (SELECT 1 FROM claviger_client WHERE id = ?3 AND version = ?4)
          FOR UPDATE";

    APPROVE_DEVICE = "UPDATE claviger_device SET state = 1, grant_id = ?2 WHERE id = ?1 AND state = 0 AND @ok";

    USE_DEVICE = unused!("claviger_device", "state = 3", "state = 1", "c.id = ?2 AND c.version = ?3");

    DEVICE_GRANT = "SET @granted = (SELECT grant_id FROM claviger_device WHERE id = ?1)";

    PUT_ACCESS = "INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
          SELECT ?1, ?2, @granted, ?3, ?4, ?5, ?6 FROM DUAL WHERE @ok";

    PUT_REFRESH = "INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
          SELECT ?1, ?2, @granted, ?3, ?4 FROM DUAL WHERE @ok";

    KEEP_GRANT = "UPDATE claviger_grant SET expires_at = GREATEST(expires_at, ?1), sealed = COALESCE(?2, sealed)
          WHERE id = @granted AND (expires_at < ?1 OR ?2 IS NOT NULL) AND @ok";

    RESEAL_GRANT = "UPDATE claviger_grant SET sealed = ?1 WHERE id = @granted AND @ok";

    REVOKE_GRANT = "DELETE FROM claviger_grant WHERE id = ?1";

    KEEP_MEMORY = "UPDATE claviger_grant SET ended = TRUE, expires_at = remembered_until
          WHERE id = ?1 AND remembered_until IS NOT NULL";

    REVOKE_UNREMEMBERED = "DELETE FROM claviger_grant WHERE id = ?1 AND remembered_until IS NULL";

    /// Refresh tokens that would outlive their grant for ever. Others die with their time.
    REMOVE_ENDLESS = "DELETE FROM claviger_refresh WHERE grant_id = ?1 AND expires_at = 9223372036854775807";

    /// Before the grants themselves.
    REMOVE_ENDLESS_OF = "DELETE r FROM claviger_grant g JOIN claviger_refresh r ON r.grant_id = g.id
          WHERE g.subject = ?1 AND r.expires_at = 9223372036854775807
            AND (?2 IS NULL OR g.client_serial = (SELECT serial FROM claviger_client WHERE id = ?2))";

    REVOKE_GRANTS = "DELETE FROM claviger_grant WHERE subject = ?1
             AND (?2 IS NULL OR client_serial = (SELECT serial FROM claviger_client WHERE id = ?2))";

    REVOKE_ACCESS = "DELETE FROM claviger_access WHERE id = ?1 AND @ok";

    REVOKE_CLIENT_ACCESS = "UPDATE claviger_client SET access_after = GREATEST(access_after, ?2) WHERE id = ?1";

    SPEND_FLOW = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
          ON DUPLICATE KEY UPDATE id = id";

    /// Nobody is told twice of one session.
    PUT_NOTICE = "INSERT INTO claviger_logout_notice (id, client_serial, session_id, subject, attempts, due_at, expires_at)
          SELECT ?1, serial, ?3, ?4, ?5, ?6, ?7 FROM claviger_client WHERE claviger_client.id = ?2 AND @ok
          ON DUPLICATE KEY UPDATE claviger_logout_notice.attempts = claviger_logout_notice.attempts";

    LOCK_NOTICE = "SELECT COUNT(*) INTO @ok FROM claviger_logout_notice WHERE id = ?1 AND attempts = ?2 FOR UPDATE";

    RESCHEDULE_NOTICE = "UPDATE claviger_logout_notice SET due_at = ?2 WHERE id = ?1 AND @ok";

    CREATE_CLIENT = "INSERT INTO claviger_client (serial, version, id, name, owner, document, created_at, updated_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON DUPLICATE KEY UPDATE id = id";

    UPDATE_CLIENT = "UPDATE claviger_client SET version = ?2, name = ?3, owner = ?4, document = ?5, updated_at = ?6
          WHERE id = ?1 AND version = ?2 - 1";

    /// For the purge, which removes what the client leaves.
    NOTE_REMOVAL = "INSERT INTO claviger_removed_client (serial) SELECT serial FROM claviger_client WHERE id = ?1
          ON DUPLICATE KEY UPDATE claviger_removed_client.serial = claviger_removed_client.serial";

    DELETE_CLIENT = "DELETE FROM claviger_client WHERE id = ?1";

    LAST_KEY = "SET @last = (SELECT COALESCE(MAX(position), 0) FROM claviger_key WHERE key_set = ?1)";

    ADD_KEY = "INSERT INTO claviger_key (position, key_set, kid, seed, sealed, created_at, signs_from, needed_until)
          VALUES (@last + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7) ON DUPLICATE KEY UPDATE kid = kid";

    /// `?7` counts the keys that one change puts.
    PUT_KEY = "INSERT INTO claviger_key (position, key_set, kid, sealed, created_at, signs_from, needed_until)
          VALUES (@last + ?7, ?1, ?2, ?3, ?4, ?5, ?6)
          ON DUPLICATE KEY UPDATE sealed = ?3, created_at = ?4, signs_from = ?5, needed_until = ?6";

    LOCK_KEY = "SELECT COUNT(*) INTO @ok FROM claviger_key WHERE key_set = ?1 AND kid = ?2 FOR UPDATE";

    NEED_KEY = "UPDATE claviger_key SET needed_until = GREATEST(needed_until, ?3) WHERE key_set = ?1 AND kid = ?2";

    RETIRE_KEY = "DELETE FROM claviger_key WHERE key_set = ?1 AND kid = ?2 AND needed_until = ?3";

    DELETE_KEY = "DELETE FROM claviger_key WHERE key_set = ?1 AND kid = ?2";

    DELETE_KEY_SET = "DELETE FROM claviger_key WHERE key_set = ?1";

    CREATE_TRUST = "INSERT INTO claviger_trust (id, identity, issuer, subject, kid, scope, `key`, created_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON DUPLICATE KEY UPDATE id = id";

    DELETE_TRUST = "DELETE FROM claviger_trust WHERE id = ?1";

    API_KEY = concat!("SELECT ", api_key_columns!(), " FROM claviger_api_key WHERE id = ?1");

    CREATE_API_KEY = "INSERT INTO claviger_api_key (id, name, digest, scope, created_at, expires_at)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON DUPLICATE KEY UPDATE id = id";

    REVOKE_API_KEY = "DELETE FROM claviger_api_key WHERE id = ?1";

    USE_API_KEY = "UPDATE claviger_api_key SET last_used_at = ?2
          WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)";
}

// Lists for people, and counts, may read everything.

pub(super) const CLIENTS: &str = concat!(
    "SELECT ",
    client_columns!(),
    " FROM claviger_client
      WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR owner = ?2) AND id > ?3
      ORDER BY id LIMIT ?4 OFFSET ?5"
);

pub(super) const COUNT_CLIENTS: &str = "SELECT COUNT(*) FROM claviger_client";

pub(super) const TRUSTS: &str = concat!(
    "SELECT ",
    trust_columns!(),
    " FROM claviger_trust WHERE (?1 IS NULL OR issuer = ?1) AND id > ?2 ORDER BY id LIMIT ?3 OFFSET ?4"
);

pub(super) const API_KEYS: &str = concat!(
    "SELECT ",
    api_key_columns!(),
    " FROM claviger_api_key WHERE id > ?1 ORDER BY id LIMIT ?2"
);

/// What was applied to the schema.
pub(super) const APPLIED: &str = "SELECT version, name, sha256 FROM claviger_migration ORDER BY version";

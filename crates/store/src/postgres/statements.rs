//! Every statement of the PostgreSQL engine.
//!
//! A change is one statement: the part that carries its predicates says by its rows whether it was applied, and the
//! other parts read from that part. Columns are always named, as a later migration may add some.

use claviger_core::port::StoreError;
use futures_util::future::try_join_all;
use tokio_postgres::{Client, Error};

use super::lists::{APPLIED, CLAIM_NOTICES, RARE};
use super::prepared::Prepared;

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        /// The statements of one connection.
        pub(super) struct Statements {
            $(pub(super) $name: Prepared,)*
            rare: Vec<Prepared>,
        }

        /// Names and texts.
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];

        impl Statements {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Prepared::new($sql),)*
                    rare: RARE.iter().copied().map(Prepared::new).collect(),
                }
            }

            fn all(&self) -> impl Iterator<Item = &Prepared> {
                [$(&self.$name),*].into_iter().chain(&self.rare)
            }
        }
    };
}

impl Statements {
    /// Asks for the types of all, in one round trip and one transaction, as a pooler takes it: in it they are named, and
    /// forgotten.
    pub(super) async fn type_values(&self, client: &Client) -> Result<(), Error> {
        client.batch_execute("BEGIN").await?;
        try_join_all(self.all().map(|prepared| prepared.type_values(client))).await?;
        client.batch_execute("COMMIT").await
    }

    /// One of [`RARE`], or the one that claims notices.
    pub(super) fn rare(&self, sql: &str) -> Result<&Prepared, StoreError> {
        let mut all = self.rare.iter().chain([&self.claim_notices]);
        let missing = || StoreError::Broken("a statement is missing".to_owned());
        all.find(|prepared| prepared.sql == sql).ok_or_else(missing)
    }
}

macro_rules! grant_columns {
    () => {
        "g.id, c.id, g.subject, g.session_id, g.scope, g.audience, g.sealed, g.remembered_until, g.created_at, g.expires_at,
         g.skipped"
    };
}
pub(super) use grant_columns;
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
/// What an advance does besides: `$6` to `$14` to the session, `$15` to `$25` are the grant. What does not happen has a
/// null id.
macro_rules! besides {
    () => {
        "put AS (
               INSERT INTO claviger_session (id, subject, authenticated_at, remember, sealed, expires_at)
               SELECT $6::uuid, $7::text, $8::bigint, $9::boolean, $10::bytea, $11::bigint FROM moved
               WHERE $6::uuid IS NOT NULL
               ON CONFLICT (id) DO UPDATE
               SET subject = excluded.subject, authenticated_at = excluded.authenticated_at,
                   remember = excluded.remember, sealed = excluded.sealed, expires_at = excluded.expires_at),
          extended AS (UPDATE claviger_session SET expires_at = $13::bigint FROM moved WHERE id = $12::uuid),
          ended AS (DELETE FROM claviger_session USING moved WHERE id = $14::uuid),
          owner AS (SELECT serial FROM claviger_client, moved WHERE id = $16::text),
          forgotten AS (
               -- One that ended was kept for its memory only.
               UPDATE claviger_grant
               SET remembered_until = NULL, expires_at = CASE WHEN ended THEN 0 ELSE expires_at END FROM owner
               WHERE subject = $17::text AND client_serial = owner.serial AND remembered_until IS NOT NULL
                 AND $22::bigint IS NOT NULL),
          granted AS (
               INSERT INTO claviger_grant (id, client_serial, subject, session_id, scope, audience, sealed,
                                           remembered_until, created_at, expires_at, skipped)
               SELECT $15::uuid, owner.serial, $17::text, $18::uuid, $19::text, $20::text, $21::bytea, $22::bigint,
                      $23::bigint, $24::bigint, $25::boolean
               FROM owner)"
    };
}
macro_rules! client_columns {
    () => {
        "id, version, name, owner, document, created_at, updated_at"
    };
}
pub(super) use client_columns;
macro_rules! api_key_columns {
    () => {
        "id, name, digest, scope, created_at, expires_at, last_used_at"
    };
}
pub(super) use api_key_columns;
macro_rules! trust_columns {
    () => {
        "id, issuer, subject, kid, scope, key, created_at, expires_at"
    };
}
pub(super) use trust_columns;
/// The row of `$table` that names a grant, if it is unused and everything it relies on is as it was seen.
macro_rules! unused {
    ($table:literal) => {
        concat!(
            " FROM claviger_grant g, claviger_client c
              WHERE ",
            $table,
            ".id = $1 AND ",
            $table,
            ".used_at IS NULL AND g.id = ",
            $table,
            ".grant_id AND NOT g.ended
                AND c.serial = g.client_serial AND c.id = $3 AND c.version = $4
              RETURNING ",
            $table,
            ".grant_id"
        )
    };
}
statements! {
    client = concat!("SELECT ", client_columns!(), " FROM claviger_client WHERE id = $1");
    flow = "SELECT id, step, version, sealed, expires_at FROM claviger_flow WHERE id = $1";
    session = "SELECT id, subject, authenticated_at, remember, sealed, expires_at FROM claviger_session WHERE id = $1";
    remembered = concat!(
        "SELECT ", grant_columns!(),
        " FROM claviger_client c JOIN claviger_grant g ON g.client_serial = c.serial AND g.subject = $1
          WHERE c.id = $2 AND g.remembered_until > $3
          ORDER BY g.created_at DESC, g.id DESC LIMIT 1"
    );
    // The first grant of a session in which somebody logged in has the session's id.
    participants = "SELECT DISTINCT c.id, g.subject
          FROM claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial
          WHERE g.session_id = $1 AND g.subject = ANY(ARRAY(
                SELECT subject FROM claviger_session WHERE id = $1
                UNION SELECT subject FROM claviger_grant WHERE id = $1
                UNION SELECT $2::text))
          ORDER BY c.id";
    code = concat!(
        "SELECT k.id, k.digest, k.grant_id, k.redirect_uri, k.challenge, k.expires_at, k.used_at, ", grant_columns!(),
        " FROM claviger_code k
          LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial)
                 ON g.id = k.grant_id AND NOT g.ended
          WHERE k.id = $1"
    );
    access = concat!(
        "SELECT a.id, a.digest, a.grant_id, a.scope, a.audience, a.issued_at, a.expires_at, ", grant_columns!(),
        ", c.version, a.sealed FROM claviger_access a
          LEFT JOIN claviger_grant g ON g.id = a.grant_id
          JOIN claviger_client c ON c.serial = coalesce(g.client_serial, a.client_serial)
          WHERE a.id = ANY($1) AND a.id > c.access_after AND g.ended IS NOT TRUE"
    );
    refresh = concat!(
        "SELECT r.id, r.digest, r.grant_id, r.issued_at, r.expires_at, r.used_at,
                s.id, s.digest, s.issued_at, s.expires_at,
                a.id, a.digest, a.scope, a.audience, a.issued_at, a.expires_at, ", grant_columns!(),
        " FROM claviger_refresh r
          LEFT JOIN claviger_refresh s ON s.id = r.successor
          LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial)
                 ON g.id = r.grant_id AND NOT g.ended
          LEFT JOIN claviger_access a ON a.id = r.successor AND a.id > c.access_after
          WHERE r.id = $1"
    );
    device = device!("d.id = $1");
    device_by_user_code = device!("d.user_code = $1");
    keys = "SELECT key_set, kid, sealed, created_at, signs_from, needed_until FROM claviger_key WHERE key_set = $1
          ORDER BY created_at DESC, position DESC";

    assertion = "SELECT 1 FROM claviger_assertion WHERE id = $1";
    trust = concat!("SELECT ", trust_columns!(), " FROM claviger_trust WHERE id = $1");
    trusts_in = concat!(
        "SELECT ", trust_columns!(),
        " FROM claviger_trust WHERE issuer = $1 AND subject IN ($2, '') ORDER BY id DESC LIMIT 100"
    );

    api_key = concat!("SELECT ", api_key_columns!(), " FROM claviger_api_key WHERE id = $1");

    migrations = APPLIED;

    issue = "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at, sealed)
          SELECT t.id, t.digest, c.serial, t.scope, t.audience, t.issued_at, t.expires_at, t.sealed
          FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[],
                      $9::bytea[])
               AS t(id, digest, scope, audience, issued_at, expires_at, client, version, sealed)
          JOIN claviger_client c ON c.id = t.client AND c.version = t.version
          RETURNING id";
    use_assertion = "INSERT INTO claviger_assertion (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    issue_grant = "WITH owner AS (SELECT serial FROM claviger_client WHERE id = $1::text AND version = $2::bigint),
          used AS (
               INSERT INTO claviger_assertion (id, expires_at) SELECT $3::bytea, $4::bigint FROM owner
               WHERE $3::bytea IS NOT NULL ON CONFLICT (id) DO NOTHING RETURNING 1),
          proved AS (SELECT serial FROM owner WHERE $3::bytea IS NULL OR EXISTS (SELECT 1 FROM used)),
          granted AS (
               INSERT INTO claviger_grant (id, client_serial, subject, session_id, scope, audience, sealed,
                                           remembered_until, created_at, expires_at, skipped)
               SELECT $5::uuid, serial, $6::text, NULL, $7::text, $8::text, $9::bytea, NULL, $10::bigint, $11::bigint,
                      $16::boolean
               FROM proved),
          accessed AS (
               INSERT INTO claviger_access (id, digest, grant_id, scope, issued_at, expires_at)
               SELECT $12::uuid, $13::bytea, $5::uuid, NULL, $14::bigint, $15::bigint FROM proved)
          SELECT 1 FROM proved";
    answer_login = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES ($1, 1, $2, $3, $4)
          ON CONFLICT (id) DO UPDATE
          SET version = excluded.version, sealed = excluded.sealed, expires_at = excluded.expires_at
          WHERE claviger_flow.step = 1";
    advance = "UPDATE claviger_flow SET step = $2, version = $3::bigint + 1, sealed = $4, expires_at = $5
          WHERE id = $1 AND version = $3::bigint
            AND ($6::text IS NULL OR EXISTS (SELECT 1 FROM claviger_client WHERE id = $6::text AND version = $7::bigint))";
    advance_with = concat!(
        "WITH moved AS (
               UPDATE claviger_flow SET step = $2, version = $3::bigint + 1, sealed = $4, expires_at = $5
               WHERE id = $1 AND version = $3::bigint
                 AND ($38::text IS NULL OR EXISTS (
                      SELECT 1 FROM claviger_client WHERE id = $38::text AND version = $39::bigint))
               RETURNING 1),
          ", besides!(), ",
          coded AS (
               INSERT INTO claviger_code (id, digest, grant_id, redirect_uri, challenge, expires_at)
               SELECT $26::uuid, $27::bytea, $28::uuid, $29::text, $30::text, $31::bigint FROM moved
               WHERE $26::uuid IS NOT NULL),
          accessed AS (
               INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
               SELECT $32::uuid, $33::bytea, $15::uuid, $34::text, $35::text, $36::bigint, $37::bigint FROM moved
               WHERE $32::uuid IS NOT NULL)
          SELECT 1 FROM moved"
    );
    redeem = concat!(
        "WITH used AS (UPDATE claviger_code SET used_at = $2", unused!("claviger_code"), "),
          accessed AS (
               INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
               SELECT $5::uuid, $6::bytea, grant_id, $7::text, $14::text, $8::bigint, $9::bigint FROM used),
          refreshed AS (
               INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
               SELECT $10::uuid, $11::bytea, grant_id, $12::bigint, $13::bigint FROM used WHERE $10::uuid IS NOT NULL),
          resealed AS (
               UPDATE claviger_grant SET sealed = $15::bytea FROM used
               WHERE id = used.grant_id AND $15::bytea IS NOT NULL)
          SELECT 1 FROM used"
    );
    begin_device = "INSERT INTO claviger_device
                 (id, digest, user_code, client_serial, scope, audience, poll_interval, state, ends_at, expires_at)
          SELECT $1::uuid, $2::bytea, $3::bytea, serial, $4::text, $5::text, $6::bigint, 0, $7::bigint, $8::bigint
          FROM claviger_client WHERE id = $9 AND version = $10
          ON CONFLICT DO NOTHING";
    poll_device = "UPDATE claviger_device SET polled_at = $2, poll_interval = greatest(poll_interval, $3) WHERE id = $1";
    deny_device = "UPDATE claviger_device SET state = 2 WHERE id = $1 AND state = 0";
    // The lock on the flow makes sure that it still moves once the device is approved.
    approve_device = concat!(
        "WITH locked AS (
               SELECT 1 FROM claviger_flow
               WHERE id = $1 AND version = $3::bigint
                 AND EXISTS (SELECT 1 FROM claviger_client WHERE id = $27 AND version = $28)
               FOR UPDATE),
          approved AS (
               UPDATE claviger_device SET state = 1, grant_id = $15::uuid FROM locked
               WHERE id = $26::uuid AND state = 0 RETURNING 1),
          moved AS (
               UPDATE claviger_flow SET step = $2, version = $3::bigint + 1, sealed = $4, expires_at = $5 FROM approved
               WHERE id = $1 AND version = $3::bigint RETURNING 1),
          ", besides!(), "
          SELECT 1 FROM moved"
    );
    redeem_device = "WITH used AS (
               UPDATE claviger_device SET state = 3 FROM claviger_grant g, claviger_client c
               WHERE claviger_device.id = $1 AND state = 1 AND g.id = claviger_device.grant_id
                 AND NOT g.ended AND c.serial = g.client_serial AND c.id = $2 AND c.version = $3
               RETURNING claviger_device.grant_id),
          accessed AS (
               INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
               SELECT $4::uuid, $5::bytea, grant_id, $6::text, $13::text, $7::bigint, $8::bigint FROM used),
          refreshed AS (
               INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
               SELECT $9::uuid, $10::bytea, grant_id, $11::bigint, $12::bigint FROM used WHERE $9::uuid IS NOT NULL),
          resealed AS (
               UPDATE claviger_grant SET sealed = $14::bytea FROM used
               WHERE id = used.grant_id AND $14::bytea IS NOT NULL)
          SELECT 1 FROM used";
    burn_code = "UPDATE claviger_code SET used_at = $2 WHERE id = $1 AND used_at IS NULL";
    rotate = concat!(
        "WITH used AS (UPDATE claviger_refresh SET used_at = $2, successor = $10", unused!("claviger_refresh"), "),
          removed AS (DELETE FROM claviger_access USING used WHERE id = $1),
          accessed AS (
               INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
               SELECT $5::uuid, $6::bytea, grant_id, $7::text, $14::text, $8::bigint, $9::bigint FROM used),
          refreshed AS (
               INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
               SELECT $10::uuid, $11::bytea, grant_id, $12::bigint, $13::bigint FROM used),
          kept AS (
               UPDATE claviger_grant
               SET expires_at = greatest(expires_at, $15::bigint), sealed = coalesce($16::bytea, sealed) FROM used
               WHERE id = used.grant_id AND (expires_at < $15::bigint OR $16::bytea IS NOT NULL))
          SELECT 1 FROM used"
    );
    // Refresh tokens that would outlive their grant for ever go too; others die with their time.
    revoke_grant = "WITH revoked AS (DELETE FROM claviger_grant WHERE id = $1)
          DELETE FROM claviger_refresh WHERE grant_id = $1 AND expires_at = 9223372036854775807";
    // What is remembered keeps its row, without tokens. It is locked first: who made it forgotten at this moment is waited
    // for, and both halves decide by what it is then.
    end_grant = "WITH seen AS MATERIALIZED (SELECT remembered_until FROM claviger_grant WHERE id = $1 FOR UPDATE),
          kept AS (
               UPDATE claviger_grant SET ended = true, expires_at = seen.remembered_until FROM seen
               WHERE id = $1 AND seen.remembered_until IS NOT NULL),
          revoked AS (
               DELETE FROM claviger_grant USING seen WHERE id = $1 AND seen.remembered_until IS NULL)
          DELETE FROM claviger_refresh WHERE grant_id = $1 AND expires_at = 9223372036854775807";
    revoke_grants = "WITH revoked AS (
               DELETE FROM claviger_grant WHERE subject = $1
                  AND ($2::text IS NULL OR client_serial = (SELECT serial FROM claviger_client WHERE id = $2::text))
               RETURNING id)
          DELETE FROM claviger_refresh USING revoked
          WHERE grant_id = revoked.id AND claviger_refresh.expires_at = 9223372036854775807";
    revoke_access = "DELETE FROM claviger_access WHERE id = $1";
    revoke_client_access = "UPDATE claviger_client SET access_after = greatest(access_after, $2) WHERE id = $1";
    end_session = "DELETE FROM claviger_session WHERE id = $1";
    end_sessions = "DELETE FROM claviger_session WHERE subject = $1";
    // Nobody is told twice of one session.
    log_out = "WITH spent AS (
               INSERT INTO claviger_flow (id, step, version, sealed, expires_at)
               SELECT $1::uuid, $2::smallint, $3::bigint, $4::bytea, $5::bigint WHERE $1::uuid IS NOT NULL
               ON CONFLICT (id) DO NOTHING RETURNING 1),
          allowed AS (SELECT 1 FROM spent UNION ALL SELECT 1 WHERE $1::uuid IS NULL),
          ended AS (DELETE FROM claviger_session USING allowed WHERE id = $6::uuid),
          queued AS (
               INSERT INTO claviger_logout_notice (id, client_serial, session_id, subject, attempts, due_at, expires_at)
               SELECT t.id, c.serial, t.session_id, t.subject, t.attempts, t.due_at, t.expires_at
               FROM allowed, unnest($7::uuid[], $8::text[], $9::uuid[], $10::text[], $11::integer[], $12::bigint[],
                                    $13::bigint[])
                    AS t(id, client, session_id, subject, attempts, due_at, expires_at)
               JOIN claviger_client c ON c.id = t.client
               ORDER BY t.session_id, c.serial
               ON CONFLICT (session_id, client_serial) DO NOTHING)
          SELECT 1 FROM allowed";
    claim_notices = CLAIM_NOTICES;
    reschedule_notice = "UPDATE claviger_logout_notice SET due_at = $3 WHERE id = $1 AND attempts = $2";
    create_client = "INSERT INTO claviger_client (serial, id, version, name, owner, document, created_at, updated_at)
          VALUES ($7, $1, $8, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    update_client = "UPDATE claviger_client SET version = $2::bigint, name = $3, owner = $4, document = $5, updated_at = $6
          WHERE id = $1 AND version = $2::bigint - 1";
    // For the purge, which removes what the client leaves.
    delete_client = "WITH removed AS (DELETE FROM claviger_client WHERE id = $1 RETURNING serial)
          INSERT INTO claviger_removed_client (serial) SELECT serial FROM removed";
    add_key = "INSERT INTO claviger_key (key_set, kid, seed, sealed, created_at, signs_from, needed_until)
          VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    put_key = "INSERT INTO claviger_key (key_set, kid, sealed, created_at, signs_from, needed_until)
          VALUES ($1, $2, $3, $4, $5, $6)
          ON CONFLICT (key_set, kid) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at,
              signs_from = excluded.signs_from, needed_until = excluded.needed_until";
    need_key = "UPDATE claviger_key SET needed_until = GREATEST(needed_until, $3) WHERE key_set = $1 AND kid = $2";
    retire_key = "DELETE FROM claviger_key WHERE key_set = $1 AND kid = $2 AND needed_until = $3";
    // The first of the list becomes the newest.
    replace_key_set = "WITH gone AS (DELETE FROM claviger_key WHERE key_set = $1 AND kid <> ALL($2::text[]))
          INSERT INTO claviger_key (key_set, kid, sealed, created_at, signs_from, needed_until)
          SELECT $1, t.kid, t.sealed, t.created_at, t.signs_from, t.needed_until
          FROM unnest($2::text[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[]) WITH ORDINALITY
               AS t(kid, sealed, created_at, signs_from, needed_until, ordinal)
          ORDER BY t.ordinal DESC
          ON CONFLICT (key_set, kid) DO UPDATE
          SET position = DEFAULT, seed = NULL, sealed = excluded.sealed, created_at = excluded.created_at,
              signs_from = excluded.signs_from, needed_until = excluded.needed_until";
    delete_key = "DELETE FROM claviger_key WHERE key_set = $1 AND kid = $2";
    delete_key_set = "DELETE FROM claviger_key WHERE key_set = $1";
    create_trust = "INSERT INTO claviger_trust (id, issuer, subject, kid, scope, key, created_at, expires_at)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    delete_trust = "DELETE FROM claviger_trust WHERE id = $1";
    create_api_key = "INSERT INTO claviger_api_key (id, name, digest, scope, created_at, expires_at)
          VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING";
    revoke_api_key = "DELETE FROM claviger_api_key WHERE id = $1";
    use_api_key = "UPDATE claviger_api_key SET last_used_at = $2
          WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
}

//! Every statement of the PostgreSQL engine, prepared on each connection.
//!
//! A change is one statement: the part that carries its predicates says by its rows whether it was applied, and the
//! other parts read from that part. Columns are always named, as a later migration may add some.

use claviger_core::port::StoreError;
use futures_util::future::try_join_all;
use tokio_postgres::{Client, Error, Statement};

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        /// The prepared statements of one connection.
        pub(super) struct Statements { $(pub(super) $name: Statement),* }

        /// Names and texts.
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];

        impl Statements {
            /// Prepares all in one round trip.
            pub(super) async fn prepare(client: &Client) -> Result<Result<Self, StoreError>, Error> {
                let all = try_join_all(ALL.iter().map(|(_, sql)| client.prepare(sql))).await?;
                let mut all = all.into_iter();
                let mut next = || all.next().ok_or_else(|| StoreError::Broken("a statement is missing".to_owned()));
                Ok((|| Ok(Self { $($name: next()?),* }))())
            }
        }
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
            ".grant_id
                AND c.serial = g.client_serial AND c.id = $3 AND c.version = $4
              RETURNING ",
            $table,
            ".grant_id"
        )
    };
}
macro_rules! expired {
    ($name:literal, $table:literal) => {
        concat!(
            $name,
            " AS (DELETE FROM ",
            $table,
            " WHERE (SELECT ok FROM lock) AND expires_at <= $1
              AND id IN (SELECT id FROM ",
            $table,
            " WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING 1)"
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
    code = concat!(
        "SELECT k.id, k.digest, k.grant_id, k.redirect_uri, k.challenge, k.expires_at, k.used_at, ", grant_columns!(),
        " FROM claviger_code k
          LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial) ON g.id = k.grant_id
          WHERE k.id = $1"
    );
    access = concat!(
        "SELECT a.id, a.digest, a.grant_id, a.scope, a.audience, a.issued_at, a.expires_at, ", grant_columns!(),
        ", c.version FROM claviger_access a
          LEFT JOIN claviger_grant g ON g.id = a.grant_id
          JOIN claviger_client c ON c.serial = coalesce(g.client_serial, a.client_serial)
          WHERE a.id = ANY($1) AND a.id > c.access_after"
    );
    refresh = concat!(
        "SELECT r.id, r.digest, r.grant_id, r.issued_at, r.expires_at, r.used_at,
                s.id, s.digest, s.issued_at, s.expires_at,
                a.id, a.digest, a.scope, a.audience, a.issued_at, a.expires_at, ", grant_columns!(),
        " FROM claviger_refresh r
          LEFT JOIN claviger_refresh s ON s.id = r.successor
          LEFT JOIN (claviger_grant g JOIN claviger_client c ON c.serial = g.client_serial) ON g.id = r.grant_id
          LEFT JOIN claviger_access a ON a.id = r.successor AND a.id > c.access_after
          WHERE r.id = $1"
    );
    keys = "SELECT key_set, kid, sealed, created_at FROM claviger_key WHERE key_set = $1
          ORDER BY created_at DESC, position DESC";

    migrations = APPLIED;

    issue = "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at)
          SELECT t.id, t.digest, c.serial, t.scope, t.audience, t.issued_at, t.expires_at
          FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[])
               AS t(id, digest, scope, audience, issued_at, expires_at, client, version)
          JOIN claviger_client c ON c.id = t.client AND c.version = t.version
          RETURNING id";
    answer_login = "INSERT INTO claviger_flow (id, step, version, sealed, expires_at) VALUES ($1, 1, $2, $3, $4)
          ON CONFLICT (id) DO UPDATE
          SET version = excluded.version, sealed = excluded.sealed, expires_at = excluded.expires_at
          WHERE claviger_flow.step = 1";
    advance = "UPDATE claviger_flow SET step = $2, version = $3::bigint + 1, sealed = $4, expires_at = $5
          WHERE id = $1 AND version = $3::bigint";
    // What does not happen has a null id.
    advance_with = "WITH moved AS (
               UPDATE claviger_flow SET step = $2, version = $3::bigint + 1, sealed = $4, expires_at = $5
               WHERE id = $1 AND version = $3::bigint RETURNING 1),
          put AS (
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
               UPDATE claviger_grant SET remembered_until = NULL FROM owner
               WHERE subject = $17::text AND client_serial = owner.serial AND remembered_until IS NOT NULL
                 AND $22::bigint IS NOT NULL),
          granted AS (
               INSERT INTO claviger_grant (id, client_serial, subject, session_id, scope, audience, sealed,
                                           remembered_until, created_at, expires_at)
               SELECT $15::uuid, owner.serial, $17::text, $18::uuid, $19::text, $20::text, $21::bytea, $22::bigint,
                      $23::bigint, $24::bigint
               FROM owner),
          coded AS (
               INSERT INTO claviger_code (id, digest, grant_id, redirect_uri, challenge, expires_at)
               SELECT $25::uuid, $26::bytea, $27::uuid, $28::text, $29::text, $30::bigint FROM moved
               WHERE $25::uuid IS NOT NULL),
          accessed AS (
               INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
               SELECT $31::uuid, $32::bytea, $15::uuid, $33::text, $34::text, $35::bigint, $36::bigint FROM moved
               WHERE $31::uuid IS NOT NULL)
          SELECT 1 FROM moved";
    redeem = concat!(
        "WITH used AS (UPDATE claviger_code SET used_at = $2", unused!("claviger_code"), "),
          accessed AS (
               INSERT INTO claviger_access (id, digest, grant_id, scope, audience, issued_at, expires_at)
               SELECT $5::uuid, $6::bytea, grant_id, $7::text, $14::text, $8::bigint, $9::bigint FROM used),
          refreshed AS (
               INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at)
               SELECT $10::uuid, $11::bytea, grant_id, $12::bigint, $13::bigint FROM used WHERE $10::uuid IS NOT NULL)
          SELECT 1 FROM used"
    );
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
               UPDATE claviger_grant SET expires_at = $15::bigint FROM used
               WHERE id = used.grant_id AND expires_at < $15::bigint)
          SELECT 1 FROM used"
    );
    // Refresh tokens that would outlive their grant for ever go too; others die with their time.
    revoke_grant = "WITH revoked AS (DELETE FROM claviger_grant WHERE id = $1)
          DELETE FROM claviger_refresh WHERE grant_id = $1 AND expires_at = 9223372036854775807";
    revoke_access = "DELETE FROM claviger_access WHERE id = $1";
    revoke_client_access = "UPDATE claviger_client SET access_after = greatest(access_after, $2) WHERE id = $1";
    end_session = "DELETE FROM claviger_session WHERE id = $1";
    create_client = "WITH next AS (SELECT nextval('claviger_client_serial') AS serial)
          INSERT INTO claviger_client (serial, id, version, name, owner, document, created_at, updated_at)
          SELECT serial, $1::text, (serial << $7::integer) + 1, $2::text, $3::text, $4::text, $5::bigint, $6::bigint FROM next
          ON CONFLICT (id) DO NOTHING";
    update_client = "UPDATE claviger_client SET version = $2::bigint, name = $3, owner = $4, document = $5, updated_at = $6
          WHERE id = $1 AND version = $2::bigint - 1";
    delete_client = "DELETE FROM claviger_client WHERE id = $1";
    add_key = "INSERT INTO claviger_key (key_set, kid, seed, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
          ON CONFLICT DO NOTHING";
    put_key = "INSERT INTO claviger_key (key_set, kid, sealed, created_at) VALUES ($1, $2, $3, $4)
          ON CONFLICT (key_set, kid) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at";
    // The first of the list becomes the newest.
    replace_key_set = "WITH gone AS (DELETE FROM claviger_key WHERE key_set = $1 AND kid <> ALL($2::text[]))
          INSERT INTO claviger_key (key_set, kid, sealed, created_at)
          SELECT $1, t.kid, t.sealed, t.created_at
          FROM unnest($2::text[], $3::bytea[], $4::bigint[]) WITH ORDINALITY AS t(kid, sealed, created_at, ordinal)
          ORDER BY t.ordinal DESC
          ON CONFLICT (key_set, kid) DO UPDATE
          SET position = DEFAULT, seed = NULL, sealed = excluded.sealed, created_at = excluded.created_at";
    delete_key = "DELETE FROM claviger_key WHERE key_set = $1 AND kid = $2";
    delete_key_set = "DELETE FROM claviger_key WHERE key_set = $1";
}

/// What was applied to the schema.
pub(super) const APPLIED: &str = "SELECT version, name, sha256 FROM claviger_migration ORDER BY version";

// Rare statements, parsed each time.

pub(super) const CLIENTS: &str = concat!(
    "SELECT ",
    client_columns!(),
    " FROM claviger_client
      WHERE ($1::text IS NULL OR name = $1) AND ($2::text IS NULL OR owner = $2) AND id > $3
      ORDER BY id LIMIT $4 OFFSET $5"
);

pub(super) const COUNT_CLIENTS: &str = "SELECT count(*) FROM claviger_client";

/// One server at a time: the lock lasts as long as the statement.
pub(super) const PURGE: &str = concat!(
    "WITH lock AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(7812733648501139827) AS ok), ",
    expired!("flows", "claviger_flow"),
    ", ",
    expired!("sessions", "claviger_session"),
    ", ",
    expired!("codes", "claviger_code"),
    ", ",
    expired!("accesses", "claviger_access"),
    ", ",
    expired!("refreshes", "claviger_refresh"),
    ", ",
    expired!("grants", "claviger_grant"),
    " SELECT (SELECT ok FROM lock),
             (SELECT count(*) FROM flows) + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM codes)
             + (SELECT count(*) FROM accesses) + (SELECT count(*) FROM refreshes) + (SELECT count(*) FROM grants)"
);

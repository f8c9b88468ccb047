//! Fills a database of Claviger on PostgreSQL with what years of service leave there.
//!
//! The bulk is made by the database itself with `INSERT … SELECT FROM generate_series`: the store writes some 30 000 tokens
//! a second, and ten million would take longer than all the rest of the run. Between the parts, tokens that work are
//! written, so that those that are asked for lie all over the table.

use std::time::{SystemTime, UNIX_EPOCH};

use claviger_core::context::{Entropy, Id, Prefixes};
use claviger_core::secrets::{Secrets, SecretsError};
use claviger_core::token::opaque::{Fresh, Kind};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::stock::{Bench, locked};

/// Tokens that are written with one statement.
const BATCH: usize = 5_000;

/// Tokens that the database makes at a time.
const PART: u64 = 500_000;

/// An id like those of the server: a time, and then what looks random. `{0}` is the time, `{1}` a number.
const ID: &str = "(lpad(to_hex({0}), 12, '0') || '7' || substr(md5({1}::text), 1, 3) || '8' \
     || substr(md5({1}::text), 4, 15))::uuid";

/// Why a database could not be filled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    #[error("the database could not be filled ({0}): is it one of Claviger that is migrated?")]
    Database(#[from] tokio_postgres::Error),
    #[error("tokens cannot be made with --system-secret: {0}")]
    Secrets(#[from] SecretsError),
    #[error("no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// Writes rows as the server would.
pub(crate) struct Seed {
    database: Client,
    secrets: Secrets,
}

/// How much there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) tokens: u64,
    pub(crate) consents: u64,
    pub(crate) clients: u64,
}

impl Amount {
    /// With so many tokens, a tenth of it consents and a hundredth clients.
    pub(crate) fn of_tokens(tokens: u64) -> Self {
        Self {
            tokens,
            consents: tokens / 10,
            clients: tokens / 100,
        }
    }

    pub(crate) fn without(self, there: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(there.tokens),
            consents: self.consents.saturating_sub(there.consents),
            clients: self.clients.saturating_sub(there.clients),
        }
    }
}

struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        // Asked once before; what works then works later.
        let _ = getrandom::fill(bytes);
    }
}

impl Seed {
    pub(crate) async fn connect(dsn: &str, secret: &str) -> Result<Self, SeedError> {
        getrandom::fill(&mut [0; 1])?;
        let (database, connection) = tokio_postgres::connect(dsn, NoTls).await?;
        tokio::spawn(async move { drop(connection.await) });
        database.batch_execute("SET synchronous_commit = off").await?;
        Ok(Self {
            database,
            secrets: Secrets::derive(&[secret])?,
        })
    }

    /// Access tokens of people that work, spread over the grants of earlier flows.
    pub(crate) async fn grant_tokens(&self, bench: &Bench, count: usize) -> Result<(), SeedError> {
        const GRANTS: &str = "SELECT DISTINCT a.grant_id FROM claviger_access a JOIN claviger_grant g ON g.id = a.grant_id \
             WHERE g.subject LIKE 'bench-user-%' AND NOT g.ended AND a.expires_at > $1 LIMIT 20000";
        const INSERT: &str = "INSERT INTO claviger_access (id, digest, grant_id, issued_at, expires_at) \
             SELECT id, digest, grant_id, $4, $4 + 86400 \
             FROM unnest($1::uuid[], $2::bytea[], $3::uuid[]) AS t(id, digest, grant_id)";
        let rows = self.database.query(GRANTS, &[&seconds()]).await?;
        let grants: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        let mut texts = Vec::with_capacity(count);
        for batch in grants
            .iter()
            .cycle()
            .take(count)
            .copied()
            .collect::<Vec<_>>()
            .chunks(BATCH)
        {
            let (ids, digests) = self.make(batch.len(), &mut texts);
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&ids, &digests, &batch, &seconds()];
            self.database.execute(INSERT, &parameters).await?;
        }
        locked(&bench.stock.granted).extend(texts);
        Ok(())
    }

    /// Access tokens of the client itself that work.
    async fn own_tokens(&self, bench: &Bench, count: usize) -> Result<(), SeedError> {
        const INSERT: &str = "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at) \
             SELECT t.id, t.digest, c.serial, '', '', $4, $4 + 86400 \
             FROM unnest($1::uuid[], $2::bytea[]) AS t(id, digest), claviger_client c WHERE c.id = $3";
        let mut texts = Vec::with_capacity(count);
        while texts.len() < count {
            let (ids, digests) = self.make(BATCH.min(count - texts.len()), &mut texts);
            let client = &bench.clients.machine.id;
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&ids, &digests, client, &seconds()];
            self.database.execute(INSERT, &parameters).await?;
        }
        for text in texts {
            bench.stock.keep_token(text);
        }
        Ok(())
    }

    /// New tokens: what the database holds of them, and, behind `texts`, what a client holds.
    fn make(&self, count: usize, texts: &mut Vec<String>) -> (Vec<Uuid>, Vec<Vec<u8>>) {
        let prefixes = Prefixes::default();
        let make = |_| {
            let id = Id::generate(millis(), &Random);
            let fresh = Fresh::generate(&self.secrets, &Random, &prefixes, Kind::Access, id);
            texts.push(fresh.text.to_string());
            (Uuid::from_bytes(id.0), fresh.digest.0.to_vec())
        };
        (0..count).map(make).unzip()
    }

    /// Adds so many rows, and among them `pool` tokens of each kind that work.
    pub(crate) async fn fill(&self, bench: &Bench, more: Amount, pool: usize) -> Result<(), SeedError> {
        let parts = more.tokens.div_ceil(PART).max(1);
        let share = |all: u64, part: u64| all * (part + 1) / parts - all * part / parts;
        for part in 0..parts {
            let amount = Amount {
                tokens: share(more.tokens, part),
                consents: share(more.consents, part),
                clients: share(more.clients, part),
            };
            self.part(amount).await?;
            let works = usize::try_from(share(u64::try_from(pool).unwrap_or(0), part)).unwrap_or(0);
            self.own_tokens(bench, works).await?;
            self.grant_tokens(bench, works).await?;
        }
        self.settle().await
    }

    /// What a database that is not new has behind it, so that it does not happen while something is measured.
    async fn settle(&self) -> Result<(), SeedError> {
        for table in ["access", "grant", "client"] {
            self.database
                .batch_execute(&format!("VACUUM (ANALYZE) claviger_{table}"))
                .await?;
        }
        Ok(self.database.batch_execute("CHECKPOINT").await?)
    }

    /// Half of the tokens are of clients and half of grants.
    async fn part(&self, amount: Amount) -> Result<(), SeedError> {
        let (begin, now) = (millis(), seconds());
        let Amount {
            tokens,
            consents,
            clients,
        } = amount;
        let (per_client, per_grant) = (clients.max(1), consents.max(1));
        // Each millisecond of the ids holds a hundred rows, so that they lie before whatever is issued from now on.
        let id = |number: &str| {
            let time = format!("{begin} - 600000 + {number} / 100");
            ID.replace("{0}", &time)
                .replace("{1}", &format!("('{begin}/' || {number})"))
        };
        let grant = id("(i % G)").replace('G', &per_grant.to_string());
        let document = "{\"id\":\"stored\",\"secrets\":[],\"auth_method\":\"none\",\"redirect_uris\":[],\"grant_types\":[],\
             \"response_types\":[],\"scope\":[],\"audience\":[],\"skip_consent\":false}";
        let statements = format!(
            "INSERT INTO claviger_client (serial, id, version, name, owner, document, created_at, updated_at) \
               SELECT serial, 'stored-' || serial, serial * 4294967296 + 1, 'Stored', '', '{document}', {now}, {now} \
               FROM (SELECT nextval('claviger_client_serial') AS serial FROM generate_series(1, {clients})) s; \
             INSERT INTO claviger_grant (id, client_serial, subject, scope, audience, sealed, remembered_until, created_at, \
               expires_at) \
               SELECT {own}, 1 + i % {per_client}, 'stored-{begin}-' || i, 'openid offline', '', \
               decode(repeat('00', 160), 'hex'), {now} + 8640000, {now}, {now} + 8640000 \
               FROM generate_series(0, {consents} - 1) i; \
             INSERT INTO claviger_access (id, digest, grant_id, client_serial, scope, audience, issued_at, expires_at) \
               SELECT {own}, decode(md5(i::text) || md5(i::text), 'hex'), CASE WHEN i % 2 = 0 THEN {grant} END, \
               CASE WHEN i % 2 = 1 THEN 1 + i % {per_client} END, CASE WHEN i % 2 = 1 THEN '' END, \
               CASE WHEN i % 2 = 1 THEN '' END, {now}, {now} + 86400 + i % 3600 FROM generate_series(0, {tokens} - 1) i;",
            own = id("i"),
        );
        Ok(self.database.batch_execute(&statements).await?)
    }

    /// Tokens that have expired.
    pub(crate) async fn expired(&self, rows: u64) -> Result<(), SeedError> {
        let (begin, now) = (millis(), seconds());
        let id = ID
            .replace("{0}", &format!("{begin} - 900000 + i / 100"))
            .replace("{1}", &format!("('{begin}x' || i)"));
        let statement = format!(
            "INSERT INTO claviger_access (id, digest, client_serial, scope, audience, issued_at, expires_at) \
             SELECT {id}, decode(md5(i::text) || md5(i::text), 'hex'), 1, '', '', {now} - 7200, {now} - 3600 + i % 600 \
             FROM generate_series(1, {rows}) i"
        );
        self.database.batch_execute(&statement).await?;
        self.settle().await
    }

    pub(crate) async fn count_expired(&self) -> Result<u64, SeedError> {
        let count = "SELECT count(*) FROM claviger_access WHERE expires_at <= $1";
        let row = self.database.query_one(count, &[&(seconds() - 2000)]).await?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

fn seconds() -> i64 {
    i64::try_from(millis() / 1000).unwrap_or(0)
}

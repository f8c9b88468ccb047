//! PostgreSQL: a handful of connections with every statement prepared, each fed by a lane.
//!
//! Tokens of clients themselves are inserted, and access tokens are read, many in one statement. Every other change is
//! one statement, and those that wait share one transaction. Other reads are pipelined on one connection. Nothing waits
//! for a second connection while it holds one.

mod apply;
mod connect;
mod devices;
mod lane;
mod line;
mod migrate;
mod purge;
mod read;
mod statements;

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, ApiKeyRecord, Change, ClientQuery, ClientRecord, CodeFacts, DeviceFacts, Digest, FlowRecord,
    Freshness, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Outcome, Owner, Participant, Purged, RefreshFacts,
    SchemaStatus, SessionRecord, Store, StoreError, TrustQuery, TrustRecord,
};
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use self::apply::uuid;
use self::connect::Connector;
use self::lane::{Issue, Lane};
use self::line::{Failed, Line};
use self::statements::{Prepared, Statements};
use crate::coalesce::{Coalescer, Limits};
use crate::engine::Engine;
use crate::migrate::MigrationStatus;
use crate::retry::Retry;
use crate::statistics::{Kind, Statistics};
use crate::{BackupError, OpenError, Options};

/// The statements that requests cause, by name, for those who look at their plans.
pub const STATEMENTS: &[(&str, &str)] = statements::ALL;
/// The statement that removes what has expired, for the same.
pub const PURGE: &str = purge::PURGE;

/// How long a schema that is behind is remembered, so that questions about it do not become connections.
const SCHEMA_MEMORY: Duration = Duration::from_secs(1);

/// A PostgreSQL database.
pub(crate) struct Postgres {
    connector: Arc<Connector>,
    issues: Coalescer<Issue, Outcome>,
    accesses: Coalescer<Id, Option<AccessFacts>>,
    changes: Coalescer<Change, Outcome>,
    lines: Lines,
    /// How the schema stood when its statements could not be prepared.
    last_schema: Mutex<Option<(Instant, SchemaStatus)>>,
    statistics: Arc<Statistics>,
}

/// Connections by their work. With few of them, work that stands in nobody's way shares one; a batch of changes is a
/// transaction, which must be alone.
struct Lines {
    issues: Arc<Line>,
    accesses: Arc<Line>,
    changes: Arc<Line>,
    points: Arc<Line>,
    slow: Arc<Line>,
}

impl Lines {
    fn new(most: u32, line: impl Fn() -> Arc<Line>) -> Self {
        let (changes, points) = (line(), line());
        let another = |needed: u32| if most >= needed { line() } else { points.clone() };
        Self {
            issues: another(3),
            accesses: another(4),
            slow: another(5),
            changes,
            points,
        }
    }

    fn all(&self) -> [&Arc<Line>; 5] {
        [&self.issues, &self.accesses, &self.changes, &self.points, &self.slow]
    }
}

impl Postgres {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(url, options)?);
        let deadline = options.statement_timeout + options.patience;
        let line = || Arc::new(Line::new(connector.clone(), options.connection_lifetime, deadline));
        let lines = Lines::new(options.max_connections.unwrap_or(u32::MAX), line);
        // Says at once what is wrong with the address; a schema that is not there is reported when it is needed.
        match lines.points.session().await {
            Ok(_) | Err(StoreError::NotMigrated) => {}
            Err(StoreError::Unavailable(reason) | StoreError::Broken(reason)) => return Err(OpenError::Server(reason)),
        }
        let statistics = Arc::new(Statistics::default());
        let limits = Limits::of(options);
        let lane = |line: &Arc<Line>| Lane {
            line: line.clone(),
            statistics: statistics.clone(),
        };
        let (issues, accesses, changes) = (lane(&lines.issues), lane(&lines.accesses), lane(&lines.changes));
        Ok(Self {
            issues: Coalescer::start(limits, move |batch| issues.clone().issue(batch)),
            accesses: Coalescer::start(limits, move |batch| accesses.clone().read_access(batch)),
            changes: Coalescer::start(limits, move |batch| changes.clone().apply(batch)),
            connector,
            lines,
            last_schema: Mutex::new(None),
            statistics,
        })
    }

    /// Rows of a prepared statement. Asked again once if the connection turns out to be dead, as reading does no harm.
    async fn rows(
        &self,
        kind: Kind,
        statement: fn(&Statements) -> &Prepared,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.statistics.asked(kind);
        let line = &self.lines.points;
        let (mut is_second, mut retry) = (false, Retry::new());
        loop {
            let session = line.session().await?;
            self.statistics.sent(kind);
            let asking = statement(&session.statements).query(&session.client, values);
            match line.answer(&session, asking).await {
                Ok(rows) => return Ok(rows),
                Err(Failed::Lost(_)) if !is_second => is_second = true,
                Err(failed) if failed.may_pass() && retry.again().await => {}
                Err(failed) => return Err(StoreError::from(&failed)),
            }
        }
    }

    async fn row<T>(
        &self,
        kind: Kind,
        statement: fn(&Statements) -> &Prepared,
        values: &[&(dyn ToSql + Sync)],
        read: fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.rows(kind, statement, values).await?.first().map(read).transpose()
    }

    /// How the schema stands, on a connection of its own: one at a time and once a second, however many ask.
    async fn unprepared_schema(&self) -> Result<SchemaStatus, StoreError> {
        let mut last = self.last_schema.lock().await;
        if let Some((_, status)) = last.as_ref().filter(|(at, _)| at.elapsed() < SCHEMA_MEMORY) {
            return Ok(status.clone());
        }
        let client = self.connector.connect().await?;
        let status = migrate::compare(&client).await?.schema();
        *last = Some((Instant::now(), status.clone()));
        Ok(status)
    }

    /// Rows of one of [`statements::RARE`].
    async fn rare(&self, kind: Kind, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        self.statistics.asked(kind);
        let line = &self.lines.slow;
        let mut retry = Retry::new();
        loop {
            let session = line.session().await?;
            let statement = session.statements.rare(sql)?;
            self.statistics.sent(kind);
            match line.answer(&session, statement.query(&session.client, values)).await {
                Err(failed) if failed.may_pass() && retry.again().await => {}
                answer => return answer.map_err(|failed| StoreError::from(&failed)),
            }
        }
    }
}

/// PostgreSQL's text cannot hold it, so that nothing of that name is there.
fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// What PostgreSQL's error means to the protocol.
fn refused(error: &Error) -> StoreError {
    let reason = explained(error);
    let Some(code) = error.code() else {
        // Without an answer of the server only a value that does not fit its type is our fault.
        let is_transport = error.is_closed()
            || error
                .source()
                .is_some_and(|source| source.is::<std::io::Error>() || source.is::<rustls::Error>());
        return match is_transport {
            true => StoreError::Unavailable(reason),
            false => StoreError::Broken(reason),
        };
    };
    match *code {
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => StoreError::NotMigrated,
        SqlState::QUERY_CANCELED
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::READ_ONLY_SQL_TRANSACTION
        | SqlState::LOCK_NOT_AVAILABLE => StoreError::Unavailable(reason),
        // Connection, resources, operator (shutdown), system.
        _ if ["08", "53", "57", "58"]
            .iter()
            .any(|class| code.code().starts_with(class)) =>
        {
            StoreError::Unavailable(reason)
        }
        _ if is_outdated(error) => StoreError::Unavailable(reason),
        _ => StoreError::Broken(reason),
    }
}

/// Whether the connection is of no use any more: it is closed, or the server shuts down or was told to end it.
fn is_lost(error: &Error) -> bool {
    let shutdown = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::CANNOT_CONNECT_NOW,
    ];
    error.is_closed() || error.code().is_some_and(|code| shutdown.contains(&code))
}

/// Whether the server takes no writes, as a standby does. The next connection may reach the one that took over.
fn is_read_only(error: &Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether the server undid the statement for the sake of another one.
fn is_passing(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
    )
}

/// Whether a prepared statement does not fit the schema any more, as a migration ran meanwhile.
fn is_outdated(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::FEATURE_NOT_SUPPORTED | &SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::UNDEFINED_TABLE)
    )
}

/// The error with its cause and code, without the detail, which may repeat values.
fn explained(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(server), _) => format!("{} (SQLSTATE {})", server.message(), server.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

#[async_trait]
impl Store for Postgres {
    async fn client(&self, id: &str, _: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        if has_nul(id) {
            return Ok(None);
        }
        let client = self.row(Kind::Client, |all| &all.client, &[&id], read::client).await?;
        Ok(client.map(Arc::new))
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        let after = query.after.as_deref().unwrap_or_default();
        let texts = [query.name.as_deref(), query.owner.as_deref(), Some(after)];
        if texts.into_iter().flatten().any(has_nul) {
            return Ok(Vec::new());
        }
        let (limit, offset) = (i64::from(query.limit), i64::from(query.offset));
        let values: [&(dyn ToSql + Sync); 5] = [&query.name, &query.owner, &after, &limit, &offset];
        let rows = self.rare(Kind::Clients, statements::CLIENTS, &values).await?;
        rows.iter().map(read::client).collect()
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        let rows = self.rare(Kind::CountClients, statements::COUNT_CLIENTS, &[]).await?;
        let count = rows.first().map(|row| read::column::<i64>(row, 0)).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    async fn flow(&self, id: Id, _: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        let flow = self.row(Kind::Flow, |all| &all.flow, &[&uuid(id)], read::flow).await?;
        Ok(flow.map(Arc::new))
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        self.row(Kind::Session, |all| &all.session, &[&uuid(id)], read::session)
            .await
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        if has_nul(subject) || has_nul(client) {
            return Ok(None);
        }
        let values: [&(dyn ToSql + Sync); 3] = [&subject, &client, &now.0];
        let grant = |row: &Row| read::grant(row, 0);
        Ok(self
            .row(Kind::Remembered, |all| &all.remembered, &values, grant)
            .await?
            .flatten())
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        if has_nul(&query.subject) {
            return Ok(Vec::new());
        }
        let (session, after) = (query.session.map(uuid), query.after.map_or(Uuid::nil(), uuid));
        let (limit, offset) = (i64::from(query.limit), i64::from(query.offset));
        let values: [&(dyn ToSql + Sync); 6] = [&query.subject, &session, &query.at.0, &after, &limit, &offset];
        let rows = self.rare(Kind::Grants, statements::GRANTS, &values).await?;
        let grants = rows.iter().map(|row| read::grant(row, 0));
        grants.filter_map(Result::transpose).collect()
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        if has_nul(&query.subject) {
            return Ok(0);
        }
        let session = query.session.map(uuid);
        let values: [&(dyn ToSql + Sync); 3] = [&query.subject, &session, &query.at.0];
        let rows = self.rare(Kind::CountGrants, statements::COUNT_GRANTS, &values).await?;
        let count = rows.first().map(|row| read::column::<i64>(row, 0)).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        let subject = subject.filter(|subject| !has_nul(subject));
        let values: [&(dyn ToSql + Sync); 2] = [&uuid(session), &subject];
        let rows = self.rows(Kind::Participants, |all| &all.participants, &values).await?;
        rows.iter().map(read::participant).collect()
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        let limit = i64::from(limit);
        let values: [&(dyn ToSql + Sync); 3] = [&now.0, &lease.0, &limit];
        let rows = self.rare(Kind::Claim, statements::CLAIM_NOTICES, &values).await?;
        rows.iter().map(read::notice).collect()
    }

    async fn code(&self, id: Id, _: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        let code = self.row(Kind::Code, |all| &all.code, &[&uuid(id)], read::code).await?;
        Ok(code.map(Arc::new))
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        self.statistics.asked(Kind::Access);
        self.accesses.ask(id).await
    }

    async fn refresh(&self, id: Id, _: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        let refresh = self
            .row(Kind::Refresh, |all| &all.refresh, &[&uuid(id)], read::refresh)
            .await?;
        Ok(refresh.map(Arc::new))
    }

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        self.row(Kind::Device, |all| &all.device, &[&uuid(id)], read::device)
            .await
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        let values: [&(dyn ToSql + Sync); 1] = [&&user_code.0[..]];
        self.row(Kind::Device, |all| &all.device_by_user_code, &values, read::device)
            .await
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        if has_nul(set) {
            return Ok(Vec::new());
        }
        let rows = self.rows(Kind::Keys, |all| &all.keys, &[&set]).await?;
        rows.iter().map(read::key).collect()
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        let values: [&(dyn ToSql + Sync); 1] = [&&assertion.0[..]];
        let rows = self.rows(Kind::Assertion, |all| &all.assertion, &values).await?;
        Ok(!rows.is_empty())
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        self.row(Kind::Trust, |all| &all.trust, &[&uuid(id)], read::trust).await
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        if query.issuer.as_deref().is_some_and(has_nul) {
            return Ok(Vec::new());
        }
        let after = uuid(query.after.unwrap_or(Id([0; 16])));
        let (limit, offset) = (i64::from(query.limit), i64::from(query.offset));
        let values: [&(dyn ToSql + Sync); 4] = [&query.issuer, &after, &limit, &offset];
        let rows = self.rare(Kind::Trusts, statements::TRUSTS, &values).await?;
        rows.iter().map(read::trust).collect()
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        if has_nul(issuer) || has_nul(subject) {
            return Ok(Vec::new());
        }
        let rows = self
            .rows(Kind::Trust, |all| &all.trusts_in, &[&issuer, &subject])
            .await?;
        rows.iter().map(read::trust).collect()
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.row(Kind::ApiKey, |all| &all.api_key, &[&uuid(id)], read::api_key)
            .await
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let (after, limit) = (after.map_or(Uuid::nil(), uuid), i64::from(limit));
        let values: [&(dyn ToSql + Sync); 2] = [&after, &limit];
        let rows = self.rare(Kind::ApiKeys, statements::API_KEYS, &values).await?;
        rows.iter().map(read::api_key).collect()
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        match change {
            Change::Issue { access, client } => {
                self.statistics.asked(Kind::Issue);
                if matches!(access.owner, Owner::Grant { .. }) {
                    let reason = "a token of a grant cannot be issued without a code";
                    return Err(StoreError::Broken(reason.to_owned()));
                }
                self.issues.ask(Issue { access, client }).await
            }
            change => {
                self.statistics.asked(Kind::Change);
                self.changes.ask(change).await
            }
        }
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        let rows = self
            .rare(Kind::Purge, purge::PURGE, &[&now.0, &i64::from(limit)])
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Broken("nothing was said of the purge".to_owned()))?;
        let rows: i64 = read::column(row, 1)?;
        Ok(Purged {
            rows: rows.unsigned_abs(),
            busy: !read::column::<bool>(row, 0)?,
        })
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.statistics.asked(Kind::Schema);
        self.statistics.sent(Kind::Schema);
        let line = &self.lines.slow;
        match line.session().await {
            Ok(session) => {
                let asking = session.statements.migrations.query(&session.client, &[]);
                let rows = line
                    .answer(&session, asking)
                    .await
                    .map_err(|failed| StoreError::from(&failed))?;
                Ok(migrate::read(&rows)?.schema())
            }
            // Its statements cannot be prepared, as the schema is behind.
            Err(StoreError::NotMigrated) => self.unprepared_schema().await,
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn migrate(&self, progress: &(dyn Fn(MigrationStatus) + Send + Sync)) -> Result<(), StoreError> {
        migrate::run(self.connector.connect().await?, progress).await?;
        *self.last_schema.lock().await = None;
        for line in self.lines.all() {
            line.try_again().await;
        }
        Ok(())
    }

    async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        let client = self.connector.connect().await?;
        Ok(migrate::compare(&client).await?.all())
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        let client = self.connector.connect().await?;
        // Behind a pooler no statement has a name.
        let asking = client.query_typed_one("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint", &[]);
        let row = asking.await.map_err(|error| refused(&error))?;
        let seconds = row.try_get(0).map_err(|error| StoreError::Broken(error.to_string()))?;
        Ok(Some(Timestamp(seconds)))
    }

    async fn close(&self) {
        self.issues.stop().await;
        self.accesses.stop().await;
        self.changes.stop().await;
        for line in self.lines.all() {
            line.close();
        }
    }

    async fn backup(&self, _: &Path) -> Result<(), BackupError> {
        Err(BackupError::OtherTool(
            "PostgreSQL is backed up by its own tools: pg_dump --format=custom copies it as it is at one moment, while servers \
             go on",
        ))
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn system(&self) -> &'static str {
        "postgresql"
    }

    fn queues(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("issues", self.issues.waiting()),
            ("accesses", self.accesses.waiting()),
            ("changes", self.changes.waiting()),
        ]
    }
}

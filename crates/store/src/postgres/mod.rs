//! PostgreSQL: a handful of connections with prepared statements, each fed by a lane.
//!
//! Tokens of clients themselves are inserted, and access tokens are read, many in one statement. Every other change is
//! one statement, and those that wait share one transaction. Other reads are pipelined on one connection. Nothing waits
//! for a second connection while it holds one.

mod apply;
mod connect;
mod devices;
mod fault;
mod lane;
mod line;
mod lists;
mod migrate;
mod prepared;
mod purge;
mod read;
mod statements;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{AccessFacts, Change, Outcome, Purged, SchemaStatus, StoreError};
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::connect::Connector;
use self::lane::{Issue, Lane};
use self::line::{Failed, Line};
use self::prepared::Prepared;
use self::statements::Statements;
use crate::coalesce::{Coalescer, Limits};
use crate::engine::Engine;
use crate::migrate::MigrationStatus;
use crate::retry::Retry;
use crate::statistics::{Kind, Statistics};
use crate::{BackupError, OpenError, Options};

pub use connect::PLANNING;
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
    pub(crate) fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(url, options)?);
        let deadline = options.statement_timeout + options.patience;
        let line = || Arc::new(Line::new(connector.clone(), options.connection_lifetime, deadline));
        let lines = Lines::new(options.max_connections.unwrap_or(u32::MAX), line);
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

    /// Rows of one of [`lists::RARE`].
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

    /// What the statement of the purge removed.
    async fn remove(&self, time: Timestamp, limit: u32, with_leftovers: bool) -> Result<Purged, StoreError> {
        let values: [&(dyn ToSql + Sync); 3] = [&time.0, &i64::from(limit), &with_leftovers];
        let rows = self.rare(Kind::Purge, purge::PURGE, &values).await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Broken("nothing was said of the purge".to_owned()))?;
        let rows: i64 = read::column(row, 1)?;
        Ok(Purged {
            rows: rows.unsigned_abs(),
            busy: !read::column::<bool>(row, 0)?,
        })
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn reach(&self) -> Result<(), OpenError> {
        match self.lines.points.session().await {
            // A schema that is not there is reported when it is needed.
            Ok(_) | Err(StoreError::NotMigrated) => Ok(()),
            Err(StoreError::Broken(reason)) => Err(OpenError::Server(reason)),
            Err(StoreError::Unavailable(reason)) => {
                self.connector.attempt().await?;
                Err(OpenError::Unreachable(reason))
            }
        }
    }

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
        let rows = self.rare(Kind::Clock, lists::CLOCK, &[]).await?;
        let untold = || StoreError::Broken("the server did not tell its time".to_owned());
        let seconds = read::column(rows.first().ok_or_else(untold)?, 0)?;
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

//! MySQL 8 and MariaDB, alone or as a Galera cluster: a handful of connections, each fed by a lane.
//!
//! A change is a short transaction that is sent as one text, and changes that wait share one. Reads that wait are sent
//! as one text too. Nothing waits for a second connection while it holds one. What the server, or another one of the
//! cluster, undoes for the sake of others is tried again whole.

mod address;
mod administered;
mod apply;
mod connect;
mod devices;
mod fault;
mod lane;
mod line;
mod migrate;
mod purge;
mod read;
mod script;
mod sql;
mod statements;
mod store;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{AccessFacts, Change, NoticeRecord, Outcome, Purged, StoreError};
use mysql_async::Row;

use self::connect::Connector;
use self::lane::{Issue, Lane, Question};
use self::line::Line;
use self::script::Script;
use self::sql::{Value, values};
use crate::coalesce::{Coalescer, Limits};
use crate::engine::Engine;
use crate::migrate::{Comparison, MigrationStatus};
use crate::retry::Retry;
use crate::statistics::{Kind, Statistics};
use crate::{BackupError, OpenError, Options};

/// The statements that requests cause, by name, for those who look at their plans.
pub const STATEMENTS: &[(&str, &str)] = statements::ALL;
/// The statements that remove what has expired, for the same.
pub const PURGE: &[&[&str]] = purge::ALL;

/// A MySQL or MariaDB database.
pub(crate) struct Mysql {
    connector: Arc<Connector>,
    issues: Coalescer<Issue, Outcome>,
    accesses: Coalescer<Id, Option<AccessFacts>>,
    changes: Coalescer<Change, Outcome>,
    points: Coalescer<Question, Vec<Row>>,
    /// Lists, the purge and the schema.
    slow: Lane,
    lines: Vec<Arc<Line>>,
    statistics: Arc<Statistics>,
}

impl Mysql {
    pub(crate) fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(url, options)?);
        let deadline = options.statement_timeout + options.patience;
        // Connections by their work; with fewer, some share one.
        let most = options.max_connections.unwrap_or(u32::MAX).clamp(1, 5);
        let line = |_| Arc::new(Line::new(connector.clone(), options.connection_lifetime, deadline));
        let lines: Vec<Arc<Line>> = (0..most).map(line).collect();
        let statistics = Arc::new(Statistics::default());
        let limits = Limits::of(options);
        let lane = |turn: usize| -> Result<Lane, OpenError> {
            let line = turn.checked_rem(lines.len()).and_then(|turn| lines.get(turn));
            let line = line.ok_or_else(|| OpenError::Server("there is no connection".to_owned()))?;
            Ok(Lane {
                line: line.clone(),
                statistics: statistics.clone(),
            })
        };
        let (changes, points, issues, accesses, slow) = (lane(0)?, lane(1)?, lane(2)?, lane(3)?, lane(4)?);
        Ok(Self {
            connector,
            issues: Coalescer::start(limits, move |batch| issues.clone().issue(batch)),
            accesses: Coalescer::start(limits, move |batch| accesses.clone().read_access(batch)),
            changes: Coalescer::start(limits, move |batch| changes.clone().apply(batch)),
            points: Coalescer::start(limits, move |batch| points.clone().read(batch)),
            slow,
            lines,
            statistics,
        })
    }

    /// Rows of a statement of requests.
    async fn rows(&self, kind: Kind, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.statistics.asked(kind);
        let text = sql::statement(statement, values);
        self.points.ask(Question { kind, text }).await
    }

    async fn row<T>(
        &self,
        kind: Kind,
        statement: &str,
        values: &[Value<'_>],
        read: fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.rows(kind, statement, values).await?.first().map(read).transpose()
    }

    /// Rows of a rare statement.
    async fn rare(&self, kind: Kind, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.statistics.asked(kind);
        let sets = self.slow.ask(kind, &sql::statement(statement, values)).await?;
        Ok(sets.into_iter().next().unwrap_or_default())
    }

    async fn count(&self, kind: Kind, statement: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let rows = self.rare(kind, statement, values).await?;
        let count = rows.first().map(|row| read::column::<i64>(row, 0)).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    /// What the statements of the purge removed.
    async fn remove(&self, text: &str) -> Result<Purged, StoreError> {
        self.statistics.asked(Kind::Purge);
        self.statistics.sent(Kind::Purge);
        match self.slow.line.run(text).await {
            Ok(sets) => {
                let rows = sets.iter().flatten().map(|row| read::column::<i64>(row, 0));
                let rows = rows.sum::<Result<i64, _>>()?;
                Ok(Purged {
                    rows: rows.unsigned_abs(),
                    busy: false,
                })
            }
            Err(failed) if failed.may_pass() => Ok(Purged { rows: 0, busy: true }),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Counts each notice as tried unless somebody else did so first, and says which are ours.
    async fn claim(&self, due: Vec<NoticeRecord>, lease: Timestamp) -> Result<Vec<NoticeRecord>, StoreError> {
        let mut script = Script::default();
        for notice in &due {
            let values = values![notice.id, notice.attempts, lease.0];
            script.run(statements::CLAIM_NOTICE, &values);
            script.text.push_str("SELECT ROW_COUNT() > 0;");
        }
        let mut retry = Retry::new();
        let sets = loop {
            match self.slow.line.change(&script.text).await {
                Err(failed) if failed.may_pass_after(retry.spent()) && retry.again().await => {}
                answer => break answer?,
            }
        };
        let outcomes = script::outcomes(&sets)?;
        let ours = due.into_iter().zip(outcomes);
        Ok(ours
            .filter(|(_, outcome)| *outcome == Outcome::Applied)
            .map(|(notice, _)| NoticeRecord {
                attempts: notice.attempts.saturating_add(1),
                due_at: lease,
                ..notice
            })
            .collect())
    }
}

#[async_trait]
impl Engine for Mysql {
    async fn reach(&self) -> Result<(), OpenError> {
        match self.slow.line.connect().await {
            Ok(()) | Err(StoreError::NotMigrated) => Ok(()),
            Err(StoreError::Broken(reason)) => Err(OpenError::Server(reason)),
            Err(StoreError::Unavailable(reason)) => {
                self.connector.attempt().await?;
                Err(OpenError::Unreachable(reason))
            }
        }
    }

    async fn migrate(&self, progress: &(dyn Fn(MigrationStatus) + Send + Sync)) -> Result<(), StoreError> {
        migrate::run(self.connector.connect().await?.conn, progress).await
    }

    async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        let mut conn = self.connector.connect().await?.conn;
        migrate::compare(&mut conn).await.map(Comparison::all)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.rare(Kind::Clock, "SELECT UNIX_TIMESTAMP()", &[]).await?;
        let untold = || StoreError::Broken("the server did not tell its time".to_owned());
        read::column(rows.first().ok_or_else(untold)?, 0)
            .map(Timestamp)
            .map(Some)
    }

    async fn close(&self) {
        self.issues.stop().await;
        self.accesses.stop().await;
        self.changes.stop().await;
        self.points.stop().await;
        for line in &self.lines {
            line.close().await;
        }
    }

    async fn backup(&self, _: &Path) -> Result<(), BackupError> {
        Err(BackupError::OtherTool(
            "MySQL and MariaDB are backed up by their own tools: mariadb-dump (or mysqldump) --single-transaction copies it as \
             it is at one moment, while servers go on",
        ))
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn system(&self) -> &'static str {
        "mysql"
    }

    fn queues(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("issues", self.issues.waiting()),
            ("accesses", self.accesses.waiting()),
            ("changes", self.changes.waiting()),
            ("points", self.points.waiting()),
        ]
    }
}

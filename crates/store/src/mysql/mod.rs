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
mod read;
mod script;
mod sql;
mod statements;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, ApiKeyRecord, Change, ClientQuery, ClientRecord, CodeFacts, DeviceFacts, Digest, FlowRecord,
    Freshness, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Outcome, Owner, Participant, Purged, RefreshFacts,
    SchemaStatus, SessionRecord, Store, StoreError, TrustQuery, TrustRecord,
};
use mysql_async::Row;

use self::connect::{Connector, unopened};
use self::fault::Failed;
use self::lane::{Issue, Lane, Question};
use self::line::{Line, sets};
use self::read::column;
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
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(url, options)?);
        let deadline = options.statement_timeout + options.patience;
        // Connections by their work; with fewer, some share one.
        let most = options.max_connections.unwrap_or(u32::MAX).clamp(1, 5);
        let line = |_| Arc::new(Line::new(connector.clone(), options.connection_lifetime, deadline));
        let lines: Vec<Arc<Line>> = (0..most).map(line).collect();
        if let Some(first) = lines.first() {
            // Says at once what is wrong with the address.
            first
                .connect()
                .await
                .or_else(|error| unopened(error).map_or(Ok(()), Err))?;
        }
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

/// What a grant query and its count have in common.
fn listed(query: &GrantQuery) -> [Value<'_>; 3] {
    values![&query.subject, query.session, query.at.0]
}

#[async_trait]
impl Store for Mysql {
    async fn client(&self, id: &str, _: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        let client = self
            .row(Kind::Client, statements::CLIENT, &values![id], read::client)
            .await?;
        Ok(client.map(Arc::new))
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        let values = values![
            query.name.as_deref(),
            query.owner.as_deref(),
            query.after.as_deref().unwrap_or_default(),
            query.limit,
            query.offset,
        ];
        let rows = self.rare(Kind::Clients, statements::CLIENTS, &values).await?;
        rows.iter().map(read::client).collect()
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        self.count(Kind::CountClients, statements::COUNT_CLIENTS, &[]).await
    }

    async fn flow(&self, id: Id, _: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        let flow = self.row(Kind::Flow, statements::FLOW, &values![id], read::flow).await?;
        Ok(flow.map(Arc::new))
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        self.row(Kind::Session, statements::SESSION, &values![id], read::session)
            .await
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        let values = values![subject, client, now.0];
        let grant = |row: &Row| read::grant(row, 0);
        let grant = self.row(Kind::Remembered, statements::REMEMBERED, &values, grant);
        Ok(grant.await?.flatten())
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        let mut values = listed(query).to_vec();
        let after = query.after.unwrap_or(Id([0; 16]));
        values.extend(values![after, query.limit, query.offset]);
        let rows = self.rare(Kind::Grants, statements::GRANTS, &values).await?;
        let grants = rows.iter().map(|row| read::grant(row, 0));
        grants.filter_map(Result::transpose).collect()
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        self.count(Kind::CountGrants, statements::COUNT_GRANTS, &listed(query))
            .await
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        let values = values![session, subject];
        let rows = self.rows(Kind::Participants, statements::PARTICIPANTS, &values).await?;
        rows.iter().map(read::participant).collect()
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        let due = self
            .rare(Kind::Claim, statements::DUE_NOTICES, &values![now.0, limit])
            .await?;
        let due: Vec<_> = due.iter().map(read::notice).collect::<Result<_, _>>()?;
        match due.is_empty() {
            true => Ok(due),
            false => self.claim(due, lease).await,
        }
    }

    async fn code(&self, id: Id, _: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        let code = self.row(Kind::Code, statements::CODE, &values![id], read::code).await?;
        Ok(code.map(Arc::new))
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        self.statistics.asked(Kind::Access);
        self.accesses.ask(id).await
    }

    async fn refresh(&self, id: Id, _: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        let refresh = self
            .row(Kind::Refresh, statements::REFRESH, &values![id], read::refresh)
            .await?;
        Ok(refresh.map(Arc::new))
    }

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        self.row(Kind::Device, statements::DEVICE, &values![id], read::device)
            .await
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        let values = values![&user_code.0[..]];
        self.row(Kind::Device, statements::DEVICE_BY_USER_CODE, &values, read::device)
            .await
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = self.rows(Kind::Keys, statements::KEYS, &values![set]).await?;
        rows.iter().map(read::key).collect()
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.row(Kind::ApiKey, statements::API_KEY, &values![id], read::api_key)
            .await
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let values = values![after.unwrap_or(Id([0; 16])), limit];
        let rows = self.rare(Kind::ApiKeys, statements::API_KEYS, &values).await?;
        rows.iter().map(read::api_key).collect()
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        let values = values![&assertion.0[..]];
        let rows = self.rows(Kind::Assertion, statements::ASSERTION, &values).await?;
        Ok(!rows.is_empty())
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        self.row(Kind::Trust, statements::TRUST, &values![id], read::trust)
            .await
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        let after = query.after.unwrap_or(Id([0; 16]));
        let values = values![query.issuer.as_deref(), after, query.limit, query.offset];
        let rows = self.rare(Kind::Trusts, statements::TRUSTS, &values).await?;
        rows.iter().map(read::trust).collect()
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        let values = values![issuer, subject];
        let rows = self.rows(Kind::Trust, statements::TRUSTS_IN, &values).await?;
        rows.iter().map(read::trust).collect()
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

    /// No lock is common to all servers of a cluster. Those that remove the same rows at the same moment are told so by
    /// the database, and the one that is undone leaves the round to the other.
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.statistics.asked(Kind::Purge);
        self.statistics.sent(Kind::Purge);
        let mut text = String::new();
        for statement in statements::PURGE {
            sql::write(&mut text, statement, &values![now.0, limit]);
            text.push_str("SELECT ROW_COUNT();");
        }
        match self.slow.line.run(&text).await {
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

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.statistics.asked(Kind::Schema);
        match self.slow.ask(Kind::Schema, statements::APPLIED).await {
            Ok(sets) => Ok(migrate::compared(&sets)?.schema()),
            Err(StoreError::NotMigrated) => Ok(migrate::compared(&[])?.schema()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Engine for Mysql {
    async fn migrate(&self, progress: &(dyn Fn(MigrationStatus) + Send + Sync)) -> Result<(), StoreError> {
        migrate::run(self.connector.connect().await?.conn, progress).await
    }

    async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        let mut conn = self.connector.connect().await?.conn;
        migrate::compare(&mut conn).await.map(Comparison::all)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut conn = self.connector.connect().await?.conn;
        let asked = sets(&mut conn, "SELECT UNIX_TIMESTAMP()").await;
        let answer = asked.map_err(|error| StoreError::from(Failed::from(&error)))?;
        let row = answer.first().and_then(|rows| rows.first());
        let row = row.ok_or_else(|| StoreError::Broken("the server did not tell its time".to_owned()))?;
        column(row, 0).map(Timestamp).map(Some)
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

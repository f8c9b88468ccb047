//! SQLite: one writer thread with group commit, two readers beside it.
//!
//! Write-ahead log and `synchronous=FULL`: an answer is given after the change is on disk, and readers never wait for
//! the writer. Several processes on one machine may share the file; a network file system may not hold it.

mod apply;
mod backup;
mod devices;
mod migrate;
mod purge;
mod read;
mod statements;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, ApiKeyRecord, Change, ClientQuery, ClientRecord, CodeFacts, DeviceFacts, Digest, FlowRecord,
    Freshness, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Outcome, Participant, Purged, RefreshFacts,
    SchemaStatus, SessionRecord, Store, StoreError, TrustQuery, TrustRecord,
};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use self::writer::Worker;
use crate::coalesce::Limits;
use crate::engine::Engine;
use crate::migrate::{Comparison, MigrationStatus};
use crate::statistics::{Kind, Statistics};
use crate::{BackupError, OpenError, Options};

const READERS: usize = 2;
/// More than there are statements, so that each is compiled once.
const STATEMENT_CACHE: usize = 128;

/// A SQLite database.
pub(crate) struct Sqlite {
    writer: Worker,
    /// None for a database in memory.
    readers: Vec<Worker>,
    next_reader: AtomicUsize,
    statistics: Arc<Statistics>,
}

impl Sqlite {
    pub(crate) fn open(path: Option<&Path>, options: &Options) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::File {
            path: path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string()),
            reason,
        };
        let statistics = Arc::new(Statistics::default());
        let limits = Limits::of(options);
        let start = |name: &str, connection| {
            Worker::start(name, connection, limits, statistics.clone()).map_err(|error| failed(error.to_string()))
        };
        if let Some(path) = path {
            make_private(path).map_err(|error| failed(error.to_string()))?;
        }
        let writer = start(
            "sqlite-writer",
            connect(path, options).map_err(|error| failed(error.to_string()))?,
        )?;
        let mut readers = Vec::new();
        for _ in 0..path.map_or(0, |_| READERS) {
            let connection = connect(path, options).map_err(|error| failed(error.to_string()))?;
            connection
                .pragma_update(None, "query_only", true)
                .map_err(|error| failed(error.to_string()))?;
            readers.push(start("sqlite-reader", connection)?);
        }
        Ok(Self {
            writer,
            readers,
            next_reader: AtomicUsize::new(0),
            statistics,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        kind: Kind,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.statistics.asked(kind);
        self.statistics.sent(kind);
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let reader = turn
            .checked_rem(self.readers.len())
            .and_then(|turn| self.readers.get(turn));
        reader
            .unwrap_or(&self.writer)
            .run(move |connection| query(connection).map_err(|error| refused(&error)))
            .await
    }

    async fn remove(&self, time: Timestamp, limit: u32, with_leftovers: bool) -> Result<Purged, StoreError> {
        self.statistics.asked(Kind::Purge);
        self.statistics.sent(Kind::Purge);
        self.writer
            .run(
                move |connection| match purge::purge(connection, time, limit, with_leftovers) {
                    // Another process writes: the next round will do.
                    Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                        Ok(Purged { rows: 0, busy: true })
                    }
                    purged => purged.map_err(|error| refused(&error)),
                },
            )
            .await
    }
}

/// SQLite would make the file readable for everybody; its log files take the mode of the database.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new();
    file.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map(drop)
}

fn connect(path: Option<&Path>, options: &Options) -> rusqlite::Result<Connection> {
    let connection = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(options.patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // Else a statement that might use a partial index is compiled anew for each value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// What SQLite's error means to the protocol. Its messages name tables and columns, never values.
fn refused(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    let missing = ["no such table", "no such column", "has no column named"];
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory,
        ) => StoreError::Unavailable(text),
        _ if missing.iter().any(|sign| text.contains(sign)) => StoreError::NotMigrated,
        _ => StoreError::Broken(text),
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn client(&self, id: &str, _: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        let id = id.to_owned();
        self.read(Kind::Client, move |connection| read::client(connection, &id))
            .await
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        let query = query.clone();
        self.read(Kind::Clients, move |connection| read::clients(connection, &query))
            .await
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        self.read(Kind::CountClients, read::count_clients).await
    }

    async fn flow(&self, id: Id, _: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        self.read(Kind::Flow, move |connection| read::flow(connection, id))
            .await
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        self.read(Kind::Session, move |connection| read::session(connection, id))
            .await
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        let (subject, client) = (subject.to_owned(), client.to_owned());
        let query = move |connection: &Connection| read::remembered(connection, &subject, &client, now);
        self.read(Kind::Remembered, query).await
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        let query = query.clone();
        self.read(Kind::Grants, move |connection| read::grants(connection, &query))
            .await
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        let query = query.clone();
        self.read(Kind::CountGrants, move |connection| {
            read::count_grants(connection, &query)
        })
        .await
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        let subject = subject.map(str::to_owned);
        let query = move |connection: &Connection| read::participants(connection, session, subject.as_deref());
        self.read(Kind::Participants, query).await
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        self.statistics.asked(Kind::Claim);
        self.statistics.sent(Kind::Claim);
        self.writer
            .run(move |connection| read::claim(connection, now, lease, limit).map_err(|error| refused(&error)))
            .await
    }

    async fn code(&self, id: Id, _: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        self.read(Kind::Code, move |connection| read::code(connection, id))
            .await
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        self.read(Kind::Access, move |connection| read::access(connection, id))
            .await
    }

    async fn refresh(&self, id: Id, _: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        self.read(Kind::Refresh, move |connection| read::refresh(connection, id))
            .await
    }

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        self.read(Kind::Device, move |connection| read::device(connection, id))
            .await
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        let query = move |connection: &Connection| read::device_by_user_code(connection, user_code);
        self.read(Kind::Device, query).await
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        let set = set.to_owned();
        self.read(Kind::Keys, move |connection| read::keys(connection, &set))
            .await
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        let query = move |connection: &Connection| read::is_used(connection, &assertion);
        self.read(Kind::Assertion, query).await
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        self.read(Kind::Trust, move |connection| read::trust(connection, id))
            .await
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        let query = query.clone();
        self.read(Kind::Trusts, move |connection| read::trusts(connection, &query))
            .await
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        let query = move |connection: &Connection| read::trusts_in(connection, &issuer, &subject);
        self.read(Kind::Trust, query).await
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.read(Kind::ApiKey, move |connection| read::api_key(connection, id))
            .await
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let after = after.unwrap_or(Id([0; 16]));
        self.read(Kind::ApiKeys, move |connection| {
            read::api_keys(connection, after, limit)
        })
        .await
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        let is_issue = matches!(change, Change::Issue { .. });
        self.statistics.asked(if is_issue { Kind::Issue } else { Kind::Change });
        self.writer.apply(change).await
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.remove(now, limit, true).await
    }

    async fn purge_older(&self, before: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.remove(before, limit, false).await
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.statistics.asked(Kind::Schema);
        self.statistics.sent(Kind::Schema);
        self.writer
            .run(|connection| migrate::compare(connection).map(|comparison| comparison.schema()))
            .await
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn migrate(&self, progress: &(dyn Fn(MigrationStatus) + Send + Sync)) -> Result<(), StoreError> {
        while let Some(migration) = self.writer.run(migrate::step).await? {
            progress(migration.status(true));
        }
        Ok(())
    }

    async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        self.writer
            .run(|connection| migrate::compare(connection).map(Comparison::all))
            .await
    }

    async fn close(&self) {
        for reader in &self.readers {
            reader.stop().await;
        }
        self.writer.stop().await;
    }

    async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let Some(reader) = self.readers.first() else {
            return Err(BackupError::OtherTool(
                "a database in memory has no backup: it is gone when the program ends",
            ));
        };
        let to = to.to_owned();
        reader
            .run(move |connection| Ok(backup::backup(connection, &to)))
            .await?
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn system(&self) -> &'static str {
        "sqlite"
    }

    fn queues(&self) -> Vec<(&'static str, usize)> {
        let reading = self.readers.iter().map(Worker::waiting).sum();
        vec![("writer", self.writer.waiting()), ("readers", reading)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_read_only_is_unavailable() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (x); PRAGMA query_only = ON")
            .unwrap();
        let error = connection.execute("INSERT INTO t VALUES (1)", []).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly));
        assert!(matches!(refused(&error), StoreError::Unavailable(_)), "{error}");
    }
}

//! PostgreSQL, MySQL and SQLite behind the [`Store`] trait of `claviger-core`.
//!
//! Each engine writes every [`claviger_core::port::Change`] in its own best SQL, gathers what concurrent callers ask
//! (`coalesce`), and keeps no protocol rule. [`Database`] is what the program holds: the store with its memory
//! (`remember`), the migrations, the counters, and the way to close it all.

mod coalesce;
mod columns;
mod engine;
mod migrate;
mod mysql;
mod order;
mod postgres;
mod refused;
mod remember;
mod retry;
mod sqlite;
mod statistics;
mod traced;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::context::Timestamp;
use claviger_core::port::{Store, StoreError};

use crate::coalesce::Limits;
use crate::engine::Engine;
pub use crate::migrate::MigrationStatus;
pub use crate::mysql::{PURGE as MYSQL_PURGE, STATEMENTS as MYSQL_STATEMENTS};
pub use crate::postgres::{PLANNING as POSTGRES_PLANNING, PURGE as POSTGRES_PURGE, STATEMENTS as POSTGRES_STATEMENTS};
pub use crate::refused::Refused;
use crate::remember::Remembering;
pub use crate::statistics::{BATCH_BOUNDS, Batches, Count};
use crate::traced::Traced;

/// How a database is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most connections at a time (PostgreSQL, MySQL). Five serve everything and more are never opened; with fewer, work that
    /// does not depend on each other shares them. PostgreSQL needs two.
    pub max_connections: Option<u32>,
    /// A connection is replaced at this age (PostgreSQL, MySQL); none means never.
    pub connection_lifetime: Option<Duration>,
    /// How long connecting, or waiting for another process' lock, may take.
    pub patience: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// Most operations that are gathered into one statement or transaction.
    pub batch: usize,
    /// Most operations that wait in each queue; further callers wait at the door.
    pub queue: usize,
    /// How many clients, flows, codes and refresh tokens, each, are remembered for
    /// [`claviger_core::port::Freshness::ProvedByWrite`].
    pub remember: usize,
    /// Whether operations are spans, with the target `otel`.
    pub traced: bool,
    /// Whether a server that cannot be reached yet is no reason not to open.
    pub is_awaited: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: None,
            connection_lifetime: None,
            patience: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            batch: 256,
            queue: 4096,
            remember: 10_000,
            traced: false,
            is_awaited: false,
        }
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address has a form or a parameter that is not understood. The message does not repeat the address.
    #[error("the database address cannot be used: {0}")]
    Address(String),
    /// The file cannot be used.
    #[error("the database file {path} cannot be opened: {reason}; check the path and its permissions")]
    File {
        /// The file.
        path: String,
        /// What the operating system or SQLite says.
        reason: String,
    },
    /// The server refuses, and will until something is changed.
    #[error("the database cannot be used: {0}; check the address and the credentials")]
    Server(String),
    /// The server does not answer, or not yet.
    #[error("the database server cannot be reached: {0}; check the address, and that it runs")]
    Unreachable(String),
}

impl OpenError {
    /// The same to who asks an open database.
    fn unavailable(self) -> StoreError {
        match self {
            Self::Server(reason) | Self::Unreachable(reason) => StoreError::Unavailable(reason),
            error => StoreError::Unavailable(error.to_string()),
        }
    }
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// This database is copied by its own tools.
    #[error("{0}")]
    OtherTool(&'static str),
    /// The file cannot be made.
    #[error("the backup {path} cannot be made: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] StoreError),
}

/// An open database.
pub struct Database {
    engine: Arc<dyn Engine>,
    store: Arc<dyn Store>,
    refused: Arc<Refused>,
}

impl Database {
    /// A database that is reached, or awaited.
    async fn reached(engine: Arc<dyn Engine>, options: &Options) -> Result<Self, OpenError> {
        match engine.reach().await {
            Err(OpenError::Unreachable(_)) if options.is_awaited => {}
            reached => reached?,
        }
        Ok(Self::new(engine, options))
    }

    fn new(engine: Arc<dyn Engine>, options: &Options) -> Self {
        let limits = Limits::of(options);
        let mut inner: Arc<dyn Store> = engine.clone();
        if options.traced {
            inner = Arc::new(Traced::new(inner, engine.system()));
        }
        let refused = Arc::new(Refused::default());
        let store = Arc::new(Remembering::new(inner, options.remember, limits, refused.clone()));
        Self { engine, store, refused }
    }

    /// The store. All handles share one memory and the same connections.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// How many changes in a row the database refused.
    #[must_use]
    pub fn refused(&self) -> Arc<Refused> {
        self.refused.clone()
    }

    /// Says whether the database can be reached, and whether it lets us in. One that is not migrated does.
    ///
    /// # Errors
    /// [`OpenError::Unreachable`] may pass by itself, the others do not.
    pub async fn reach(&self) -> Result<(), OpenError> {
        self.engine.reach().await
    }

    /// Applies what is pending, one server at a time, and tells `progress` of each migration after it is applied.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if a migration fails, or one that was applied earlier had another text than it has in
    /// this program; what was applied before stays applied.
    pub async fn migrate(&self, progress: &(dyn Fn(MigrationStatus) + Send + Sync)) -> Result<(), StoreError> {
        self.engine.migrate(progress).await
    }

    /// All migrations that the program or the database knows, oldest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        self.engine.migration_status().await
    }

    /// The time of the database; none if it has that of this machine.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        self.engine.clock().await
    }

    /// How often each kind of operation was asked of the database, and in how many round trips it was answered. What was
    /// answered from memory is not counted.
    #[must_use]
    pub fn statistics(&self) -> Vec<Count> {
        self.engine.statistics().counts()
    }

    /// Copies a SQLite database into a new file, as it is at one moment, while servers go on writing.
    ///
    /// # Errors
    /// [`BackupError::OtherTool`] says what to do with another kind of database. A file that is there is not overwritten.
    pub async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        self.engine.backup(to).await
    }

    /// How large the batches were into which operations were gathered.
    #[must_use]
    pub fn batches(&self) -> Vec<Batches> {
        self.engine.statistics().batches()
    }

    /// How many operations wait in each queue.
    #[must_use]
    pub fn queues(&self) -> Vec<(&'static str, usize)> {
        self.engine.queues()
    }

    /// Finishes what was asked, refuses what is asked from now on, and lets go of the connections.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}

/// Opens a SQLite file, which is made with mode 0600 if it is absent, or a database in memory that lives as long as
/// the handle.
///
/// # Errors
/// If the file cannot be used.
pub async fn open_sqlite(path: Option<&Path>, options: Options) -> Result<Database, OpenError> {
    let engine = sqlite::Sqlite::open(path, &options)?;
    Ok(Database::new(Arc::new(engine), &options))
}
/// Opens a PostgreSQL database by its `postgres://` URL. The parameter `sslmode` is one of `disable`, `prefer` (the
/// default), `require`, `verify-ca` and `verify-full`; `sslrootcert` names a PEM file of authorities to trust instead
/// of the public ones.
///
/// # Errors
/// If the address is not understood or the server does not let us in. A database that is not migrated opens.
pub async fn open_postgres(url: &str, options: Options) -> Result<Database, OpenError> {
    Database::reached(Arc::new(postgres::Postgres::open(url, &options)?), &options).await
}

/// Opens a MySQL 8 or MariaDB database, by its `mysql://` URL or in the form of Go's driver,
/// `mysql://user:password@tcp(host:3306)/database`. The parameter `tls` is one of `false` (the default), `preferred`,
/// `skip-verify` and `true`; `tls-ca` names a PEM file of authorities to trust instead of the public ones, `tls-cert` and
/// `tls-key` our own certificate and key.
///
/// # Errors
/// If the address is not understood or the server does not let us in. A database that is not migrated opens.
pub async fn open_mysql(url: &str, options: Options) -> Result<Database, OpenError> {
    Database::reached(Arc::new(mysql::Mysql::open(url, &options)?), &options).await
}

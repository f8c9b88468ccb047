//! Opens the database that a configuration names.

use claviger_core::port::StoreError;
use claviger_store::{Database, MigrationStatus, OpenError, Options, open_mysql, open_postgres, open_sqlite};

use crate::config::Dsn;
use crate::config::dsn::Pool;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("the tables of the database could not be made: {0}")]
    Migration(StoreError),
    /// The address is shown without its password.
    #[error("{error} (dsn {dsn})")]
    Open { error: OpenError, dsn: Box<Dsn> },
}

impl DatabaseError {
    fn open(dsn: &Dsn, error: OpenError) -> Self {
        Self::Open {
            error,
            dsn: Box::new(dsn.clone()),
        }
    }

    /// Whether it may pass without anybody changing a setting.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Open {
                error: OpenError::Unreachable(_),
                ..
            }
        )
    }
}

/// Opens it for commands.
pub(super) async fn open(dsn: &Dsn) -> Result<Database, DatabaseError> {
    open_with(dsn, Options::default()).await
}

/// Opens it for who waits for it with [`reach`].
pub(super) async fn open_awaited(dsn: &Dsn, traced: bool) -> Result<Database, DatabaseError> {
    let options = Options {
        traced,
        is_awaited: true,
        ..Options::default()
    };
    open_with(dsn, options).await
}

/// Says whether it can be reached.
pub(super) async fn reach(dsn: &Dsn, database: &Database) -> Result<(), DatabaseError> {
    database.reach().await.map_err(|error| DatabaseError::open(dsn, error))
}

/// Its tables are left as they are, except that one in memory, which nobody else could migrate, gets them.
async fn open_with(dsn: &Dsn, alone: Options) -> Result<Database, DatabaseError> {
    let opened = match dsn {
        Dsn::Memory => open_sqlite(None, alone).await,
        Dsn::Sqlite { path } => open_sqlite(Some(path), alone).await,
        Dsn::Postgres { url, pool } => open_postgres(url, options(pool, &alone)).await,
        Dsn::Mysql { url, pool } => open_mysql(url, options(pool, &alone)).await,
    };
    let database = opened.map_err(|error| DatabaseError::open(dsn, error))?;
    if *dsn == Dsn::Memory {
        migrate(&database).await?;
    }
    Ok(database)
}

fn options(pool: &Pool, alone: &Options) -> Options {
    Options {
        max_connections: pool.max_conns,
        connection_lifetime: pool.max_conn_lifetime,
        ..*alone
    }
}

/// Brings the tables up to date, without a word to the person.
pub(super) async fn migrate(database: &Database) -> Result<(), DatabaseError> {
    let told = |step: MigrationStatus| tracing::debug!(step.version, step.name, "migrated");
    database.migrate(&told).await.map_err(DatabaseError::Migration)
}

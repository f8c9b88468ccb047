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

/// Opens it for commands.
pub(super) async fn open(dsn: &Dsn) -> Result<Database, DatabaseError> {
    open_traced(dsn, false).await
}

/// Opens it, with spans of what is asked of it or without. Its tables are left as they are, except that one in memory, which
/// nobody else could migrate, gets them.
pub(super) async fn open_traced(dsn: &Dsn, traced: bool) -> Result<Database, DatabaseError> {
    let alone = Options {
        traced,
        ..Options::default()
    };
    let opened = match dsn {
        Dsn::Memory => open_sqlite(None, alone).await,
        Dsn::Sqlite { path } => open_sqlite(Some(path), alone).await,
        Dsn::Postgres { url, pool } => open_postgres(url, options(pool, traced)).await,
        Dsn::Mysql { url, pool } => open_mysql(url, options(pool, traced)).await,
    };
    let database = opened.map_err(|error| DatabaseError::Open {
        error,
        dsn: Box::new(dsn.clone()),
    })?;
    if *dsn == Dsn::Memory {
        migrate(&database).await?;
    }
    Ok(database)
}

fn options(pool: &Pool, traced: bool) -> Options {
    Options {
        traced,
        max_connections: pool.max_conns,
        connection_lifetime: pool.max_conn_lifetime,
        ..Options::default()
    }
}

/// Brings the tables up to date, without a word to the person.
pub(super) async fn migrate(database: &Database) -> Result<(), DatabaseError> {
    let told = |step: MigrationStatus| tracing::debug!(step.version, step.name, "migrated");
    database.migrate(&told).await.map_err(DatabaseError::Migration)
}

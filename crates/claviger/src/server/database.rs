//! Opens the database that a configuration names.

use claviger_core::port::StoreError;
use claviger_store::{Database, MigrationStatus, OpenError, Options, open_postgres, open_sqlite};

use crate::config::Dsn;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("the tables of the database could not be made: {0}")]
    Migration(StoreError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Opens it. Its tables are left as they are, except that one in memory, which nobody else could migrate, gets them.
pub(super) async fn open(dsn: &Dsn) -> Result<Database, DatabaseError> {
    match dsn {
        Dsn::Memory => {
            let database = open_sqlite(None, Options::default()).await?;
            migrate(&database).await?;
            Ok(database)
        }
        Dsn::Sqlite { path } => Ok(open_sqlite(Some(path), Options::default()).await?),
        Dsn::Postgres { url, pool } => {
            let options = Options {
                max_connections: pool.max_conns,
                connection_lifetime: pool.max_conn_lifetime,
                ..Options::default()
            };
            Ok(open_postgres(url, options).await?)
        }
    }
}

/// Brings the tables up to date, without a word to the person.
pub(super) async fn migrate(database: &Database) -> Result<(), DatabaseError> {
    let told = |step: MigrationStatus| tracing::debug!(step.version, step.name, "migrated");
    database.migrate(&told).await.map_err(DatabaseError::Migration)
}

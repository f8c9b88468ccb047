//! Opens the database that a configuration names.

use claviger_store::{Database, OpenError, Options, open_postgres, open_sqlite};

use crate::config::Dsn;

/// Opens it, without changing its tables.
pub(super) async fn open(dsn: &Dsn) -> Result<Database, OpenError> {
    match dsn {
        Dsn::Memory => open_sqlite(None, Options::default()).await,
        Dsn::Sqlite { path } => open_sqlite(Some(path), Options::default()).await,
        Dsn::Postgres { url, pool } => {
            let options = Options {
                max_connections: pool.max_conns,
                connection_lifetime: pool.max_conn_lifetime,
                ..Options::default()
            };
            open_postgres(url, options).await
        }
    }
}

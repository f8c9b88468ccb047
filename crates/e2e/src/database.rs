//! The databases that a test runs on.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::{mariadb, postgres};

/// A database of one test.
#[derive(Debug)]
pub enum Database {
    Postgres { dsn: String },
    Mariadb { dsn: String, name: String },
    Sqlite { directory: TempDir },
}

impl Database {
    /// An empty PostgreSQL database.
    #[must_use]
    pub fn postgres() -> Self {
        postgres::cluster().database()
    }

    /// An empty MariaDB database.
    #[must_use]
    pub fn mariadb() -> Self {
        mariadb::server().database()
    }

    /// A SQLite file that does not exist yet.
    #[must_use]
    pub fn sqlite() -> Self {
        let directory = tempfile::Builder::new().prefix("claviger-sqlite-").tempdir().unwrap();
        Self::Sqlite { directory }
    }

    /// What `DSN` is set to.
    #[must_use]
    pub fn dsn(&self) -> String {
        match self {
            Self::Postgres { dsn } | Self::Mariadb { dsn, .. } => dsn.clone(),
            Self::Sqlite { .. } => format!("sqlite://{}", self.file().unwrap().display()),
        }
    }

    /// The SQLite file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Postgres { .. } | Self::Mariadb { .. } => None,
            Self::Sqlite { directory } => Some(directory.path().join("claviger.sqlite")),
        }
    }
}

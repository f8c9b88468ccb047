//! What the commands have in common that open the database, do one thing and end.

use std::io;
use std::path::PathBuf;

use claviger_core::port::StoreError;
use claviger_store::{BackupError, Database};

use super::database::{self, DatabaseError};
use crate::cli::failure::Failure;
use crate::config::{self, ConfigError, Dsn, Purpose, Settings, Sources};

/// Why such a command fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("there is no database at {0}, so there is nothing to back up; check the path")]
    NoDatabase(String),
    #[error("the operating system gives no event queue: {0}; raise the limits of this process")]
    System(io::Error),
}

/// Where the configuration and the database of a command come from.
pub(super) struct Place<'a> {
    /// Configuration files.
    pub(super) files: &'a [PathBuf],
    /// The environment.
    pub(super) env: Vec<(String, String)>,
    /// The database that was named as argument.
    pub(super) database_url: Option<&'a str>,
}

/// What the configuration says of it.
pub(super) fn settings(place: Place<'_>) -> Result<Settings, JobError> {
    Ok(config::load(Sources {
        files: place.files.to_vec(),
        env: place.env,
        forced_dsn: place.database_url.map(str::to_owned),
        purpose: Purpose::Database,
        ..Sources::default()
    })?)
}

/// Opens the database, works with it, and closes it whatever the work came to.
pub(super) fn with_database<T>(
    place: Place<'_>,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    work_on(&settings(place)?, work)
}

/// As [`with_database`], where the settings were looked at before.
pub(super) fn work_on<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    run(settings, async |dsn| Ok(database::open(dsn).await?), work)
}

/// As [`work_on`], for who waits for the database with [`database::reach`] before anything else.
pub(super) fn wait_and_work_on<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    run(
        settings,
        async |dsn| Ok(database::open_awaited(dsn, false).await?),
        work,
    )
}

fn run<T>(
    settings: &Settings,
    open: impl AsyncFnOnce(&Dsn) -> Result<Database, JobError>,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let dsn = settings.dsn().map_err(JobError::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(JobError::System)?;
    runtime.block_on(async {
        let database = open(dsn).await?;
        let result = work(&database).await;
        database.close().await;
        result
    })
}

//! `backup`: a copy of a SQLite database, while servers go on with it.

use super::jobs::{JobError, Place, settings, work_on};
use crate::cli::Terminal;
use crate::cli::failure::Failure;
use crate::cli::server_args::Backup;
use crate::config::Dsn;

/// `backup FILE`.
pub(crate) fn backup(arguments: &Backup, terminal: &mut Terminal) -> Result<(), Failure> {
    let settings = settings(Place {
        files: &arguments.config,
        env: terminal.environment(),
        database_url: arguments.database_url.as_deref(),
    })?;
    // Opening would make it.
    if let Dsn::Sqlite { path } = settings.dsn().map_err(JobError::from)?
        && !path.exists()
    {
        return Err(JobError::NoDatabase(path.display().to_string()).into());
    }
    let file = &arguments.file;
    work_on(&settings, async |database| {
        database
            .backup(file)
            .await
            .map_err(|error| JobError::from(error).into())
    })?;
    terminal.print(&format!("The database was copied to {}\n", file.display()))
}

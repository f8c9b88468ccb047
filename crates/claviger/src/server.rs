//! The server-side commands.

use std::process::ExitCode;

use crate::cli::server_args::{Janitor, MigrateJob, Serve};

/// `serve all|public|admin`.
pub(crate) fn serve(_: &Serve) -> ExitCode {
    unavailable()
}

/// `migrate sql`, `migrate sql up` and `migrate sql status`.
pub(crate) fn migrate(_: &MigrateJob) -> ExitCode {
    unavailable()
}

/// `janitor`, after its arguments were checked.
pub(crate) fn janitor(_: &Janitor) -> ExitCode {
    unavailable()
}

fn unavailable() -> ExitCode {
    eprintln!("this build cannot serve yet");
    ExitCode::FAILURE
}

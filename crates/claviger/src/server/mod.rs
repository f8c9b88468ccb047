//! The commands that run on the server itself: `serve`, `migrate sql` and `janitor`.
//!
//! Each takes the arguments of the command line and gives the exit status. Whatever goes wrong is one line on standard
//! error that says what to change.

mod database;
mod ports;
mod purge;
mod routes;
mod serve;
mod stop;
mod welcome;

use std::process::ExitCode;

use crate::cli::server_args::{Janitor, MigrateJob};

pub(crate) use serve::serve;

/// `migrate sql`, `migrate sql up` and `migrate sql status`.
pub(crate) fn migrate(_: &MigrateJob) -> ExitCode {
    unavailable()
}

/// `janitor`, after its arguments were checked.
pub(crate) fn janitor(_: &Janitor) -> ExitCode {
    unavailable()
}

fn unavailable() -> ExitCode {
    eprintln!("this build cannot do this yet");
    ExitCode::FAILURE
}

/// The text of an error on one line: a database may say several.
fn one_line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

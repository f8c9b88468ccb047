//! The commands that run on the server itself: `serve`, `migrate sql` and `janitor`.
//!
//! Whatever goes wrong at a start is one line on standard error that says what to change.

mod api_keys;
mod backup;
mod database;
mod doctor;
mod explain;
mod janitor;
mod jobs;
mod migrate;
mod ports;
mod purge;
mod reload;
mod rotate;
pub(crate) mod routes;
mod serve;
mod stop;
mod supervisor;
#[cfg(test)]
mod tests;
mod welcome;

pub(crate) use api_keys::api_keys;
pub(crate) use backup::backup;
pub(crate) use doctor::{Examination, doctor};
pub(crate) use explain::{Question, explain};
pub(crate) use janitor::janitor;
pub(crate) use jobs::JobError;
pub(crate) use migrate::migrate;
use serve::StartError;
pub(crate) use serve::serve;

/// The text of an error on one line: a database may say several.
fn one_line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

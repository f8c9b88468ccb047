//! The result, as Markdown: one table of operations and one of targets.

use std::time::Duration;

use crate::driver::{Measured, as_f64};
use crate::operations::Operation;
use crate::startup::Startup;

/// What is printed where nothing was measured.
const UNKNOWN: &str = "-";

const COLUMNS: [&str; 11] = [
    "operation",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "server CPU µs",
    "database CPU µs",
    "driver CPU µs",
    "SQL alone",
    "SQL under load",
    "peak MiB",
    "errors",
];

/// One row for each operation.
pub(crate) fn operations(measured: &[Measured]) -> String {
    markdown(&COLUMNS, &measured.iter().map(row).collect::<Vec<_>>())
}

fn row(measured: &Measured) -> Vec<String> {
    let quantile = |q| format!("{:.2}", as_f64(measured.latencies.value_at_quantile(q)) / 1000.0);
    let cpu = |spent: Option<Duration>| shown(spent.and_then(|spent| micros(spent, measured.completed)), 0);
    vec![
        measured.operation.name().to_owned(),
        format!("{:.0}", rate(measured)),
        quantile(0.5),
        quantile(0.99),
        cpu(measured.server_cpu),
        cpu(measured.database_cpu),
        cpu(Some(measured.driver_cpu)),
        shown(measured.statements_alone, 1),
        shown(measured.statements, 2),
        shown(measured.peak.map(mebibytes), 1),
        measured.errors.to_string(),
    ]
}

/// What the targets are held against.
pub(crate) struct Figures<'a> {
    pub(crate) measured: &'a [Measured],
    /// Rows a second that pgbench inserts.
    pub(crate) pgbench: Option<f64>,
    pub(crate) startup: Option<Startup>,
}

/// One row for each target that this run can tell about. The targets hold for PostgreSQL and the driver on the same
/// machine; without a database to look at, the CPU is that of the server alone.
pub(crate) fn targets(figures: &Figures<'_>) -> String {
    let mut rows = Vec::new();
    let mut add = |name: &str, value: Option<f64>, target: Target| {
        if let Some(value) = value {
            rows.push(target.row(name, value));
        }
    };
    let operation = |wanted| figures.measured.iter().find(|measured| measured.operation == wanted);
    let issued = operation(Operation::ClientCredentials);
    let introspected = operation(Operation::Introspection);
    let flow = operation(Operation::CodeFlow);
    let ratio = |part: Option<f64>, whole: Option<f64>| Some(part? / whole.filter(|whole| *whole > 0.0)?);

    add("pgbench, rows/s", figures.pgbench, Target::None);
    let against_pgbench = ratio(issued.map(rate), figures.pgbench);
    add("client_credentials / pgbench", against_pgbench, Target::AtLeast(1.0));
    add(
        "client_credentials, CPU µs",
        issued.and_then(whole_cpu),
        Target::AtMost(90.0),
    );
    let against_health = ratio(introspected.map(rate), operation(Operation::Health).map(rate));
    add("introspection / health", against_health, Target::AtLeast(0.4));
    add(
        "introspection, CPU µs",
        introspected.and_then(whole_cpu),
        Target::AtMost(60.0),
    );
    let statements = flow.and_then(|flow| flow.statements_alone);
    add("code flow, SQL alone", statements, Target::AtMost(7.0));
    add("code flow, CPU µs", flow.and_then(whole_cpu), Target::AtMost(1200.0));
    let ready = figures.startup.map(|startup| startup.ready.as_secs_f64() * 1000.0);
    add("ready on an existing SQLite file, ms", ready, Target::AtMost(50.0));
    let idle = figures.startup.map(|startup| mebibytes(startup.idle));
    add("idle, MiB resident", idle, Target::AtMost(20.0));
    markdown(&["figure", "measured", "target", "met"], &rows)
}

/// What a figure should be.
enum Target {
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn row(self, name: &str, value: f64) -> Vec<String> {
        let (target, met) = match self {
            Self::None => (UNKNOWN.to_owned(), UNKNOWN),
            Self::AtLeast(least) => (format!("≥ {least}"), yes(value >= least)),
            Self::AtMost(most) => (format!("≤ {most}"), yes(value <= most)),
        };
        let digits = if value < 10.0 { 2 } else { 0 };
        vec![name.to_owned(), format!("{value:.digits$}"), target, met.to_owned()]
    }
}

fn yes(met: bool) -> &'static str {
    if met { "yes" } else { "no" }
}

/// Operations a second.
fn rate(measured: &Measured) -> f64 {
    let seconds = measured.elapsed.as_secs_f64();
    if seconds > 0.0 {
        as_f64(measured.completed) / seconds
    } else {
        0.0
    }
}

/// CPU of server and, where it is known, database, in microseconds an operation.
fn whole_cpu(measured: &Measured) -> Option<f64> {
    let spent = measured.server_cpu? + measured.database_cpu.unwrap_or_default();
    micros(spent, measured.completed)
}

fn micros(spent: Duration, completed: u64) -> Option<f64> {
    (completed > 0).then(|| spent.as_secs_f64() * 1e6 / as_f64(completed))
}

fn mebibytes(bytes: u64) -> f64 {
    as_f64(bytes) / (1024.0 * 1024.0)
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| format!("{value:.digits$}"))
}

/// A table whose columns stand below each other in plain text too: the first to the left, numbers to the right.
fn markdown(columns: &[&str], rows: &[Vec<String>]) -> String {
    let width = |index: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(index))
            .map(|cell| cell.chars().count());
        cells
            .chain(columns.get(index).map(|column| column.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(index, (cell, &width))| match index {
                0 => format!(" {cell:<width$} |"),
                _ => format!(" {cell:>width$} |"),
            });
        format!("|{}\n", padded.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(index, &width)| match index {
        0 => format!("{}|", "-".repeat(width + 2)),
        _ => format!("{}:|", "-".repeat(width + 1)),
    });
    let mut table = line(columns);
    table.push_str(&format!("|{}\n", rule.collect::<String>()));
    for row in rows {
        table.push_str(&line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    table
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

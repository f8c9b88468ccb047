//! What a run found, as it is kept in a file: the raw data behind the tables and plots of `bench/README.md`.

use serde::{Deserialize, Serialize};

use crate::driver::{Measured, as_f64};
use crate::operations::Operation;

/// Everything that one run of the driver found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) about: About,
    pub(crate) limits: Limits,
    pub(crate) startup: Option<Startup>,
    pub(crate) operations: Vec<Row>,
    /// Rate against latency.
    pub(crate) curves: Vec<Curve>,
    /// One server against two on the same database.
    pub(crate) pairs: Vec<Pair>,
    /// The same operations with much in the database.
    pub(crate) stored: Vec<Stored>,
    pub(crate) purge: Option<Purge>,
}

/// Where and how it was measured.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    /// Names the run: `postgres`, `sqlite`, or that of a peer.
    pub(crate) label: String,
    /// Lines for the reader: machine, programs, date.
    pub(crate) notes: Vec<String>,
    pub(crate) cores: usize,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) seconds: f64,
    pub(crate) warm_up: f64,
    pub(crate) repetitions: usize,
    pub(crate) pool: usize,
    pub(crate) counted_by: String,
}

/// What nobody can be faster than on this machine.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// `GET /health/alive` of a server that is nothing but hyper, a second.
    pub(crate) bare_hyper: Option<f64>,
    /// Rows a second that pgbench inserts, each repetition.
    pub(crate) pgbench: Vec<f64>,
    /// Rows a second that SQLite inserts and flushes one by one.
    pub(crate) sqlite: Option<f64>,
    /// Signatures a second of one core.
    pub(crate) rs256: Option<f64>,
    pub(crate) es256: Option<f64>,
}

/// The medians of several starts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Startup {
    /// From the start of the process to the first 200 of `/health/ready`.
    pub(crate) ready_ms: f64,
    /// The first token of a client after that, connection included.
    pub(crate) first_ms: f64,
    pub(crate) idle_mib: f64,
    /// How often a thread of the idle server woke, a second.
    pub(crate) wakeups: f64,
}

/// One operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) operation: Operation,
    /// Each repetition, as fast as it goes.
    pub(crate) rates: Vec<f64>,
    pub(crate) p50_ms: Vec<f64>,
    pub(crate) p99_ms: Vec<f64>,
    /// CPU for one operation, over all repetitions.
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) database_cpu_us: Option<f64>,
    pub(crate) driver_cpu_us: f64,
    pub(crate) statements_alone: Option<f64>,
    pub(crate) statements: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
    pub(crate) errors: u64,
    /// At half of the highest rate, in an open loop.
    pub(crate) half: Option<Point>,
}

/// One rate in an open loop.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) asked: f64,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Requests that were due and never sent: the server is behind for good.
    pub(crate) unsent: u64,
    pub(crate) errors: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Curve {
    pub(crate) operation: Operation,
    pub(crate) points: Vec<Point>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) operation: Operation,
    pub(crate) one: Vec<f64>,
    pub(crate) two: Vec<f64>,
    /// Cores that were busy with two servers: of the servers, the database, the driver.
    pub(crate) server_cores: f64,
    pub(crate) database_cores: f64,
    pub(crate) driver_cores: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) tokens: u64,
    pub(crate) consents: u64,
    pub(crate) clients: u64,
    pub(crate) seconds_to_fill: f64,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Purge {
    pub(crate) rows: u64,
    pub(crate) left: u64,
    pub(crate) seconds: f64,
    pub(crate) without: Point,
    pub(crate) during: Point,
}

impl Row {
    /// Of several repetitions of one operation. Nothing if there is none.
    pub(crate) fn of(measured: &[Measured], statements_alone: Option<f64>) -> Option<Self> {
        let operation = measured.first()?.operation;
        let quantiles = |q| measured.iter().map(|one| quantile(one, q)).collect();
        let completed: u64 = measured.iter().map(|one| one.completed).sum();
        let micros = |spent: Option<std::time::Duration>| {
            (completed > 0).then_some(spent?.as_secs_f64() * 1e6 / as_f64(completed))
        };
        Some(Self {
            operation,
            rates: measured.iter().map(Measured::rate).collect(),
            p50_ms: quantiles(0.5),
            p99_ms: quantiles(0.99),
            server_cpu_us: micros(measured.iter().map(|one| one.server_cpu).sum()),
            database_cpu_us: micros(measured.iter().map(|one| one.database_cpu).sum()),
            driver_cpu_us: micros(Some(measured.iter().map(|one| one.driver_cpu).sum())).unwrap_or_default(),
            statements_alone,
            statements: measured.last()?.statements,
            peak_mib: measured.iter().filter_map(|one| one.peak).max().map(mebibytes),
            // What was never finished is an error too.
            errors: measured
                .iter()
                .map(|one| one.errors.max(u64::from(one.completed == 0)))
                .sum(),
            half: None,
        })
    }

    pub(crate) fn rate(&self) -> f64 {
        median(&self.rates)
    }

    pub(crate) fn highest(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    /// CPU of server and, where it is known, database, in microseconds an operation.
    pub(crate) fn whole_cpu(&self) -> Option<f64> {
        Some(self.server_cpu_us? + self.database_cpu_us.unwrap_or_default())
    }
}

impl Point {
    /// Where nothing came of it.
    pub(crate) fn of_nothing(asked: f64) -> Self {
        Self {
            asked,
            rate: 0.0,
            p50_ms: 0.0,
            p99_ms: 0.0,
            max_ms: 0.0,
            unsent: 0,
            errors: 1,
        }
    }

    pub(crate) fn of(measured: &Measured, asked: f64) -> Self {
        Self {
            asked,
            rate: measured.rate(),
            p50_ms: quantile(measured, 0.5),
            p99_ms: quantile(measured, 0.99),
            max_ms: as_f64(measured.latencies.max()) / 1000.0,
            unsent: measured.unsent,
            errors: measured.errors,
        }
    }
}

fn quantile(measured: &Measured, q: f64) -> f64 {
    as_f64(measured.latencies.value_at_quantile(q)) / 1000.0
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    as_f64(bytes) / (1024.0 * 1024.0)
}

/// The middle one; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_slow_repetition() {
        assert_eq!(median(&[40.0, 900.0, 41.0, 39.0, 42.0]), 41.0);
        assert_eq!(median(&[]), 0.0);
    }
}

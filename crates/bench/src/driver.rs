//! Measures one operation after the other: provides tokens, reads the meters, and sums up what came of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::http::Failure;
use crate::load::{GRACE, Pace, Phase, Tally};
use crate::observer::{Observer, Reading, StatementReading};
use crate::operations::{Operation, Turn, Worker};
use crate::process::ProcessError;
use crate::stock::Bench;

/// How often an operation is performed alone, to count its SQL statements without gathering.
const ALONE: u32 = 20;

/// Revocation uses up tokens: it begins with so many for each second.
const REVOKED_A_SECOND: usize = 20_000;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// How many tokens introspection and userinfo go round.
    pub(crate) pool: usize,
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriverError {
    #[error("{operation} does not work: {source}")]
    Broken { operation: &'static str, source: Failure },
    #[error("{operation} found no token to work with, although {from} succeeded: does it issue a refresh token?")]
    NoTokens {
        operation: &'static str,
        from: &'static str,
    },
    #[error("{operation} did not end: no answer within {seconds} s after its end")]
    Stuck { operation: &'static str, seconds: u64 },
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("the threads of the driver could not be started ({0})")]
    Threads(#[from] std::io::Error),
}

/// What one operation came to.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) operation: Operation,
    /// Finished between the two readings.
    pub(crate) completed: u64,
    pub(crate) elapsed: Duration,
    /// Of the answers within the measured time, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Requests that were due in an open loop and never sent.
    pub(crate) unsent: u64,
    /// CPU time of all that was completed.
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) database_cpu: Option<Duration>,
    pub(crate) driver_cpu: Duration,
    /// SQL statements an operation.
    pub(crate) statements: Option<f64>,
    /// Highest resident memory of the server during the operation, in bytes.
    pub(crate) peak: Option<u64>,
}

impl Measured {
    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            as_f64(self.completed) / seconds
        } else {
            0.0
        }
    }
}

/// Runs operations one after the other.
pub(crate) struct Driver {
    pub(crate) plan: Plan,
    pub(crate) bench: Arc<Bench>,
    pub(crate) observer: Observer,
    pub(crate) completed: Arc<AtomicU64>,
    /// For everything but the load.
    pub(crate) runtime: Runtime,
}

impl Driver {
    /// Loads with one operation, at this rate or as fast as it goes. It has its tokens already.
    pub(crate) fn measure(&mut self, operation: Operation, rate: Option<f64>) -> Result<Measured, DriverError> {
        self.observer.forget_peaks();
        let pool = Arc::new(self.bench.pool(operation, self.plan.pool));
        let begin = Instant::now();
        let measured_from = begin + self.plan.warm_up;
        let phase = Phase {
            operation,
            bench: Arc::clone(&self.bench),
            pool,
            completed: Arc::clone(&self.completed),
            measured_from,
            until: measured_from + self.plan.duration,
            pace: rate.map(|rate| Arc::new(Pace::new(begin, rate))),
        };
        let until = phase.until;
        let (ended, ends) = mpsc::channel();
        let threads = phase.start(self.plan.connections, self.plan.threads, &ended)?;
        drop(ended);

        wait_until(measured_from, &ends);
        let statements_before = self.runtime.block_on(self.observer.read_statements());
        let before = self.observer.read()?;
        wait_until(until, &ends);
        let after = self.observer.read()?;
        let statements_after = self.runtime.block_on(self.observer.read_statements());

        let (tally, unsent) = threads.collect();
        if tally.stuck {
            return Err(DriverError::Stuck {
                operation: operation.name(),
                seconds: GRACE.as_secs(),
            });
        }
        Ok(Measured {
            statements: per_operation(statements_before, statements_after),
            peak: self.observer.peak()?,
            unsent,
            ..summary(operation, tally, before, after)
        })
    }

    /// Performs what gives `operation` its tokens, as often as needed, without measuring.
    pub(crate) fn provide(&self, operation: Operation) -> Result<(), DriverError> {
        let needed = match operation {
            Operation::Refresh => self.plan.connections + 1,
            Operation::Userinfo => self.plan.pool.min(self.plan.connections),
            Operation::Revocation => {
                let seconds = (self.plan.warm_up + self.plan.duration).as_secs().max(1);
                REVOKED_A_SECOND.saturating_mul(usize::try_from(seconds).unwrap_or(1))
            }
            _ => self.plan.pool,
        };
        self.provide_at_least(operation, needed)
    }

    pub(crate) fn provide_at_least(&self, operation: Operation, needed: usize) -> Result<(), DriverError> {
        let Some((from, there)) = self.bench.stock(operation) else {
            return Ok(());
        };
        let missing = needed.saturating_sub(there);
        // A slow server revokes slowly too: it need not issue for longer than it will revoke.
        let last =
            (operation == Operation::Revocation).then(|| Instant::now() + self.plan.warm_up + self.plan.duration);
        self.runtime.block_on(async {
            let mut workers = JoinSet::new();
            let hands = self.plan.connections.min(missing);
            for index in 0..hands {
                let turns = missing.div_ceil(hands);
                let mut worker = Worker::new(&self.bench, &Arc::default(), index);
                workers.spawn(async move {
                    for _ in 0..turns {
                        worker.perform(from).await?;
                        if last.is_some_and(|last| Instant::now() > last) {
                            break;
                        }
                    }
                    Ok::<(), Failure>(())
                });
            }
            while let Some(ended) = workers.join_next().await {
                ended
                    .map_err(std::io::Error::other)?
                    .map_err(|source| DriverError::Broken {
                        operation: from.name(),
                        source,
                    })?;
            }
            Ok(())
        })
    }

    /// Performs the operation a few times with nothing beside it. Returns its SQL statements: the median, because every
    /// other second a server has something to do of its own.
    pub(crate) fn alone(&mut self, operation: Operation) -> Result<Option<f64>, DriverError> {
        let pool = Arc::new(self.bench.pool(operation, self.plan.pool));
        let mut worker = Worker::new(&self.bench, &pool, 0);
        self.runtime.block_on(async {
            let mut counts = Vec::with_capacity(ALONE as usize);
            for _ in 0..ALONE {
                let before = self.observer.read_statements().await;
                let turn = worker.perform(operation).await.map_err(|source| DriverError::Broken {
                    operation: operation.name(),
                    source,
                })?;
                if turn == Turn::OutOfTokens {
                    let from = self.bench.stock(operation).map_or(operation, |(from, _)| from);
                    return Err(DriverError::NoTokens {
                        operation: operation.name(),
                        from: from.name(),
                    });
                }
                self.completed.fetch_add(1, Ordering::Relaxed);
                let after = self.observer.read_statements().await;
                counts.extend(per_operation(before, after));
            }
            Ok(median(counts))
        })
    }
}

/// Waits for a moment, or less long when all threads have ended before it.
fn wait_until(moment: Instant, ends: &mpsc::Receiver<Infallible>) {
    let left = moment.saturating_duration_since(Instant::now());
    match ends.recv_timeout(left) {
        Ok(never) => match never {},
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
    }
}

fn summary(operation: Operation, tally: Tally, before: Reading, after: Reading) -> Measured {
    let spent = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
    Measured {
        operation,
        completed: after.completed.saturating_sub(before.completed),
        elapsed: after.at.saturating_duration_since(before.at),
        latencies: tally.latencies,
        errors: tally.errors,
        first_error: tally.first_error,
        server_cpu: spent(before.server, after.server),
        database_cpu: spent(before.database, after.database),
        driver_cpu: after.driver.saturating_sub(before.driver),
        unsent: 0,
        statements: None,
        peak: None,
    }
}

fn per_operation(before: StatementReading, after: StatementReading) -> Option<f64> {
    let statements = after.statements?.saturating_sub(before.statements?);
    let completed = after.completed.saturating_sub(before.completed);
    (completed > 0).then(|| as_f64(statements) / as_f64(completed))
}

pub(crate) fn median(mut counts: Vec<f64>) -> Option<f64> {
    counts.sort_by(f64::total_cmp);
    counts.get(counts.len() / 2).copied()
}

/// Counts of a run are far below 2^53: nothing is lost.
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;

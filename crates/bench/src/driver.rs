//! Loads the server: threads, workers, the clock, and what came of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::http::Failure;
use crate::observer::{Observer, Reading, StatementReading};
use crate::operations::{Bench, Operation, Pool, Turn, Worker};
use crate::process::{self, ProcessError};

/// A worker that has met so many errors stops: the run has failed, and the log of the server is full enough.
const MOST_ERRORS: u64 = 10;

/// How long after the end of an operation its last answers may come.
const GRACE: Duration = Duration::from_secs(15);

/// How often an operation is performed alone, to count its SQL statements without gathering.
const ALONE: u32 = 20;

/// Revocation uses up tokens: it begins with at least so many pools of them.
const REVOKED_POOLS: usize = 100;

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
    /// CPU time of all that was completed.
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) database_cpu: Option<Duration>,
    pub(crate) driver_cpu: Duration,
    /// SQL statements an operation, under load and alone.
    pub(crate) statements: Option<f64>,
    pub(crate) statements_alone: Option<f64>,
    /// Highest resident memory of the server during the operation, in bytes.
    pub(crate) peak: Option<u64>,
}

/// What one thread has seen.
struct Tally {
    latencies: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
    /// Workers that did not end in time.
    stuck: bool,
}

impl Tally {
    fn new() -> Self {
        Self {
            latencies: latencies(),
            errors: 0,
            first_error: None,
            stuck: false,
        }
    }

    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    fn add(&mut self, other: Self) {
        // Both have the same precision and grow as needed: there is nothing to refuse.
        self.latencies += other.latencies;
        self.errors += other.errors;
        self.stuck |= other.stuck;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// From 1 µs to one minute with three digits.
fn latencies() -> Histogram<u64> {
    #[expect(
        clippy::expect_used,
        reason = "the bounds are constants that the constructor accepts"
    )]
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("valid bounds")
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

/// One operation under load, as the threads see it.
#[derive(Clone)]
struct Phase {
    operation: Operation,
    bench: Arc<Bench>,
    pool: Arc<Pool>,
    completed: Arc<AtomicU64>,
    measured_from: Instant,
    until: Instant,
}

impl Driver {
    /// Measures one operation: provides tokens, performs it alone, then under load.
    pub(crate) fn measure(&mut self, operation: Operation) -> Result<Measured, DriverError> {
        self.provide(operation)?;
        let statements_alone = self.alone(operation)?;
        if let Some(server) = self.observer.server {
            process::forget_peak(server);
        }
        let begin = Instant::now();
        let measured_from = begin + self.plan.warm_up;
        let phase = Phase {
            operation,
            bench: Arc::clone(&self.bench),
            pool: Arc::new(self.bench.pool(operation, self.plan.pool)),
            completed: Arc::clone(&self.completed),
            measured_from,
            until: measured_from + self.plan.duration,
        };
        let (ended, ends) = mpsc::channel();
        let threads = self.start(&phase, &ended)?;
        drop(ended);

        wait_until(measured_from, &ends);
        let statements_before = self.runtime.block_on(self.observer.read_statements());
        let before = self.observer.read()?;
        wait_until(phase.until, &ends);
        let after = self.observer.read()?;
        let statements_after = self.runtime.block_on(self.observer.read_statements());

        let tally = collect(threads);
        if tally.stuck {
            return Err(DriverError::Stuck {
                operation: operation.name(),
                seconds: GRACE.as_secs(),
            });
        }
        let peak = self.observer.server.map(process::memory).transpose()?;
        Ok(Measured {
            statements: per_operation(statements_before, statements_after),
            statements_alone,
            peak: peak.map(|memory| memory.peak),
            ..summary(operation, tally, before, after)
        })
    }

    /// Performs what gives `operation` its tokens, as often as needed, without measuring.
    fn provide(&self, operation: Operation) -> Result<(), DriverError> {
        let Some((from, there)) = self.bench.stock(operation) else {
            return Ok(());
        };
        let needed = match operation {
            Operation::Refresh => self.plan.connections + 1,
            Operation::Userinfo => self.plan.pool.min(self.plan.connections),
            Operation::Revocation => self.plan.pool.saturating_mul(REVOKED_POOLS),
            _ => self.plan.pool,
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
    fn alone(&mut self, operation: Operation) -> Result<Option<f64>, DriverError> {
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

    /// Starts the threads. Each lets go of `ended` when its last worker has stopped.
    fn start(
        &self,
        phase: &Phase,
        ended: &mpsc::Sender<Infallible>,
    ) -> Result<Vec<thread::JoinHandle<Tally>>, DriverError> {
        let threads = self.plan.threads.clamp(1, self.plan.connections.max(1));
        let mut handles = Vec::with_capacity(threads);
        for number in 0..threads {
            let workers: Vec<usize> = (number..self.plan.connections).step_by(threads).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (phase, ended) = (phase.clone(), ended.clone());
            let thread = thread::Builder::new().name(format!("load-{number}"));
            handles.push(thread.spawn(move || {
                let tally = runtime.block_on(load(&phase, &workers));
                drop(ended);
                tally
            })?);
        }
        Ok(handles)
    }
}

/// What all threads have seen.
fn collect(threads: Vec<thread::JoinHandle<Tally>>) -> Tally {
    let mut tally = Tally::new();
    for thread in threads {
        match thread.join() {
            Ok(part) => tally.add(part),
            Err(_) => tally.fail(String::from("a thread of the driver has panicked")),
        }
    }
    tally
}

/// Everything that one thread does in one phase.
async fn load(phase: &Phase, workers: &[usize]) -> Tally {
    let mut running = JoinSet::new();
    for index in workers {
        let worker = Worker::new(&phase.bench, &phase.pool, *index);
        running.spawn(work(phase.clone(), worker));
    }
    let mut tally = Tally::new();
    let last = tokio::time::Instant::from_std(phase.until + GRACE);
    loop {
        match tokio::time::timeout_at(last, running.join_next()).await {
            Ok(Some(Ok(part))) => tally.add(part),
            Ok(Some(Err(error))) => tally.fail(format!("a worker of the driver has stopped: {error}")),
            Ok(None) => return tally,
            Err(_) => {
                tally.stuck = true;
                return tally;
            }
        }
    }
}

/// One worker: the next request as soon as the last one is answered.
async fn work(phase: Phase, mut worker: Worker) -> Tally {
    let mut tally = Tally::new();
    let mut sent = Instant::now();
    while sent < phase.until && tally.errors < MOST_ERRORS {
        let turn = worker.perform(phase.operation).await;
        let answered = Instant::now();
        match turn {
            Ok(Turn::Done) => {
                phase.completed.fetch_add(1, Ordering::Relaxed);
                if answered >= phase.measured_from && answered <= phase.until {
                    let latency = u64::try_from((answered - sent).as_micros()).unwrap_or(u64::MAX);
                    tally.latencies.saturating_record(latency);
                }
            }
            Ok(Turn::OutOfTokens) => return tally,
            Err(error) => tally.fail(error.to_string()),
        }
        sent = answered;
    }
    tally
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
        statements: None,
        statements_alone: None,
        peak: None,
    }
}

fn per_operation(before: StatementReading, after: StatementReading) -> Option<f64> {
    let statements = after.statements?.saturating_sub(before.statements?);
    let completed = after.completed.saturating_sub(before.completed);
    (completed > 0).then(|| as_f64(statements) / as_f64(completed))
}

fn median(mut counts: Vec<f64>) -> Option<f64> {
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

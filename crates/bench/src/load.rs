//! One operation under load: threads, workers, and when each request begins.
//!
//! Closed loop: each worker sends its next request as soon as the last is answered. Open loop: requests are due at a constant
//! rate whatever the server does, and their time runs from when they were due; so a server that stalls is charged for
//! everybody who had to wait, and not only for the few whose requests were on the way.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::operations::{Operation, Turn, Worker};
use crate::stock::{Bench, Pool};

/// A worker that has met so many errors stops: the run has failed, and the log of the server is full enough.
pub(crate) const MOST_ERRORS: u64 = 10;

/// How long after the end of an operation its last answers may come.
pub(crate) const GRACE: Duration = Duration::from_secs(15);

/// How long after the end of an open loop the requests that are late are still sent.
const DRAIN: Duration = Duration::from_secs(2);

/// The pacer sleeps for no less: it would only wake to find nothing due.
const SHORTEST_SLEEP: Duration = Duration::from_micros(100);

/// What one thread has seen.
#[derive(Debug)]
pub(crate) struct Tally {
    /// In microseconds.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Workers that did not end in time.
    pub(crate) stuck: bool,
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

    fn took(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros);
    }
}

/// From 1 µs to one minute with three digits.
pub(crate) fn latencies() -> Histogram<u64> {
    #[expect(
        clippy::expect_used,
        reason = "the bounds are constants that the constructor accepts"
    )]
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("valid bounds")
}

/// When requests are due in an open loop.
pub(crate) struct Pace {
    start: Instant,
    /// Between two requests.
    period: Duration,
    /// One permit for each request that is due and that nobody has taken.
    due: Semaphore,
    taken: AtomicU64,
}

impl Pace {
    pub(crate) fn new(start: Instant, rate: f64) -> Self {
        Self {
            start,
            period: Duration::from_secs_f64(1.0 / rate.max(0.01)),
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
        }
    }

    fn moment(&self, number: u64) -> Instant {
        let nanos = self.period.as_nanos().saturating_mul(u128::from(number));
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Lets the workers have each request when it is due. Returns how many were due until `until`.
    fn give(&self, until: Instant) -> u64 {
        let mut given = 0;
        loop {
            let now = Instant::now().min(until);
            let elapsed = now.saturating_duration_since(self.start).as_nanos();
            let due = u64::try_from(elapsed / self.period.as_nanos().max(1)).unwrap_or(u64::MAX);
            self.due.add_permits(usize::try_from(due - given).unwrap_or(0));
            given = due;
            if now >= until {
                return given;
            }
            let next = self.moment(given + 1).min(until);
            thread::sleep(next.saturating_duration_since(Instant::now()).max(SHORTEST_SLEEP));
        }
    }

    /// When the next request was due, as soon as it is. Nothing after the end.
    async fn turn(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        // The first is due one period after the start.
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        Some(self.moment(number))
    }
}

/// One operation under load, as the threads see it.
#[derive(Clone)]
pub(crate) struct Phase {
    pub(crate) operation: Operation,
    pub(crate) bench: Arc<Bench>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) completed: Arc<AtomicU64>,
    pub(crate) measured_from: Instant,
    pub(crate) until: Instant,
    /// Nothing for a closed loop.
    pub(crate) pace: Option<Arc<Pace>>,
}

/// Threads that load the server until the end of a phase.
pub(crate) struct Threads {
    loading: Vec<thread::JoinHandle<Tally>>,
    pacing: Option<thread::JoinHandle<u64>>,
    phase: Phase,
}

impl Phase {
    /// Starts the threads. Each lets go of `ended` when its last worker has stopped.
    pub(crate) fn start(
        self,
        connections: usize,
        threads: usize,
        ended: &mpsc::Sender<Infallible>,
    ) -> Result<Threads, std::io::Error> {
        let threads = threads.clamp(1, connections.max(1));
        let mut loading = Vec::with_capacity(threads);
        for number in 0..threads {
            let workers: Vec<usize> = (number..connections).step_by(threads).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (phase, ended) = (self.clone(), ended.clone());
            let thread = thread::Builder::new().name(format!("load-{number}"));
            loading.push(thread.spawn(move || {
                let tally = runtime.block_on(load(&phase, &workers));
                drop(ended);
                tally
            })?);
        }
        let pace = self.pace.clone().map(|pace| {
            let until = self.until;
            thread::Builder::new().name(String::from("pacer")).spawn(move || {
                let given = pace.give(until);
                // Workers take what is left, and then no more.
                let last = Instant::now() + DRAIN;
                while pace.taken.load(Ordering::Relaxed) < given && Instant::now() < last {
                    thread::sleep(Duration::from_millis(1));
                }
                pace.due.close();
                given
            })
        });
        Ok(Threads {
            loading,
            pacing: pace.transpose()?,
            phase: self,
        })
    }
}

impl Threads {
    /// What all threads have seen, and how many requests were due in an open loop that were never sent.
    pub(crate) fn collect(self) -> (Tally, u64) {
        let mut tally = Tally::new();
        for thread in self.loading {
            match thread.join() {
                Ok(part) => tally.add(part),
                Err(_) => tally.fail(String::from("a thread of the driver has panicked")),
            }
        }
        let given = self.pacing.and_then(|pacing| pacing.join().ok()).unwrap_or(0);
        let Some(pace) = &self.phase.pace else {
            return (tally, 0);
        };
        let (taken, now) = (pace.taken.load(Ordering::Relaxed), Instant::now());
        for number in taken..given {
            let due = pace.moment(number + 1);
            if due >= self.phase.measured_from {
                tally.took(now.saturating_duration_since(due));
            }
        }
        (tally, given.saturating_sub(taken))
    }
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

/// One worker. Its request begins when it is due, or as soon as the last one is answered.
async fn work(phase: Phase, mut worker: Worker) -> Tally {
    let mut tally = Tally::new();
    while tally.errors < MOST_ERRORS {
        let begun = match &phase.pace {
            Some(pace) => match pace.turn().await {
                Some(due) => due,
                None => return tally,
            },
            None => Instant::now(),
        };
        if begun >= phase.until {
            return tally;
        }
        let turn = worker.perform(phase.operation).await;
        let answered = Instant::now();
        match turn {
            Ok(Turn::Done) => {
                phase.completed.fetch_add(1, Ordering::Relaxed);
                let counts = match phase.pace {
                    Some(_) => begun >= phase.measured_from,
                    None => answered >= phase.measured_from && answered <= phase.until,
                };
                if counts {
                    tally.took(answered.saturating_duration_since(begun));
                }
            }
            Ok(Turn::OutOfTokens) => return tally,
            Err(error) => tally.fail(error.to_string()),
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_a_constant_rate() {
        let start = Instant::now();
        let pace = Pace::new(start, 1000.0);
        assert_eq!(pace.give(start + Duration::from_millis(50)), 50);
        assert_eq!(pace.due.available_permits(), 50);
        assert_eq!(pace.moment(50), start + Duration::from_millis(50));
    }

    #[tokio::test]
    async fn the_time_of_a_request_runs_from_when_it_was_due() {
        let start = Instant::now();
        let pace = Pace::new(start, 100.0);
        pace.give(start + Duration::from_millis(30));
        assert_eq!(pace.turn().await, Some(start + Duration::from_millis(10)));
        assert_eq!(pace.turn().await, Some(start + Duration::from_millis(20)));
        pace.due.close();
        assert_eq!(pace.turn().await, None);
    }
}

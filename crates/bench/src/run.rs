//! A whole run: limits of the machine, operations, and what depends on them, in this order.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::arguments::RunArguments;
use crate::bare::Bare;
use crate::driver::{Driver, DriverError, Measured, Plan, as_f64};
use crate::http::{Failure, Origin};
use crate::limits::{self, LimitError};
use crate::observer::Observer;
use crate::operations::Operation;
use crate::pgbench::{self, PgbenchError};
use crate::results::{About, Pair, Purge, Row, Run, Stored};
use crate::seed::{Amount, Seed, SeedError};
use crate::startup::{self, StartupError};
use crate::stock::{Bench, Place};
use crate::{report, table, targets};

mod open_loop;

/// The operations that are measured again with two servers.
const PAIRS: [Operation; 2] = [Operation::ClientCredentials, Operation::Introspection];

/// The operations that are measured again with much in the database.
const STORED: [Operation; 7] = [
    Operation::ClientCredentials,
    Operation::Introspection,
    Operation::CodeFlow,
    Operation::Userinfo,
    Operation::Refresh,
    Operation::Device,
    Operation::Logout,
];

/// People with tokens that there are before those of userinfo are made.
const FIRST_FLOWS: usize = 2_000;

/// For the yardsticks of the libraries.
const YARDSTICK: Duration = Duration::from_secs(2);

/// Why the run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error("the run could not be prepared: {0}")]
    Prepare(#[from] Failure),
    #[error("cannot connect to the database to count statements ({0}): correct --postgres-dsn")]
    Database(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Pgbench(#[from] PgbenchError),
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("the driver could not be started ({0})")]
    Runtime(#[from] std::io::Error),
    #[error("--second needs the number of a process, not {0:?}")]
    Second(String),
    #[error("{command:?} did not remove what has expired: {output}")]
    Purge { command: String, output: String },
    #[error(transparent)]
    Report(#[from] report::ReportError),
}

/// A run under way.
struct Runner<'a> {
    arguments: &'a RunArguments,
    driver: Driver,
    seed: Option<Seed>,
    /// The second server, and its process.
    second: Option<(Place, u32)>,
    found: Run,
    errors: u64,
}

/// Measures and prints everything. Returns how many requests failed; an operation that was never finished counts as one.
pub(crate) fn run(arguments: &RunArguments) -> Result<u64, BenchError> {
    let mut runner = Runner::prepare(arguments)?;
    runner.startup()?;
    runner.limits()?;
    runner.operations()?;
    if !arguments.closed_only {
        runner.curves()?;
    }
    runner.pairs()?;
    runner.purge()?;
    runner.stored()?;
    println!("{}", table::operations(&runner.found.operations));
    println!("{}", targets::table(&[&runner.found]));
    if let Some(file) = &arguments.json {
        report::save(&runner.found, file)?;
    }
    Ok(runner.errors)
}

impl<'a> Runner<'a> {
    /// Connects to what is observed and registers the clients.
    fn prepare(arguments: &'a RunArguments) -> Result<Self, BenchError> {
        let plan = arguments.plan();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (public, admin) = (Origin::parse(&arguments.public)?, Origin::parse(&arguments.admin)?);
        let mut bench = runtime.block_on(Bench::prepare(public, admin))?;
        bench.authenticates_introspection = arguments.authenticated_introspection;
        let completed = Arc::default();
        let dsn = arguments.postgres_dsn.as_deref();
        let observer = Observer::new(&bench.place(0).admin, dsn, Arc::clone(&completed));
        let mut observer = runtime.block_on(observer)?;
        observer.servers = arguments.server_pid.into_iter().collect();
        observer.database = arguments.database_pid;
        let seed = match (&arguments.system_secret, dsn) {
            (Some(secret), Some(dsn)) => Some(runtime.block_on(Seed::connect(dsn, secret))?),
            _ => None,
        };
        let about = About {
            label: arguments.label.clone(),
            notes: arguments.note.clone(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            connections: plan.connections,
            threads: plan.threads,
            seconds: plan.duration.as_secs_f64(),
            warm_up: plan.warm_up.as_secs_f64(),
            repetitions: usize::from(arguments.repetitions),
            pool: plan.pool,
            counted_by: observer.counted_by().to_owned(),
        };
        Ok(Self {
            arguments,
            second: second(&arguments.second)?,
            seed,
            found: Run {
                about,
                ..Run::default()
            },
            driver: Driver {
                plan,
                bench: Arc::new(bench),
                observer,
                completed,
                runtime,
            },
            errors: 0,
        })
    }

    fn startup(&mut self) -> Result<(), BenchError> {
        if let [public, admin] = self.arguments.startup.as_slice() {
            say("startup");
            let place = place(public, admin)?;
            let started = startup::measure(&place, &self.arguments.command);
            self.found.startup = Some(self.driver.runtime.block_on(started)?);
        }
        Ok(())
    }

    fn limits(&mut self) -> Result<(), BenchError> {
        say("limits of this machine");
        let (rs256, es256) = limits::signatures(YARDSTICK / 2)?;
        let limits = &mut self.found.limits;
        (limits.rs256, limits.es256) = (Some(rs256), Some(es256));
        if let Some(scratch) = &self.arguments.scratch {
            limits.sqlite = Some(limits::sqlite(scratch, YARDSTICK)?);
        }
        if let (Some(program), Some(dsn)) = (&self.arguments.pgbench, &self.arguments.postgres_dsn) {
            for _ in 0..self.arguments.repetitions {
                let rate = pgbench::rate(program, dsn, &self.driver.plan);
                limits.pgbench.push(self.driver.runtime.block_on(rate)?);
            }
        }
        let bare = Bare::start()?;
        let place = place(&bare.url, &bare.url)?;
        let measured = self.elsewhere(vec![place], Vec::new(), |runner| {
            runner.repeat(Operation::Health, 1, None)
        });
        bare.stop()?;
        self.found.limits.bare_hyper = measured?.first().map(Measured::rate);
        Ok(())
    }

    fn operations(&mut self) -> Result<(), BenchError> {
        for operation in self.arguments.operations() {
            say(operation.name());
            let row = self.on_its_server(operation, |runner| runner.study(operation))?;
            self.found.operations.extend(row);
        }
        Ok(())
    }

    /// One operation: alone, as fast as it goes, and at half of that.
    fn study(&mut self, operation: Operation) -> Result<Option<Row>, BenchError> {
        self.provide(operation)?;
        let alone = self.driver.alone(operation)?;
        let measured = self.repeat(operation, usize::from(self.arguments.repetitions), None)?;
        let mut row = Row::of(&measured, alone);
        if let Some(row) = &mut row
            && operation.is_endless()
            && !self.arguments.closed_only
        {
            row.half = self.half(operation, row.highest())?;
        }
        Ok(row)
    }

    fn pairs(&mut self) -> Result<(), BenchError> {
        let Some((second, pid)) = self.second.clone() else {
            return Ok(());
        };
        let first = self.driver.bench.place(0).clone();
        for operation in PAIRS {
            if !self.arguments.includes(operation) {
                continue;
            }
            say(&format!("{}: two servers", operation.name()));
            let times = usize::from(self.arguments.repetitions);
            // One after the other in turn, so that both meet the same database.
            let (mut one, mut two) = (Vec::new(), Vec::new());
            let servers = self
                .driver
                .observer
                .servers
                .iter()
                .copied()
                .chain([pid])
                .collect::<Vec<_>>();
            for _ in 0..times {
                one.extend(self.repeat(operation, 1, None)?);
                let places = vec![first.clone(), second.clone()];
                let servers = servers.clone();
                two.extend(self.elsewhere(places, servers, |runner| runner.repeat(operation, 1, None))?);
            }
            self.found.pairs.push(pair(operation, &one, &two));
        }
        Ok(())
    }

    fn purge(&mut self) -> Result<(), BenchError> {
        let (Some(rows), Some(command), Some(seed)) = (self.arguments.purge, &self.arguments.purge_command, &self.seed)
        else {
            return Ok(());
        };
        say(&format!("purge of {rows} expired tokens"));
        let operation = Operation::ClientCredentials;
        let issued = self.found.operations.iter().find(|row| row.operation == operation);
        let rate = issued.map_or(1000.0, Row::highest) / 2.0;
        self.driver.runtime.block_on(seed.expired(rows))?;
        let plan = self.driver.plan;
        self.driver.plan.duration = plan.duration.max(Duration::from_secs(5)) * 2;
        let without = self.point(operation, rate)?;

        let mut words = command.split(' ');
        let begun = Instant::now();
        let purging = Command::new(words.next().unwrap_or_default())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let waiting = std::thread::spawn(move || (purging.wait_with_output(), begun.elapsed()));
        let during = self.point(operation, rate)?;
        self.driver.plan = plan;
        let Ok((ended, took)) = waiting.join() else {
            return Ok(());
        };
        let ended = ended?;
        if !ended.status.success() {
            return Err(BenchError::Purge {
                command: command.clone(),
                output: String::from_utf8_lossy(&ended.stderr).into_owned(),
            });
        }
        let left = match &self.seed {
            Some(seed) => self.driver.runtime.block_on(seed.count_expired())?,
            None => 0,
        };
        self.found.purge = Some(Purge {
            rows,
            left,
            seconds: took.as_secs_f64(),
            without,
            during,
        });
        Ok(())
    }

    fn stored(&mut self) -> Result<(), BenchError> {
        let mut there = Amount::of_tokens(0);
        for tokens in self.arguments.stored.clone() {
            let Some(seed) = &self.seed else {
                return Ok(());
            };
            let amount = Amount::of_tokens(tokens);
            say(&format!("{tokens} tokens stored: filling"));
            let begun = Instant::now();
            // Whatever is asked for from now on lies among what is stored.
            let bench = Arc::new(self.driver.bench.emptied());
            let pool = self.driver.plan.pool;
            let filled = seed.fill(&bench, amount.without(there), pool);
            self.driver.runtime.block_on(filled)?;
            self.driver.bench = bench;
            there = amount;
            let seconds_to_fill = begun.elapsed().as_secs_f64();
            let mut rows = Vec::new();
            for operation in STORED {
                if !self.arguments.includes(operation) {
                    continue;
                }
                say(&format!("{tokens} tokens stored: {}", operation.name()));
                self.driver.provide(operation)?;
                let measured = self.repeat(operation, usize::from(self.arguments.repetitions.min(2)), None)?;
                rows.extend(Row::of(&measured, None));
            }
            self.found.stored.push(Stored {
                tokens: amount.tokens,
                consents: amount.consents,
                clients: amount.clients,
                seconds_to_fill,
                rows,
            });
        }
        Ok(())
    }

    /// Gives an operation its tokens. Those of people, for userinfo, are written into the database where that is allowed:
    /// a hundred thousand code flows would take minutes.
    fn provide(&mut self, operation: Operation) -> Result<(), BenchError> {
        if operation == Operation::Userinfo
            && let Some(seed) = &self.seed
        {
            let bench = Arc::clone(&self.driver.bench);
            self.driver
                .provide_at_least(operation, FIRST_FLOWS.min(self.driver.plan.pool))?;
            let there = bench.stock(operation).map_or(0, |(_, there)| there);
            let missing = self.driver.plan.pool.saturating_sub(there);
            self.driver.runtime.block_on(seed.grant_tokens(&bench, missing))?;
        }
        Ok(self.driver.provide(operation)?)
    }

    /// Measures several times, and tells the reader about errors.
    fn repeat(&mut self, operation: Operation, times: usize, rate: Option<f64>) -> Result<Vec<Measured>, BenchError> {
        let mut all = Vec::with_capacity(times);
        for _ in 0..times {
            self.driver.provide(operation)?;
            let measured = self.driver.measure(operation, rate)?;
            note(&measured, &self.driver.plan);
            self.errors += measured.errors.max(u64::from(measured.completed == 0));
            all.push(measured);
        }
        Ok(all)
    }

    /// Does something with the server that signs as the operation needs.
    fn on_its_server<T>(
        &mut self,
        operation: Operation,
        act: impl FnOnce(&mut Self) -> Result<T, BenchError>,
    ) -> Result<T, BenchError> {
        match self.second.clone() {
            Some((place, pid)) if operation.needs_es256() => self.elsewhere(vec![place], vec![pid], act),
            _ => act(self),
        }
    }

    /// Does something with other servers.
    fn elsewhere<T>(
        &mut self,
        places: Vec<Place>,
        servers: Vec<u32>,
        act: impl FnOnce(&mut Self) -> Result<T, BenchError>,
    ) -> Result<T, BenchError> {
        let bench = Arc::new(self.driver.bench.at(places));
        let before = std::mem::replace(&mut self.driver.bench, bench);
        let servers = std::mem::replace(&mut self.driver.observer.servers, servers);
        let done = act(self);
        self.driver.bench = before;
        self.driver.observer.servers = servers;
        done
    }
}

fn pair(operation: Operation, one: &[Measured], two: &[Measured]) -> Pair {
    let elapsed: f64 = two.iter().map(|measured| measured.elapsed.as_secs_f64()).sum();
    let cores = |spent: Option<Duration>| spent.unwrap_or_default().as_secs_f64() / elapsed.max(0.001);
    Pair {
        operation,
        one: one.iter().map(Measured::rate).collect(),
        two: two.iter().map(Measured::rate).collect(),
        server_cores: cores(two.iter().map(|measured| measured.server_cpu).sum()),
        database_cores: cores(two.iter().map(|measured| measured.database_cpu).sum()),
        driver_cores: cores(Some(two.iter().map(|measured| measured.driver_cpu).sum())),
    }
}

fn place(public: &str, admin: &str) -> Result<Place, Failure> {
    Ok(Place {
        public: Arc::new(Origin::parse(public)?),
        admin: Arc::new(Origin::parse(admin)?),
    })
}

fn second(given: &[String]) -> Result<Option<(Place, u32)>, BenchError> {
    let [public, admin, pid] = given else {
        return Ok(None);
    };
    let number = pid.parse().map_err(|_| BenchError::Second(pid.clone()))?;
    Ok(Some((place(public, admin)?, number)))
}

fn say(what: &str) {
    eprintln!("{what} ...");
}

/// Says what a reader of the table must know about a row.
fn note(measured: &Measured, plan: &Plan) {
    let name = measured.operation.name();
    if let Some(error) = &measured.first_error {
        eprintln!("{name}: {} errors, the first: {error}", measured.errors);
    }
    if measured.elapsed < plan.duration / 2 {
        let seconds = measured.elapsed.as_secs_f64();
        eprintln!("{name}: measured for {seconds:.1} s only, then its workers had stopped");
    }
    if measured.unsent > 0 {
        let unsent = as_f64(measured.unsent);
        eprintln!("{name}: {unsent} requests were due and never sent, because the server was behind for good");
    }
}

//! Load driver for Claviger and servers with the same API: performs the operations of an authorization server over
//! loopback and prints, for each, its rate, its latencies and what it costs. `bench/README.md` says how to read it.

mod driver;
#[cfg(test)]
mod fake;
mod flow;
mod http;
mod observer;
mod operations;
mod pgbench;
mod process;
mod startup;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum as _};

use crate::driver::{Driver, DriverError, Measured, Plan};
use crate::http::{Failure, Origin};
use crate::observer::Observer;
use crate::operations::{Bench, Operation};
use crate::pgbench::PgbenchError;
use crate::startup::StartupError;
use crate::table::Figures;

/// Load a running authorization server and print what its operations cost.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Public port of the server, http://HOST:PORT: its issuer
    #[arg(long, value_name = "URL")]
    public: String,
    /// Admin port of the server, http://HOST:PORT
    #[arg(long, value_name = "URL")]
    admin: String,
    /// Process of the server, to measure its CPU and memory
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// First process of the database server (postmaster), to measure its CPU
    #[arg(long, value_name = "PID")]
    database_pid: Option<u32>,
    /// Database of the server, postgres://…, to count statements with pg_stat_statements
    #[arg(long, value_name = "DSN")]
    postgres_dsn: Option<String>,
    /// pgbench, to compare with its inserts into the same database
    #[arg(long, value_name = "FILE", requires = "postgres_dsn")]
    pgbench: Option<PathBuf>,
    /// Connections to each port, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Threads of the driver [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Measured seconds of each operation
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Seconds of load before the measured ones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: u64,
    /// Live tokens that introspection and userinfo go round
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pool: u32,
    /// Only these operations, separated by commas
    #[arg(long, value_name = "OPERATIONS", value_delimiter = ',')]
    only: Vec<Operation>,
    /// Public port on which the command behind -- listens
    #[arg(long, value_name = "URL", requires = "command")]
    startup_public: Option<String>,
    /// Start this server a few times to measure how soon it is ready and its idle memory
    #[arg(last = true, value_name = "COMMAND", requires = "startup_public")]
    command: Vec<String>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Plan {
            connections: usize::from(self.connections),
            threads: self.threads.map_or(cores, usize::from),
            warm_up: Duration::from_secs(self.warm_up),
            duration: Duration::from_secs(self.seconds),
            pool: usize::try_from(self.pool).unwrap_or(usize::MAX),
        }
    }

    /// What to measure, in the order that makes each provide the next with tokens.
    fn operations(&self) -> Vec<Operation> {
        let all = Operation::value_variants();
        all.iter()
            .filter(|operation| self.only.is_empty() || self.only.contains(operation))
            .copied()
            .collect()
    }
}

/// Why the run ended early.
#[derive(Debug, thiserror::Error)]
enum BenchError {
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
    #[error("the driver could not be started ({0})")]
    Runtime(#[from] std::io::Error),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(errors) => {
            eprintln!("claviger-bench: {errors} requests failed or were missing: the figures above do not count");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("claviger-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints everything. Returns how many requests failed; an operation that was never finished counts as one.
fn run(arguments: &Arguments) -> Result<u64, BenchError> {
    let plan = arguments.plan();
    let mut driver = prepare(arguments, plan)?;
    let startup = match &arguments.startup_public {
        Some(public) => {
            eprintln!("startup ...");
            let origin = Arc::new(Origin::parse(public)?);
            Some(driver.runtime.block_on(startup::measure(&origin, &arguments.command))?)
        }
        None => None,
    };
    let mut measured = Vec::new();
    for operation in arguments.operations() {
        eprintln!("{} ...", operation.name());
        measured.push(driver.measure(operation)?);
    }
    let pgbench = match (&arguments.pgbench, &arguments.postgres_dsn) {
        (Some(program), Some(dsn)) => {
            eprintln!("pgbench ...");
            Some(driver.runtime.block_on(pgbench::rate(program, dsn, &plan))?)
        }
        _ => None,
    };
    let figures = Figures {
        measured: &measured,
        pgbench,
        startup,
    };
    print(&driver, &figures);
    let failed = |measured: &Measured| measured.errors.max(u64::from(measured.completed == 0));
    Ok(measured.iter().map(failed).sum())
}

/// Connects to what is observed and registers the clients.
fn prepare(arguments: &Arguments, plan: Plan) -> Result<Driver, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let public = Origin::parse(&arguments.public)?;
    let admin = Origin::parse(&arguments.admin)?;
    let bench = Arc::new(runtime.block_on(Bench::prepare(public, admin))?);
    let completed = Arc::default();
    let dsn = arguments.postgres_dsn.as_deref();
    let mut observer = runtime.block_on(Observer::new(&bench.admin, dsn, Arc::clone(&completed)))?;
    observer.server = arguments.server_pid;
    observer.database = arguments.database_pid;
    Ok(Driver {
        plan,
        bench,
        observer,
        completed,
        runtime,
    })
}

fn print(driver: &Driver, figures: &Figures<'_>) {
    let plan = &driver.plan;
    println!("{}", table::operations(figures.measured));
    println!(
        "{} connections, {} threads of the driver, {} s each after {} s of warm-up; statements counted by {}.\n",
        plan.connections,
        plan.threads,
        plan.duration.as_secs(),
        plan.warm_up.as_secs(),
        driver.observer.counted_by(),
    );
    println!("{}", table::targets(figures));
    for measured in figures.measured {
        note(measured, plan);
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn operations_run_in_the_order_in_which_they_feed_each_other() {
        let line = "bench --public http://a --admin http://b --only revocation,client-credentials";
        let arguments = Arguments::parse_from(line.split(' '));
        let expected = [Operation::ClientCredentials, Operation::Revocation];
        assert_eq!(arguments.operations(), expected);
    }

    #[test]
    fn a_command_to_start_needs_to_say_where_it_listens() {
        let line = "bench --public http://a --admin http://b -- server";
        assert!(Arguments::try_parse_from(line.split(' ')).is_err());
    }
}

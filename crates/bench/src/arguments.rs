//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum as _};

use crate::driver::Plan;
use crate::operations::Operation;

/// Load a running authorization server and print what its operations cost.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Verb>,
    #[command(flatten)]
    pub(crate) run: Option<RunArguments>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write tables and plots from what runs have found
    Report {
        /// Files that runs have written with --json
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// File whose text between the markers becomes the tables; otherwise they are printed
        #[arg(long, value_name = "FILE")]
        readme: Option<PathBuf>,
        /// Directory for the plots
        #[arg(long, value_name = "DIRECTORY")]
        plots: Option<PathBuf>,
    },
    /// Serve as the yardstick of HTTP until standard input ends
    #[command(hide = true)]
    Bare,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Public port of the server, http://HOST:PORT: its issuer
    #[arg(long, value_name = "URL")]
    pub(crate) public: String,
    /// Admin port of the server, http://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub(crate) admin: String,
    /// Process of the server, to measure its CPU and memory
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Ports and process of a second server on the same database, which signs by ES256
    #[arg(long, value_names = ["PUBLIC", "ADMIN", "PID"], num_args = 3)]
    pub(crate) second: Vec<String>,
    /// First process of the database server (postmaster), to measure its CPU
    #[arg(long, value_name = "PID")]
    pub(crate) database_pid: Option<u32>,
    /// Database of the server, postgres://…, to count statements with pg_stat_statements
    #[arg(long, value_name = "DSN")]
    pub(crate) postgres_dsn: Option<String>,
    /// pgbench, to compare with its inserts into the same database
    #[arg(long, value_name = "FILE", requires = "postgres_dsn")]
    pub(crate) pgbench: Option<PathBuf>,
    /// secrets.system of a Claviger whose database may be written to, to fill it
    #[arg(long, value_name = "SECRET", requires = "postgres_dsn")]
    pub(crate) system_secret: Option<String>,
    /// A file that may be made and removed, to measure what SQLite does by itself
    #[arg(long, value_name = "FILE")]
    pub(crate) scratch: Option<PathBuf>,
    /// Connections to each port, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) connections: u16,
    /// Threads of the driver [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Measured seconds of each repetition
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Seconds of load before the measured ones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) warm_up: u64,
    /// How often each operation is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) repetitions: u16,
    /// Different tokens that introspection and userinfo go round
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=500_000))]
    pub(crate) pool: u32,
    /// Only these operations, separated by commas
    #[arg(long, value_name = "OPERATIONS", value_delimiter = ',')]
    pub(crate) only: Vec<Operation>,
    /// Leave out the open loops: latency at half of the highest rate, and rate against latency
    #[arg(long)]
    pub(crate) closed_only: bool,
    /// Measure again with so many tokens stored, a tenth of it consents and a hundredth clients; may be several, separated
    /// by commas
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', requires = "system_secret")]
    pub(crate) stored: Vec<u64>,
    /// Remove so many expired tokens while tokens are issued
    #[arg(long, value_name = "ROWS", requires_all = ["system_secret", "purge_command"])]
    pub(crate) purge: Option<u64>,
    /// What removes them: words separated by spaces
    #[arg(long, value_name = "COMMAND")]
    pub(crate) purge_command: Option<String>,
    /// Introspect with the credentials of a client, on the admin port
    #[arg(long)]
    pub(crate) authenticated_introspection: bool,
    /// Write everything that was found into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Name of the run in reports
    #[arg(long, value_name = "NAME", default_value = "run")]
    pub(crate) label: String,
    /// A line about machine and programs, for reports; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Vec<String>,
    /// Public and admin port on which the command behind -- listens
    #[arg(long, value_names = ["PUBLIC", "ADMIN"], num_args = 2, requires = "command")]
    pub(crate) startup: Vec<String>,
    /// Start this server a few times to measure how soon it is ready and what it needs when idle
    #[arg(last = true, value_name = "COMMAND", requires = "startup")]
    pub(crate) command: Vec<String>,
}

impl RunArguments {
    pub(crate) fn plan(&self) -> Plan {
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
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let all = Operation::value_variants().iter().copied();
        // Without a server that signs by ES256 nobody can be asked for it.
        let possible = all.filter(|operation| !operation.needs_es256() || !self.second.is_empty());
        possible
            .filter(|operation| self.only.is_empty() || self.only.contains(operation))
            .collect()
    }

    pub(crate) fn includes(&self, operation: Operation) -> bool {
        self.operations().contains(&operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<RunArguments, clap::Error> {
        Arguments::try_parse_from(line.split(' ')).map(|arguments| arguments.run.unwrap())
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn operations_run_in_the_order_in_which_they_feed_each_other() {
        let arguments = parse("bench --public http://a --admin http://b --only revocation,client-credentials").unwrap();
        let expected = [Operation::ClientCredentials, Operation::Revocation];
        assert_eq!(arguments.operations(), expected);
    }

    #[test]
    fn es256_needs_a_server_that_signs_by_it() {
        let arguments = parse("bench --public http://a --admin http://b").unwrap();
        assert!(!arguments.includes(Operation::JwtEs256));
        let arguments = parse("bench --public http://a --admin http://b --second http://c http://d 7").unwrap();
        assert!(arguments.includes(Operation::JwtEs256));
    }

    #[test]
    fn a_command_to_start_needs_to_say_where_it_listens() {
        assert!(parse("bench --public http://a --admin http://b -- server").is_err());
        assert!(parse("bench --public http://a --admin http://b --startup http://c http://d -- server").is_ok());
    }

    #[test]
    fn a_report_needs_no_server() {
        let arguments = Arguments::try_parse_from(["bench", "report", "a.json"]).unwrap();
        assert!(matches!(arguments.command, Some(Verb::Report { .. })));
    }
}

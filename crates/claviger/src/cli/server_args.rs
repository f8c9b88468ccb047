//! The arguments of the commands that run on the server itself: `serve`, `migrate`, `janitor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::go_duration;
use super::output::Format;
use super::secret::Secret;
use super::terminal::Terminal;
use crate::config::{Flag, Purpose, Sources};
use crate::server::{Examination, Question};

/// Starts the server.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  claviger serve all --dev                             everything on this machine, nothing to configure
  claviger serve all -c claviger.yml                   both ports, configured by a file
  DSN=postgres://… SECRETS_SYSTEM=… claviger serve all --dangerous-force-http

The public port (4444) is for browsers and OAuth 2.0 clients, the admin port (4445) for your own services.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) configuration: Configuration,

    /// Accepted and without effect: there is no telemetry
    #[arg(long, global = true)]
    pub(crate) sqa_opt_out: bool,

    #[command(subcommand)]
    pub(crate) listeners: Listeners,
}

/// Where the configuration of a server comes from, besides the environment.
#[derive(Args, Clone, Debug)]
pub(crate) struct Configuration {
    /// Configuration file (YAML, JSON or TOML); may be repeated, later files win
    #[arg(short, long, global = true, value_name = "FILE", value_delimiter = ',')]
    config: Vec<PathBuf>,

    /// Development mode: plain HTTP, SQLite, generated secrets and sample pages. Never on the internet
    #[arg(long, global = true)]
    dev: bool,

    /// Serve plain HTTP although the issuer is not development. For use behind a proxy that ends TLS
    #[arg(long, global = true)]
    dangerous_force_http: bool,

    /// Redirect URLs that may be plain HTTP; only together with --dangerous-force-http
    #[arg(long, global = true, value_name = "URL", value_delimiter = ',')]
    dangerous_allow_insecure_redirect_urls: Vec<String>,
}

impl Configuration {
    /// The sources of the settings. A flag that was not given says nothing.
    pub(crate) fn sources(&self, env: Vec<(String, String)>, purpose: Purpose) -> Sources {
        let mut flags = Vec::new();
        if self.dev {
            flags.push(Flag::on("dev", "--dev"));
        }
        if self.dangerous_force_http {
            flags.push(Flag::on("dangerous-force-http", "--dangerous-force-http"));
        }
        let insecure = &self.dangerous_allow_insecure_redirect_urls;
        if !insecure.is_empty() {
            flags.push(Flag {
                path: "dangerous-allow-insecure-redirect-urls",
                name: "--dangerous-allow-insecure-redirect-urls",
                value: insecure.clone().into(),
            });
        }
        Sources {
            files: self.config.clone(),
            flags,
            env,
            purpose,
            ..Sources::default()
        }
    }
}

/// Which ports are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Listeners {
    /// Open the public and the admin port
    All,
    /// Open the public port only
    Public,
    /// Open the admin port only
    Admin,
}

/// Prepares the database.
#[derive(Args, Clone, Debug)]
pub(crate) struct Migrate {
    /// Configuration file (YAML, JSON or TOML); may be repeated, later files win
    #[arg(short, long, global = true, value_name = "FILE", value_delimiter = ',')]
    pub(crate) config: Vec<PathBuf>,

    /// How long to wait for a database server that cannot be reached yet; 0 gives up at once
    #[arg(long, global = true, value_name = "DURATION", default_value = "5m", value_parser = go_duration::parse)]
    wait: Duration,

    #[command(subcommand)]
    pub(crate) target: MigrateTarget,
}

/// What is migrated.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MigrateTarget {
    /// Create or update the tables of the database
    Sql(MigrateSql),
    /// Another name of `migrate sql status`
    #[command(hide = true)]
    Status {
        #[command(flatten)]
        status: MigrateStatus,

        /// Take the database from the configuration or the variable DSN
        #[arg(short = 'e', long)]
        read_from_env: bool,
    },
}

/// `migrate sql`, which without a further word means `up`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  claviger migrate sql --yes postgres://user:password@host:5432/database
  DSN=sqlite:///var/lib/claviger/db.sqlite claviger migrate sql up -e --yes
  claviger migrate sql status -c claviger.yml --block

Nothing else changes the tables; run it before a new version starts. It is safe to run twice.")]
pub(crate) struct MigrateSql {
    #[command(flatten)]
    pub(crate) up: MigrateUp,

    /// Take the database from the configuration or the variable DSN, which is what happens without an argument too
    #[arg(short = 'e', long, global = true)]
    pub(crate) read_from_env: bool,

    #[command(subcommand)]
    pub(crate) action: Option<MigrateAction>,
}

/// What `migrate sql` does.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MigrateAction {
    /// Apply what is pending
    Up(MigrateUp),
    /// Refuse to undo migrations, and say how to go back
    Down(MigrateDown),
    /// Show what is applied and what is pending
    Status(MigrateStatus),
}

/// What a `migrate` command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct MigrateJob {
    pub(crate) config: Vec<PathBuf>,
    pub(crate) wait: Duration,
    pub(crate) action: MigrateAction,
}

impl Migrate {
    /// The job, with the arguments from before and after the word `up` taken together.
    pub(super) fn job(self) -> MigrateJob {
        let (before, action) = match self.target {
            MigrateTarget::Sql(MigrateSql { up, action, .. }) => (up, action),
            MigrateTarget::Status { status, .. } => {
                return MigrateJob {
                    config: self.config,
                    wait: self.wait,
                    action: MigrateAction::Status(status),
                };
            }
        };
        let action = match action {
            Some(other @ (MigrateAction::Status(_) | MigrateAction::Down(_))) => other,
            Some(MigrateAction::Up(up)) => MigrateAction::Up(MigrateUp {
                yes: up.yes || before.yes,
                ..up
            }),
            None => MigrateAction::Up(before),
        };
        MigrateJob {
            config: self.config,
            wait: self.wait,
            action,
        }
    }
}

/// Arguments of `migrate sql` and `migrate sql up`.
#[derive(Args, Clone, Debug)]
pub(crate) struct MigrateUp {
    /// Database URL; otherwise the configuration's, or the variable DSN
    pub(crate) database_url: Option<String>,

    /// Apply without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `migrate sql down`, which are Hydra's.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Migrations only add, so the release before works on the newer tables: to go back, start it again.
To bring back data, restore the backup."
)]
pub(crate) struct MigrateDown {
    /// Database URL
    pub(crate) database_url: Option<String>,

    /// How many migrations
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) steps: i64,

    /// Without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `migrate sql status`.
#[derive(Args, Clone, Debug)]
pub(crate) struct MigrateStatus {
    /// Database URL; otherwise the configuration's, or the variable DSN
    pub(crate) database_url: Option<String>,

    /// Wait until nothing is pending
    #[arg(long)]
    pub(crate) block: bool,

    /// How to print: table, json, json-pretty, yaml, jsonpath=PATH or jsonpointer=POINTER
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,

    /// Print nothing but versions
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Copies a SQLite database.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  claviger backup /var/backups/claviger-monday.sqlite -c claviger.yml
  claviger backup copy.sqlite sqlite:///var/lib/claviger/db.sqlite

Safe while servers run: the copy is the database as it is at one moment, and holds everything that was answered
before. To go back, stop the servers, put the copy in the place of the database, remove its -wal and -shm files,
and start. The copy is worth nothing without secrets.system, which is not in it; keep the two apart.")]
pub(crate) struct Backup {
    /// The new file; nothing is overwritten
    pub(crate) file: PathBuf,

    /// Database URL; otherwise the configuration's, or the variable DSN
    pub(crate) database_url: Option<String>,

    /// Configuration file (YAML, JSON or TOML); may be repeated, later files win
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    pub(crate) config: Vec<PathBuf>,
}

/// Removes what has expired.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  claviger janitor --tokens --requests --grants -c claviger.yml
  claviger janitor --tokens --keep-if-younger 24h postgres://user:password@host:5432/database

The server does this by itself in the background. Run it by hand after a large import, or when you want it now.")]
pub(crate) struct Janitor {
    /// Database URL; otherwise -e or -c says where the database is
    pub(crate) database_url: Option<String>,

    /// Configuration file (YAML, JSON or TOML); may be repeated, later files win
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    pub(crate) config: Vec<PathBuf>,

    /// Take the database from the variable DSN
    #[arg(short = 'e', long)]
    pub(crate) read_from_env: bool,

    /// Remove expired access and refresh tokens
    #[arg(long)]
    pub(crate) tokens: bool,

    /// Remove login and consent requests that were never finished
    #[arg(long)]
    pub(crate) requests: bool,

    /// Remove expired trust in issuers of JWT bearer grants
    #[arg(long)]
    pub(crate) grants: bool,

    /// At most this many rows of each table
    #[arg(long, value_name = "ROWS", default_value_t = 10_000)]
    pub(crate) limit: i64,

    /// This many rows with each statement
    #[arg(long, value_name = "ROWS", default_value_t = 100)]
    pub(crate) batch_size: i64,

    /// Never remove rows younger than this
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = go_duration::parse)]
    pub(crate) keep_if_younger: Duration,

    /// Lifespan of access tokens, instead of the configured one
    #[arg(long, value_name = "DURATION", value_parser = go_duration::parse)]
    pub(crate) access_lifespan: Option<Duration>,

    /// Lifespan of refresh tokens, instead of the configured one
    #[arg(long, value_name = "DURATION", value_parser = go_duration::parse)]
    pub(crate) refresh_lifespan: Option<Duration>,

    /// Lifespan of login and consent requests, instead of the configured one
    #[arg(long, value_name = "DURATION", value_parser = go_duration::parse)]
    pub(crate) consent_request_lifespan: Option<Duration>,
}

impl Janitor {
    /// Refuses what cannot be meant, before a database is opened.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let problem = if self.database_url.is_none() && !self.read_from_env && self.config.is_empty() {
            "No database is named. Give its URL as the argument, or use -e (variable DSN) or -c (configuration file)"
        } else if !(self.tokens || self.requests || self.grants) {
            "Nothing is named to be removed. Pass at least one of --tokens, --requests and --grants"
        } else if self.limit <= 0 || self.batch_size <= 0 {
            "--limit and --batch-size must be greater than 0"
        } else if self.batch_size > self.limit {
            "--batch-size must not be greater than --limit"
        } else {
            return Ok(());
        };
        Err(Failure::input(problem))
    }
}

/// Looks at everything that a server depends on.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  claviger doctor -c claviger.yml              before and after a server starts
  claviger doctor -c claviger.yml --offline    without asking the issuer's address
  claviger doctor --format json --quiet        what is not in order, for a program

Give it the environment and flags of the server. It changes nothing, and ends with status 1 if something fails.")]
pub(crate) struct Doctor {
    #[command(flatten)]
    configuration: Configuration,

    /// Leave out what a client on the network sees
    #[arg(long)]
    offline: bool,

    /// PEM file of certificate authorities to trust besides the public ones
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// How to print: table, json, json-pretty, yaml, jsonpath=PATH or jsonpointer=POINTER
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,

    /// Print nothing but what is not in order
    #[arg(short, long)]
    quiet: bool,
}

impl Doctor {
    pub(super) fn examination(self, terminal: &Terminal) -> Examination {
        let both = Purpose::Serve {
            public: true,
            admin: true,
        };
        Examination {
            sources: self.configuration.sources(terminal.environment(), both),
            offline: self.offline,
            tls_ca: self.tls_ca,
            format: self.format,
            quiet: self.quiet,
        }
    }
}

/// Says what something means that a person met.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  claviger explain invalid_grant                   an error, or the name of a refusal in the log
  claviger explain 0e2m4x9c8k7h5s3q1a00            the id on an error page
  claviger explain -c claviger.yml - < token.txt   a token, code or challenge, kept out of the shell's history

Tokens, codes and challenges need the configuration of the server, for its secrets and its database. Neither secrets nor
what a token says of a person is printed.")]
pub(crate) struct Explain {
    /// The error, request id, challenge or token; - reads it from standard input
    #[arg(value_name = "TEXT")]
    what: Secret,

    #[command(flatten)]
    configuration: Configuration,

    /// Do not ask the database
    #[arg(long)]
    offline: bool,

    /// How to print: table, json, json-pretty, yaml, jsonpath=PATH or jsonpointer=POINTER
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

impl Explain {
    pub(super) fn question(self, terminal: &mut Terminal) -> Result<Question, Failure> {
        let what = match self.what.expose() {
            "-" => Secret::from(String::from_utf8_lossy(&terminal.read_input()?).trim().to_owned()),
            _ => self.what,
        };
        Ok(Question {
            what,
            sources: self.configuration.sources(terminal.environment(), Purpose::Show),
            offline: self.offline,
            format: self.format,
        })
    }
}

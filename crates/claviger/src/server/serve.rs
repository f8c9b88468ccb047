//! `serve all|public|admin`: from the configuration to open ports, and back.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use claviger_core::context::Entropy;
use claviger_core::port::{SchemaStatus, StoreError};
use claviger_core::secrets::{Secrets, SecretsError};
use claviger_store::{Database, OpenError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use super::{database, one_line, purge, routes, stop};
use crate::admin::version::VERSION;
use crate::cli::server_args::{Listeners, Serve};
use crate::config::listener::Listener;
use crate::config::settings::{LogFormat, LogLevel};
use crate::config::{self, ConfigError, Dsn, Flag, Purpose, Settings, Sources};
use crate::edge::address::{Address, BindError, Bound};
use crate::edge::listener::{self, Drained, Limits, Port};
use crate::edge::request_id::RequestIds;
use crate::keys::{KeyRing, KeysError};
use crate::provider::{OperatingSystem, Provider, Shared};
use crate::telemetry::log::{self, LogSettings};
use crate::telemetry::metrics::Metrics;

/// How long the database may take to let go when everything else has ended.
const CLOSING: Duration = Duration::from_secs(5);

/// Why a server does not start. Each is one line that says what to change.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{error} ({setting}, environment variable {variable})")]
    Bind {
        error: BindError,
        setting: &'static str,
        variable: &'static str,
    },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the tables of the database could not be made: {0}")]
    Migration(StoreError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error("the operating system gives no {what}: {error}; raise the limits of this process")]
    System { what: &'static str, error: io::Error },
}

/// `serve all|public|admin`.
pub(crate) fn serve(arguments: &Serve) -> ExitCode {
    let settings = match config::load(sources(arguments)) {
        Ok(settings) => settings,
        Err(error) => {
            // How to log is part of what could not be read.
            eprintln!("{}", one_line(&error));
            return ExitCode::FAILURE;
        }
    };
    log::start(log_settings(&settings));
    match run(&settings, arguments.listeners) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn sources(arguments: &Serve) -> Sources {
    let mut flags = Vec::new();
    if arguments.dev {
        flags.push(Flag::on("dev", "--dev"));
    }
    if arguments.dangerous_force_http {
        flags.push(Flag::on("dangerous-force-http", "--dangerous-force-http"));
    }
    let insecure = &arguments.dangerous_allow_insecure_redirect_urls;
    if !insecure.is_empty() {
        flags.push(Flag {
            path: "dangerous-allow-insecure-redirect-urls",
            name: "--dangerous-allow-insecure-redirect-urls",
            value: insecure.clone().into(),
        });
    }
    Sources {
        files: arguments.config.clone(),
        flags,
        env: config::process_env(),
        purpose: Purpose::Serve {
            public: arguments.listeners != Listeners::Admin,
            admin: arguments.listeners != Listeners::Public,
        },
        ..Sources::default()
    }
}

fn log_settings(settings: &Settings) -> LogSettings {
    LogSettings {
        level: match settings.log.level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        },
        format: match settings.log.format {
            LogFormat::Text => log::Format::Text,
            LogFormat::Json | LogFormat::JsonPretty => log::Format::Json,
        },
    }
}

fn run(settings: &Settings, listeners: Listeners) -> Result<(), StartError> {
    let runtime = runtime()?;
    let served = runtime.block_on(serve_until_stopped(settings, listeners));
    // What still runs there, such as the making of a key that nobody waits for, is not worth waiting for.
    runtime.shutdown_background();
    served
}

fn runtime() -> Result<Runtime, StartError> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::System { what: "threads", error })
}

async fn serve_until_stopped(settings: &Settings, listeners: Listeners) -> Result<(), StartError> {
    let stop = stop::on_signal().map_err(|error| StartError::System { what: "signals", error })?;
    // First, so that a second server on the same ports ends before it touches anything.
    let ports = bind(settings, listeners).await?;
    let database = Arc::new(database::open(settings.dsn()?).await?);
    let served = serve_database(settings, ports, &database, &stop).await;
    if tokio::time::timeout(CLOSING, database.close()).await.is_err() {
        tracing::warn!("the database did not let go in time");
    }
    served
}

async fn serve_database(
    settings: &Settings,
    ports: Vec<BoundPort>,
    database: &Arc<Database>,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    prepare_schema(settings, database).await?;
    let provider = provider(settings, database)?;
    ensure_keys(&provider).await?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let purging = {
        let (provider, stop) = (Arc::clone(&provider), stop.clone());
        tokio::spawn(async move { purge::run(&provider, &stop).await })
    };
    serve_ports(settings, ports, &provider, stop).await;
    // It ends with `stop`, which is how the ports ended.
    if purging.await.is_err() {
        tracing::error!("the job that removes what has expired had ended early");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Development mode and databases in memory bring their tables along. All others are migrated by a command of its own.
async fn prepare_schema(settings: &Settings, database: &Database) -> Result<(), StartError> {
    if settings.dev || matches!(settings.dsn()?, Dsn::Memory) {
        let told = |step: claviger_store::MigrationStatus| tracing::debug!(step.version, step.name, "migrated");
        return database.migrate(&told).await.map_err(StartError::Migration);
    }
    match database.store().schema().await {
        Ok(SchemaStatus::Current) => {}
        Ok(SchemaStatus::Behind(pending)) => {
            tracing::warn!(
                pending,
                "the database is not migrated, so nothing can be served; run `claviger migrate sql`"
            );
        }
        Ok(SchemaStatus::Ahead(last)) => {
            tracing::warn!(last, "the database was migrated by a newer release than this one");
        }
        Err(error) => tracing::warn!(%error, "the state of the database is not known yet"),
    }
    Ok(())
}

fn provider(settings: &Settings, database: &Arc<Database>) -> Result<Shared, StartError> {
    let mut metrics = Metrics::new(VERSION);
    let counted = Arc::clone(database);
    metrics.count_elsewhere(
        "sql_statements",
        "Statements or transactions sent to the database",
        "kind",
        move || {
            counted
                .statistics()
                .iter()
                .map(|count| (count.kind, count.round_trips))
                .collect()
        },
    );
    let counted = Arc::clone(database);
    metrics.count_elsewhere(
        "store_operations",
        "Operations asked of the database, of which one statement may serve many",
        "kind",
        move || {
            counted
                .statistics()
                .iter()
                .map(|count| (count.kind, count.operations))
                .collect()
        },
    );
    let store = database.store();
    let policy = config::policy(settings);
    let ring = KeyRing::new(Arc::clone(&store), policy.id_token_alg, &[]);
    let secrets = Secrets::derive(&settings.system_secrets)?;
    let provider = Provider::new(store, ring, policy, secrets, settings).with_metrics(metrics);
    Ok(Arc::new(provider))
}

/// Makes the first signing key, and finds out whether the secrets are those of this database.
async fn ensure_keys(provider: &Provider) -> Result<(), StartError> {
    match provider.ring.ensure(&provider.cx(), provider.policy.id_token_alg).await {
        Ok(_) | Err(KeysError::Store(StoreError::NotMigrated)) => Ok(()),
        // The keys are read, and made, again when they are needed.
        Err(KeysError::Store(error)) => {
            tracing::warn!(%error, "the signing keys could not be read yet");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Which of the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Public,
    Admin,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Admin => "admin",
        }
    }

    fn listener(self, settings: &Settings) -> &Listener {
        match self {
            Self::Public => &settings.public,
            Self::Admin => &settings.admin,
        }
    }

    fn router(self, provider: &Shared, quiet: bool) -> Router {
        match self {
            Self::Public => routes::public(provider, quiet),
            Self::Admin => routes::admin(provider, quiet),
        }
    }

    /// The error with the setting that moves the port.
    fn bind_error(self, error: BindError) -> StartError {
        let (setting, variable) = match self {
            Self::Public => ("serve.public.port", "SERVE_PUBLIC_PORT"),
            Self::Admin => ("serve.admin.port", "SERVE_ADMIN_PORT"),
        };
        StartError::Bind {
            error,
            setting,
            variable,
        }
    }
}

struct BoundPort {
    side: Side,
    bound: Bound,
}

async fn bind(settings: &Settings, listeners: Listeners) -> Result<Vec<BoundPort>, StartError> {
    let sides: &[Side] = match listeners {
        Listeners::All => &[Side::Public, Side::Admin],
        Listeners::Public => &[Side::Public],
        Listeners::Admin => &[Side::Admin],
    };
    let mut ports = Vec::with_capacity(sides.len());
    for &side in sides {
        let listener = side.listener(settings);
        let address = Address::new(&listener.host, listener.port);
        let bound = Bound::listen(&address).await.map_err(|error| side.bind_error(error))?;
        ports.push(BoundPort { side, bound });
    }
    Ok(ports)
}

/// Serves until `stop` is cancelled and the requests in flight are answered, or their time is up.
async fn serve_ports(settings: &Settings, ports: Vec<BoundPort>, provider: &Shared, stop: &CancellationToken) {
    let limits = Limits {
        drain: settings.shutdown_timeout,
        ..Limits::standard()
    };
    let request_ids = Arc::new(RequestIds::new(seed()));
    let mut serving = JoinSet::new();
    for BoundPort { side, bound } in ports {
        let address = bound.address().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(port = side.name(), address, version = VERSION, "listening");
        let port = Port {
            bound,
            router: side.router(provider, side.listener(settings).quiet_health),
            limits: limits.clone(),
            request_ids: Arc::clone(&request_ids),
            metrics: provider.metrics.port(side.name()),
        };
        let stop = stop.clone();
        serving.spawn(async move { (side, listener::serve(port, stop).await) });
    }
    while let Some(ended) = serving.join_next().await {
        match ended {
            Ok((_, Drained::Fully)) => {}
            Ok((side, Drained::Abandoned(connections))) => {
                tracing::warn!(
                    port = side.name(),
                    connections,
                    "time ran out; connections were cut off"
                );
            }
            Err(error) => {
                tracing::error!(%error, "a port failed; stopping");
                stop.cancel();
            }
        }
    }
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    OperatingSystem.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

//! `serve all|public|admin`: from the configuration to open ports, and back.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::port::{SchemaStatus, StoreError};
use claviger_core::secrets::{Secrets, SecretsError};
use claviger_core::token::access::Format;
use claviger_store::Database;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use super::database::{self, DatabaseError};
use super::ports::{PortError, Ports, Side};
use super::reload::{Origin, Reload};
use super::{one_line, purge, rotate, stop, supervisor, welcome};
use crate::admin::version::VERSION;
use crate::cli::server_args::{Listeners, Serve};
use crate::config::settings::{LogFormat, LogLevel};
use crate::config::{self, ConfigError, Purpose, Settings};
use crate::edge::inherited::Inherited;
use crate::keys::{ACCESS_TOKEN_SET, ID_TOKEN_SET, KeyRing, KeysError};
use crate::notices;
use crate::provider::{Current, Provider, Shared};
use crate::telemetry::log::{self, LogSettings};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::store_metrics::StoreMetrics;
use crate::telemetry::trace::Traces;

/// How long the database may take to let go when everything else has ended.
const CLOSING: Duration = Duration::from_secs(5);

/// Between two attempts to reach a database that was not there at the start: the first, doubled up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Why a server does not start. Each is one line that says what to change.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error("the operating system gives no {what}: {error}; raise the limits of this process")]
    System { what: &'static str, error: io::Error },
}

/// `serve all|public|admin`.
pub(crate) fn serve(arguments: &Serve) -> ExitCode {
    let inherited = Inherited::from_env();
    let purpose = Purpose::Serve {
        public: arguments.listeners != Listeners::Admin,
        admin: arguments.listeners != Listeners::Public,
    };
    let sources = arguments.configuration.sources(config::process_env(), purpose);
    let origin = Origin::of(sources);
    let settings = match config::load(origin.sources.clone()) {
        Ok(settings) => settings,
        Err(error) => {
            // How to log is part of what could not be read.
            eprintln!("{}", one_line(&error));
            return ExitCode::FAILURE;
        }
    };
    let traces = match settings.collector.as_ref().map(Traces::new).transpose() {
        Ok(traces) => traces,
        Err(error) => {
            eprintln!("{}", one_line(&error));
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = log::start(log_settings(&settings), traces.as_ref()) {
        eprintln!("{}", one_line(&StartError::System { what: "threads", error }));
        return ExitCode::FAILURE;
    }
    let status = match run(&settings, origin, arguments.listeners, inherited, traces) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", one_line(&error));
            ExitCode::FAILURE
        }
    };
    log::finish();
    status
}

fn log_settings(settings: &Settings) -> LogSettings {
    LogSettings {
        level: log_level(settings),
        format: match settings.log.format {
            LogFormat::Text => log::Format::Text,
            LogFormat::Json => log::Format::Json,
            LogFormat::JsonPretty => log::Format::JsonPretty,
        },
    }
}

pub(super) fn log_level(settings: &Settings) -> LevelFilter {
    match settings.log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn run(
    settings: &Settings,
    origin: Origin,
    listeners: Listeners,
    inherited: Inherited,
    traces: Option<Traces>,
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::System { what: "threads", error })?;
    let served = runtime.block_on(async {
        if let Some(traces) = &traces {
            traces.send_on(Handle::current());
        }
        let served = serve_until_stopped(settings, origin, listeners, inherited).await;
        if let Some(traces) = traces {
            traces.stop().await;
        }
        served
    });
    // What still runs there, such as the making of a key that nobody waits for, is not worth waiting for.
    runtime.shutdown_background();
    served
}

async fn serve_until_stopped(
    settings: &Settings,
    origin: Origin,
    listeners: Listeners,
    inherited: Inherited,
) -> Result<(), StartError> {
    let signals = |error| StartError::System { what: "signals", error };
    let stop = stop::on_signal().map_err(signals)?;
    let hangups = stop::Hangups::listen().map_err(signals)?;
    let sides = Side::of(listeners);
    // First, so that a second server on the same ports ends before it touches anything.
    let ports = Ports::bind(settings, sides, inherited).await?;
    let database = Arc::new(database::open_awaited(settings.dsn()?, settings.collector.is_some()).await?);
    let served = async {
        let provider = provider(settings, &database)?;
        let is_prepared = match prepare(settings, &provider, &database).await {
            Err(StartError::Database(error)) if error.may_pass() => {
                tracing::warn!("{}; until it is, requests are answered with 503", one_line(&error));
                false
            }
            prepared => prepared.map(|()| true)?,
        };
        // Only now, so that a start that fails says one thing.
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        if settings.dev {
            welcome::print(settings, sides);
        }
        // Who serves without its database is what a server is whose database went away, and is alive for those who look.
        let (ended, ()) = tokio::join!(
            async {
                let arrived = match is_prepared {
                    true => Ok(()),
                    false => arrival(settings, &provider, &database, &stop).await,
                };
                if arrived.is_err() {
                    stop.cancel();
                }
                arrived
            },
            serve_ports(
                settings,
                origin,
                ports,
                hangups,
                (Arc::clone(&provider), &database),
                &stop
            )
        );
        ended
    };
    let served = served.await;
    if tokio::time::timeout(CLOSING, database.close()).await.is_err() {
        tracing::warn!("the database did not let go in time");
    }
    served
}

/// Everything of the database that must be right before the first request.
async fn prepare(settings: &Settings, provider: &Provider, database: &Database) -> Result<(), StartError> {
    database::reach(settings.dsn()?, database).await?;
    if settings.dev {
        database::migrate(database).await?;
    }
    ensure_keys(provider).await?;
    tell_schema(provider).await;
    if let Err(error @ purge::Undone::Clock(_)) = purge::compare_clocks(database.clock()).await {
        tracing::warn!(
            "{error}; until they agree, nothing that has expired is removed, and no signing key replaced by policy"
        );
    }
    Ok(())
}

/// Waits for a database that was not there at the start, and ends the server if it is found to be a wrong one.
async fn arrival(
    settings: &Settings,
    provider: &Provider,
    database: &Database,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    let mut wait = FIRST_WAIT;
    loop {
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(());
        }
        wait = (wait * 2).min(LONGEST_WAIT);
        match stop.run_until_cancelled(prepare(settings, provider, database)).await {
            None => return Ok(()),
            Some(Err(StartError::Database(error))) if error.may_pass() => {
                tracing::warn!("{}; trying again in {} s", one_line(&error), wait.as_secs_f32());
            }
            Some(Ok(())) => {
                tracing::info!("the database is reached");
                return Ok(());
            }
            Some(Err(error)) => return Err(error),
        }
    }
}

/// Everything that the endpoints share, over this database.
pub(super) fn provider(settings: &Settings, database: &Arc<Database>) -> Result<Shared, StartError> {
    let mut metrics = Metrics::new(VERSION);
    metrics.collect(Box::new(StoreMetrics(Arc::clone(database))));
    let store = database.store();
    let policy = config::policy(settings);
    let ring = KeyRing::new(Arc::clone(&store), policy.id_token_alg, &settings.keys.broadcast);
    let ring = ring.rotated(settings.keys.rotation);
    let secrets = Secrets::derive(&settings.system_secrets)?;
    let provider = Provider::new(store, ring, policy, secrets, settings).with_refused(database.refused());
    let refused = database.refused();
    metrics.measure(
        "store_changes_refused",
        "Changes that the database refused since it took one",
        move || refused.in_a_row(),
    );
    let notices = Arc::clone(&provider.notices);
    let telling = Arc::clone(&provider.notices);
    metrics.measure(
        "backchannel_logout_in_hand",
        "Notices that this server is delivering",
        move || telling.in_hand(),
    );
    if let Some(limiter) = provider.limiter.clone() {
        let refused = move || vec![("public", limiter.refused())];
        metrics.count_elsewhere(
            "http_requests_limited",
            "Requests refused for their rate",
            "port",
            refused,
        );
    }
    metrics.count_elsewhere(
        "backchannel_logout_attempts",
        "Attempts to tell clients of logouts",
        "outcome",
        move || notices.counts(),
    );
    let notices = Arc::clone(&provider.notices);
    metrics.count_elsewhere(
        "backchannel_logout_notices",
        "News of logouts for clients: taken up from the queue, and told or given up; the difference waits",
        "event",
        move || notices.progress(),
    );
    Ok(Arc::new(provider.with_metrics(metrics)))
}

/// Makes the first signing keys, and finds out whether the secrets are those of this database.
pub(super) async fn ensure_keys(provider: &Provider) -> Result<(), StartError> {
    let (cx, alg) = (provider.cx(), provider.policy.id_token_alg);
    let mut made = provider.ring.ensure(&cx, ID_TOKEN_SET, alg).await;
    // Otherwise the first client that wants a JWT waits for its key.
    if made.is_ok() && provider.policy.access_token.format == Format::Jwt {
        made = provider.ring.ensure(&cx, ACCESS_TOKEN_SET, alg).await;
    }
    match made {
        // The keys are read, and made, again when they are needed.
        Ok(_) | Err(KeysError::Store(StoreError::NotMigrated)) => Ok(()),
        Err(KeysError::Store(error)) => {
            tracing::warn!(%error, "the signing keys could not be read yet");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Nothing is migrated by itself, so a database that is behind is worth a line.
async fn tell_schema(provider: &Provider) {
    match provider.store.schema().await {
        Ok(SchemaStatus::Current) => {}
        Ok(SchemaStatus::Behind(pending)) => {
            tracing::warn!(
                pending,
                "the database is not migrated: what needs the newer tables is refused until `claviger migrate sql` has run"
            );
        }
        Ok(SchemaStatus::Ahead(last)) => {
            tracing::warn!(last, "the database was migrated by a newer release than this one");
        }
        Err(error) => tracing::warn!(%error, "whether the database is migrated is not known yet"),
    }
}

async fn serve_ports(
    settings: &Settings,
    origin: Origin,
    ports: Ports,
    hangups: stop::Hangups,
    (provider, database): (Shared, &Arc<Database>),
    stop: &CancellationToken,
) {
    let current = Arc::new(Current::new(Arc::clone(&provider)));
    let purging = {
        let (current, database, stop) = (Arc::clone(&current), Arc::clone(database), stop.clone());
        tokio::spawn(async move { purge::run(&current, &database, purge::INTERVAL, &stop).await })
    };
    let telling = {
        let (current, stop) = (Arc::clone(&current), stop.clone());
        tokio::spawn(async move { notices::run(&current, &stop).await })
    };
    let rotating = {
        let (current, database, stop) = (Arc::clone(&current), Arc::clone(database), stop.clone());
        tokio::spawn(async move { rotate::run(&current, &database, &stop).await })
    };
    let informing = tokio::spawn(supervisor::inform(stop.clone()));
    let reload = Reload {
        origin,
        current: &current,
        sites: ports.sites(),
    };
    tokio::join!(
        ports.serve(settings, &provider, stop),
        reload.run(settings, hangups, stop)
    );
    // They end with `stop`, as the ports did.
    if purging.await.is_err() {
        tracing::error!("the job that removes what has expired had ended early");
    }
    if telling.await.is_err() {
        tracing::error!("the job that tells clients of logouts had ended early");
    }
    if rotating.await.is_err() {
        tracing::error!("the job that replaces signing keys had ended early");
    }
    if informing.await.is_err() {
        tracing::error!("the job that talks to the supervisor had ended early");
    }
    tracing::info!("stopped");
}

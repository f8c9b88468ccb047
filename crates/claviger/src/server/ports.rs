//! The two ports: bound, served, and drained.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use claviger_core::context::Entropy;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::routes;
use crate::admin::version::VERSION;
use crate::cli::server_args::Listeners;
use crate::config::Settings;
use crate::config::listener::Listener;
use crate::edge::address::{Address, BindError, Bound};
use crate::edge::cors::{self, CrossOrigin};
use crate::edge::cross_site::Guard;
use crate::edge::inherited::Inherited;
use crate::edge::listener::{self, Drained, Limits, Port};
use crate::edge::proxies;
use crate::edge::request_id::RequestIds;
use crate::edge::served::Served;
use crate::edge::tls::{Acceptor, TlsError};
use crate::provider::{OperatingSystem, Shared};

/// Said at each start, so that nobody is surprised later.
const OPEN_ADMIN: &str = "the admin port asks for no credentials at an address that other machines may reach, because \
    serve.admin.allow_unauthenticated is true (the container image sets it: a container is reached at its own address, and \
    loopback in it by nobody); whoever reaches the port can do everything, so publish it to your own services only, or let it \
    ask for API keys (serve.admin.require_api_key)";

/// One of the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Public,
    Admin,
}

/// A port that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortError {
    /// With the setting that moves it.
    #[error("{error} ({}, environment variable {})", side.setting(), side.variable())]
    Bind { side: Side, error: BindError },
    #[error("the {} port cannot speak TLS: {error}", side.name())]
    Tls { side: Side, error: TlsError },
    #[error("the inherited socket {address} {reason}")]
    Open { address: Address, reason: &'static str },
    #[error("cannot write the address to {} (serve.{}.write_listen_file): {error}; check that the directory exists", path.display(), side.name())]
    ListenFile {
        side: Side,
        path: PathBuf,
        error: io::Error,
    },
}

impl Side {
    /// Those that the command line asks for.
    pub(super) fn of(listeners: Listeners) -> &'static [Self] {
        match listeners {
            Listeners::All => &[Self::Public, Self::Admin],
            Listeners::Public => &[Self::Public],
            Listeners::Admin => &[Self::Admin],
        }
    }

    /// As logs and metrics name it.
    fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Admin => "admin",
        }
    }

    fn setting(self) -> &'static str {
        match self {
            Self::Public => "serve.public.port",
            Self::Admin => "serve.admin.port",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Public => "SERVE_PUBLIC_PORT",
            Self::Admin => "SERVE_ADMIN_PORT",
        }
    }

    fn listener(self, settings: &Settings) -> &Listener {
        match self {
            Self::Public => &settings.public,
            Self::Admin => &settings.admin,
        }
    }

    /// Listens: on the socket that was handed over for it, or where the settings say.
    async fn open(self, settings: &Settings, inherited: &mut Inherited) -> Result<Open, PortError> {
        let bind_error = |error| PortError::Bind { side: self, error };
        let mut listener = self.listener(settings).clone();
        let loaded = listener.tls.as_ref().map(Acceptor::load).transpose();
        let tls = loaded.map_err(|error| PortError::Tls { side: self, error })?;
        let bound = match inherited.take(self.name()).map_err(bind_error)? {
            Some(bound) => {
                self.move_to(&bound, &mut listener, settings)?;
                bound
            }
            None => {
                let address = Address::new(&listener.host, listener.port);
                Bound::listen(&address, &listener.socket).await.map_err(bind_error)?
            }
        };
        self.announce(&bound, &listener)?;
        Ok(Open {
            side: self,
            // A socket is a file of this machine, whose mode protects it.
            tls: tls.filter(|_| matches!(bound, Bound::Tcp(_))).map(Arc::new),
            bound,
            listener,
            served: Arc::default(),
        })
    }

    /// Who opened the socket has said where it listens, so what the settings say of that is moot, but not their caution.
    fn move_to(self, bound: &Bound, listener: &mut Listener, settings: &Settings) -> Result<(), PortError> {
        let Some(address) = bound.address() else { return Ok(()) };
        match &address {
            Address::Tcp { host, port } => (listener.host, listener.port) = (host.clone(), *port),
            Address::Unix { .. } => listener.host = address.to_string(),
        }
        match settings.open_admin(listener) {
            Some(reason) if self == Self::Admin => Err(PortError::Open { address, reason }),
            _ => Ok(()),
        }
    }

    /// `write_listen_file`.
    fn announce(self, bound: &Bound, listener: &Listener) -> Result<(), PortError> {
        let (Some(path), Some(address)) = (&listener.listen_file, bound.address()) else {
            return Ok(());
        };
        std::fs::write(path, format!("{address}\n")).map_err(|error| PortError::ListenFile {
            side: self,
            path: path.clone(),
            error,
        })
    }

    fn router(self, provider: &Shared, settings: &Settings, listener: &Listener) -> Router {
        let cors = listener.cors.clone();
        let is_enabled = cors.enabled;
        let (router, rules) = match self {
            Self::Public => {
                let rules = Arc::new(CrossOrigin::public(cors));
                (routes::public(provider, listener.quiet_health), rules)
            }
            Self::Admin => {
                let rules = Arc::new(CrossOrigin::admin(cors));
                let guard = Arc::new(Guard::new(Arc::clone(&rules), listener));
                let router = routes::admin(provider, listener.quiet_health, listener.v1_paths, Some(guard));
                (router, rules)
            }
        };
        let router = if is_enabled {
            router.layer(from_fn_with_state(rules, cors::answer))
        } else {
            router
        };
        if demands_proxy(settings, listener) {
            let proxies = Arc::new(listener.proxies.clone());
            router.layer(from_fn_with_state(proxies, proxies::demand_tls))
        } else {
            router
        }
    }
}

/// Where plain HTTP is allowed outright, nobody needs to come through a proxy.
fn demands_proxy(settings: &Settings, listener: &Listener) -> bool {
    listener.tls.is_none() && !listener.proxies.is_empty() && !settings.dev && !settings.force_http
}

/// Ports that listen already. Who comes waits until they are served.
pub(super) struct Ports(Vec<Open>);

struct Open {
    side: Side,
    bound: Bound,
    tls: Option<Arc<Acceptor>>,
    /// Its settings, with the address in force.
    listener: Listener,
    /// What it answers with; nothing yet.
    served: Arc<Served>,
}

/// The open ports, for whoever replaces what they answer with.
pub(super) struct Sites(Vec<Site>);

struct Site {
    side: Side,
    listener: Listener,
    served: Arc<Served>,
}

impl Sites {
    /// Answers by these settings from the next request on. Where a port listens stays.
    pub(super) fn replace(&self, settings: &Settings, provider: &Shared) {
        for Site { side, listener, served } in &self.0 {
            let listener = Listener {
                host: listener.host.clone(),
                port: listener.port,
                ..side.listener(settings).clone()
            };
            served.replace(side.router(provider, settings, &listener));
        }
    }
}

impl Ports {
    /// Opens the ports, as far as they were not `inherited`.
    pub(super) async fn bind(settings: &Settings, sides: &[Side], mut inherited: Inherited) -> Result<Self, PortError> {
        let mut ports = Vec::with_capacity(sides.len());
        for &side in sides {
            ports.push(side.open(settings, &mut inherited).await?);
        }
        Ok(Self(ports))
    }

    /// Where they listen.
    #[cfg(test)]
    pub(super) fn addresses(&self) -> Vec<String> {
        let addresses = self.0.iter().filter_map(|open| open.bound.address());
        addresses.map(|address| address.to_string()).collect()
    }

    /// What they answer with.
    pub(super) fn sites(&self) -> Sites {
        let site = |open: &Open| Site {
            side: open.side,
            listener: open.listener.clone(),
            served: Arc::clone(&open.served),
        };
        Sites(self.0.iter().map(site).collect())
    }

    /// Serves until `stop` is cancelled and the requests in flight are answered, or their time is up.
    pub(super) async fn serve(self, settings: &Settings, provider: &Shared, stop: &CancellationToken) {
        let limits = Limits {
            drain: settings.shutdown_timeout,
            ..Limits::standard()
        };
        let request_ids = Arc::new(RequestIds::new(seed()));
        let mut serving = JoinSet::new();
        for open in self.0 {
            let Open {
                side,
                bound,
                tls,
                listener,
                served,
            } = open;
            served.replace(side.router(provider, settings, &listener));
            let address = bound.address().map(|address| address.to_string()).unwrap_or_default();
            let encrypted = tls.is_some();
            tracing::info!(
                port = side.name(),
                address,
                tls = encrypted,
                version = VERSION,
                "listening"
            );
            if side == Side::Admin && settings.leaves_admin_open(&listener) {
                tracing::warn!(address, "{OPEN_ADMIN}");
            }
            if let Some(tls) = &tls {
                tokio::spawn(Arc::clone(tls).follow(side.name(), stop.clone()));
            }
            let port = Port {
                bound,
                tls,
                router: served,
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
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    OperatingSystem.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

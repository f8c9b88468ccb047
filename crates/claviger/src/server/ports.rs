//! The two ports: bound, served, and drained.

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
use crate::edge::cross_site::{self, Guard};
use crate::edge::listener::{self, Drained, Limits, Port};
use crate::edge::request_id::RequestIds;
use crate::provider::{OperatingSystem, Shared};

/// One of the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Public,
    Admin,
}

/// A port that cannot be opened, with the setting that moves it.
#[derive(Debug, thiserror::Error)]
#[error("{error} ({}, environment variable {})", side.setting(), side.variable())]
pub(super) struct PortError {
    side: Side,
    error: BindError,
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

    fn router(self, provider: &Shared, listener: &Listener) -> Router {
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
                let router = routes::admin(provider, listener.quiet_health);
                (router.layer(from_fn_with_state(guard, cross_site::refuse)), rules)
            }
        };
        if is_enabled {
            router.layer(from_fn_with_state(rules, cors::answer))
        } else {
            router
        }
    }
}

/// Ports that listen already. Who comes waits until they are served.
pub(super) struct Ports(Vec<(Side, Bound)>);

impl Ports {
    /// Opens the ports.
    pub(super) async fn bind(settings: &Settings, sides: &[Side]) -> Result<Self, PortError> {
        let mut ports = Vec::with_capacity(sides.len());
        for &side in sides {
            let listener = side.listener(settings);
            let address = Address::new(&listener.host, listener.port);
            let bound = Bound::listen(&address).await;
            ports.push((side, bound.map_err(|error| PortError { side, error })?));
        }
        Ok(Self(ports))
    }

    /// Where they listen.
    #[cfg(test)]
    pub(super) fn addresses(&self) -> Vec<String> {
        let addresses = self.0.iter().filter_map(|(_, bound)| bound.address());
        addresses.map(|address| address.to_string()).collect()
    }

    /// Serves until `stop` is cancelled and the requests in flight are answered, or their time is up.
    pub(super) async fn serve(self, settings: &Settings, provider: &Shared, stop: &CancellationToken) {
        let limits = Limits {
            drain: settings.shutdown_timeout,
            ..Limits::standard()
        };
        let request_ids = Arc::new(RequestIds::new(seed()));
        let mut serving = JoinSet::new();
        for (side, bound) in self.0 {
            let address = bound.address().map(|address| address.to_string()).unwrap_or_default();
            tracing::info!(port = side.name(), address, version = VERSION, "listening");
            let port = Port {
                bound,
                router: side.router(provider, side.listener(settings)),
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

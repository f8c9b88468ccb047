//! Where the server listens.

use std::net::IpAddr;
use std::path::PathBuf;

use super::error::ConfigError;
use super::values::Values;

/// A port to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: Address,
    /// Whether health probes are kept out of the request log.
    pub quiet_health: bool,
}

/// Where a listener binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Every interface, IPv4 and IPv6.
    AllInterfaces(u16),
    /// A host name or IP address without brackets, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Listener {
    /// `serve.public` or `serve.admin`.
    pub(super) fn from_values(values: &Values, name: &str) -> Result<Self, ConfigError> {
        let host: Option<String> = values.get(&format!("serve.{name}.host"))?;
        let port = values.get(&format!("serve.{name}.port"))?;
        let quiet = |key: &str| values.get::<bool>(&format!("serve.{name}.{key}.disable_for_health"));
        Ok(Self {
            address: Address::new(host.as_deref().unwrap_or_default(), port),
            quiet_health: quiet("request_log")? || quiet("access_log")?,
        })
    }
}

impl Address {
    pub(super) fn new(host: &str, port: u16) -> Self {
        match host.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None if host.is_empty() => Self::AllInterfaces(port),
            None => Self::Tcp(host.trim_start_matches('[').trim_end_matches(']').to_owned(), port),
        }
    }

    /// Whether only programs on this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::AllInterfaces(_) => false,
            Self::Tcp(host, _) => {
                let loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
                loopback || host.eq_ignore_ascii_case("localhost")
            }
            Self::Unix(_) => true,
        }
    }

    /// Host and port for a URL that reaches it from this machine; none for a socket.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        match self {
            Self::AllInterfaces(port) => Some(format!("127.0.0.1:{port}")),
            Self::Tcp(host, port) => match host.parse::<IpAddr>() {
                Ok(ip) if ip.is_unspecified() => Some(format!("127.0.0.1:{port}")),
                Ok(IpAddr::V6(ip)) => Some(format!("[{ip}]:{port}")),
                _ => Some(format!("{host}:{port}")),
            },
            Self::Unix(_) => None,
        }
    }
}

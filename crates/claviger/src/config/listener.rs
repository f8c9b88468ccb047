//! Where the server listens.

use std::net::IpAddr;
use std::path::PathBuf;

use super::cors::Cors;
use super::error::ConfigError;
use super::tls::{Networks, Tls};
use super::values::Values;

/// Who may use the file of a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketFile {
    /// Permission bits; none leaves what the process makes.
    pub mode: Option<u32>,
    /// A name or number of a user; empty for that of the process.
    pub owner: String,
    /// A name or number of a group; empty for that of the process.
    pub group: String,
}

/// `serve.public` or `serve.admin`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// A host name, an IP address with or without brackets, `unix:/path` for a socket, or empty for every interface.
    pub host: String,
    /// The TCP port; means nothing for a socket.
    pub port: u16,
    /// Who may use the file, if it is a socket.
    pub socket: SocketFile,
    /// A file that tells others the address.
    pub listen_file: Option<PathBuf>,
    /// Whether health probes are kept out of the request log.
    pub quiet_health: bool,
    /// Whether the paths of Hydra 1 are answered too; means nothing on the public port.
    pub v1_paths: bool,
    /// Who may call from a page of another origin.
    pub cors: Cors,
    /// Certificate and key; none where plain HTTP is spoken.
    pub tls: Option<Tls>,
    /// Networks of proxies that end TLS before us, whose `X-Forwarded-*` headers count.
    pub proxies: Networks,
}

impl SocketFile {
    fn from_values(values: &Values, name: &str) -> Result<Self, ConfigError> {
        let text = |key: &str| values.get::<Option<String>>(&format!("serve.{name}.socket.{key}"));
        Ok(Self {
            mode: Some(values.get(&format!("serve.{name}.socket.mode"))?),
            owner: text("owner")?.unwrap_or_default(),
            group: text("group")?.unwrap_or_default(),
        })
    }
}

impl Listener {
    pub(super) fn from_values(values: &Values, name: &str) -> Result<Self, ConfigError> {
        let quiet = |key: &str| values.get::<bool>(&format!("serve.{name}.{key}.disable_for_health"));
        let (by_this_name, by_old_name) = (quiet("request_log")?, quiet("access_log")?);
        let host: String = values
            .get::<Option<_>>(&format!("serve.{name}.host"))?
            .unwrap_or_default();
        let listen_file: Option<String> = values.get(&format!("serve.{name}.write_listen_file"))?;
        let tls = Tls::from_values(values, name, host.starts_with("unix:"))?;
        Ok(Self {
            host,
            port: values.get(&format!("serve.{name}.port"))?,
            socket: SocketFile::from_values(values, name)?,
            listen_file: listen_file.map(|path| path.strip_prefix("file://").unwrap_or(&path).into()),
            quiet_health: by_this_name || by_old_name,
            v1_paths: values.get("serve.admin.v1_paths")?,
            cors: Cors::from_values(values, name)?,
            tls,
            proxies: Networks::of_proxies(values, name)?,
        })
    }

    /// Whether only programs on this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let loopback = self.ip().is_some_and(|ip| ip.to_canonical().is_loopback());
        loopback || self.host.starts_with("unix:") || self.host.eq_ignore_ascii_case("localhost")
    }

    /// Host and port for a URL that reaches it from this machine; none for a socket.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        let port = self.port;
        match self.ip() {
            Some(ip) if ip.is_unspecified() => Some(format!("127.0.0.1:{port}")),
            Some(IpAddr::V6(ip)) => Some(format!("[{ip}]:{port}")),
            _ if self.host.is_empty() => Some(format!("127.0.0.1:{port}")),
            _ => (!self.host.starts_with("unix:")).then(|| format!("{}:{port}", self.host)),
        }
    }

    /// The scheme of a URL that reaches it.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }
}

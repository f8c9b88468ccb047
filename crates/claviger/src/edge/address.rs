//! Where a server listens: a TCP address, or a Unix domain socket.

use std::fmt;
use std::io;
use std::path::PathBuf;

use tokio::net::TcpListener;

#[cfg(unix)]
use super::unix_socket::UnixSocket;
use crate::config::listener::SocketFile;

/// An address to listen on, as the settings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Host (a name, an IP address, or empty for every interface) and port; port 0 picks a free one.
    Tcp { host: String, port: u16 },
    /// A Unix domain socket at this path.
    Unix { path: PathBuf },
}

impl Address {
    /// Reads `serve.<port>.host` and `serve.<port>.port`: a host `unix:/path` is a socket and makes the port irrelevant.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        match host.strip_prefix("unix:") {
            Some(path) => Self::Unix { path: path.into() },
            None => Self::Tcp {
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a server cannot listen where it was told to.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {0}: the address is already in use; stop the other program or choose another port")]
    InUse(Address),
    #[error("cannot listen on {0}: permission denied; use a port above 1023, or a directory this user may write to")]
    Denied(Address),
    #[error("cannot listen on {0}: this machine has no such address; check the host setting")]
    NoSuchAddress(Address),
    #[error("cannot listen on {0}: Unix sockets do not exist on this platform; use a host and a port")]
    NoUnixSockets(Address),
    #[error("cannot give the socket {address} to {whom}: {reason}")]
    Rights {
        address: Address,
        whom: String,
        reason: String,
    },
    #[error("the socket that this process was started with cannot be used: {0}; it must be a listening stream socket")]
    Inherited(io::Error),
    #[error("cannot listen on {address}: {source}; check the host and port settings")]
    Other { address: Address, source: io::Error },
}

impl BindError {
    pub(super) fn new(address: &Address, source: io::Error) -> Self {
        let address = address.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::PermissionDenied => Self::Denied(address),
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress(address),
            _ => Self::Other { address, source },
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Bound {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl Bound {
    /// Starts to listen; connections queue in the kernel until somebody accepts them.
    pub async fn listen(address: &Address, file: &SocketFile) -> Result<Self, BindError> {
        match address {
            Address::Tcp { host, port } => {
                let bound = listen_tcp(host, *port).await;
                bound.map(Self::Tcp).map_err(|source| BindError::new(address, source))
            }
            #[cfg(unix)]
            Address::Unix { path } => UnixSocket::listen(path, file).map(Self::Unix),
            #[cfg(not(unix))]
            Address::Unix { .. } => Err(BindError::NoUnixSockets(address.clone())),
        }
    }

    /// The address in force, with the port that the system picked when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Tcp(listener) => {
                let local = listener.local_addr().ok()?;
                Some(Address::Tcp {
                    host: local.ip().to_string(),
                    port: local.port(),
                })
            }
            #[cfg(unix)]
            Self::Unix(socket) => Some(Address::Unix {
                path: socket.path().to_owned(),
            }),
        }
    }
}

async fn listen_tcp(host: &str, port: u16) -> io::Result<TcpListener> {
    if !host.is_empty() {
        return TcpListener::bind((host, port)).await;
    }
    // An IPv6 socket also serves IPv4, except on Windows; a machine without IPv6 gets the IPv4 one.
    if cfg!(windows) {
        return TcpListener::bind(("0.0.0.0", port)).await;
    }
    match TcpListener::bind(("::", port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(("0.0.0.0", port)).await,
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_starts_with_unix_is_a_socket() {
        assert_eq!(
            Address::new("unix:/run/claviger.sock", 4444),
            Address::Unix {
                path: "/run/claviger.sock".into()
            }
        );
    }

    #[test]
    fn an_ipv6_address_is_shown_in_brackets_and_read_with_or_without_them() {
        assert_eq!(Address::new("[::1]", 4444), Address::new("::1", 4444));
        assert_eq!(Address::new("::1", 4444).to_string(), "[::1]:4444");
    }

    #[tokio::test]
    async fn a_port_in_use_says_so() {
        let first = Bound::listen(&Address::new("127.0.0.1", 0), &SocketFile::default())
            .await
            .unwrap();
        let error = Bound::listen(&first.address().unwrap(), &SocketFile::default())
            .await
            .unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
    }
}

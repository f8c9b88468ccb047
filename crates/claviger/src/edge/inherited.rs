//! Sockets that the process was started with (socket activation: `LISTEN_FDS` of systemd's `sd_listen_fds`).
//!
//! Who opens the sockets before the server starts can restart the server without refusing anybody, and can give it ports
//! below 1024 without privileges.

use super::address::{BindError, Bound};

/// The sockets, until each is taken.
#[derive(Default)]
pub struct Inherited {
    #[cfg(unix)]
    sockets: Option<listenfd::ListenFd>,
    #[cfg(unix)]
    names: Vec<String>,
    #[cfg(unix)]
    taken: usize,
}

#[cfg(unix)]
impl Inherited {
    /// To be called before there are threads: the variables are removed, so that no child takes the sockets for its own.
    #[must_use]
    pub fn from_env() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            sockets: Some(listenfd::ListenFd::from_env()),
            names: names.split(':').map(str::to_owned).collect(),
            taken: 0,
        }
    }

    /// The socket of this name (`FileDescriptorName=` of the unit), or the next one if no socket has the name of a port.
    ///
    /// # Errors
    /// If what was inherited is no listening socket.
    pub fn take(&mut self, name: &str) -> Result<Option<Bound>, BindError> {
        let are_named = self.names.iter().any(|name| name == "public" || name == "admin");
        let index = match self.names.iter().position(|given| given == name) {
            Some(index) => index,
            None if are_named => return Ok(None),
            None => self.taken,
        };
        let Some(sockets) = self.sockets.as_mut().filter(|sockets| index < sockets.len()) else {
            return Ok(None);
        };
        self.taken += 1;
        let bound = match sockets.take_unix_listener(index) {
            Ok(None) => return Ok(None),
            Ok(Some(listener)) => super::unix_socket::UnixSocket::adopt(listener).map(Bound::Unix),
            Err(_) => match sockets.take_tcp_listener(index) {
                Ok(None) => return Ok(None),
                Ok(Some(listener)) => adopt_tcp(listener),
                Err(error) => Err(error),
            },
        };
        bound.map(Some).map_err(BindError::Inherited)
    }
}

#[cfg(unix)]
fn adopt_tcp(listener: std::net::TcpListener) -> std::io::Result<Bound> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener).map(Bound::Tcp)
}

#[cfg(not(unix))]
impl Inherited {
    /// Nothing: this platform has no such custom.
    #[must_use]
    pub fn from_env() -> Self {
        Self::default()
    }

    /// Nothing.
    ///
    /// # Errors
    /// None.
    pub fn take(&mut self, _name: &str) -> Result<Option<Bound>, BindError> {
        Ok(None)
    }
}

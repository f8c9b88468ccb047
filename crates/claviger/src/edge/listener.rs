//! The accept loop: how many connections there may be, and how they end.
//!
//! hyper serves each connection; what it leaves to its user is done here and in `connection`: deadlines, limits,
//! surviving a shortage of file descriptors, and a stop that lets requests in flight finish.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Bound;
use super::call::Peer;
use super::connection::{Connection, Shared};
use super::request_id::RequestIds;
use super::served::Served;
use super::tls::Acceptor;
use crate::telemetry::metrics::ConnectionMetrics;

/// What a connection may take: time in which something must have happened, and space in bytes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the connection to its first byte; with TLS, to the end of the handshake.
    pub first_byte: Duration,
    /// For a complete request head; also how long a connection may idle between two requests.
    pub head: Duration,
    /// For a complete request body.
    pub body: Duration,
    /// For a client that reads no answer.
    pub write: Duration,
    /// For closing after the answer, in which what the client still sends is thrown away.
    pub linger: Duration,
    /// After the signal to stop, for requests in flight.
    pub drain: Duration,
    /// Bytes of a request line and headers.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of a form.
    pub form_bytes: usize,
    /// Bytes of a JSON document.
    pub json_bytes: usize,
    /// Connections at a time; the others wait in the kernel's queue.
    pub connections: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: u32,
}

impl Limits {
    /// The limits of a server on the open network.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(30),
            body: Duration::from_secs(15),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            drain: Duration::from_secs(20),
            head_bytes: 64 * 1024,
            headers: 100,
            form_bytes: 128 * 1024,
            json_bytes: 2 * 1024 * 1024,
            connections: 16_384,
            streams: 32,
        }
    }
}

/// A port: its socket, what it serves, and within which limits.
pub struct Port {
    pub bound: Bound,
    /// Certificate and key; none where plain HTTP is spoken.
    pub tls: Option<Arc<Acceptor>>,
    pub router: Arc<Served>,
    pub limits: Limits,
    pub request_ids: Arc<RequestIds>,
    pub metrics: ConnectionMetrics,
}

/// How a port ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Every request was answered.
    Fully,
    /// Time ran out with this many connections open.
    Abandoned(usize),
}

/// Serves until `stop` is cancelled; then refuses new connections, and lets requests in flight finish.
pub async fn serve(port: Port, stop: CancellationToken) -> Drained {
    let Port {
        bound,
        tls,
        router,
        limits,
        request_ids,
        metrics,
    } = port;
    let slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let drain = limits.drain;
    let connections = TaskTracker::new();
    let shared = Arc::new(Shared {
        tls,
        router,
        limits: Arc::new(limits),
        request_ids,
        metrics,
        stop,
        abandon: CancellationToken::new(),
        tasks: connections.clone(),
    });

    accept_until_stopped(&bound, &slots, &shared).await;

    // Closing the socket first makes the kernel refuse who comes now, so a client turns to another server at once.
    drop(bound);
    connections.close();
    if tokio::time::timeout(drain, connections.wait()).await.is_ok() {
        return Drained::Fully;
    }
    let left = connections.len();
    shared.abandon.cancel();
    connections.wait().await;
    Drained::Abandoned(left)
}

async fn accept_until_stopped(bound: &Bound, slots: &Arc<Semaphore>, shared: &Arc<Shared>) {
    let mut troubled = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = accept(bound, slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                troubled = false;
                shared
                    .tasks
                    .spawn(Connection::new(Arc::clone(shared)).run(stream, slot));
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors, usually: trying again at once would only burn the processor.
                if !std::mem::replace(&mut troubled, true) {
                    tracing::error!(%error, "connections cannot be accepted; trying again every 100 ms");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A connection as it came from the kernel.
pub(super) enum Stream {
    Tcp(TcpStream, Peer),
    #[cfg(unix)]
    Unix(UnixStream),
}

async fn accept(bound: &Bound, slots: &Arc<Semaphore>) -> io::Result<(Stream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let stream = match bound {
        Bound::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            Stream::Tcp(stream, Peer::Network(address))
        }
        #[cfg(unix)]
        Bound::Unix(socket) => Stream::Unix(socket.accept().await?.0),
    };
    Ok((stream, slot))
}

/// The client went away while it waited in the queue: no reason to slow down.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

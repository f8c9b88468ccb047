//! One connection, from its first byte to its last.
//!
//! Attacks: silence (hyper's automatic choice of a protocol waits for the first byte without a deadline, so the choice is
//! made here), slow heads and bodies, clients that never read, rapid resets (hyper's own limits stay on).

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{self, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::future::RouteFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use super::call::{Arrival, Peer};
use super::listener::{Limits, Stream};
use super::patience::Patient;
use super::request_id::RequestIds;
use super::router::without_trailing_slash;
use super::served::Served;
use super::sniff::Sniffed;
use super::tls::{self, Acceptor};
use crate::telemetry::metrics::ConnectionMetrics;

/// How much a client may still send after its connection was given up; the rest meets a closed socket.
const LINGER_BYTES: usize = 512 * 1024;

/// HTTP/2 with prior knowledge announces itself (RFC 9113 §3.4) with a method that HTTP/1.1 does not have.
const HTTP2: &[u8] = b"PRI ";

/// The type of the record that every TLS connection begins with (RFC 8446 §5.1).
const HANDSHAKE: &[u8] = &[22];

/// For a client that does not know that this port speaks TLS.
const IN_THE_CLEAR: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 47\r\n\
    Connection: close\r\n\r\nThis port speaks TLS. Use https in the address.";

/// What the connections of a port have in common.
pub(super) struct Shared {
    pub(super) tls: Option<Arc<Acceptor>>,
    pub(super) router: Arc<Served>,
    pub(super) limits: Arc<Limits>,
    pub(super) request_ids: Arc<RequestIds>,
    pub(super) metrics: ConnectionMetrics,
    /// Finish what is in flight.
    pub(super) stop: CancellationToken,
    /// Drop what is in flight.
    pub(super) abandon: CancellationToken,
    pub(super) tasks: TaskTracker,
}

pub(super) struct Connection {
    shared: Arc<Shared>,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// `_slot` is given back when the connection has ended.
    pub(super) async fn run(self, stream: Stream, _slot: OwnedSemaphorePermit) {
        let _counted = self.shared.metrics.opened();
        tokio::select! {
            biased;
            () = self.shared.abandon.cancelled() => {}
            () = self.serve(stream) => {}
        }
    }

    async fn serve(&self, stream: Stream) {
        match stream {
            Stream::Tcp(stream, peer) => {
                // An answer is one write: waiting to fill a packet would only delay it.
                if stream.set_nodelay(true).is_err() {
                    return;
                }
                match &self.shared.tls {
                    // Boxed: the state of a handshake is large, and connections in the clear would reserve it too.
                    Some(tls) => Box::pin(self.serve_tls(stream, tls, peer)).await,
                    None => self.serve_plain(stream, peer).await,
                }
            }
            #[cfg(unix)]
            Stream::Unix(stream) => self.serve_plain(stream, Peer::Local).await,
        }
    }

    async fn serve_plain<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut stream = Sniffed::new(stream);
        match self.in_time(stream.begins_with(HTTP2)).await {
            Some(Ok(true)) => Box::pin(self.serve_http2(stream, peer, None)).await,
            Some(Ok(false)) => self.serve_http1(stream, peer, None).await,
            // Silent for too long, or gone without a word.
            Some(Err(_)) | None => {}
        }
    }

    async fn serve_tls(&self, stream: TcpStream, tls: &Acceptor, peer: Peer) {
        let mut stream = Sniffed::new(stream);
        let greeting = async {
            if stream.begins_with(HANDSHAKE).await? {
                return tls.handshake(stream).await.map(Some);
            }
            stream.write_all(IN_THE_CLEAR).await?;
            Box::pin(linger(stream, self.shared.limits.linger)).await;
            io::Result::Ok(None)
        };
        match self.in_time(greeting).await {
            Some(Ok(Some(stream))) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                let certificate = tls::client_subject(stream.get_ref().1);
                Box::pin(self.serve_http2(stream, peer, certificate)).await;
            }
            Some(Ok(Some(stream))) => {
                let certificate = tls::client_subject(stream.get_ref().1);
                self.serve_http1(stream, peer, certificate).await;
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => log_refusal(&error, peer),
        }
    }

    /// What a client says first, unless it takes too long or the server stops.
    async fn in_time<T>(&self, greeting: impl Future<Output = T>) -> Option<T> {
        let greeting = tokio::time::timeout(self.shared.limits.first_byte, greeting);
        self.shared.stop.run_until_cancelled(greeting).await?.ok()
    }

    async fn serve_http1<S>(&self, stream: S, peer: Peer, certificate: Option<Arc<str>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let limits = &self.shared.limits;
        let io = TokioIo::new(Patient::new(stream, limits.write));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(limits.headers)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(64 * 1024))
            .serve_connection(io, self.site(peer, certificate));
        let result = tokio::select! {
            biased;
            result = poll_fn(|cx| connection.poll_without_shutdown(cx)) => result,
            () = self.shared.stop.cancelled() => {
                pin::Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        };
        log_end(result);
        Box::pin(linger(connection.into_parts().io.into_inner(), limits.linger)).await;
    }

    async fn serve_http2<S>(&self, stream: S, peer: Peer, certificate: Option<Arc<str>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let limits = &self.shared.limits;
        let streams = Streams {
            tasks: self.shared.tasks.clone(),
            abandon: self.shared.abandon.clone(),
        };
        let connection = http2::Builder::new(streams)
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.head)
            .keep_alive_timeout(limits.first_byte)
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .serve_connection(
                TokioIo::new(Patient::new(stream, limits.write)),
                self.site(peer, certificate),
            );
        let mut connection = pin!(connection);
        let result = tokio::select! {
            biased;
            result = connection.as_mut() => result,
            () = self.shared.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        log_end(result);
    }

    fn site(&self, peer: Peer, certificate: Option<Arc<str>>) -> Site {
        Site {
            certificate,
            shared: Arc::clone(&self.shared),
            peer,
        }
    }
}

/// What hyper hands requests to.
struct Site {
    certificate: Option<Arc<str>>,
    shared: Arc<Shared>,
    peer: Peer,
}

impl hyper::service::Service<Request<Incoming>> for Site {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let arrival = Arrival {
            id: self.shared.request_ids.generate(),
            at: Instant::now(),
            peer: self.peer,
            certificate: self.certificate.clone(),
            limits: Arc::clone(&self.shared.limits),
        };
        if let Some(uri) = without_trailing_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(arrival);
        self.shared.router.now().call(request)
    }
}

/// Runs the requests of HTTP/2 connections, so that stopping knows of them.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    abandon: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, request: F) {
        let abandon = self.abandon.clone();
        self.tasks
            .spawn(async move { abandon.run_until_cancelled_owned(request).await.map(drop) });
    }
}

/// Closes so that the client gets to read the answer: a socket closed with unread bytes in it makes the kernel throw away
/// what was sent (RFC 9112 §9.6).
async fn linger<S>(mut stream: S, patience: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closing = async {
        stream.shutdown().await?;
        let mut waste = [0; 4096];
        let mut thrown_away = 0;
        while thrown_away < LINGER_BYTES {
            match stream.read(&mut waste).await? {
                0 => break,
                read => thrown_away += read,
            }
        }
        io::Result::Ok(())
    };
    // However it ends, it ends: there is nobody left to tell.
    let _ = tokio::time::timeout(patience, closing).await;
}

/// A stranger's failed handshake is the stranger's business; a client with a wrong certificate has an operator.
fn log_refusal(error: &io::Error, peer: Peer) {
    let address = peer.ip().map(|address| address.to_string()).unwrap_or_default();
    match tls::refusal(error) {
        Some(reason) => tracing::warn!(address, "{reason}"),
        None => tracing::debug!(address, %error, "a TLS handshake failed"),
    }
}

fn log_end(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

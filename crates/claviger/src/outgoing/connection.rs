//! One connection for one exchange: look up, judge, connect to what was judged, ask, read within bounds.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use claviger_core::outgoing::{FetchFailed, Outgoing};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::guard::Guard;
use crate::authorities::trusted;
use crate::telemetry::trace;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("claviger/", env!("CARGO_PKG_VERSION")));

/// A whole answer.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Made when the first `https` URL is fetched: most servers never fetch one, and the trusted roots take memory.
pub(super) struct Tls {
    /// Those that are trusted; none for the public ones.
    authorities: Option<Arc<RootCertStore>>,
    connector: OnceLock<Option<TlsConnector>>,
}

impl Tls {
    pub(super) fn trusting(authorities: Option<Arc<RootCertStore>>) -> Self {
        Self {
            authorities,
            connector: OnceLock::new(),
        }
    }

    fn connector(&self) -> Option<&TlsConnector> {
        let make = || {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let roots = match &self.authorities {
                Some(authorities) => Arc::clone(authorities),
                None => Arc::new(trusted(None).ok()?),
            };
            let config = builder.ok()?.with_root_certificates(roots).with_no_client_auth();
            Some(TlsConnector::from(Arc::new(config)))
        };
        self.connector.get_or_init(make).as_ref()
    }
}

/// Sends `request` to `url`, which may be where a redirect led.
pub(super) async fn exchange(
    guard: &Guard,
    tls: &Tls,
    longest: usize,
    url: &Url,
    request: &Outgoing,
) -> Result<Reply, FetchFailed> {
    let mut message = message(url, request)?;
    // What a stranger named learns nothing of our traces.
    if guard.is_own(url) {
        trace::hand_on(message.headers_mut());
    }
    let stream = connect(guard, url).await?;
    if url.scheme() == "http" {
        return ask(stream, message, longest).await;
    }
    let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(|_| FetchFailed::Url)?;
    let connector = tls.connector().ok_or(FetchFailed::Unreachable)?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| untrusted(&error))?;
    ask(stream, message, longest).await
}

/// Whoever hung up may be there again in a moment; a certificate stays what it is.
fn untrusted(error: &std::io::Error) -> FetchFailed {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if inner.is_some() {
        FetchFailed::Untrusted
    } else {
        FetchFailed::Unreachable
    }
}

async fn connect(guard: &Guard, url: &Url) -> Result<TcpStream, FetchFailed> {
    let port = url.port_or_known_default().ok_or(FetchFailed::Url)?;
    let found: Vec<SocketAddr> = match url.host().ok_or(FetchFailed::Url)? {
        Host::Ipv4(address) => vec![(IpAddr::V4(address), port).into()],
        Host::Ipv6(address) => vec![(IpAddr::V6(address), port).into()],
        Host::Domain(name) => tokio::net::lookup_host((name, port))
            .await
            .map_err(|_| FetchFailed::Unreachable)?
            .collect(),
    };
    if found.is_empty() {
        return Err(FetchFailed::Unreachable);
    }
    let address = guard
        .choose(url, &found, SocketAddr::ip)
        .ok_or(FetchFailed::Forbidden)?;
    TcpStream::connect(address).await.map_err(|_| FetchFailed::Unreachable)
}

fn message(url: &Url, request: &Outgoing) -> Result<Request<Full<Bytes>>, FetchFailed> {
    let body = request
        .content
        .as_ref()
        .map(|content| Bytes::copy_from_slice(&content.body));
    let mut message = Request::new(Full::new(body.unwrap_or_default()));
    let target = url
        .query()
        .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    *message.uri_mut() = target.parse().map_err(|_| FetchFailed::Url)?;
    let host = url.host_str().ok_or(FetchFailed::Url)?;
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let headers = message.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(host).map_err(|_| FetchFailed::Url)?);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT, HeaderValue::from_static(request.accept));
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(name).map_err(|_| FetchFailed::Url)?;
        let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| FetchFailed::Url)?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    if let Some(content) = &request.content {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content.media_type));
        *message.method_mut() = Method::POST;
    }
    Ok(message)
}

async fn ask<S>(stream: S, message: Request<Full<Bytes>>, longest: usize) -> Result<Reply, FetchFailed>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| FetchFailed::Unreachable)?;
    let conversation = async {
        let answer = sender.send_request(message).await.map_err(|_| FetchFailed::BrokenOff)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, longest).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchFailed::TooLarge
            } else {
                FetchFailed::BrokenOff
            }
        })?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes().to_vec(),
        })
    };
    let mut conversation = std::pin::pin!(conversation);
    // Both in this task, so that nothing is left behind when it is dropped at its deadline.
    tokio::select! {
        reply = &mut conversation => reply,
        _ = connection => conversation.await,
    }
}

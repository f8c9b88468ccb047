//! HTTP/1.1 as a load driver needs it: one kept-alive connection, one request at a time, answers read to the end.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How much of an unexpected body an error message shows, in bytes.
const BODY_SHOWN: usize = 300;

/// Why an operation did not succeed. Every message names the request, so that it can be repeated by hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{url:?} is not an address of a server ({reason}): write it as http://HOST:PORT")]
    Address { url: String, reason: String },
    #[error("cannot connect to {authority} ({source}): start the server there, or correct --public and --admin")]
    Connect { authority: String, source: std::io::Error },
    #[error("{request}: the exchange broke off ({source}): see the log of the server")]
    Exchange { request: String, source: hyper::Error },
    #[error("{request}: the request could not be written ({source})")]
    Request { request: String, source: http::Error },
    #[error("{request}: expected status {expected}, received {status} with {body:?}")]
    Status {
        request: String,
        expected: &'static str,
        status: StatusCode,
        body: String,
    },
    #[error("{request}: {missing} is missing in {shown:?}")]
    Missing {
        request: String,
        missing: &'static str,
        shown: String,
    },
    #[error("{location:?} leaves {public}: set the issuer of the server to the URL given as --public")]
    Elsewhere { location: String, public: String },
    #[error("the browser was sent round more than {hops} times without meeting {wanted}")]
    Endless { hops: usize, wanted: &'static str },
}

/// One of the two ports of the server.
#[derive(Debug)]
pub(crate) struct Origin {
    /// `host:port`.
    authority: String,
    host: HeaderValue,
}

impl Origin {
    /// Reads `http://HOST:PORT`. There is no TLS here: it would be the cipher that is measured.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = |reason: &str| Failure::Address {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| wrong("it cannot be read as a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("the driver speaks plain HTTP only"));
        }
        let host = uri.host().ok_or_else(|| wrong("it has no host"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it has a path"));
        }
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let host = uri.authority().map_or(host, |authority| authority.as_str());
        Ok(Self {
            host: HeaderValue::from_str(host).map_err(|_| wrong("its host cannot be sent"))?,
            authority,
        })
    }

    /// The path and query of `location` when it is on this port: absolute on this host, or relative to it.
    pub(crate) fn path_of<'a>(&self, location: &'a str) -> Option<&'a str> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Some(location);
        }
        let host = self.host.to_str().ok()?;
        let path = location.strip_prefix("http://")?.strip_prefix(host)?;
        path.starts_with('/').then_some(path)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.host.to_str().unwrap_or_default())
    }
}

/// A request before it knows its connection.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(http::HeaderName, HeaderValue)],
    pub(crate) body: Bytes,
}

impl<'a> Call<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            headers: &[],
            body: Bytes::new(),
        }
    }

    /// How error messages name this request. The query is left out: it carries challenges and codes.
    pub(crate) fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The beginning of the body, for an error message.
    pub(crate) fn shown(&self) -> String {
        let shown = self.body.get(..BODY_SHOWN).unwrap_or(&self.body);
        String::from_utf8_lossy(shown).into_owned()
    }
}

/// A connection that is opened when it is first needed, and again when the server has closed it between two requests.
pub(crate) struct Link {
    origin: Arc<Origin>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Link {
    pub(crate) fn new(origin: Arc<Origin>) -> Self {
        Self { origin, sender: None }
    }

    /// Sends one request and reads the answer.
    pub(crate) async fn send(&mut self, call: &Call<'_>) -> Result<Answer, Failure> {
        let mut request = self.request(call)?;
        let broken = |source| Failure::Exchange {
            request: call.name(),
            source,
        };
        loop {
            let (sender, fresh) = self.sender().await?;
            // A request that never left a connection closed by the server is sent once more, on a new connection.
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    let (parts, body) = answer.into_parts();
                    let body = body.collect().await.map_err(broken)?.to_bytes();
                    return Ok(Answer {
                        status: parts.status,
                        headers: parts.headers,
                        body,
                    });
                }
                Err(mut error) => {
                    self.sender = None;
                    match error.take_message() {
                        Some(unsent) if !fresh => request = unsent,
                        _ => return Err(broken(error.into_error())),
                    }
                }
            }
        }
    }

    /// Sends one request and refuses every status but `expected`.
    pub(crate) async fn expect(&mut self, call: &Call<'_>, expected: StatusCode) -> Result<Answer, Failure> {
        let answer = self.send(call).await?;
        if answer.status == expected {
            return Ok(answer);
        }
        Err(Failure::Status {
            request: call.name(),
            expected: expected.canonical_reason().unwrap_or_default(),
            status: answer.status,
            body: answer.shown(),
        })
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(call.path)
            .header(HOST, self.origin.host.clone())
            .body(Full::new(call.body.clone()))
            .map_err(|source| Failure::Request {
                request: call.name(),
                source,
            })?;
        for (name, value) in call.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }

    /// The connection, ready for a request, and whether it was opened just now.
    async fn sender(&mut self) -> Result<(&mut SendRequest<Full<Bytes>>, bool), Failure> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        let sender = match self.sender.take() {
            Some(sender) if usable => sender,
            _ => self.connect().await?,
        };
        Ok((self.sender.insert(sender), !usable))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let refused = |source| Failure::Connect {
            authority: self.origin.authority.clone(),
            source,
        };
        let stream = TcpStream::connect(&self.origin.authority).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| refused(std::io::Error::other(source)))?;
        // How the connection ends is learned by the request that needs it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;

//! The HTTP client of the command line, for the admin API and for the OAuth 2.0 endpoints.
//!
//! One request, one answer, one deadline. Redirects are not followed: a redirected credential is a leaked one.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::failure::{Failure, Refusal};
use super::tls;
use crate::authorities;

/// No answer of this API is larger; a larger one is not from this API.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("claviger/", env!("CARGO_PKG_VERSION")));

/// How to reach the server, besides its address.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) skip_tls_verify: bool,
    /// Authorities to trust besides the public ones.
    pub(super) tls_ca: Option<PathBuf>,
    /// Sent with every request.
    pub(super) headers: HeaderMap,
    /// For one request and its answer.
    pub(super) timeout: Duration,
    /// How the person can allow more time, appended to the message about a timeout.
    pub(super) timeout_advice: &'static str,
}

/// A client bound to one base address.
pub(super) struct Api {
    base: Base,
    options: Options,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

enum Base {
    /// Without a trailing slash.
    Url(String),
    #[cfg(unix)]
    Socket(std::path::PathBuf),
}

/// What is sent along with a request.
pub(super) enum Body {
    Nothing,
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

/// One request; the path is relative to the base, or an absolute URL.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) body: Body,
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            authorization: None,
            body: Body::Nothing,
        }
    }

    pub(super) fn json(self, value: Value) -> Self {
        Self {
            body: Body::Json(value),
            ..self
        }
    }

    pub(super) fn form(self, members: Vec<(&'static str, String)>) -> Self {
        Self {
            body: Body::Form(members),
            ..self
        }
    }
}

/// A complete answer of whatever status.
pub(super) struct Answer {
    method: Method,
    url: String,
    status: StatusCode,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Answer {
    /// The page token of the `Link` header's `next` (RFC 8288), if there is another page.
    pub(super) fn next_page_token(&self) -> Option<String> {
        let links = self
            .headers
            .get_all(http::header::LINK)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let next = links
            .flat_map(|links| links.split(','))
            .find(|link| link.contains("rel=\"next\""))?;
        let (_, query) = next.split_once('<')?.1.split_once('>')?.0.split_once('?')?;
        let mut members = form_urlencoded::parse(query.as_bytes());
        members
            .find(|(name, _)| name == "page_token")
            .map(|(_, value)| value.into_owned())
    }

    /// The status, where a command wants to decide on it itself.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The OAuth 2.0 error code of a refusal (RFC 6749 §5.2).
    pub(super) fn error_code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.bytes).ok()?;
        body.get("error")?.as_str().map(ToOwned::to_owned)
    }

    /// A success without interest in the body.
    pub(super) fn done(self) -> Result<(), Failure> {
        if self.status.is_success() {
            Ok(())
        } else {
            Err(self.refusal())
        }
    }

    /// The JSON of a success.
    pub(super) fn json(self) -> Result<Value, Failure> {
        if !self.status.is_success() {
            return Err(self.refusal());
        }
        let Self {
            method,
            url,
            status,
            bytes,
            ..
        } = self;
        serde_json::from_slice(&bytes).map_err(|_| Failure::NotTheApi { method, url, status })
    }

    fn refusal(self) -> Failure {
        let Self {
            method,
            url,
            status,
            bytes,
            ..
        } = self;
        match serde_json::from_slice(&bytes) {
            Ok(body) => Failure::Refused(Box::new(Refusal {
                method,
                url,
                status,
                body,
            })),
            Err(_) => Failure::NotTheApi { method, url, status },
        }
    }
}

impl Api {
    /// A client for `http://…`, `https://…` or `unix:///path/of/socket`.
    pub(super) fn new(address: &str, options: Options) -> Result<Self, Failure> {
        let bad = |reason: String| Failure::BadAddress {
            given: address.to_owned(),
            reason,
        };
        let base = Base::parse(address).map_err(&bad)?;
        let roots = authorities::trusted(options.tls_ca.as_deref()).map_err(Failure::input)?;
        let connector = tls::connector(options.skip_tls_verify, roots).map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            base,
            options,
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// Whether the base already names the admin API's own path.
    pub(super) fn ends_in_admin(&self) -> bool {
        matches!(&self.base, Base::Url(url) if url.ends_with("/admin"))
    }

    /// Sends the request and waits for the whole answer.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let (method, url) = (call.method.clone(), self.url(&call.path));
        let exchange = self.exchange(call, url.clone());
        match tokio::time::timeout(self.options.timeout, exchange).await {
            Err(_) => {
                let (seconds, advice) = (self.options.timeout.as_secs(), self.options.timeout_advice);
                Err(Failure::TimedOut {
                    method,
                    url,
                    seconds,
                    advice,
                })
            }
            Ok(Err(reason)) => Err(Failure::Unreachable { method, url, reason }),
            Ok(Ok((status, headers, bytes))) => Ok(Answer {
                method,
                url,
                status,
                headers,
                bytes,
            }),
        }
    }

    fn url(&self, path: &str) -> String {
        match &self.base {
            _ if path.starts_with("http://") || path.starts_with("https://") => path.to_owned(),
            Base::Url(base) => format!("{base}{path}"),
            #[cfg(unix)]
            Base::Socket(_) => path.to_owned(),
        }
    }

    async fn exchange(&self, call: Call, url: String) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let request = self.request(call, &url)?;
        let response = match &self.base {
            #[cfg(unix)]
            Base::Socket(path) if url.starts_with('/') => through_socket(path, request).await?,
            _ => self.client.request(request).await.map_err(|error| cause(&error))?,
        };
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok((head.status, head.headers, body.to_bytes()))
    }

    fn request(&self, call: Call, url: &str) -> Result<Request<Full<Bytes>>, String> {
        let uri = url.parse::<Uri>().map_err(|error| error.to_string())?;
        let (content_type, bytes) = match call.body {
            Body::Nothing => (None, Bytes::new()),
            Body::Json(value) => (Some("application/json"), Bytes::from(value.to_string())),
            Body::Form(members) => {
                let text = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(members)
                    .finish();
                (Some("application/x-www-form-urlencoded"), Bytes::from(text))
            }
        };
        let mut request = Request::new(Full::new(bytes));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(self.options.headers.clone());
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(authorization) = call.authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(request)
    }
}

impl Base {
    fn parse(address: &str) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(path) = address.strip_prefix("unix://") {
            return Ok(Self::Socket(path.into()));
        }
        let url = url::Url::parse(address).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "its scheme is {:?}, and only http, https and unix are known",
                url.scheme()
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it carries a query or a fragment".to_owned());
        }
        Ok(Self::Url(url.as_str().trim_end_matches('/').to_owned()))
    }
}

#[cfg(unix)]
async fn through_socket(
    path: &std::path::Path,
    request: Request<Full<Bytes>>,
) -> Result<http::Response<hyper::body::Incoming>, String> {
    let mut request = request;
    request
        .headers_mut()
        .insert(http::header::HOST, HeaderValue::from_static("localhost"));
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(|error| error.to_string())?;
    // The connection ends with the command; its own error reaches us through the request.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| error.to_string())
}

/// The innermost reason: "connection refused" says more than "client error".
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A path segment, with everything encoded that is not unreserved (RFC 3986 §2.3).
pub(super) fn segment(text: &str) -> String {
    const ENCODED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(text, ENCODED).to_string()
}

/// A query string with its question mark.
pub(super) fn query<V: AsRef<str>>(members: &[(&str, V)]) -> String {
    let members = members.iter().map(|(name, value)| (name, value.as_ref()));
    format!(
        "?{}",
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(members)
            .finish()
    )
}

#[cfg(test)]
mod tests;

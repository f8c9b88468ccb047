//! A request as handlers see it: its head at once, its body on demand and within limits.
//!
//! Implements RFC 6749 §3.1 and §3.2 for reading parameters. Attacks: parameter pollution (repeated parameters are
//! refused, RFC 9700 §4.7), bodies without end (D34), bodies that never arrive.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use claviger_core::fault::Failure;
use claviger_core::params::Params;
use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;

use super::lenient::{JsonFault, lenient_json};
use super::listener::Limits;
use super::request_id::RequestId;

/// Who is at the other end of the connection: the client, or the proxy before us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Network(SocketAddr),
    /// A process on this machine, through a Unix socket.
    Local,
}

impl Peer {
    /// The address, unless the peer is on this machine and has none.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Network(address) => Some(address.ip().to_canonical()),
            Self::Local => None,
        }
    }
}

/// What the listener knows of a request.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) id: RequestId,
    pub(super) at: Instant,
    pub(super) peer: Peer,
    /// The subject of the client certificate, if one was asked for.
    pub(super) certificate: Option<Arc<str>>,
    pub(super) limits: Arc<Limits>,
}

impl Arrival {
    /// For requests that were made in this process and never crossed a socket.
    pub(super) fn in_process() -> Self {
        Self {
            id: RequestId::in_process(),
            at: Instant::now(),
            peer: Peer::Local,
            certificate: None,
            limits: Arc::new(Limits::standard()),
        }
    }
}

/// One request. The last argument of a handler, which moves it several times: hence the box.
#[derive(Debug)]
pub struct Call(Box<Asked>);

impl Deref for Call {
    type Target = Asked;

    fn deref(&self) -> &Asked {
        &self.0
    }
}

/// What was asked for.
#[derive(Debug)]
pub struct Asked {
    pub method: Method,
    /// Without the trailing slash that the client may have sent.
    pub uri: Uri,
    pub headers: HeaderMap,
    arrival: Arrival,
    /// Never locked: the lock only lets handlers lend the call while they wait, which a bare body forbids.
    body: Mutex<Body>,
}

impl<S: Sync> FromRequest<S> for Call {
    type Rejection = Infallible;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let arrival = parts.extensions.remove().unwrap_or_else(Arrival::in_process);
        Ok(Self(Box::new(Asked {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            arrival,
            body: Mutex::new(body),
        })))
    }
}

impl Call {
    /// The name of this request, for error pages.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.arrival.id
    }

    #[must_use]
    pub fn peer(&self) -> Peer {
        self.arrival.peer
    }

    /// A header's value, if it is there once and readable. One that was sent twice means nothing.
    #[must_use]
    pub fn header(&self, name: &http::HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// Whether the client tried to authenticate with HTTP Basic: then a refusal carries the challenge (RFC 6749 §5.2).
    #[must_use]
    pub fn tried_basic(&self) -> bool {
        let credentials = self
            .headers
            .get(AUTHORIZATION)
            .map(http::HeaderValue::as_bytes)
            .unwrap_or_default();
        credentials
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
    }

    /// The parameters of the query.
    pub fn query(&self) -> Result<Params, Failure> {
        Ok(Params::parse(self.uri.query().unwrap_or_default().as_bytes())?)
    }

    /// The parameters of a form in the body. An empty body is a form without parameters, whatever its type.
    pub async fn form(&mut self) -> Result<Params, Unreadable> {
        let body = self.read(self.arrival.limits.form_bytes).await?;
        if !body.is_empty() && !self.is_form() {
            return Err(Unreadable::NotAForm);
        }
        Params::parse(&body).map_err(|error| Unreadable::Failure(error.into()))
    }

    /// The parameters of a request that may come by GET or by POST (authorization, logout).
    ///
    /// A POST may carry some in its query and some in its body. Sent in both, a parameter is repeated.
    pub async fn query_or_form(&mut self) -> Result<Params, Unreadable> {
        let both = self.query_and_form().await?;
        Params::parse(self.encoded(both.as_ref())).map_err(|error| Unreadable::Failure(error.into()))
    }

    /// The parameters of query and body as they were sent, none if the method leaves it at the query. For
    /// [`Self::encoded`], when something is to be made of what cannot be read whole.
    pub async fn query_and_form(&mut self) -> Result<Option<Vec<u8>>, Unreadable> {
        if self.method != Method::POST {
            return Ok(None);
        }
        let body = self.read(self.arrival.limits.form_bytes).await?;
        if !body.is_empty() && !self.is_form() {
            return Err(Unreadable::NotAForm);
        }
        let query = self.uri.query().unwrap_or_default();
        Ok(Some([query.as_bytes(), &body].join(&b'&')))
    }

    /// What [`Self::query_and_form`] found, otherwise the query.
    pub fn encoded<'a>(&'a self, both: Option<&'a Vec<u8>>) -> &'a [u8] {
        both.map_or(self.uri.query().unwrap_or_default().as_bytes(), Vec::as_slice)
    }

    /// A JSON document in the body, read as leniently as clients of Hydra rely on.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Unreadable> {
        let body = self.read(self.arrival.limits.json_bytes).await?;
        Ok(lenient_json(&body)?)
    }

    /// The body as it is, within the limit for JSON documents.
    pub async fn bytes(&mut self) -> Result<Bytes, Unreadable> {
        self.read(self.arrival.limits.json_bytes).await
    }

    fn is_form(&self) -> bool {
        let value = self.header(&CONTENT_TYPE).unwrap_or_default();
        let media_type = value.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    async fn read(&mut self, limit: usize) -> Result<Bytes, Unreadable> {
        let body = std::mem::take(self.0.body.get_mut().unwrap_or_else(PoisonError::into_inner));
        // What is announced as too large is refused before it is sent.
        if body.size_hint().lower() > limit as u64 {
            return Err(Unreadable::TooLarge { limit });
        }
        let mut collecting = pin!(whole(Limited::new(body, limit)));
        // Nearly every body arrives with its head: a timer is armed only for the others.
        let collected = match collecting.as_mut().now_or_never() {
            Some(collected) => collected,
            None => tokio::time::timeout(self.arrival.limits.body, collecting)
                .await
                .map_err(|_| Unreadable::Slow)?,
        };
        match collected {
            Ok(whole) => Ok(whole),
            Err(error) if error.is::<LengthLimitError>() => Err(Unreadable::TooLarge { limit }),
            Err(_) => Err(Unreadable::Broken),
        }
    }
}

/// All of a body. Nearly every one comes in one piece, which is handed on as it is.
async fn whole(mut body: Limited<Body>) -> Result<Bytes, BoxError> {
    let (mut first, mut gathered) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = piece;
            continue;
        }
        if gathered.is_empty() {
            gathered.extend_from_slice(&first);
        }
        gathered.extend_from_slice(&piece);
    }
    Ok(if gathered.is_empty() { first } else { gathered.freeze() })
}

/// Why the body of a request could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("The request body is larger than {limit} bytes. Send less.")]
    TooLarge { limit: usize },
    #[error("The request body did not arrive in time. Send it without delay.")]
    Slow,
    #[error("The request body broke off or is malformed. Send it again, complete.")]
    Broken,
    #[error("The request body is not a form. Send it as application/x-www-form-urlencoded.")]
    NotAForm,
    #[error(transparent)]
    Json(#[from] JsonFault),
    #[error(transparent)]
    Failure(#[from] Failure),
}

#[cfg(test)]
mod tests {
    use claviger_core::fault::Fault;

    use super::*;

    async fn call(method: &str, uri: &str, content_type: &str, body: &'static str) -> Call {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(body))
            .unwrap();
        let Ok(call) = Call::from_request(request, &()).await;
        call
    }

    #[tokio::test]
    async fn a_form_is_read_by_its_type_however_written() {
        let mut call = call("POST", "/", "Application/X-WWW-Form-Urlencoded; charset=utf-8", "a=b+c").await;
        assert_eq!(call.form().await.unwrap().get("a"), Some("b c"));
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_whole_and_within_its_limit() {
        let pieces = |pieces: &[&'static str]| {
            let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, Infallible>(*piece)).collect();
            Limited::new(Body::from_stream(futures_util::stream::iter(pieces)), 8)
        };
        for (sent, wanted) in [
            (&[][..], ""),
            (&["a=b"], "a=b"),
            (&["", "a", "", "=", "b"], "a=b"),
            (&["abcd", "efgh"], "abcdefgh"),
        ] {
            assert_eq!(whole(pieces(sent)).await.unwrap(), wanted);
        }
        let error = whole(pieces(&["abcd", "efgh", "i"])).await.unwrap_err();
        assert!(error.is::<LengthLimitError>(), "{error}");
    }

    #[tokio::test]
    async fn json_at_a_form_endpoint_is_refused_and_an_empty_body_is_an_empty_form() {
        let mut json = call("POST", "/", "application/json", "{}").await;
        assert!(matches!(json.form().await, Err(Unreadable::NotAForm)));
        let mut empty = call("POST", "/", "application/json", "").await;
        assert!(empty.form().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_parameter_in_query_and_body_is_repeated() {
        const FORM: &str = "application/x-www-form-urlencoded";
        let mut split = call("POST", "/?client_id=a", FORM, "scope=b").await;
        let params = split.query_or_form().await.unwrap();
        assert_eq!((params.get("client_id"), params.get("scope")), (Some("a"), Some("b")));

        let mut twice = call("POST", "/?client_id=a", FORM, "client_id=b").await;
        let Err(Unreadable::Failure(failure)) = twice.query_or_form().await else {
            panic!("accepted")
        };
        assert_eq!(failure.fault(), Fault::MalformedRequest);
    }

    #[tokio::test]
    async fn a_header_sent_twice_has_no_value() {
        let request = Request::builder()
            .header(AUTHORIZATION, "Bearer a")
            .header(AUTHORIZATION, "Bearer b")
            .body(Body::empty())
            .unwrap();
        let Ok(call) = Call::from_request(request, &()).await;
        assert_eq!(call.header(&AUTHORIZATION), None);
    }
}

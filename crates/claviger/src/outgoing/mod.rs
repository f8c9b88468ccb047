//! The guarded HTTP client, for everything that is fetched or sent because a client said so.
//!
//! Attacks: requests into the operator's network (addresses are looked up once, judged, and the connection goes to the
//! address that was judged, so that a name cannot change its mind; every redirect is judged anew), answers without end
//! (size and time are bounded), documents changed on the way (TLS), and use as a scanner (whoever asked learns that it failed and no more; connections are
//! not kept, so one that was allowed for a URL serves no other).

mod connection;
mod guard;
mod room;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::outgoing::{Answer, Fetch, FetchFailed, Outgoing};
use http::header::LOCATION;
use tracing::Instrument as _;
use url::Url;

use self::connection::{Reply, Tls, exchange};
use self::guard::Guard;
use self::room::{Errand, Place, Room};
use crate::config::settings;
use crate::telemetry::trace;

/// For the whole exchange, redirects included.
const TIME: Duration = Duration::from_secs(10);
/// No key set, request object or other document of ours is longer.
const LONGEST: usize = 512 * 1024;
/// How many redirects of a GET are followed.
const REDIRECTS: usize = 3;
/// How long it is waited before a request that may be repeated is sent again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1500),
];

/// The limits of one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    time: Duration,
    longest: usize,
}

/// An HTTP client that goes only where the operator lets it.
pub struct GuardedClient {
    guard: Guard,
    limits: Limits,
    tls: Tls,
    room: Arc<Room>,
}

impl GuardedClient {
    /// With the operator's settings.
    #[must_use]
    pub fn new(settings: &settings::Outgoing) -> Self {
        Self::within(Arc::new(Room::new()), settings)
    }

    /// The same under other settings; what is under way keeps its places.
    #[must_use]
    pub(crate) fn with_settings(&self, settings: &settings::Outgoing) -> Self {
        Self::within(Arc::clone(&self.room), settings)
    }

    fn within(room: Arc<Room>, settings: &settings::Outgoing) -> Self {
        let limits = Limits {
            time: TIME,
            longest: LONGEST,
        };
        Self {
            guard: Guard::new(settings),
            limits,
            tls: Tls::trusting(settings.authorities.clone()),
            room,
        }
    }

    /// As often as the request may be sent. Nothing is held during the pauses.
    async fn persist(&self, request: Outgoing) -> Result<Answer, FetchFailed> {
        for pause in PAUSES.iter().filter(|_| request.is_repeatable) {
            let answer = self.follow(request.clone()).await;
            if !is_passing(&answer) {
                return answer;
            }
            tokio::time::sleep(*pause).await;
        }
        self.follow(request).await
    }

    fn errand(&self, url: &Url, request: &Outgoing) -> Errand {
        match &request.content {
            None => Errand::Document,
            Some(_) if self.guard.is_own(url) => Errand::Own,
            Some(_) => Errand::Message,
        }
    }

    /// A place for the exchange, if there is one before half of its time is over.
    async fn enter(&self, url: &Url, request: &Outgoing) -> Result<Place<'_>, FetchFailed> {
        let entering = self.room.enter(self.errand(url, request), url);
        let entered = tokio::time::timeout(self.limits.time / 2, entering).await;
        entered.ok().flatten().ok_or(FetchFailed::Crowded)
    }

    async fn follow(&self, mut request: Outgoing) -> Result<Answer, FetchFailed> {
        let mut url = fetchable(&request.url)?;
        let mut place = self.enter(&url, &request).await?;
        for _ in 0..=REDIRECTS {
            self.require_tls(&url, &request)?;
            let reply = exchange(&self.guard, &self.tls, self.limits.longest, &url, &request).await?;
            let is_redirect = matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect || request.content.is_some() {
                let status = reply.status.as_u16();
                return Ok(Answer {
                    status,
                    body: reply.body,
                });
            }
            let next = redirected(&url, &reply)?;
            if next.origin() != url.origin() {
                request.headers.clear();
            }
            if next.host() != url.host() {
                // First out, then in: nobody waits for one host with a place at another.
                drop(place);
                place = self.enter(&next, &request).await?;
            }
            url = next;
        }
        Err(FetchFailed::Redirected)
    }

    /// A document decides who somebody is, so that nobody on the way may change it: it is fetched over TLS, unless the
    /// operator vouches for the way. Messages bring their own protection.
    fn require_tls(&self, url: &Url, request: &Outgoing) -> Result<(), FetchFailed> {
        let is_plain = url.scheme() == "http" && request.content.is_none();
        if is_plain && !self.guard.is_excepted(url) {
            return Err(FetchFailed::Forbidden);
        }
        Ok(())
    }
}

#[async_trait]
impl Fetch for GuardedClient {
    async fn fetch(&self, request: Outgoing) -> Result<Answer, FetchFailed> {
        let method = if request.content.is_some() { "POST" } else { "GET" };
        let url = Url::parse(&request.url);
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default();
        let span = trace::outgoing(method, host);
        let answer = self.send(request).instrument(span.clone()).await;
        match &answer {
            Ok(answer) => span.record("http.response.status_code", answer.status),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        answer
    }
}

impl GuardedClient {
    /// Sends the request without a span of its own.
    pub(crate) async fn send(&self, request: Outgoing) -> Result<Answer, FetchFailed> {
        match tokio::time::timeout(self.limits.time, self.persist(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchFailed::TimedOut),
        }
    }
}

/// Whether it may be over in a moment: nobody takes the connection, or a proxy says so (RFC 9110 §15.6.3 to §15.6.5). Everything else
/// was decided, and whoever is slow is not helped by more to do.
fn is_passing(answer: &Result<Answer, FetchFailed>) -> bool {
    match answer {
        Ok(answer) => matches!(answer.status, 502..=504),
        Err(failed) => *failed == FetchFailed::Unreachable,
    }
}

/// `http` or `https`, with a host; a user name would be a credential that the operator never gave.
fn fetchable(text: &str) -> Result<Url, FetchFailed> {
    let url = Url::parse(text).map_err(|_| FetchFailed::Url)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_plain && is_web {
        Ok(url)
    } else {
        Err(FetchFailed::Url)
    }
}

/// Where a redirect leads; never from `https` to `http`.
fn redirected(from: &Url, reply: &Reply) -> Result<Url, FetchFailed> {
    let location = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| from.join(location).ok());
    let next = next.and_then(|next| fetchable(next.as_str()).ok());
    next.filter(|next| next.scheme() == "https" || from.scheme() == "http")
        .ok_or(FetchFailed::Redirected)
}

//! The route table of a port, made into a router that counts, logs and survives every request.
//!
//! Implements RFC 9110 §15.5.6 (D40: a wrong method on a known path is 405 with `Allow`, on both ports).

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use claviger_core::api_key::Area;
use http::{Method, StatusCode, Uri};

use super::admission::Admission;
use super::call::Call;
use super::cross_site::Guard;
use super::rates::Limiter;
use super::reply::{self, Audience};
use super::watched::{Answering, Route, Watched};
use crate::config::tls::Networks;
use crate::openapi::{About, Entry, Listing, Operation, Served};
use crate::telemetry::metrics::Metrics;
use crate::v1;

/// What Hydra 2 has without the prefix too.
const OPERATIONAL: [&str; 4] = ["/health/alive", "/health/ready", "/version", "/metrics/prometheus"];
/// Where a request costs much: slow hashes, signatures, rows, or a guess.
const COSTLY: [&str; 8] = [
    "/oauth2/auth",
    "/oauth2/token",
    "/oauth2/device/auth",
    "/oauth2/device/verify",
    "/oauth2/introspect",
    "/oauth2/revoke",
    "/oauth2/register",
    "/connect/register",
];
/// Those of them whose answers people read.
const PAGES: [&str; 2] = ["/oauth2/auth", "/oauth2/device/verify"];
/// The endpoint of requests that no route took; their paths are strangers' text and belong in no label.
const UNMATCHED: &str = "(unmatched)";

/// The routes of one port, in the order in which they are named.
pub struct Routes<'m, S> {
    router: Router<S>,
    entries: Vec<Entry>,
    metrics: &'m Metrics,
    audience: Audience,
    quiet: &'static [&'static str],
    v1_paths: bool,
    admission: Option<Arc<Admission>>,
    guard: Option<Arc<Guard>>,
    limiter: Option<Arc<Limiter>>,
    proxies: Networks,
}

impl<'m, S: Clone + Send + Sync + 'static> Routes<'m, S> {
    /// The public port.
    #[must_use]
    pub fn public(metrics: &'m Metrics) -> Self {
        Self::new(metrics, Audience::People, false)
    }

    /// The admin port: a route `/admin/x` also answers at `/x`, where clients of Hydra 1 look for it, if they may. What
    /// probes and scrapers ask for is there in any case, as in Hydra 2.
    #[must_use]
    pub fn admin(metrics: &'m Metrics, v1_paths: bool) -> Self {
        Self::new(metrics, Audience::Programs, v1_paths)
    }

    fn new(metrics: &'m Metrics, audience: Audience, v1_paths: bool) -> Self {
        Self {
            router: Router::new(),
            entries: Vec::new(),
            metrics,
            audience,
            v1_paths,
            quiet: &[],
            admission: None,
            guard: None,
            limiter: None,
            proxies: Networks::default(),
        }
    }

    /// The guard before every route of the admin port. To be named before the routes are, like the three below.
    #[must_use]
    pub fn guarded(self, admission: Arc<Admission>) -> Self {
        Self {
            admission: Some(admission),
            ..self
        }
    }

    /// The guard against web pages.
    #[must_use]
    pub fn shut_to_pages(self, guard: Option<Arc<Guard>>) -> Self {
        Self { guard, ..self }
    }

    /// How often one address may ask for what costs most, if there is a limit.
    #[must_use]
    pub fn limited(self, limiter: Option<Arc<Limiter>>) -> Self {
        Self { limiter, ..self }
    }

    /// Whose word about the addresses of clients counts.
    #[must_use]
    pub fn behind(self, proxies: Networks) -> Self {
        Self { proxies, ..self }
    }

    /// Routes whose requests are logged at debug only: probes. To be named before the routes are.
    #[must_use]
    pub fn quiet(self, patterns: &'static [&'static str]) -> Self {
        Self {
            quiet: patterns,
            ..self
        }
    }

    /// One line of the table, with what the OpenAPI document says about it. A GET route also answers HEAD. On the admin
    /// port, it asks for a key for everything.
    #[must_use]
    pub fn on<H, T>(
        self,
        method: &Method,
        pattern: &'static str,
        handler: H,
        describe: fn(Operation<'_>) -> Operation<'_>,
    ) -> Self
    where
        H: Handler<T, S, Future = Answering>,
        T: 'static,
    {
        self.line(method, pattern, Some(&[]), handler, Listing::Described(describe))
    }

    /// A line that asks for a key for one of these areas, the one that is meant for it last.
    #[must_use]
    pub fn on_for<H, T>(
        self,
        areas: &'static [Area],
        method: &Method,
        pattern: &'static str,
        handler: H,
        describe: fn(Operation<'_>) -> Operation<'_>,
    ) -> Self
    where
        H: Handler<T, S, Future = Answering>,
        T: 'static,
    {
        self.line(method, pattern, Some(areas), handler, Listing::Described(describe))
    }

    /// A line that asks for no key on the admin port either: probes.
    #[must_use]
    pub fn on_for_all<H, T>(
        self,
        method: &Method,
        pattern: &'static str,
        handler: H,
        describe: fn(Operation<'_>) -> Operation<'_>,
    ) -> Self
    where
        H: Handler<T, S, Future = Answering>,
        T: 'static,
    {
        self.line(method, pattern, None, handler, Listing::Described(describe))
    }

    /// Another address of the line of the same method at `other`.
    #[must_use]
    pub fn also<H, T>(self, method: &Method, pattern: &'static str, handler: H, other: &'static str) -> Self
    where
        H: Handler<T, S, Future = Answering>,
        T: 'static,
    {
        self.line(method, pattern, Some(&[]), handler, Listing::AlsoOf(other))
    }

    /// The same table with the lines of `these`, which the settings of this server close unless `open`: then their
    /// handlers say so, and the document does not list them.
    #[must_use]
    pub fn group(self, open: bool, these: impl FnOnce(Self) -> Self) -> Self {
        let before = self.entries.len();
        let mut table = these(self);
        if !open {
            for entry in table.entries.iter_mut().skip(before) {
                entry.listing = Listing::Closed;
            }
        }
        table
    }

    fn line<H, T>(
        mut self,
        method: &Method,
        pattern: &'static str,
        areas: Option<&'static [Area]>,
        handler: H,
        listing: Listing,
    ) -> Self
    where
        H: Handler<T, S, Future = Answering>,
        T: 'static,
    {
        let Some((filter, name)) = filter_of(method) else {
            tracing::error!(%method, pattern, "a route has a method that the router does not know; it is left out");
            return self;
        };
        let watched = Watched::new(handler, self.route(name, pattern, areas));
        self.entries.push(Entry {
            method: name,
            pattern,
            listing,
            areas: areas.filter(|_| self.admission.is_some()),
            is_limited: self.limiter.is_some() && COSTLY.contains(&pattern),
        });
        if let Some(short) = self.short(pattern) {
            self.router = self.router.route(short, on(filter, watched.clone()));
        }
        self.router = self.router.route(pattern, on(filter, watched));
        self
    }

    /// The other path at which a route of the admin port answers.
    fn short(&self, pattern: &'static str) -> Option<&'static str> {
        let short = v1::path(pattern).filter(|short| self.v1_paths || OPERATIONAL.contains(short));
        short.filter(|_| matches!(self.audience, Audience::Programs))
    }

    fn route(&self, method: &'static str, pattern: &'static str, areas: Option<&'static [Area]>) -> Route {
        Route {
            pattern,
            metrics: self.metrics.route(method, pattern),
            is_quiet: self.quiet.contains(&pattern),
            admission: self.admission.clone(),
            guard: self.guard.clone(),
            areas,
            limiter: self.limiter.clone().filter(|_| COSTLY.contains(&pattern)),
            is_page: PAGES.contains(&pattern),
            events: self.metrics.events(),
            proxies: self.proxies.clone(),
        }
    }

    /// The lines of the table so far.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The router: with the document of the table, itself included, and answers for what is not in it.
    pub fn finish_described(mut self, state: S, about: &About) -> Router {
        let line = Entry {
            areas: about.areas.filter(|_| self.admission.is_some()),
            ..Entry::of_document(about)
        };
        // The handler needs the document, and the document needs the line of the handler.
        self.entries.push(line);
        let document = Served::new(about.clone(), &self.entries);
        let show = move |_: Call| async move { document.answer() };
        let listing = Listing::Described(about.describe);
        self.line(&Method::GET, about.pattern, about.areas, show, listing)
            .finish(state)
    }

    /// The router: with answers for what is not in the table.
    pub fn finish(self, state: S) -> Router {
        let audience = self.audience;
        let missed = |status| {
            let handler =
                move |call: Call| async move { reply::routing_miss(status, audience, &call.headers, call.id()) };
            // What is not there needs no key to be told so, and changes nothing.
            let route = Route {
                admission: None,
                ..self.route("other", UNMATCHED, None)
            };
            Watched::new(handler, route)
        };
        let not_found = missed(StatusCode::NOT_FOUND);
        let wrong_method = missed(StatusCode::METHOD_NOT_ALLOWED);
        self.router
            .fallback(not_found)
            .method_not_allowed_fallback(wrong_method)
            .with_state(state)
    }
}

pub(super) fn filter_of(method: &Method) -> Option<(MethodFilter, &'static str)> {
    Some(match *method {
        Method::GET => (MethodFilter::GET, "GET"),
        Method::POST => (MethodFilter::POST, "POST"),
        Method::PUT => (MethodFilter::PUT, "PUT"),
        Method::PATCH => (MethodFilter::PATCH, "PATCH"),
        Method::DELETE => (MethodFilter::DELETE, "DELETE"),
        Method::OPTIONS => (MethodFilter::OPTIONS, "OPTIONS"),
        _ => return None,
    })
}

/// The same address without its one trailing slash, if it has one. Two slashes are another path.
pub(super) fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri
        .path()
        .strip_suffix('/')
        .filter(|path| !path.is_empty() && !path.ends_with('/'))?;
    let stripped = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(stripped.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests;

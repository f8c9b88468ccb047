//! What happens to every request around its handler: admission, limits, counting, the lines of log and audit, the span.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use claviger_core::api_key::Area;
use futures_util::FutureExt as _;
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, Method};
use hyper::body::Body as _;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::admission::{Actor, Admission};
use super::call::Arrival;
use super::cross_site::Guard;
use super::problem::Resource;
use super::proxies::client_address;
use super::rates::Limiter;
use super::reply::{self, Refused};
use super::request_id::RequestId;
use super::router::filter_of;
use crate::config::tls::Networks;
use crate::telemetry::metrics::{Events, RouteMetrics};
use crate::telemetry::{audit, trace};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UNCACHED: HeaderValue = HeaderValue::from_static("private, no-cache, no-store, must-revalidate");

/// A line of the table, and what it asks for.
pub(super) struct Route {
    pub(super) pattern: &'static str,
    pub(super) metrics: RouteMetrics,
    pub(super) is_quiet: bool,
    /// Who may use the admin port.
    pub(super) admission: Option<Arc<Admission>>,
    /// What keeps web pages off it.
    pub(super) guard: Option<Arc<Guard>>,
    /// What a key must be for; none where no key is asked for.
    pub(super) areas: Option<&'static [Area]>,
    /// Set where an address may come only so often.
    pub(super) limiter: Option<Arc<Limiter>>,
    /// Whether people read its answers.
    pub(super) is_page: bool,
    pub(super) events: Events,
    pub(super) proxies: Networks,
}

impl Route {
    /// Whether the request is to change something. Introspection only asks.
    fn is_change(&self, method: &Method) -> bool {
        let asks = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        !asks && self.areas.is_some_and(|areas| !areas.contains(&Area::Introspect))
    }

    /// What is clear from the head of a request, and costs little to see.
    fn objects(&self, visit: &Visit, request: &Request) -> Result<(), Objection> {
        if let Some(guard) = &self.guard
            && let Some(why) = guard.objects(request.headers(), request.uri())
        {
            return Err(Objection::Page(why));
        }
        let limiter = self.limiter.as_ref();
        let admitted = limiter.map_or(Ok(()), |limiter| limiter.admit(visit.arrival.at, visit.address));
        admitted.map_err(Objection::TooFast)
    }

    /// Lets the handler answer, unless something speaks against it.
    async fn answer(&self, visit: &Visit, entry: &mut Entry) -> Response {
        let handler = match &mut entry.handler {
            Ok(handler) => handler,
            Err(Objection::Page(why)) => return reply::admin_error(&Resource::Forbidden.because(*why)),
            Err(Objection::TooFast(wait)) => {
                let response = reply::too_fast(*wait, self.is_page, visit.arrival.id);
                self.report(&entry.actor, visit, &response);
                return response;
            }
        };
        let Some(admission) = &self.admission else {
            let response = caught(handler).await;
            self.report(&entry.actor, visit, &response);
            return response;
        };
        let refused = match self.areas {
            Some(areas) if admission.asks_for_keys() => {
                // On the heap, as few ports ask for keys and every request would be as large.
                let judging = admission.judge(&mut entry.actor, entry.shown.take(), areas);
                Box::pin(judging).await.err()
            }
            _ => None,
        };
        let response = match refused {
            Some(refused) => {
                self.report_as("admin.refused", &entry.actor, visit, None);
                refused
            }
            None => {
                let response = caught(handler).await;
                // User codes are guessed through the login app, and so here.
                if let Some(event) = refusal(&response).and_then(audit::event_of) {
                    self.report_as(event, &entry.actor, visit, None);
                }
                response
            }
        };
        if let Some(object) = &entry.object {
            let refusal = refusal(&response);
            audit::change(
                &entry.actor,
                (&visit.method, self.pattern),
                object,
                &response,
                (refusal, visit.arrival.id),
            );
        }
        response
    }

    /// Writes what is worth a line in the audit log.
    fn report(&self, actor: &Actor, visit: &Visit, response: &Response) {
        let client = reply::party(response);
        if let Some(fault) = refusal(response) {
            self.metrics.refused(fault);
            if let Some(event) = audit::event_of(fault) {
                self.report_as(event, actor, visit, client);
            }
        } else if self.pattern == REVOCATION && response.status().is_success() {
            self.report_as("token.revoked", actor, visit, client);
        }
    }

    fn report_as(&self, event: &'static str, actor: &Actor, visit: &Visit, client: Option<&str>) {
        let place = (&visit.method, self.pattern);
        self.events.count(event);
        self.events.volume.event(event, actor, place, client, visit.arrival.id);
    }
}

/// A request, as far as it concerns those around its handler.
struct Visit {
    method: Method,
    /// The client's.
    address: Option<IpAddr>,
    /// The size of the body, if that was announced.
    asked: Option<u64>,
    arrival: Arrival,
}

/// Why a request gets no further, whoever sent it.
enum Objection {
    /// A web page did.
    Page(&'static str),
    /// There were too many before it.
    TooFast(Duration),
}

/// A request and its caller on their way in.
struct Entry {
    /// Begins when it is first waited for.
    handler: Result<Answering, Objection>,
    actor: Actor,
    /// The key that was shown.
    shown: Option<Zeroizing<String>>,
    /// What is to be changed, for the audit log.
    object: Option<String>,
}

const REVOCATION: &str = "/oauth2/revoke";

fn refusal(response: &Response) -> Option<&'static str> {
    response.extensions().get::<Refused>().map(|refused| refused.0)
}

/// The handler is not waited for again after a panic, and what it shares with others is behind locks that cannot be poisoned. The panic
/// is logged where it happens, by the hook, with the name of the request.
fn caught(handler: &mut Answering) -> impl Future<Output = Response> {
    let answer = AssertUnwindSafe(handler).catch_unwind();
    answer.map(|answer| answer.unwrap_or_else(|_| reply::panicked()))
}

/// What axum makes of an async function.
pub(super) type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler of which only this is known, so that what is around all of them is compiled once.
type Action<S> = dyn Fn(Request, S) -> Answering + Send + Sync;

/// A handler whose requests are judged, counted, logged on one line, named in the answer, and whose panics end in a 500.
pub(super) struct Watched<S> {
    action: Arc<Action<S>>,
    route: Arc<Route>,
}

impl<S: 'static> Watched<S> {
    pub(super) fn new<H, T>(handler: H, route: Route) -> Self
    where
        H: Handler<T, S, Future = Answering>,
    {
        Self {
            action: Arc::new(move |request, state| handler.clone().call(request, state)),
            route: Arc::new(route),
        }
    }
}

impl<S> Clone for Watched<S> {
    fn clone(&self) -> Self {
        Self {
            action: Arc::clone(&self.action),
            route: Arc::clone(&self.route),
        }
    }
}

impl<S> Handler<(), S> for Watched<S>
where
    S: Send + 'static,
{
    type Future = Answering;

    fn call(self, mut request: Request, state: S) -> Self::Future {
        let arrival = match request.extensions().get::<Arrival>() {
            Some(arrival) => arrival.clone(),
            None => request.extensions_mut().get_or_insert_with(Arrival::in_process).clone(),
        };
        let Self { action, route } = self;
        let visit = Visit {
            method: request.method().clone(),
            address: client_address(arrival.peer, request.headers(), &route.proxies),
            asked: request.body().size_hint().exact(),
            arrival,
        };
        let is_change = route.admission.is_some() && route.is_change(&visit.method);
        let object = is_change.then(|| audit::object(route.pattern, request.uri()));
        let (actor, shown) = match &route.admission {
            Some(admission) => admission.hear(&request, (&visit.arrival, visit.address), route.areas),
            None => (Actor::stranger(visit.address), None),
        };
        let traced = trace::request(
            known_name(&visit.method),
            route.pattern,
            request.headers(),
            visit.arrival.id,
        );
        let judged = route.objects(&visit, &request);
        let mut entry = Entry {
            handler: judged.map(|()| action(request, state)),
            actor,
            shown,
            object,
        };
        // Small, as each of them is moved and all that wait are in memory at the same time.
        let work = async move {
            let id = visit.arrival.id;
            let answer = route.answer(&visit, &mut entry);
            let mut response = id.name(answer.instrument(traced.clone())).await;

            let took = visit.arrival.at.elapsed();
            trace::answered(&traced, response.status(), refusal(&response));
            let sizes = [visit.asked, response.body().size_hint().exact()];
            route.metrics.answered(response.status(), took, sizes);
            traced.in_scope(|| log_request(&route, &visit, &response, took));
            complete_headers(&visit.method, &mut response, id);
            response
        };
        if !is_change {
            return Box::pin(work);
        }
        // What a caller asks for happens even if they hang up, and so does its line in the audit log.
        Box::pin(async move { tokio::spawn(work).await.unwrap_or_else(|_| reply::panicked()) })
    }
}

/// The one line of a request. The pattern stands for the path, which may hold ids; query and headers are not there at all.
fn log_request(route: &Route, visit: &Visit, response: &Response, took: Duration) {
    let status = response.status();
    let (code, text) = (status.as_u16(), status.canonical_reason());
    let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                http_request.method = known_name(&visit.method),
                http_request.path = route.pattern,
                http_request.remote = visit.address.map(tracing::field::display),
                http_response.status = code,
                http_response.size = response.body().size_hint().exact(),
                http_response.text_status = text,
                http_response.took = took,
                error.message = refusal(response),
                request_id = %visit.arrival.id,
                "completed handling request"
            )
        };
    }
    if route.is_quiet {
        line!(debug);
    } else {
        line!(info);
    }
}

/// A method may be any text of a stranger's.
fn known_name(method: &Method) -> &'static str {
    match *method {
        Method::HEAD => "HEAD",
        _ => filter_of(method).map_or("other", |(_, name)| name),
    }
}

fn complete_headers(method: &Method, response: &mut Response, id: RequestId) {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.header());
    // Discovery and keys included, as in Hydra: an answer that may be cached says so itself.
    if matches!(*method, Method::GET | Method::HEAD) && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, UNCACHED);
    }
}

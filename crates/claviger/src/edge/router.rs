//! The route table of a port, made into a router that counts, logs and survives every request.
//!
//! Implements RFC 9110 §15.5.6 (D40: a wrong method on a known path is 405 with `Allow`, on both ports).

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use futures_util::FutureExt as _;
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use tracing::Instrument as _;

use super::call::{Arrival, Call};
use super::reply::{self, Audience, Refused};
use super::request_id::RequestId;
use crate::telemetry::metrics::{Metrics, RouteMetrics};
use crate::v1;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UNCACHED: HeaderValue = HeaderValue::from_static("private, no-cache, no-store, must-revalidate");
/// What Hydra 2 has without the prefix too.
const OPERATIONAL: [&str; 4] = ["/health/alive", "/health/ready", "/version", "/metrics/prometheus"];
/// The endpoint of requests that no route took; their paths are strangers' text and belong in no label.
const UNMATCHED: &str = "(unmatched)";

/// The routes of one port, in the order in which they are named.
pub struct Routes<'m, S> {
    router: Router<S>,
    metrics: &'m Metrics,
    audience: Audience,
    quiet: &'static [&'static str],
    v1_paths: bool,
}

impl<'m, S: Clone + Send + Sync + 'static> Routes<'m, S> {
    /// The public port.
    #[must_use]
    pub fn public(metrics: &'m Metrics) -> Self {
        Self {
            router: Router::new(),
            metrics,
            audience: Audience::People,
            v1_paths: false,
            quiet: &[],
        }
    }

    /// The admin port: a route `/admin/x` also answers at `/x`, where clients of Hydra 1 look for it, if they may. What
    /// probes and scrapers ask for is there in any case, as in Hydra 2.
    #[must_use]
    pub fn admin(metrics: &'m Metrics, v1_paths: bool) -> Self {
        Self {
            v1_paths,
            router: Router::new(),
            metrics,
            audience: Audience::Programs,
            quiet: &[],
        }
    }

    /// Routes whose requests are logged at debug only: probes. To be named before the routes are.
    #[must_use]
    pub fn quiet(self, patterns: &'static [&'static str]) -> Self {
        Self {
            quiet: patterns,
            ..self
        }
    }

    /// One line of the table. A GET route also answers HEAD.
    #[must_use]
    pub fn on<H, T>(mut self, method: &Method, pattern: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let Some((filter, name)) = filter_of(method) else {
            tracing::error!(%method, pattern, "a route has a method that the router does not know; it is left out");
            return self;
        };
        let route = Route {
            pattern,
            metrics: self.metrics.route(name, pattern),
            is_quiet: self.quiet.contains(&pattern),
        };
        let watched = Watched { handler, route };
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

    /// The router: with answers for what is not in the table.
    pub fn finish(self, state: S) -> Router {
        let audience = self.audience;
        let missed = |status| {
            let handler =
                move |call: Call| async move { reply::routing_miss(status, audience, &call.headers, call.id()) };
            let metrics = self.metrics.route("other", UNMATCHED);
            Watched {
                handler,
                route: Route {
                    pattern: UNMATCHED,
                    metrics,
                    is_quiet: false,
                },
            }
        };
        let not_found = missed(StatusCode::NOT_FOUND);
        let wrong_method = missed(StatusCode::METHOD_NOT_ALLOWED);
        self.router
            .fallback(not_found)
            .method_not_allowed_fallback(wrong_method)
            .with_state(state)
    }
}

fn filter_of(method: &Method) -> Option<(MethodFilter, &'static str)> {
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

#[derive(Clone)]
struct Route {
    pattern: &'static str,
    metrics: RouteMetrics,
    is_quiet: bool,
}

/// A handler whose requests are counted, logged on one line, named in the answer, and whose panics end in a 500.
#[derive(Clone)]
struct Watched<H> {
    handler: H,
    route: Route,
}

impl<H, T, S> Handler<T, S> for Watched<H>
where
    H: Handler<T, S>,
    T: 'static,
    S: Send + 'static,
{
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, mut request: Request, state: S) -> Self::Future {
        let arrival = match request.extensions().get::<Arrival>() {
            Some(arrival) => arrival.clone(),
            None => request.extensions_mut().get_or_insert_with(Arrival::in_process).clone(),
        };
        let method = request.method().clone();
        Box::pin(async move {
            // At the level of errors, so that the span is there, and its id on every line, whatever level is shown.
            let span = tracing::error_span!("request", id = %arrival.id);
            // The handler is gone after a panic, and what it shares with others is behind locks that cannot be poisoned.
            let answer = AssertUnwindSafe(async { self.handler.call(request, state).await }).catch_unwind();
            // The panic is logged where it happens, by the hook, inside the span.
            let mut response = answer.instrument(span).await.unwrap_or_else(|_| reply::panicked());

            let took = arrival.at.elapsed();
            self.route.metrics.answered(response.status(), took);
            log_request(&self.route, &method, &response, arrival.id, took);
            complete_headers(&method, &mut response, arrival.id);
            response
        })
    }
}

/// The one line of a request. The pattern stands for the path, which may hold ids, and the query is not there at all.
fn log_request(route: &Route, method: &Method, response: &Response, id: RequestId, took: Duration) {
    let status = response.status().as_u16();
    let error = response.extensions().get::<Refused>().map(|refused| refused.0);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let method = known_name(method);
    if route.is_quiet {
        tracing::debug!(method, route = route.pattern, status, micros, error, request_id = %id, "request");
    } else {
        tracing::info!(method, route = route.pattern, status, micros, error, request_id = %id, "request");
    }
}

/// A method may be any text of a stranger's.
fn known_name(method: &Method) -> &str {
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
    stripped.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Path;
    use http::header::{ACCEPT, ALLOW};
    use http_body_util::BodyExt as _;
    use tower_service::Service as _;

    use super::*;

    async fn ask(router: &Router, method: Method, uri: &str, accept: &str) -> (StatusCode, Response) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT, accept)
            .body(Body::empty())
            .unwrap();
        let Ok(response) = router.clone().call(request).await;
        (response.status(), response)
    }

    async fn body_of(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    fn admin_port(metrics: &Metrics) -> Router {
        Routes::admin(metrics, true)
            .on(
                &Method::GET,
                "/admin/clients/{id}",
                |Path(id): Path<String>| async move { id },
            )
            .on(&Method::PUT, "/admin/clients/{id}", |_call: Call| async { "put" })
            .on(&Method::GET, "/version", || async { "version" })
            .on(&Method::GET, "/panic", || async {
                if true {
                    panic!("on purpose")
                }
            })
            .finish(())
    }

    #[tokio::test]
    async fn admin_paths_are_served_with_and_without_their_prefix() {
        let port = admin_port(&Metrics::new("-"));
        for path in ["/admin/clients/a%2Fb", "/clients/a%2Fb"] {
            let (status, response) = ask(&port, Method::GET, path, "*/*").await;
            assert_eq!((status, body_of(response).await.as_str()), (StatusCode::OK, "a/b"));
        }
        assert_eq!(
            ask(&port, Method::GET, "/admin/admin/clients/a", "*/*").await.0,
            StatusCode::NOT_FOUND
        );
    }

    #[tokio::test]
    async fn d40_a_wrong_method_is_405_with_allow_on_both_ports() {
        let metrics = Metrics::new("-");
        let public = Routes::public(&metrics)
            .on(&Method::POST, "/oauth2/token", || async {})
            .finish(());
        let (status, response) = ask(&public, Method::GET, "/oauth2/token", "*/*").await;
        assert_eq!(
            (status, &response.headers()[ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
        );

        let (status, response) = ask(&admin_port(&metrics), Method::POST, "/clients/a", "*/*").await;
        assert_eq!(
            (status, &response.headers()[ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET,HEAD,PUT".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn an_unknown_path_is_answered_in_the_format_that_is_accepted() {
        let port = admin_port(&Metrics::new("-"));
        for (accept, content_type) in [
            ("application/json", "application/json"),
            ("text/plain", "text/plain; charset=utf-8"),
            ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
            ("*/*", "application/json"),
        ] {
            let (status, response) = ask(&port, Method::GET, "/nowhere", accept).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            assert_eq!(response.headers()["content-type"], content_type);
            let body = body_of(response).await;
            assert!(body.contains("Not Found"), "{body}");
        }
    }

    #[tokio::test]
    async fn every_answer_is_named_and_a_get_is_uncached() {
        let (_, response) = ask(&admin_port(&Metrics::new("-")), Method::GET, "/version", "*/*").await;
        assert_eq!(response.headers()["x-request-id"].len(), 20);
        assert_eq!(response.headers()[CACHE_CONTROL], UNCACHED);
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_the_format_of_the_protocol() {
        let (status, response) = ask(&admin_port(&Metrics::new("-")), Method::GET, "/panic", "*/*").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(
            body_of(response)
                .await
                .starts_with(r#"{"error":"server_error","error_description":""#)
        );
    }

    #[tokio::test]
    async fn requests_are_counted_by_pattern() {
        let metrics = Metrics::new("-");
        let port = admin_port(&metrics);
        for path in ["/clients/a", "/admin/clients/b", "/nowhere"] {
            ask(&port, Method::GET, path, "*/*").await;
        }
        let text = metrics.exposition();
        let line = "http_requests_total{method=\"GET\",endpoint=\"/admin/clients/{id}\",status_bucket=\"2xx\"} 2\n";
        assert!(text.contains(line), "{text}");
        let line = "http_requests_total{method=\"other\",endpoint=\"(unmatched)\",status_bucket=\"4xx\"} 1\n";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("nowhere"));
    }

    #[test]
    fn exactly_one_trailing_slash_is_stripped() {
        let strip = |uri: &'static str| without_trailing_slash(&Uri::from_static(uri)).map(|uri| uri.to_string());
        assert_eq!(strip("/clients/").as_deref(), Some("/clients"));
        assert_eq!(strip("/clients/?a=/").as_deref(), Some("/clients?a=/"));
        for unchanged in ["/", "/clients", "/clients//", "//", "*"] {
            assert_eq!(strip(unchanged), None, "{unchanged}");
        }
    }
}

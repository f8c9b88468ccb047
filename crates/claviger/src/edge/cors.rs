//! Cross-origin requests: which pages' scripts may read answers.
//!
//! Implements the CORS protocol of the Fetch standard (§3.2). Attacks: a page that reads what the person's cookies give
//! (endpoints that look at cookies never take part, and credentials are allowed to listed origins only).
//!
//! A preflight cannot name the client, so where clients may list origins of their own every preflight passes (D14): it only
//! lets the request be sent, and whether the answer may be read is decided when the client is known.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::config::cors::Cors;

/// Endpoints of the public port that scripts call. None of them looks at cookies.
const FOR_SCRIPTS: [&str; 3] = ["/oauth2/token", "/oauth2/revoke", "/userinfo"];
const WELL_KNOWN: &str = "/.well-known/";

/// Put into an answer by a handler that knows the client: the origins that the client lists.
#[derive(Clone, Debug)]
pub struct ClientOrigins(pub Vec<String>);

/// Who may read what, on one port.
#[derive(Debug)]
pub struct CrossOrigin {
    settings: Cors,
    /// Whether clients list origins of their own, and only endpoints for scripts take part.
    is_public: bool,
}

impl CrossOrigin {
    /// The rules of the public port.
    #[must_use]
    pub fn public(settings: Cors) -> Self {
        Self {
            settings,
            is_public: true,
        }
    }

    /// The rules of the admin port.
    #[must_use]
    pub fn admin(settings: Cors) -> Self {
        Self {
            settings,
            is_public: false,
        }
    }

    fn covers(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        !self.is_public || FOR_SCRIPTS.contains(&path) || path.starts_with(WELL_KNOWN)
    }

    /// Whether pages of this origin may call at all.
    pub(super) fn allows(&self, origin: &str) -> bool {
        self.settings.enabled && (self.lists(origin) || self.is_any())
    }

    /// Whoever reaches the admin port needs no credentials, as a rule: there nobody is let in without a word.
    fn is_any(&self) -> bool {
        let origins = &self.settings.allowed_origins;
        self.is_public && origins.is_empty() || origins.iter().any(|origin| origin == "*")
    }

    fn lists(&self, origin: &str) -> bool {
        self.settings
            .allowed_origins
            .iter()
            .any(|pattern| pattern != "*" && matches(pattern, origin))
    }

    fn preflight(&self, headers: &HeaderMap, origin: &HeaderValue) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(
            VARY,
            HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        );
        let text = |name: HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let is_listed = origin.to_str().is_ok_and(|origin| self.lists(origin));
        let may_call = is_listed || self.is_any() || self.is_public;
        let method = text(ACCESS_CONTROL_REQUEST_METHOD);
        let wanted = text(ACCESS_CONTROL_REQUEST_HEADERS);
        let headers_are_fine = wanted
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .all(|name| contains(&self.settings.allowed_headers, name));
        if !may_call || !contains(&self.settings.allowed_methods, method) || !headers_are_fine {
            return response;
        }
        self.allow(answer, origin, is_listed);
        set(answer, ACCESS_CONTROL_ALLOW_METHODS, method);
        if !wanted.is_empty() {
            set(answer, ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
        if self.settings.max_age > 0 {
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.settings.max_age));
        }
        response
    }

    fn complete(&self, response: &mut Response, origin: &HeaderValue) {
        let of_client = response.extensions_mut().remove::<ClientOrigins>();
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Ok(text) = origin.to_str() else { return };
        let is_listed = self.lists(text);
        let by_client = of_client.is_some_and(|ClientOrigins(listed)| listed.iter().any(|known| matches(known, text)));
        if !is_listed && !by_client && !self.is_any() {
            return;
        }
        self.allow(headers, origin, is_listed);
        set(
            headers,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            &self.settings.exposed_headers.join(", "),
        );
    }

    fn allow(&self, headers: &mut HeaderMap, origin: &HeaderValue, is_listed: bool) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if is_listed && self.settings.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The layer of a port on which cross-origin requests are answered.
pub async fn answer(State(rules): State<Arc<CrossOrigin>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let Some(origin) = origin.filter(|_| rules.covers(request.uri().path())) else {
        return next.run(request).await;
    };
    if *request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return rules.preflight(request.headers(), &origin);
    }
    let mut response = next.run(request).await;
    rules.complete(&mut response, &origin);
    response
}

/// One `*` stands for any text.
fn matches(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => {
            origin.len() >= head.len() + tail.len() && origin.starts_with(head) && origin.ends_with(tail)
        }
        None => pattern.eq_ignore_ascii_case(origin),
    }
}

fn contains(list: &[String], name: &str) -> bool {
    list.iter()
        .any(|known| known == "*" || known.eq_ignore_ascii_case(name))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::{get, post};
    use tower_service::Service as _;

    use super::*;

    fn settings(origins: &[&str]) -> Cors {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect();
        Cors {
            enabled: true,
            allowed_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            allowed_methods: list("GET POST"),
            allowed_headers: list("Authorization Content-Type"),
            exposed_headers: list("Content-Type"),
            allow_credentials: true,
            max_age: 60,
        }
    }

    async fn of_a_client() -> Response {
        let mut response = Response::default();
        response
            .extensions_mut()
            .insert(ClientOrigins(vec!["https://spa.example".to_owned()]));
        response
    }

    async fn ask(rules: CrossOrigin, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut router = Router::new()
            .route("/oauth2/token", post(of_a_client))
            .route("/oauth2/auth", get(|| async { "page" }))
            .layer(axum::middleware::from_fn_with_state(Arc::new(rules), answer));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let Ok(response) = router.call(request.body(Body::empty()).unwrap()).await;
        response
    }

    fn allowed(response: &Response) -> Option<&str> {
        response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN)?.to_str().ok()
    }

    fn credentials(response: &Response) -> bool {
        response.headers().contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS)
    }

    const PREFLIGHT: (&str, &str) = ("access-control-request-method", "POST");

    #[tokio::test]
    async fn d14_a_page_that_only_its_client_lists_passes_preflight_and_request() {
        let rules = || CrossOrigin::public(settings(&["https://console.example"]));
        let origin = ("origin", "https://spa.example");
        let wanted = ("access-control-request-headers", "authorization, content-type");
        let preflight = ask(rules(), "OPTIONS", "/oauth2/token", &[origin, PREFLIGHT, wanted]).await;
        assert_eq!(
            (preflight.status(), allowed(&preflight)),
            (StatusCode::NO_CONTENT, Some(origin.1))
        );
        assert_eq!(preflight.headers()[ACCESS_CONTROL_MAX_AGE], "60");
        let answered = ask(rules(), "POST", "/oauth2/token", &[origin]).await;
        assert_eq!(allowed(&answered), Some(origin.1));
        assert!(!credentials(&preflight) && !credentials(&answered));
        let stranger = ask(rules(), "POST", "/oauth2/token", &[("origin", "https://evil.example")]).await;
        assert_eq!(allowed(&stranger), None);
        assert_eq!(stranger.headers()[VARY], "Origin");
    }

    #[tokio::test]
    async fn a_listed_origin_may_send_credentials_and_any_origin_may_not() {
        let origin = ("origin", "https://a.b.example");
        let rules = CrossOrigin::admin(settings(&["https://*.b.example"]));
        let listed = ask(rules, "POST", "/oauth2/token", &[origin]).await;
        assert_eq!((allowed(&listed), credentials(&listed)), (Some(origin.1), true));
        for rules in [
            CrossOrigin::public(settings(&[])),
            CrossOrigin::public(settings(&["*"])),
            CrossOrigin::admin(settings(&["*"])),
        ] {
            let answered = ask(rules, "POST", "/oauth2/token", &[origin]).await;
            assert_eq!(allowed(&answered), Some(origin.1));
            assert!(!credentials(&answered));
        }
        let unsaid = ask(CrossOrigin::admin(settings(&[])), "POST", "/oauth2/token", &[origin]).await;
        assert_eq!(allowed(&unsaid), None);
    }

    #[tokio::test]
    async fn what_looks_at_cookies_never_takes_part() {
        let rules = CrossOrigin::public(settings(&["https://spa.example"]));
        let page = ask(rules, "GET", "/oauth2/auth", &[("origin", "https://spa.example")]).await;
        assert_eq!(allowed(&page), None);
    }

    #[tokio::test]
    async fn a_preflight_for_another_method_or_header_is_not_allowed() {
        let origin = ("origin", "https://spa.example");
        for refused in [
            [("access-control-request-method", "DELETE"), ("x", "y")],
            [PREFLIGHT, ("access-control-request-headers", "x-other")],
        ] {
            let rules = CrossOrigin::public(settings(&["https://spa.example"]));
            let headers = [&[origin][..], &refused].concat();
            assert_eq!(allowed(&ask(rules, "OPTIONS", "/oauth2/token", &headers).await), None);
        }
    }

    #[tokio::test]
    async fn without_an_origin_nothing_changes() {
        let answered = ask(CrossOrigin::public(settings(&[])), "POST", "/oauth2/token", &[]).await;
        assert_eq!((allowed(&answered), answered.headers().get(VARY)), (None, None));
    }

    proptest::proptest! {
        /// A pattern without a star is one origin; with one, what stands before and behind it never overlaps.
        #[test]
        fn patterns_allow_what_they_say_and_nothing_else(head in "[a-c:/.]{0,6}", tail in "[a-c:/.]{0,6}", middle in "[a-c:/.]{0,6}", other in "[a-c:/.]{0,12}") {
            let pattern = format!("{head}*{tail}");
            let allowed = [&*head, &*middle, &*tail].concat();
            proptest::prop_assert!(matches(&pattern, &allowed), "{} {}", pattern, allowed);
            let is_model = (0..=other.len()).any(|at| other[..at] == *head)
                && (head.len()..=other.len()).any(|at| other[at..] == *tail);
            proptest::prop_assert_eq!(matches(&pattern, &other), is_model, "{} {}", pattern, other);
            proptest::prop_assert_eq!(matches(&head, &other), head == other);
            proptest::prop_assert!(matches(&other.to_uppercase(), &other));
        }
    }
}

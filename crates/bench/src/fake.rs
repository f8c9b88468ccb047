//! A server for the tests: just enough of the API for the driver to be driven against, on a port and thread of its own.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

pub(crate) type Reply = Response<Full<Bytes>>;

/// A request that has arrived in full.
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) cookie: String,
    pub(crate) authorized: bool,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// `http://host:port` of this server.
    pub(crate) origin: String,
}

impl Seen {
    async fn read(request: Request<Incoming>, origin: String) -> Self {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let cookie = parts.headers.get(COOKIE).map_or("", |value| value.to_str().unwrap());
        Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            cookie: cookie.to_owned(),
            authorized: parts.headers.contains_key(AUTHORIZATION),
            form: pairs(&body),
            body,
            origin,
        }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let all = self.query.iter().chain(&self.form);
        all.into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// Serves `handler` until the tests end. Returns `http://host:port` and the number of connections so far.
pub(crate) fn serve<H>(handler: H) -> (String, Arc<AtomicUsize>)
where
    H: Fn(&Seen) -> Reply + Send + Sync + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let (accepted, here) = (Arc::clone(&connections), origin.clone());
    let handler = Arc::new(handler);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                let (handler, here) = (Arc::clone(&handler), here.clone());
                let service = service_fn(move |request| {
                    let (handler, here) = (Arc::clone(&handler), here.clone());
                    async move { Ok::<_, Infallible>(handler(&Seen::read(request, here).await)) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    (origin, connections)
}

pub(crate) fn reply(status: u16, body: impl Into<String>) -> Reply {
    let body: String = body.into();
    Response::builder()
        .status(status)
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

pub(crate) fn redirect(location: &str, cookie: Option<&str>) -> Reply {
    let mut answer = Response::builder().status(StatusCode::FOUND).header(LOCATION, location);
    if let Some(cookie) = cookie {
        answer = answer.header(SET_COOKIE, cookie);
    }
    answer.body(Full::default()).unwrap()
}

/// A provider that holds every step to what came before it: cookies, single use, rotation, live tokens.
#[derive(Default)]
pub(crate) struct Provider {
    given: AtomicUsize,
    /// Codes, refresh tokens and access tokens that work.
    live: Mutex<HashSet<String>>,
    statements: AtomicUsize,
}

impl Provider {
    /// Serves both ports of a new provider on one.
    pub(crate) fn serve() -> String {
        let provider = Self::default();
        serve(move |seen| provider.answer(seen)).0
    }

    fn answer(&self, seen: &Seen) -> Reply {
        match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", "/health/alive") => reply(200, "{\"status\":\"ok\"}"),
            ("GET", "/.well-known/openid-configuration") => reply(200, "{\"issuer\":\"x\"}"),
            ("GET", "/.well-known/jwks.json") => reply(200, "{\"keys\":[]}"),
            ("POST", "/admin/clients") => reply(
                201,
                format!("{{\"client_id\":\"{}\",\"client_secret\":\"s\"}}", self.give("client")),
            ),
            ("GET", "/admin/metrics/prometheus") => {
                let statements = self.statements.load(Ordering::SeqCst);
                reply(200, format!("sql_statements_total{{kind=\"all\"}} {statements}\n"))
            }
            ("GET", "/oauth2/auth") => self.authorize(seen),
            ("GET", "/oauth2/sessions/logout") => self.log_out(seen),
            ("POST", "/oauth2/device/auth") if seen.authorized => self.device(seen),
            ("GET", "/oauth2/device/verify") => redirect("http://apps.example/device?device_challenge=d%3D%3D", None),
            (
                "GET",
                "/admin/oauth2/auth/requests/login"
                | "/admin/oauth2/auth/requests/consent"
                | "/admin/oauth2/auth/requests/logout",
            ) => reply(200, "{}"),
            ("PUT", "/admin/oauth2/auth/requests/login/accept") => accepted(seen, "login", "subject"),
            ("PUT", "/admin/oauth2/auth/requests/consent/accept") => accepted(seen, "consent", "grant_scope"),
            ("PUT", "/admin/oauth2/auth/requests/device/accept") => accepted(seen, "device", "user_code"),
            ("PUT", "/admin/oauth2/auth/requests/logout/accept") => {
                let next = format!("{}/oauth2/sessions/logout?logout_verifier=v", seen.origin);
                reply(200, serde_json::json!({ "redirect_to": next }).to_string())
            }
            ("POST", "/oauth2/token") if seen.authorized => self.token(seen),
            ("POST", "/oauth2/revoke") if seen.authorized && self.take(seen.parameter("token")) => reply(200, ""),
            ("POST", "/admin/oauth2/introspect") => {
                let active = self.is_live(seen.parameter("token"));
                reply(200, format!("{{\"active\":{active}}}"))
            }
            ("GET", "/userinfo") if seen.authorized => reply(200, "{\"sub\":\"bench-user-1\"}"),
            _ => reply(400, format!("no answer to {} {}", seen.method, seen.path)),
        }
    }

    /// The person's code is "user-N", and the device's the same until the consent of its owner makes it work.
    fn device(&self, seen: &Seen) -> Reply {
        let complete = format!("{}/oauth2/device/verify?user_code=AB", seen.origin);
        let codes = serde_json::json!({
            "device_code": self.give("device"), "user_code": "AB", "verification_uri_complete": complete,
        });
        reply(200, codes.to_string())
    }

    fn log_out(&self, seen: &Seen) -> Reply {
        if seen.parameter("logout_verifier").is_some() {
            return redirect(&format!("{}?state=bench-left-1234", crate::flow::GOODBYE), None);
        }
        if seen
            .parameter("id_token_hint")
            .is_some_and(|hint| hint.starts_with("id-"))
        {
            return redirect("http://apps.example/logout?logout_challenge=o%3D%3D", None);
        }
        reply(403, "the hint is missing")
    }

    fn authorize(&self, seen: &Seen) -> Reply {
        if seen.parameter("device_verifier").is_some() {
            return redirect(
                "http://apps.example/login?login_challenge=l%3D%3D",
                Some("login=1; HttpOnly"),
            );
        }
        if seen.parameter("consent_verifier").is_some() && seen.cookie == "login=1; consent=1" {
            return redirect(
                &format!("{}?code={}&state=x", crate::flow::CALLBACK, self.give("code")),
                None,
            );
        }
        if seen.parameter("login_verifier").is_some() && seen.cookie == "login=1" {
            return redirect(
                "http://apps.example/consent?consent_challenge=c%3D%3D",
                Some("consent=1; Path=/"),
            );
        }
        if seen.cookie.is_empty() && seen.parameter("code_challenge_method") == Some("S256") {
            return redirect(
                "http://apps.example/login?login_challenge=l%3D%3D",
                Some("login=1; HttpOnly"),
            );
        }
        reply(403, "the cookies are wrong")
    }

    fn token(&self, seen: &Seen) -> Reply {
        let (worth, refresh) = match seen.parameter("grant_type") {
            Some("client_credentials") => (true, false),
            Some("authorization_code") => (self.take(seen.parameter("code")), true),
            Some("refresh_token") => (self.take(seen.parameter("refresh_token")), true),
            Some(crate::client::DEVICE_GRANT) => (self.take(seen.parameter("device_code")), true),
            _ => (false, false),
        };
        if !worth {
            return reply(400, "{\"error\":\"invalid_grant\"}");
        }
        let access = self.give("access");
        let refresh = if refresh {
            format!(",\"refresh_token\":\"{}\",\"id_token\":\"id-1\"", self.give("refresh"))
        } else {
            String::new()
        };
        reply(200, format!("{{\"access_token\":\"{access}\"{refresh}}}"))
    }

    /// A new value that works. Counts as one statement.
    fn give(&self, kind: &str) -> String {
        self.statements.fetch_add(1, Ordering::SeqCst);
        let number = self.given.fetch_add(1, Ordering::SeqCst);
        let value = match kind {
            // Read as a JWT, it says that it is signed by RS256.
            "access" => format!("eyJhbGciOiJSUzI1NiJ9.{number}"),
            _ => format!("{kind}-{number}"),
        };
        self.live.lock().unwrap().insert(value.clone());
        value
    }

    fn take(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.live.lock().unwrap().remove(value))
    }

    fn is_live(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.live.lock().unwrap().contains(value))
    }
}

/// Sends the browser on when the challenge came back as it was given and the body has the member that matters.
fn accepted(seen: &Seen, kind: &str, member: &str) -> Reply {
    let challenge = seen.parameter(&format!("{kind}_challenge")).unwrap_or_default();
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    if !challenge.ends_with("==") || body[member].is_null() {
        return reply(404, "no such challenge");
    }
    let next = format!("{}/oauth2/auth?client_id=c&{kind}_verifier=v", seen.origin);
    reply(200, serde_json::json!({ "redirect_to": next }).to_string())
}

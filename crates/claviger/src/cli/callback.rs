//! The local listener of the authorization code flow: the first page, the way to the server, and the callback.
//!
//! Every connection carries one request and ends with its answer, so that nothing is left open when the flow is over.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::failure::Failure;
use super::oauth2::Tokens;

/// A form_post answer with a code of any sensible length fits many times.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// A browser that does not take its page within this time does not get it.
const PAGE_DEADLINE: Duration = Duration::from_secs(10);

/// A callback that waits for its page.
pub(super) struct Callback {
    parameters: Vec<(String, String)>,
    page: Mutex<Option<oneshot::Sender<Response<Full<Bytes>>>>>,
    /// Each says whether it was the callback's.
    connections: tokio::sync::Mutex<JoinSet<bool>>,
}

impl Callback {
    /// A parameter of the answer. One that is given twice is as good as none (RFC 6749 §3.1).
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(found, _)| found == name);
        let (_, value) = values.next()?;
        if values.next().is_some() { None } else { Some(value) }
    }

    /// Shows the outcome in the browser, and waits until the browser has it.
    pub(super) async fn answer(&self, outcome: &Result<Tokens, Failure>) {
        let page = match outcome {
            Ok(tokens) => TokensPage::new(tokens).page(StatusCode::OK),
            Err(failure) => FailedPage {
                reason: &failure.to_string(),
            }
            .page(StatusCode::BAD_REQUEST),
        };
        let waiting = self.page.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(browser) = waiting {
            // A browser that went away loses its page, not the tokens: they are printed as well.
            let _ = browser.send(page);
        }
        let mut connections = self.connections.lock().await;
        // Browsers keep spare connections open, and those need not be waited for.
        let delivered = async { while matches!(connections.join_next().await, Some(Ok(false) | Err(_))) {} };
        let _ = tokio::time::timeout(PAGE_DEADLINE, delivered).await;
        connections.abort_all();
    }
}

/// Serves the pages until a callback comes.
pub(super) async fn wait(listener: &TcpListener, start: &str) -> io::Result<Callback> {
    let (found, mut callbacks) = mpsc::channel(1);
    let server = Arc::new(Server {
        start: start.to_owned(),
        found,
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(Found { parameters, page }) = callbacks.recv() => {
                let (page, connections) = (Mutex::new(Some(page)), tokio::sync::Mutex::new(connections));
                return Ok(Callback { parameters, page, connections });
            }
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let server = Arc::clone(&server);
                connections.spawn(connection(stream, server));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one request, and says whether it was the callback.
async fn connection(stream: TcpStream, server: Arc<Server>) -> bool {
    let was_callback = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        was_callback.store(request.uri().path() == "/callback", Ordering::Relaxed);
        Arc::clone(&server).serve(request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(PAGE_DEADLINE);
    // What goes wrong here is the browser's to show; the flow can be started again.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
    was_callback.into_inner()
}

/// What came back, and where the page for it is awaited.
struct Found {
    parameters: Vec<(String, String)>,
    page: oneshot::Sender<Response<Full<Bytes>>>,
}

struct Server {
    /// The authorization request.
    start: String,
    found: mpsc::Sender<Found>,
}

impl Server {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        Ok(match (request.method(), path.as_str()) {
            (&Method::GET, "/") => StartPage { start: &self.start }.page(StatusCode::OK),
            (&Method::GET, "/perform-flow") => self.redirect(),
            (&Method::GET, "/callback") => {
                let query = request.uri().query().unwrap_or_default().to_owned();
                self.callback(query.as_bytes()).await
            }
            (&Method::POST, "/callback") => match Limited::new(request.into_body(), MAX_FORM_BYTES).collect().await {
                Ok(form) => self.callback(&form.to_bytes()).await,
                Err(_) => failed(StatusCode::BAD_REQUEST, "The form that came back could not be read."),
            },
            _ => failed(
                StatusCode::NOT_FOUND,
                "There is no such page here. Go to the first page to start the flow.",
            ),
        })
    }

    fn redirect(&self) -> Response<Full<Bytes>> {
        let mut page = Response::new(Full::default());
        let Ok(location) = HeaderValue::from_str(&self.start) else {
            return failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The authorization URL cannot be sent. Check --auth-url.",
            );
        };
        *page.status_mut() = StatusCode::FOUND;
        page.headers_mut().insert(LOCATION, location);
        page
    }

    async fn callback(&self, parameters: &[u8]) -> Response<Full<Bytes>> {
        let parameters = form_urlencoded::parse(parameters).into_owned().collect();
        let (sender, page) = oneshot::channel();
        let over = "This flow is already over. Run the command again to start another one.";
        // Only the first callback counts; the channel holds one and is not emptied twice.
        if self
            .found
            .try_send(Found {
                parameters,
                page: sender,
            })
            .is_err()
        {
            return failed(StatusCode::CONFLICT, over);
        }
        page.await.unwrap_or_else(|_| failed(StatusCode::CONFLICT, over))
    }
}

fn failed(status: StatusCode, reason: &str) -> Response<Full<Bytes>> {
    FailedPage { reason }.page(status)
}

/// A page of the listener.
trait Show: Template {
    fn page(&self, status: StatusCode) -> Response<Full<Bytes>> {
        let html = self
            .render()
            .unwrap_or_else(|_| "The page could not be made.".to_owned());
        let mut page = Response::new(Full::new(Bytes::from(html)));
        *page.status_mut() = status;
        let headers = page.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        page
    }
}

#[derive(Template)]
#[template(path = "cli/start.html")]
struct StartPage<'a> {
    start: &'a str,
}

#[derive(Template)]
#[template(path = "cli/tokens.html")]
struct TokensPage<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    id_token: &'a str,
    expires_at: String,
}

#[derive(Template)]
#[template(path = "cli/failed.html")]
struct FailedPage<'a> {
    reason: &'a str,
}

impl Show for StartPage<'_> {}
impl Show for TokensPage<'_> {}
impl Show for FailedPage<'_> {}

impl<'a> TokensPage<'a> {
    fn new(tokens: &'a Tokens) -> Self {
        let expires_at = tokens
            .expires_at
            .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string());
        Self {
            access_token: &tokens.access_token,
            refresh_token: tokens.refresh_token.as_deref().unwrap_or_default(),
            id_token: tokens.id_token.as_deref().unwrap_or_default(),
            expires_at: expires_at.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_server_calls_a_token_is_shown_as_text() {
        let page = TokensPage {
            access_token: "<script>",
            refresh_token: "\"'&",
            id_token: "",
            expires_at: String::new(),
        };
        let html = page.render().unwrap();
        assert!(!html.contains("<script>") && !html.contains("\"'&"), "{html}");
        assert!(html.contains("&#60;script&#62;"), "{html}");
        let html = FailedPage { reason: "<img src=x>" }.render().unwrap();
        assert!(!html.contains("<img"), "{html}");
    }
}

//! The pages that people see: errors, fallbacks, the form that posts an answer, and the sample pages of `--dev`.
//!
//! Every value is escaped by the templates. Attacks: script and style injection (nothing runs but what is hashed in the
//! policy), clickjacking (RFC 9700 §4.16), leaking the address through `Referer` (RFC 9700 §4.2), pages in caches.

pub mod dev;
pub mod qr;

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, PRAGMA, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use crate::edge::request_id::RequestId;

/// The one stylesheet, inline: a page needs no second request, and works from any address.
pub(crate) const STYLE: &str = include_str!("../../templates/style.css");

/// Submits the form of an answer. A field named `submit` cannot get in its way.
pub(crate) const SUBMIT_SCRIPT: &str = "HTMLFormElement.prototype.submit.call(document.forms[0])";

/// Goes on when every frame has loaded, or one takes too long.
pub(crate) const LEAVE_SCRIPT: &str = "(function(){var go=function(){location.replace(document.getElementById(\"next\").href)};\
     addEventListener(\"load\",function(){setTimeout(go,500)});setTimeout(go,7000)})()";

/// More of a stranger's text than this is not worth showing.
const MOST_TEXT: usize = 1000;

/// What an error page says. Empty texts are left out.
#[derive(Debug, Clone, Default)]
pub struct ErrorText<'a> {
    /// The OAuth error code.
    pub error: &'a str,
    /// What happened.
    pub description: &'a str,
    /// What to do about it.
    pub hint: &'a str,
    /// For developers, if the server exposes it.
    pub debug: &'a str,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    error: &'a str,
    description: &'a str,
    hint: &'a str,
    debug: &'a str,
    request_id: &'a str,
}

/// The page for a request that can be neither answered nor sent back to its application.
#[must_use]
pub fn error(status: StatusCode, text: &ErrorText<'_>, id: RequestId) -> Response {
    let page = ErrorTemplate {
        error: shortened(text.error),
        description: shortened(text.description),
        hint: shortened(text.hint),
        debug: shortened(text.debug),
        request_id: id.as_str(),
    };
    respond(status, &page, &WITHOUT_FORMS)
}

fn shortened(text: &str) -> &str {
    text.char_indices()
        .nth(MOST_TEXT)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

/// The pages that stand in for settings that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// `urls.login`
    Login,
    /// `urls.consent`
    Consent,
    /// `urls.logout`
    Logout,
    /// `urls.post_logout_redirect`
    LogoutDone,
    /// `urls.device.verification`
    Device,
    /// `urls.device.success`
    DeviceDone,
}

impl Fallback {
    /// Title, text, setting, environment variable.
    fn texts(self) -> [&'static str; 4] {
        const UNFINISHED: &str = "This server leaves this step to another page, and does not know where that page is.";
        match self {
            Self::Login => ["Nobody can log in yet", UNFINISHED, "urls.login", "URLS_LOGIN"],
            Self::Consent => ["Nobody can consent yet", UNFINISHED, "urls.consent", "URLS_CONSENT"],
            Self::Logout => ["Nobody can log out yet", UNFINISHED, "urls.logout", "URLS_LOGOUT"],
            Self::LogoutDone => [
                "You are logged out",
                "You can close this page, or go back to the application.",
                "urls.post_logout_redirect",
                "URLS_POST_LOGOUT_REDIRECT",
            ],
            Self::Device => [
                "No device can be connected yet",
                UNFINISHED,
                "urls.device.verification",
                "URLS_DEVICE_VERIFICATION",
            ],
            Self::DeviceDone => [
                "The device is connected",
                "You can close this page and go on with the device.",
                "urls.device.success",
                "URLS_DEVICE_SUCCESS",
            ],
        }
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticeTemplate<'a> {
    title: &'a str,
    text: &'a str,
    setting: &'a str,
    variable: &'a str,
    request_id: &'a str,
}

/// A fallback page.
#[must_use]
pub fn fallback(page: Fallback) -> Response {
    let [title, text, setting, variable] = page.texts();
    respond(
        StatusCode::OK,
        &NoticeTemplate {
            title,
            text,
            setting,
            variable,
            request_id: "",
        },
        &WITHOUT_FORMS,
    )
}

/// A page that says one thing: that there is nothing at this address, for example.
#[must_use]
pub fn notice(status: StatusCode, title: &str, text: &str, id: RequestId) -> Response {
    let page = NoticeTemplate {
        title,
        text,
        setting: "",
        variable: "",
        request_id: id.as_str(),
    };
    respond(status, &page, &WITHOUT_FORMS)
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPostTemplate<'a> {
    action: &'a str,
    fields: &'a [(String, String)],
}

/// An authorization answer by `response_mode=form_post`: submits itself, or by its button without JavaScript.
///
/// Implements OAuth 2.0 Form Post Response Mode §2. `action` must be a redirect URI that the client has registered.
#[must_use]
pub fn form_post(action: &str, fields: &[(String, String)]) -> Response {
    respond(
        StatusCode::OK,
        &FormPostTemplate { action, fields },
        &WITH_SUBMIT_SCRIPT,
    )
}

#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOutTemplate<'a> {
    frames: &'a [String],
    next: &'a str,
}

/// The page after a logout: loads the addresses of clients in hidden frames, and goes on. Without JavaScript it goes on
/// by itself too, or by its link.
///
/// Implements OpenID Connect Front-Channel Logout 1.0 §3. `next` must be an address that was registered or configured.
#[must_use]
pub fn logged_out(frames: &[String], next: &str) -> Response {
    let mut origins: Vec<String> = frames.iter().filter_map(|frame| origin(frame)).collect();
    origins.sort();
    origins.dedup();
    let more = format!(
        "; script-src {}; frame-src {}; form-action 'none'",
        hash_source(LEAVE_SCRIPT),
        origins.join(" ")
    );
    respond(StatusCode::OK, &LoggedOutTemplate { frames, next }, &policy(&more))
}

/// The origin of a URL, as a Content Security Policy names it.
fn origin(url: &str) -> Option<String> {
    let origin = url::Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// Pages that have nothing to submit.
static WITHOUT_FORMS: LazyLock<HeaderValue> = LazyLock::new(|| policy("; form-action 'none'"));

/// Pages whose form leads, by way of redirects, to an application.
///
/// `form-action` would hold for those redirects too in some browsers, and stop the person on the way back to an
/// application whose address the page does not know. It would guard against injected forms, which escaping does.
static WITH_FORM: LazyLock<HeaderValue> = LazyLock::new(|| policy(""));

static WITH_SUBMIT_SCRIPT: LazyLock<HeaderValue> =
    LazyLock::new(|| policy(&format!("; script-src {}", hash_source(SUBMIT_SCRIPT))));

fn policy(more: &str) -> HeaderValue {
    let style = hash_source(STYLE);
    let text = format!("default-src 'none'; style-src {style}; frame-ancestors 'none'; base-uri 'none'{more}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// How a Content Security Policy names inline text that may be used (CSP Level 3 §2.3.1).
fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

fn respond<T: Template>(status: StatusCode, page: &T, policy: &HeaderValue) -> Response {
    let html = page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a page could not be written");
        String::new()
    });
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // For browsers that do not know `frame-ancestors`.
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const EVIL: &str = "\"><script>alert('x')</script>";

    pub(super) async fn read(response: Response) -> (String, String) {
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (policy, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The text between the first `<tag>` and its end.
    fn inner<'a>(html: &'a str, tag: &str) -> &'a str {
        let (_, rest) = html.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once(&format!("</{tag}>")).unwrap().0
    }

    pub(super) fn assert_sound(policy: &str, html: &str) {
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(!html.contains(EVIL), "{html}");
        assert!(
            html.contains("<html lang=\"en\">") && html.contains("<main>") && html.contains("<h1>"),
            "{html}"
        );
        let style = hash_source(inner(html, "style"));
        assert!(policy.contains(&format!("style-src {style}")), "{policy}");
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(directive), "{policy}");
        }
    }

    #[tokio::test]
    async fn an_error_page_escapes_what_it_shows_and_names_the_request() {
        let id = RequestId::in_process();
        let text = ErrorText {
            error: EVIL,
            description: EVIL,
            hint: EVIL,
            debug: EVIL,
        };
        let response = error(StatusCode::INTERNAL_SERVER_ERROR, &text, id);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let (policy, html) = read(response).await;
        assert_sound(&policy, &html);
        assert!(
            policy.contains("form-action 'none'") && !policy.contains("script-src"),
            "{policy}"
        );
        assert!(html.contains(id.as_str()), "{html}");
    }

    #[tokio::test]
    async fn a_flood_of_text_is_cut() {
        let flood = "\u{e4}".repeat(100_000);
        let text = ErrorText {
            description: &flood,
            ..ErrorText::default()
        };
        let (_, html) = read(error(StatusCode::BAD_REQUEST, &text, RequestId::in_process())).await;
        assert!(html.len() < 10_000, "{}", html.len());
    }

    #[tokio::test]
    async fn a_fallback_page_names_the_missing_setting() {
        let response = fallback(Fallback::Login);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let (policy, html) = read(response).await;
        assert_sound(&policy, &html);
        assert!(html.contains("urls.login") && html.contains("URLS_LOGIN"), "{html}");
    }

    #[tokio::test]
    async fn the_page_after_a_logout_frames_the_clients_and_nobody_else() {
        let frames = [
            format!("https://a.example/out?x={EVIL}&iss=i&sid=s"),
            "https://b.example:8443/out?iss=i&sid=s".to_owned(),
            "https://a.example/second".to_owned(),
        ];
        let (policy, html) = read(logged_out(&frames, "https://shop.example/bye?state=1&x=2")).await;
        assert_sound(&policy, &html);
        assert!(
            policy.contains("frame-src https://a.example https://b.example:8443;"),
            "{policy}"
        );
        let script = hash_source(inner(&html, "script"));
        assert!(policy.contains(&format!("script-src {script}")), "{policy}");
        assert_eq!(html.matches("<iframe ").count(), 3, "{html}");
        assert!(
            html.contains("id=\"next\" href=\"https://shop.example/bye?state=1&#38;x=2\""),
            "{html}"
        );
        assert!(html.contains("<noscript><meta http-equiv=\"refresh\""), "{html}");
    }

    mod form_post_response_mode_2 {
        use super::*;

        #[tokio::test]
        async fn every_value_is_escaped_and_only_our_script_runs() {
            let fields = [
                ("code".to_owned(), "abc".to_owned()),
                ("state".to_owned(), EVIL.to_owned()),
            ];
            let response = form_post("https://app.example/cb?a=1&b=\"", &fields);
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            let (policy, html) = read(response).await;
            assert_sound(&policy, &html);
            let script = hash_source(inner(&html, "script"));
            assert!(policy.contains(&format!("script-src {script}")), "{policy}");
            assert!(
                html.contains("<input type=\"hidden\" name=\"code\" value=\"abc\">"),
                "{html}"
            );
            assert!(
                html.contains("action=\"https://app.example/cb?a=1&#38;b=&#34;\""),
                "{html}"
            );
        }

        #[tokio::test]
        async fn a_browser_without_javascript_has_a_button() {
            let (_, html) = read(form_post("https://app.example/cb", &[])).await;
            assert!(html.contains("<button type=\"submit\">Continue</button>"), "{html}");
        }
    }
}

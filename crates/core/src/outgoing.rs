//! What the server asks of others: documents that a client names, and messages that a client wants.
//!
//! How a request travels is the program's matter, and so is where it must not go: whoever implements [`Fetch`] guards
//! against requests into the operator's own network (OWASP: server-side request forgery). What comes back was written by
//! a stranger: it is parsed, and never repeated to anybody.

use async_trait::async_trait;
use zeroize::Zeroizing;

/// One request. Without content it is a GET, whose redirects are followed within bounds; with content it is a POST,
/// whose redirects are not.
#[derive(Clone)]
pub struct Outgoing {
    /// An absolute URL with `http` or `https`.
    pub url: String,
    /// The header `Accept`.
    pub accept: &'static str,
    /// Further headers; they may carry credentials, and do not follow a redirect to another origin.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// What is sent.
    pub content: Option<Content>,
    /// Whether it may be sent again, a few times, to somebody who is away for a moment.
    pub is_repeatable: bool,
}

/// The body of a POST.
#[derive(Clone)]
pub struct Content {
    /// The header `Content-Type`.
    pub media_type: &'static str,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// What came back, whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// Why nothing came back. The texts are for the log: they name no address that was found and nothing that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailed {
    /// Not a URL that can be fetched.
    #[error("the URL is not one with https or http, a host, and neither user name nor fragment")]
    Url,
    /// The guard does not let requests go there.
    #[error(
        "the URL leads to a private address, or to a document without TLS; allow it with \
         clients.http.private_ip_exception_urls if that is intended"
    )]
    Forbidden,
    /// Too many others are on their way to the same server, or at all: nothing was asked.
    #[error("too many other requests are under way to the same server, or at all")]
    Crowded,
    /// The name has no address, or nobody takes connections there. Nothing was sent.
    #[error("the server that the URL names could not be reached")]
    Unreachable,
    /// It does not speak TLS, or its certificate is not trusted. Nothing was sent.
    #[error(
        "the server that the URL names showed no certificate that is trusted; name its authority with \
         clients.http.ca.path if it is your own"
    )]
    Untrusted,
    /// The request was sent, at least in part, and no whole answer in HTTP came back.
    #[error("the connection broke off before the answer ended, or what came was not HTTP")]
    BrokenOff,
    /// It took too long.
    #[error("the answer took too long")]
    TimedOut,
    /// The answer is too long.
    #[error("the answer is too long")]
    TooLarge,
    /// Too many redirects, or one that cannot be followed.
    #[error("the answer was a redirect that cannot be followed")]
    Redirected,
}

/// The way out.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Sends the request and waits for the whole answer, within the bounds of size and time that the program sets.
    async fn fetch(&self, request: Outgoing) -> Result<Answer, FetchFailed>;
}

impl Outgoing {
    /// A GET of a JSON document.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            accept: "application/json",
            headers: Vec::new(),
            content: None,
            is_repeatable: false,
        }
    }

    /// A POST of a form.
    #[must_use]
    pub fn post_form(url: &str, pairs: &[(&str, &str)]) -> Self {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        Self::post(url, "application/x-www-form-urlencoded", form.into_bytes())
    }

    /// A POST of a body of this media type.
    #[must_use]
    pub fn post(url: &str, media_type: &'static str, body: Vec<u8>) -> Self {
        let body = Zeroizing::new(body);
        Self {
            content: Some(Content { media_type, body }),
            ..Self::get(url)
        }
    }

    /// The same for somebody who does no more when asked twice.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        self
    }
}

//! A small HTTP client with a cookie jar that follows no redirect by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use url::Url;

use crate::record;

/// A client. Its cookies are those of one browser that visits one host.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    cookies: BTreeMap<String, String>,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// A client without cookies.
    #[must_use]
    pub fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            cookies: BTreeMap::new(),
        }
    }

    /// Sends a request and keeps the cookies of the answer.
    pub async fn send(&mut self, request: Request) -> Answer {
        let what = format!("{} {}", request.method, request.url);
        match self.try_send(request).await {
            Ok(answer) => answer,
            Err(error) => panic!("{what}: {error}"),
        }
    }

    /// Sends a request to a server that may not answer.
    pub async fn try_send(&mut self, request: Request) -> Result<Answer, String> {
        let (method, sent_body) = (request.method.clone(), request.body.clone());
        let mut builder = http::Request::builder().method(request.method).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if !self.cookies.is_empty() {
            builder = builder.header(COOKIE, self.cookie_header());
        }
        let sent = builder
            .body(Full::new(request.body))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = self.client.request(sent).await.map_err(|error| format!("{error:?}"))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok::<_, String>(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body,
            })
        };
        let limit = Duration::from_secs(60);
        let answer = tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| "no answer for 60 s".to_owned())??;
        record::keep(method.as_str(), &request.url, &sent_body, &answer);
        self.keep_cookies(&answer);
        Ok(answer)
    }

    /// Sends a GET request.
    pub async fn get(&mut self, url: &str) -> Answer {
        self.send(Request::get(url)).await
    }

    /// What goes into the `Cookie` header.
    #[must_use]
    pub fn cookie_header(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// The cookies.
    #[must_use]
    pub fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    /// Forgets all cookies.
    pub fn clear_cookies(&mut self) {
        self.cookies.clear();
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for header in answer.headers.get_all(SET_COOKIE) {
            let text = header.to_str().unwrap();
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let attributes = attributes.to_ascii_lowercase();
            if attributes.contains("max-age=0") || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, url: &str) -> Self {
        Self {
            method,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new(Method::GET, url)
    }

    #[must_use]
    pub fn post(url: &str) -> Self {
        Self::new(Method::POST, url)
    }

    #[must_use]
    pub fn put(url: &str) -> Self {
        Self::new(Method::PUT, url)
    }

    #[must_use]
    pub fn patch(url: &str) -> Self {
        Self::new(Method::PATCH, url)
    }

    #[must_use]
    pub fn delete(url: &str) -> Self {
        Self::new(Method::DELETE, url)
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// Adds a header of any bytes, even if there is one of that name.
    #[must_use]
    pub fn adding_header(mut self, name: &'static str, value: &[u8]) -> Self {
        self.headers.append(name, HeaderValue::from_bytes(value).unwrap());
        self
    }

    /// A form as the body.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.body = form.finish().into();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// JSON as the body.
    #[must_use]
    pub fn json(mut self, value: &Value) -> Self {
        self.body = value.to_string().into();
        self.header("content-type", "application/json")
    }

    /// Any bytes as the body.
    #[must_use]
    pub fn body(mut self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        self.body = bytes.into();
        self.header("content-type", content_type)
    }

    /// Any bytes as the body, whatever the headers say of them.
    #[must_use]
    pub fn with_bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = bytes.into();
        self
    }

    /// HTTP Basic authentication, with both parts form-encoded first (RFC 6749 §2.3.1).
    #[must_use]
    pub fn basic(mut self, id: &str, secret: &str) -> Self {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
        self.headers
            .insert(AUTHORIZATION, format!("Basic {pair}").parse().unwrap());
        self
    }

    /// A bearer token (RFC 6750 §2.1).
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.headers
            .insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        self
    }
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header, or an empty text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where the answer sends the browser.
    #[must_use]
    pub fn location(&self) -> Url {
        let location = self.header(LOCATION.as_str());
        let redirects = matches!(self.status, 302 | 303);
        assert!(
            redirects,
            "not a redirect, but {} {}: {}",
            self.status,
            location,
            self.text()
        );
        Url::parse(location).unwrap_or_else(|error| panic!("{location:?} is not a URL: {error}"))
    }

    /// The OAuth 2.0 error code of the body.
    #[must_use]
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// A parameter of a URL's query.
#[must_use]
pub fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

//! The tables of what happens to a request with one parameter out of line, and who goes through them.

use std::fmt::Write as _;

use claviger_e2e::client::parameter;
use claviger_e2e::flow::REDIRECT_URI;
use claviger_e2e::{Answer, Http, Request};
use http::Method;
use url::Url;

/// One parameter of an endpoint, and what is answered without it, without a value, with one that is far too long, and with
/// each of these values. `$name` stands for something that the test knows under that name.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) absent: &'static str,
    pub(crate) empty: &'static str,
    pub(crate) long: &'static str,
    pub(crate) others: &'static [(&'static str, &'static str)],
    /// The answer where it is sent twice or cannot be read, if not that of the endpoint.
    unreadable: Option<&'static str>,
}

impl Line {
    pub(crate) const fn unreadable(self, answer: &'static str) -> Self {
        Self {
            unreadable: Some(answer),
            ..self
        }
    }
}

pub(crate) const fn line(
    name: &'static str,
    [absent, empty, long]: [&'static str; 3],
    others: &'static [(&'static str, &'static str)],
) -> Line {
    Line {
        name,
        absent,
        empty,
        long,
        others,
        unreadable: None,
    }
}

/// An endpoint. Answers are told in words, see [`told`]; ` used` behind them means that what the request showed is used up.
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    /// The answer to the request as it should be.
    pub(crate) good: &'static str,
    /// The answer to any parameter that is sent twice, in broken UTF-8, or with a NUL.
    pub(crate) unreadable: &'static str,
    /// Parameters that may be sent twice.
    pub(crate) repeatable: &'static [&'static str],
    /// Whether a good request uses something up.
    pub(crate) is_single_use: bool,
    pub(crate) lines: &'static [Line],
}

/// A request as it should be.
#[derive(Clone)]
pub(crate) struct Good {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// In the body, unless the method has none.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) authorization: Option<String>,
    pub(crate) known: Vec<(&'static str, String)>,
    /// Whose browser sends it.
    pub(crate) http: Http,
}

impl Good {
    pub(crate) fn new(method: Method, url: String, fields: &[(&str, &str)]) -> Self {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            method,
            url,
            fields: fields.collect(),
            authorization: None,
            known: Vec::new(),
            http: Http::new(),
        }
    }

    pub(crate) fn authorized(mut self, value: String) -> Self {
        self.authorization = Some(value);
        self
    }

    pub(crate) fn knowing(mut self, name: &'static str, value: &str) -> Self {
        self.known.push((name, value.to_owned()));
        self
    }

    fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.fields.retain(|(field, _)| field != name);
        if name == AUTHORIZATION {
            other.authorization = None;
        }
        other
    }

    /// With a raw value besides what it has.
    pub(crate) async fn send(mut self, more: &[(&str, &[u8])]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.fields);
        let mut encoded = form.finish();
        let mut headers: Vec<Vec<u8>> = self
            .authorization
            .iter()
            .map(|text| text.clone().into_bytes())
            .collect();
        for (name, value) in more {
            if *name == AUTHORIZATION {
                headers.push(value.to_vec());
            } else {
                encoded.push('&');
                encoded.push_str(name);
                encoded.push('=');
                for byte in *value {
                    write!(encoded, "%{byte:02X}").unwrap();
                }
            }
        }
        let has_body = self.method == Method::POST || self.method == Method::PUT;
        let mut request = if has_body {
            Request::new(self.method, &self.url).body("application/x-www-form-urlencoded", encoded)
        } else {
            let separator = if self.url.contains('?') { '&' } else { '?' };
            Request::new(self.method, &format!("{}{separator}{encoded}", self.url))
        };
        for header in headers {
            request = request.adding_header("authorization", &header);
        }
        self.http.send(request).await
    }
}

/// The one parameter that is a header.
const AUTHORIZATION: &str = "Authorization";

/// Far longer than any column or index could hold, and nothing that could be packed.
pub(crate) fn long() -> String {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[(state >> 26) as usize])
    };
    (0..6000).map(|_| next()).collect()
}

/// Goes through an endpoint's table, and tells every answer that is another one.
pub(crate) async fn check(endpoint: &Endpoint, make: impl AsyncFn() -> Good) {
    let mut walk = Walk {
        endpoint,
        good: make().await,
        wrong: Vec::new(),
    };
    let long = long();
    for line in endpoint.lines {
        let name = line.name;
        let is_sent = walk.good.fields.iter().any(|(field, _)| field == name) || name == AUTHORIZATION;
        walk.one(&make, name, "absent", None, line.absent).await;
        walk.one(&make, name, "empty", Some(b""), line.empty).await;
        walk.one(&make, name, "long", Some(long.as_bytes()), line.long).await;
        for (value, expected) in line.others {
            let value = walk.good.resolve(value);
            walk.one(&make, name, &value, Some(value.as_bytes()), expected).await;
        }
        let unreadable = line.unreadable.unwrap_or(endpoint.unreadable);
        let twice = if endpoint.repeatable.contains(&name) {
            endpoint.good
        } else {
            unreadable
        };
        if is_sent {
            walk.twice(&make, name, twice).await;
        }
        for (what, bytes) in [("broken UTF-8", &b"a\xff"[..]), ("NUL", b"a\0b")] {
            // A header can have no NUL, and is read before what is in the form.
            if name != AUTHORIZATION {
                walk.one(&make, name, what, Some(bytes), unreadable).await;
            }
        }
    }
    let good = walk.good.clone().send(&[]).await;
    walk.judge("all", "as it should be, after all that", &good, endpoint.good);
    assert!(walk.wrong.is_empty(), "{}:\n{}", endpoint.name, walk.wrong.join("\n"));
}

struct Walk<'a> {
    endpoint: &'a Endpoint,
    good: Good,
    wrong: Vec<String>,
}

impl Walk<'_> {
    async fn one(
        &mut self,
        make: &impl AsyncFn() -> Good,
        name: &str,
        what: &str,
        value: Option<&[u8]>,
        expected: &str,
    ) {
        let request = self.good.without(name);
        let more: Vec<(&str, &[u8])> = value.iter().map(|value| (name, *value)).collect();
        let answer = request.send(&more).await;
        self.settle(make, name, what, &answer, expected).await;
    }

    async fn twice(&mut self, make: &impl AsyncFn() -> Good, name: &str, expected: &str) {
        let field = self.good.fields.iter().find(|(field, _)| field == name);
        let value = match field {
            Some((_, value)) => value.clone(),
            None => self.good.authorization.clone().unwrap_or_default(),
        };
        let answer = self.good.clone().send(&[(name, value.as_bytes())]).await;
        self.settle(make, name, "twice", &answer, expected).await;
    }

    /// What was used up must be so, and the next request needs another one.
    async fn settle(&mut self, make: &impl AsyncFn() -> Good, name: &str, what: &str, answer: &Answer, expected: &str) {
        let (expected, is_used) = match expected.strip_suffix(" used") {
            Some(expected) => (expected, true),
            None => (expected, false),
        };
        self.judge(name, what, answer, expected);
        if is_used {
            let again = told(&self.good.clone().send(&[]).await);
            if again == self.endpoint.good {
                self.wrong.push(format!("{name} {what:.60}: it still works afterwards"));
            }
        }
        if is_used || self.endpoint.is_single_use && told(answer) == self.endpoint.good {
            self.good = make().await;
        }
    }

    fn judge(&mut self, name: &str, what: &str, answer: &Answer, expected: &str) {
        let told = told(answer);
        if told != expected {
            let body: String = answer.text().chars().take(200).collect();
            self.wrong
                .push(format!("{name} {what:.60}: {told}, not {expected}; {body}"));
        }
    }
}

impl Good {
    fn resolve(&self, value: &str) -> String {
        let Some(name) = value.strip_prefix('$') else {
            return value.to_owned();
        };
        let found = self.known.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("nobody knows {name}")).1.clone()
    }
}

/// An answer in words: the app or page that the browser is sent to, what the client is told there, or the status with the
/// error and the challenge.
pub(crate) fn told(answer: &Answer) -> String {
    if matches!(answer.status, 302 | 303) {
        return sent_to(&answer.location());
    }
    if answer.header("content-type").starts_with("text/html") {
        return format!("html {}", answer.status);
    }
    let mut words = answer.status.to_string();
    let error = match answer.status {
        400.. => answer.error(),
        _ => String::new(),
    };
    // The admin API has sentences in the place of codes.
    if !error.is_empty() && !error.contains(' ') {
        write!(words, " {error}").unwrap();
    }
    if let Some(scheme) = answer
        .header("www-authenticate")
        .split(' ')
        .next()
        .filter(|scheme| !scheme.is_empty())
    {
        write!(words, " {scheme}").unwrap();
    }
    words
}

fn sent_to(url: &Url) -> String {
    let error = || parameter(url, "error").unwrap_or_default();
    if url.path() == "/oauth2/fallbacks/error" {
        return format!("page {}", error());
    }
    if url.as_str().starts_with(REDIRECT_URI) {
        let mut fragment = url.clone();
        fragment.set_query(url.fragment());
        let error = parameter(url, "error").or_else(|| parameter(&fragment, "error"));
        return format!("client {}", error.as_deref().unwrap_or("ok"));
    }
    match url.port() {
        Some(3000) => url.path().trim_start_matches('/').to_owned(),
        _ => format!("to {}", url.path()),
    }
}

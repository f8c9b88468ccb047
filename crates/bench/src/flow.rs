//! The authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636), driven from all three sides: the browser with its
//! cookies, the login and consent app on the admin port, and the client that redeems the code.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use serde::Deserialize;

use crate::http::{Answer, Call, Failure, Link, Origin};
use crate::operations::{Client, TokenAnswer, token_answer};

/// Where the client expects its code. Nothing listens there: the browser stops before it.
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// What the client asks for, and what the consent app grants.
pub(crate) const SCOPE: &str = "openid offline";

/// The pair of RFC 7636 appendix B. The server hashes the verifier every time; the driver need not.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// How many redirects within the server are followed before a code or a challenge must have come.
const MOST_HOPS: usize = 5;

/// The cookies of one browser. Only names and values matter: there is one host, and it is visited for seconds.
#[derive(Debug, Default)]
pub(crate) struct CookieJar {
    cookies: Vec<(String, String)>,
}

impl CookieJar {
    /// Takes the `Set-Cookie` headers of an answer: keeps, replaces, or drops what has `Max-Age` 0 (RFC 6265 §5.3).
    pub(crate) fn take(&mut self, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            if let Ok(line) = header.to_str() {
                self.set(line);
            }
        }
    }

    fn set(&mut self, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        self.cookies.retain(|(known, _)| known != name);
        let dropped = parts.any(|attribute| {
            let (name, age) = attribute.split_once('=').unwrap_or((attribute, ""));
            name.eq_ignore_ascii_case("max-age") && age.parse::<i64>().is_ok_and(|seconds| seconds <= 0)
        });
        if !dropped {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The `Cookie` header, or nothing when there are no cookies.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            return None;
        }
        HeaderValue::from_str(&pairs.join("; ")).ok()
    }
}

/// The connections and the client of a flow.
pub(crate) struct Flow<'a> {
    pub(crate) public: &'a mut Link,
    pub(crate) admin: &'a mut Link,
    pub(crate) origin: &'a Origin,
    pub(crate) client: &'a Client,
}

impl Flow<'_> {
    /// From the authorization request to the tokens, as the user numbered `user`, in a browser without cookies.
    pub(crate) async fn run(&mut self, user: usize) -> Result<TokenAnswer, Failure> {
        let mut jar = CookieJar::default();
        let start = authorization_request(self.client);
        let challenge = self.browse(&mut jar, start, "login_challenge").await?;
        let accepted = serde_json::json!({ "subject": format!("bench-user-{user}"), "remember": false });
        let next = self.accept("login", &challenge, &accepted).await?;

        let challenge = self.browse(&mut jar, next, "consent_challenge").await?;
        let scopes: Vec<&str> = SCOPE.split(' ').collect();
        let accepted = serde_json::json!({
            "grant_scope": scopes,
            "session": { "access_token": { "tenant": "bench" }, "id_token": { "name": "Bench User" } },
        });
        let next = self.accept("consent", &challenge, &accepted).await?;

        let code = self.browse(&mut jar, next, "code").await?;
        self.redeem(&code).await
    }

    /// Follows redirects of the server until one carries the parameter `wanted`, and returns its value.
    async fn browse(&mut self, jar: &mut CookieJar, start: String, wanted: &'static str) -> Result<String, Failure> {
        let mut place = start;
        for _ in 0..MOST_HOPS {
            let path = self.origin.path_of(&place).ok_or_else(|| Failure::Elsewhere {
                location: without_values(&place),
                public: self.origin.to_string(),
            })?;
            let cookie: Option<(HeaderName, HeaderValue)> = jar.header().map(|value| (COOKIE, value));
            let call = Call {
                headers: cookie.as_slice(),
                ..Call::get(path)
            };
            let answer = self.public.send(&call).await?;
            jar.take(&answer.headers);
            let location = location(&call, &answer)?;
            if let Some(value) = parameter(&location, wanted) {
                return Ok(value);
            }
            if let Some(error) = parameter(&location, "error") {
                let description = parameter(&location, "error_description").unwrap_or_default();
                return Err(Failure::Missing {
                    request: call.name(),
                    missing: wanted,
                    shown: format!("{error}: {description}"),
                });
            }
            place = location;
        }
        Err(Failure::Endless {
            hops: MOST_HOPS,
            wanted,
        })
    }

    /// Reads a login or consent request and accepts it, as the app does. Returns where the browser goes next.
    async fn accept(
        &mut self,
        kind: &'static str,
        challenge: &str,
        accepted: &serde_json::Value,
    ) -> Result<String, Failure> {
        let challenge: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
        let read = format!("/admin/oauth2/auth/requests/{kind}?{kind}_challenge={challenge}");
        self.admin.expect(&Call::get(&read), StatusCode::OK).await?;

        let write = format!("/admin/oauth2/auth/requests/{kind}/accept?{kind}_challenge={challenge}");
        let call = Call {
            method: Method::PUT,
            path: &write,
            headers: &[(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(accepted.to_string()),
        };
        let answer = self.admin.expect(&call, StatusCode::OK).await?;
        let completed: Result<Completed, _> = serde_json::from_slice(&answer.body);
        completed
            .map(|completed| completed.redirect_to)
            .map_err(|_| Failure::Missing {
                request: call.name(),
                missing: "redirect_to",
                shown: answer.shown(),
            })
    }

    async fn redeem(&mut self, code: &str) -> Result<TokenAnswer, Failure> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("code_verifier", VERIFIER)
            .finish();
        let call = self.client.form("/oauth2/token", Bytes::from(body));
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        token_answer(&call, &answer)
    }
}

/// What the admin API answers to an accepted request.
#[derive(Deserialize)]
struct Completed {
    redirect_to: String,
}

/// Path and query of the authorization request.
fn authorization_request(client: &Client) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &client.id)
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("scope", SCOPE)
        .append_pair("state", "bench-state-1234")
        .append_pair("nonce", "bench-nonce-1234")
        .append_pair("code_challenge", CHALLENGE)
        .append_pair("code_challenge_method", "S256")
        .finish();
    format!("/oauth2/auth?{query}")
}

/// The place that a redirect names.
fn location(call: &Call<'_>, answer: &Answer) -> Result<String, Failure> {
    if !matches!(answer.status, StatusCode::FOUND | StatusCode::SEE_OTHER) {
        return Err(Failure::Status {
            request: call.name(),
            expected: "Found or See Other",
            status: answer.status,
            body: answer.shown(),
        });
    }
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    location.map(str::to_owned).ok_or_else(|| Failure::Missing {
        request: call.name(),
        missing: "the header Location",
        shown: answer.shown(),
    })
}

/// The first query parameter of this name.
fn parameter(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    let query = query.split('#').next()?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// A URL as it may be printed.
fn without_values(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;

//! The authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636), driven from all three sides: the browser with its
//! cookies, the login and consent app on the admin port, and the client that redeems the code. Likewise the device flow
//! (RFC 8628) and the logout.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::{Client, Clients, DEVICE_GRANT, TokenAnswer, token_answer};
use crate::http::{Answer, Call, Failure, Link, Origin};

/// Where the client expects its code. Nothing listens there: the browser stops before it.
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// Where the browser ends after a logout, likewise.
pub(crate) const GOODBYE: &str = "http://127.0.0.1:9/goodbye";

/// The `state` of a logout, which comes back at its end.
const LEFT: &str = "bench-left-1234";

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

/// The connections and the clients of a flow.
pub(crate) struct Flow<'a> {
    pub(crate) public: &'a mut Link,
    pub(crate) admin: &'a mut Link,
    /// The issuer: where the server sends browsers to.
    pub(crate) origin: &'a Origin,
    pub(crate) clients: &'a Clients,
}

impl Flow<'_> {
    /// From the authorization request to the tokens, as the user numbered `user`, in a browser without cookies.
    pub(crate) async fn run(&mut self, user: usize) -> Result<TokenAnswer, Failure> {
        self.log_in(&mut CookieJar::default(), user, false).await
    }

    async fn log_in(&mut self, jar: &mut CookieJar, user: usize, remember: bool) -> Result<TokenAnswer, Failure> {
        let start = authorization_request(&self.clients.web);
        let next = self.decide(jar, start, user, remember).await?;
        let code = self.browse(jar, next, "code").await?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", &code)
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("code_verifier", VERIFIER)
            .finish();
        let call = self.clients.web.form("/oauth2/token", Bytes::from(body));
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        token_answer(&call, &answer)
    }

    /// A code flow whose login is remembered, and the logout of the same browser: asked for by the client with the ID token
    /// as its hint, accepted by the logout app, to the end (OpenID Connect RP-Initiated Logout 1.0).
    pub(crate) async fn log_in_and_out(&mut self, user: usize) -> Result<(), Failure> {
        let mut jar = CookieJar::default();
        let tokens = self.log_in(&mut jar, user, true).await?;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("id_token_hint", tokens.id.as_deref().unwrap_or_default())
            .append_pair("post_logout_redirect_uri", GOODBYE)
            .append_pair("state", LEFT)
            .finish();
        let start = format!("/oauth2/sessions/logout?{query}");
        let challenge = self.browse(&mut jar, start, "logout_challenge").await?;
        let next = self.accept("logout", &challenge, &serde_json::json!({})).await?;
        let state = self.browse(&mut jar, next, "state").await?;
        if state == LEFT {
            return Ok(());
        }
        Err(Failure::Missing {
            request: String::from("GET /oauth2/sessions/logout"),
            missing: LEFT,
            shown: state,
        })
    }

    /// The device flow (RFC 8628): the device asks, the person enters the code, logs in and consents, the device gets its
    /// tokens at its first question.
    pub(crate) async fn device(&mut self, user: usize) -> Result<TokenAnswer, Failure> {
        let client = &self.clients.device;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("scope", SCOPE)
            .finish();
        let call = client.form("/oauth2/device/auth", Bytes::from(body));
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        let codes: Codes = read(&call, &answer, "verification_uri_complete")?;

        let mut jar = CookieJar::default();
        let challenge = self
            .browse(&mut jar, codes.verification_uri_complete, "device_challenge")
            .await?;
        let entered = serde_json::json!({ "user_code": codes.user_code });
        let next = self.accept_with("device", &challenge, &entered).await?;
        let next = self.decide(&mut jar, next, user, false).await?;
        self.hop(&mut jar, &next).await?;

        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", DEVICE_GRANT)
            .append_pair("device_code", &codes.device_code)
            .finish();
        let call = client.form("/oauth2/token", Bytes::from(body));
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        token_answer(&call, &answer)
    }

    /// Login and consent, both read and accepted. Returns where the browser goes next.
    async fn decide(
        &mut self,
        jar: &mut CookieJar,
        start: String,
        user: usize,
        remember: bool,
    ) -> Result<String, Failure> {
        let challenge = self.browse(jar, start, "login_challenge").await?;
        let accepted = serde_json::json!({ "subject": format!("bench-user-{user}"), "remember": remember });
        let next = self.accept("login", &challenge, &accepted).await?;

        let challenge = self.browse(jar, next, "consent_challenge").await?;
        let scopes: Vec<&str> = SCOPE.split(' ').collect();
        let accepted = serde_json::json!({
            "grant_scope": scopes,
            "session": { "access_token": { "tenant": "bench" }, "id_token": { "name": "Bench User" } },
        });
        self.accept("consent", &challenge, &accepted).await
    }

    /// One request of the browser, which must be redirected. Returns where to.
    async fn hop(&mut self, jar: &mut CookieJar, place: &str) -> Result<String, Failure> {
        let path = self.origin.path_of(place).ok_or_else(|| Failure::Elsewhere {
            location: without_values(place),
            public: self.origin.to_string(),
        })?;
        let cookie: Option<(HeaderName, HeaderValue)> = jar.header().map(|value| (COOKIE, value));
        let call = Call {
            headers: cookie.as_slice(),
            ..Call::get(path)
        };
        let answer = self.public.send(&call).await?;
        jar.take(&answer.headers);
        location(&call, &answer)
    }

    /// Follows redirects of the server until one carries the parameter `wanted`, and returns its value.
    async fn browse(&mut self, jar: &mut CookieJar, start: String, wanted: &'static str) -> Result<String, Failure> {
        let mut place = start;
        for _ in 0..MOST_HOPS {
            let location = self.hop(jar, &place).await?;
            if let Some(value) = parameter(&location, wanted) {
                return Ok(value);
            }
            if let Some(error) = parameter(&location, "error") {
                let description = parameter(&location, "error_description").unwrap_or_default();
                return Err(Failure::Missing {
                    request: format!("GET {}", without_values(&place)),
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

    /// Reads a request of the login, consent or logout app and accepts it. Returns where the browser goes next.
    async fn accept(
        &mut self,
        kind: &'static str,
        challenge: &str,
        accepted: &serde_json::Value,
    ) -> Result<String, Failure> {
        let encoded: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
        let read = format!("/admin/oauth2/auth/requests/{kind}?{kind}_challenge={encoded}");
        self.admin.expect(&Call::get(&read), StatusCode::OK).await?;
        self.accept_with(kind, challenge, accepted).await
    }

    async fn accept_with(
        &mut self,
        kind: &'static str,
        challenge: &str,
        accepted: &serde_json::Value,
    ) -> Result<String, Failure> {
        let challenge: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
        let write = format!("/admin/oauth2/auth/requests/{kind}/accept?{kind}_challenge={challenge}");
        let call = Call {
            method: Method::PUT,
            path: &write,
            headers: &[(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(accepted.to_string()),
        };
        let answer = self.admin.expect(&call, StatusCode::OK).await?;
        let completed: Completed = read(&call, &answer, "redirect_to")?;
        Ok(completed.redirect_to)
    }
}

/// What the admin API answers to an accepted request.
#[derive(Deserialize)]
struct Completed {
    redirect_to: String,
}

/// What a device is given (RFC 8628 §3.2).
#[derive(Deserialize)]
struct Codes {
    device_code: String,
    user_code: String,
    verification_uri_complete: String,
}

fn read<T: DeserializeOwned>(call: &Call<'_>, answer: &Answer, missing: &'static str) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|_| Failure::Missing {
        request: call.name(),
        missing,
        shown: answer.shown(),
    })
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

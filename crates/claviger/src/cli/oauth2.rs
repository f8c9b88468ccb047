//! The command line as an OAuth 2.0 client: authentication, token requests, revocation.
//!
//! Implements RFC 6749 §2.3.1 (client password) and §5.2 (errors), RFC 7009 §2.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;

use super::api::{Answer, Api, Call};
use super::failure::Failure;
use super::secret::Secret;

/// Who the command acts as. A client without a secret is a public one.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
}

impl Credentials {
    /// "encoded using the application/x-www-form-urlencoded encoding algorithm" (RFC 6749 §2.3.1), then as RFC 7617.
    fn basic(&self, secret: &str) -> Option<HeaderValue> {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encode(&self.id), encode(secret)));
        let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Sends a form as the client: with HTTP Basic, and where the server says that this is not the client's method, with
/// the credentials in the body. When both are refused for the same reason, the first answer is the one to show.
pub(super) async fn post(
    api: &Api,
    path: &str,
    credentials: &Credentials,
    form: Vec<(&'static str, String)>,
) -> Result<Answer, Failure> {
    let in_body = |secret: Option<&Secret>| {
        let mut form = form.clone();
        form.push(("client_id", credentials.id.clone()));
        form.extend(secret.map(|secret| ("client_secret", secret.expose().to_owned())));
        Call::new(Method::POST, path).form(form)
    };
    let Some(secret) = &credentials.secret else {
        return api.send(in_body(None)).await;
    };
    let mut call = Call::new(Method::POST, path).form(form.clone());
    call.authorization = credentials.basic(secret.expose());
    let first = api.send(call).await?;
    if first.status() != StatusCode::UNAUTHORIZED || first.error_code().as_deref() != Some("invalid_client") {
        return Ok(first);
    }
    let second = api.send(in_body(Some(secret))).await?;
    if second.error_code().as_deref() == Some("invalid_client") {
        Ok(first)
    } else {
        Ok(second)
    }
}

/// A successful token response (RFC 6749 §5.1).
pub(super) struct Tokens {
    pub(super) answer: Value,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) id_token: Option<String>,
    pub(super) expires_at: Option<jiff::Timestamp>,
}

impl Tokens {
    /// Reads a token response that was received `now`.
    pub(super) fn read(answer: Value, now: jiff::Timestamp) -> Result<Self, Failure> {
        let member = |name: &str| answer.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let seconds = answer.get("expires_in").and_then(Value::as_i64);
        let expires_at = seconds.and_then(|seconds| now.checked_add(jiff::SignedDuration::from_secs(seconds)).ok());
        let access_token = member("access_token").ok_or_else(|| {
            Failure::input("The server answered the token request without an access_token, against RFC 6749 §5.1")
        })?;
        Ok(Self {
            access_token,
            refresh_token: member("refresh_token"),
            id_token: member("id_token"),
            expires_at,
            answer,
        })
    }
}

/// Asks for tokens.
pub(super) async fn token(
    api: &Api,
    path: &str,
    credentials: &Credentials,
    form: Vec<(&'static str, String)>,
) -> Result<Tokens, Failure> {
    Tokens::read(
        post(api, path, credentials, form).await?.json()?,
        jiff::Timestamp::now(),
    )
}

/// The form of a client credentials grant (RFC 6749 §4.4.2). What is not asked for is not sent.
pub(super) fn client_credentials(scope: &[String], audience: &[String]) -> Vec<(&'static str, String)> {
    let mut form = vec![("grant_type", "client_credentials".to_owned())];
    if !scope.is_empty() {
        form.push(("scope", scope.join(" ")));
    }
    if !audience.is_empty() {
        form.push(("audience", audience.join(" ")));
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_secret_are_form_encoded_before_base64_as_rfc_6749_2_3_1_says() {
        let credentials = Credentials {
            id: "a:b".to_owned(),
            secret: None,
        };
        let header = credentials.basic("p ä%").unwrap();
        let pair = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(pair).unwrap(), b"a%3Ab:p+%C3%A4%25");
        assert!(header.is_sensitive());
    }

    #[test]
    fn a_response_without_an_access_token_is_an_error() {
        assert!(
            Tokens::read(
                serde_json::json!({ "token_type": "bearer" }),
                jiff::Timestamp::UNIX_EPOCH
            )
            .is_err()
        );
    }
}

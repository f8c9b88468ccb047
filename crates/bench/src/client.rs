//! The clients of the run, and the answers of the token endpoint.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::flow::{CALLBACK, GOODBYE, SCOPE};
use crate::http::{Answer, Call, Failure, Link};

pub(crate) const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The grant of RFC 8628 §3.4.
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A client of the server, with the headers of its form requests ready to send.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    headers: [(HeaderName, HeaderValue); 2],
}

/// The clients that the operations need.
#[derive(Debug)]
pub(crate) struct Clients {
    /// Gets opaque tokens of its own.
    pub(crate) machine: Client,
    /// Gets JWT access tokens of its own.
    pub(crate) signed: Client,
    /// Takes people through the code flow.
    pub(crate) web: Client,
    pub(crate) device: Client,
}

impl Clients {
    pub(crate) async fn register(admin: &mut Link) -> Result<Self, Failure> {
        let machine = json!({ "grant_types": ["client_credentials"] });
        let signed = json!({ "grant_types": ["client_credentials"], "access_token_strategy": "jwt" });
        let web = json!({ "grant_types": ["authorization_code", "refresh_token"] });
        let device = json!({ "grant_types": [DEVICE_GRANT, "refresh_token"] });
        Ok(Self {
            machine: Client::register(admin, &machine).await?,
            signed: Client::register(admin, &signed).await?,
            web: Client::register(admin, &web).await?,
            device: Client::register(admin, &device).await?,
        })
    }
}

impl Client {
    /// A POST of a form, authenticated with `client_secret_basic` (RFC 6749 §2.3.1).
    pub(crate) fn form<'a>(&'a self, path: &'a str, body: Bytes) -> Call<'a> {
        Call {
            method: Method::POST,
            path,
            headers: &self.headers,
            body,
        }
    }

    /// A request for a token of the client itself (RFC 6749 §4.4).
    pub(crate) fn own_token(&self) -> Call<'_> {
        self.form("/oauth2/token", Bytes::from_static(b"grant_type=client_credentials"))
    }

    /// Registers a client through the admin API, with a secret that the server makes.
    pub(crate) async fn register(admin: &mut Link, more: &serde_json::Value) -> Result<Self, Failure> {
        let mut asked = json!({
            "client_name": "bench",
            "response_types": ["code"],
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [GOODBYE],
            "scope": SCOPE,
            "token_endpoint_auth_method": "client_secret_basic",
        });
        if let (Some(asked), Some(more)) = (asked.as_object_mut(), more.as_object()) {
            asked.extend(more.clone());
        }
        let call = Call {
            method: Method::POST,
            path: "/admin/clients",
            headers: &[(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(asked.to_string()),
        };
        let answer = admin.expect(&call, StatusCode::CREATED).await?;
        let missing = || Failure::Missing {
            request: call.name(),
            missing: "client_id and client_secret",
            shown: String::from("the client that was created"),
        };
        let created: Registered = serde_json::from_slice(&answer.body).map_err(|_| missing())?;
        let [id, secret] = [&created.client_id, &created.client_secret]
            .map(|text| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let basic = HeaderValue::from_str(&basic).map_err(|_| missing())?;
        Ok(Self {
            id: created.client_id,
            headers: [(AUTHORIZATION, basic), (CONTENT_TYPE, FORM)],
        })
    }
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: String,
}

/// The tokens of one answer of the token endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TokenAnswer {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) id: Option<String>,
}

#[derive(Deserialize)]
struct TokenMembers<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    refresh_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id_token: Option<Cow<'a, str>>,
}

/// Reads an answer of the token endpoint (RFC 6749 §5.1).
pub(crate) fn token_answer(call: &Call<'_>, answer: &Answer) -> Result<TokenAnswer, Failure> {
    let members: Result<TokenMembers<'_>, _> = serde_json::from_slice(&answer.body);
    // The body is not shown: it may hold a token.
    let members = members.map_err(|_| Failure::Missing {
        request: call.name(),
        missing: "access_token",
        shown: String::from("the answer"),
    })?;
    Ok(TokenAnswer {
        access: members.access_token.into_owned(),
        refresh: members.refresh_token.map(Cow::into_owned),
        id: members.id_token.map(Cow::into_owned),
    })
}

//! The client's metadata as it crosses the wire: in requests, in answers, and as the document that a JSON Patch changes.
//!
//! RFC 7591 §2, OpenID Connect Dynamic Client Registration §2, RP-Initiated, Front-Channel and Back-Channel Logout, and
//! the additions of Hydra's admin API, in the order in which Hydra writes them. Programs rely on three things: an empty
//! text, `null` and an absent member mean the same when read; arrays are written even if empty; the members marked
//! below are left out if empty. A member that is not named here is ignored.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Client, Lifespans, lifespan};
use crate::port::StoreError;

/// A client secret in the clear: only on its way in, or on its way out once.
#[derive(Clone, Default, Eq, Deserialize)]
#[serde(from = "String")]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for ClientSecret {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl From<String> for ClientSecret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

impl Serialize for ClientSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The metadata of one client. Members are named as on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "oAuth2Client")]
pub struct Metadata {
    /// Made up if not given.
    pub client_id: String,
    /// What people read on the consent page.
    pub client_name: String,
    /// Shown once, in the answer that makes it. Made up for a client that authenticates with one, if not given.
    #[serde(skip_serializing_if = "ClientSecret::is_empty")]
    #[schemars(with = "String")]
    pub client_secret: ClientSecret,
    /// Where authorization answers may go. Compared to the letter, but for the port of loopback addresses.
    pub redirect_uris: Vec<String>,
    /// By default `authorization_code`.
    pub grant_types: Vec<String>,
    /// By default `code`.
    pub response_types: Vec<String>,
    /// The scopes that the client may ask for, separated by spaces.
    pub scope: String,
    /// The audiences that the client may ask for.
    pub audience: Vec<String>,
    /// Free text of the operator, by which lists can be filtered.
    pub owner: String,
    /// A page for people.
    pub policy_uri: String,
    /// Origins whose pages may read answers to this client. They count at once.
    pub allowed_cors_origins: Vec<String>,
    /// A page for people.
    pub tos_uri: String,
    /// A page for people.
    pub client_uri: String,
    /// An image.
    pub logo_uri: String,
    /// Whom to ask about the client, usually by mail.
    pub contacts: Vec<String>,
    /// Seconds since 1970 after which the secret does not authenticate; 0 for never.
    pub client_secret_expires_at: i64,
    /// `public` or `pairwise`.
    pub subject_type: String,
    /// `web` or `native`. Says where the redirect URIs of a client that registers itself may be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub application_type: String,
    /// A JSON array with all redirect URIs; its host is the sector of pairwise subjects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sector_identifier_uri: String,
    /// Where the public keys of the client are fetched.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwks_uri: String,
    /// The public keys of the client (RFC 7517), instead of `jwks_uri`.
    pub jwks: Map<String, Value>,
    /// `client_secret_basic`, `client_secret_post`, `client_secret_jwt`, `private_key_jwt` or `none`.
    pub token_endpoint_auth_method: String,
    /// The one algorithm that the assertions of the client are signed with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_endpoint_auth_signing_alg: String,
    /// Where request objects may be fetched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// The one algorithm of request objects; `none` for unsigned ones.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_object_signing_alg: String,
    /// `none` for JSON, or the algorithm of a signed answer of userinfo.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub userinfo_signed_response_alg: String,
    /// RFC 3339. Set by the server.
    #[serde(skip_deserializing)]
    pub created_at: String,
    /// RFC 3339. Set by the server.
    #[serde(skip_deserializing)]
    pub updated_at: String,
    /// Loaded in a frame when a session of the person ends.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub frontchannel_logout_uri: String,
    /// As registered. `iss` and `sid` are always sent.
    #[serde(skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
    /// Where a person may go after logout, compared to the letter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where logout tokens are posted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backchannel_logout_uri: String,
    /// As registered. `sid` is always sent if there was a session.
    #[serde(skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    /// An https page of the client that starts a login.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub initiate_login_uri: String,
    /// The algorithm of its ID tokens, if not the server's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id_token_signed_response_alg: String,
    /// Read only to be refused, since nothing is encrypted for clients.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub id_token_encrypted_response_alg: String,
    /// Read only to be refused, since nothing is encrypted for clients.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub id_token_encrypted_response_enc: String,
    /// Read only to be refused, since nothing is encrypted for clients.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub userinfo_encrypted_response_alg: String,
    /// Read only to be refused, since nothing is encrypted for clients.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub userinfo_encrypted_response_enc: String,
    /// Read only to be refused, since nothing is encrypted for clients.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub request_object_encryption_alg: String,
    /// Read only to be refused, since nothing is encrypted for clients.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub request_object_encryption_enc: String,
    /// `max_age` of requests that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// As registered. ID tokens always have `auth_time`.
    #[serde(skip_serializing_if = "is_false")]
    pub require_auth_time: bool,
    /// `acr_values` of requests that have none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// Free JSON of the operator.
    #[serde(serialize_with = "object_at_least")]
    #[schemars(with = "Map<String, Value>")]
    pub metadata: Value,
    /// `opaque` or `jwt`, if not the server's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_token_strategy: String,
    /// Nobody is asked for consent: what is requested is granted.
    pub skip_consent: bool,
    /// Nobody is asked whether to log out, if the client sends an ID token; `null` for no.
    pub skip_logout_consent: Option<bool>,
    /// On the public port, introspection describes every access token to it, not only those for it. An addition of Claviger.
    #[serde(skip_serializing_if = "is_false")]
    pub resource_server: bool,
    /// How long access tokens of the code flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub authorization_code_grant_access_token_lifespan: Option<u64>,
    /// How long ID tokens of the code flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub authorization_code_grant_id_token_lifespan: Option<u64>,
    /// How long refresh tokens of the code flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub authorization_code_grant_refresh_token_lifespan: Option<u64>,
    /// How long access tokens of `client_credentials` live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub client_credentials_grant_access_token_lifespan: Option<u64>,
    /// How long access tokens of the implicit flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub implicit_grant_access_token_lifespan: Option<u64>,
    /// How long ID tokens of the implicit flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub implicit_grant_id_token_lifespan: Option<u64>,
    /// How long access tokens of an assertion live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub jwt_bearer_grant_access_token_lifespan: Option<u64>,
    /// How long ID tokens of a refresh live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub refresh_token_grant_id_token_lifespan: Option<u64>,
    /// How long access tokens of a refresh live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub refresh_token_grant_access_token_lifespan: Option<u64>,
    /// How long refresh tokens of a refresh live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub refresh_token_grant_refresh_token_lifespan: Option<u64>,
    /// How long ID tokens of the device flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub device_authorization_grant_id_token_lifespan: Option<u64>,
    /// How long access tokens of the device flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub device_authorization_grant_access_token_lifespan: Option<u64>,
    /// How long refresh tokens of the device flow live.
    #[serde(with = "lifespan")]
    #[schemars(with = "lifespan::Lifespan")]
    pub device_authorization_grant_refresh_token_lifespan: Option<u64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// `metadata` is written as `{}` when there is none.
fn object_at_least<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Value::Null => Map::new().serialize(serializer),
        value => value.serialize(serializer),
    }
}

/// Declares what sets all lifespans at once, and copies them in both directions.
macro_rules! lifespans {
    ($($member:ident,)*) => {
        /// The body of `PUT /admin/clients/{id}/lifespans`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(default)]
        #[schemars(rename = "oAuth2ClientTokenLifespans")]
        #[expect(missing_docs, reason = "each field is the member of the client's metadata with that name")]
        pub struct LifespansRequest { $(#[serde(deserialize_with = "lifespan::deserialize")] #[schemars(with = "lifespan::Lifespan")] pub $member: Option<u64>,)* }

        impl From<LifespansRequest> for Lifespans {
            fn from(request: LifespansRequest) -> Self {
                Self { $($member: request.$member,)* }
            }
        }

        impl Metadata {
            /// Takes the lifespans out.
            pub(super) fn take_lifespans(&mut self) -> Lifespans {
                Lifespans { $($member: self.$member.take(),)* }
            }

            /// Puts lifespans in.
            pub(super) fn set_lifespans(&mut self, lifespans: Lifespans) {
                $(self.$member = lifespans.$member;)*
            }
        }
    };
}

lifespans! {
    authorization_code_grant_access_token_lifespan,
    authorization_code_grant_id_token_lifespan,
    authorization_code_grant_refresh_token_lifespan,
    client_credentials_grant_access_token_lifespan,
    implicit_grant_access_token_lifespan,
    implicit_grant_id_token_lifespan,
    jwt_bearer_grant_access_token_lifespan,
    refresh_token_grant_id_token_lifespan,
    refresh_token_grant_access_token_lifespan,
    refresh_token_grant_refresh_token_lifespan,
    device_authorization_grant_id_token_lifespan,
    device_authorization_grant_access_token_lifespan,
    device_authorization_grant_refresh_token_lifespan,
}

impl Metadata {
    /// The metadata of a client, without its secret.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if what the client keeps for display is not what this program wrote.
    pub fn of(client: &Client) -> Result<Self, StoreError> {
        let display = Value::Object(client.display.clone());
        let mut metadata: Self = serde_json::from_value(display)
            .map_err(|error| StoreError::Broken(format!("client {:?} cannot be shown: {error}", client.id)))?;
        metadata.client_id = client.id.to_string();
        metadata.redirect_uris.clone_from(&client.redirect_uris);
        metadata.grant_types.clone_from(&client.grant_types);
        metadata.response_types.clone_from(&client.response_types);
        metadata.scope = client.scope.join(" ");
        metadata.audience.clone_from(&client.audience);
        client
            .auth_method
            .as_str()
            .clone_into(&mut metadata.token_endpoint_auth_method);
        metadata.skip_consent = client.skip_consent;
        metadata.set_lifespans(client.lifespans);
        client.choices.show(&mut metadata);
        metadata.created_at = client.created_at.rfc3339();
        metadata.updated_at = client.updated_at.rfc3339();
        Ok(metadata)
    }

    /// The metadata with a secret to be shown once.
    #[must_use]
    pub fn with_secret(self, secret: Option<ClientSecret>) -> Self {
        Self {
            client_secret: secret.unwrap_or_default(),
            ..self
        }
    }

    /// The members that say something, for [`Client::display`]. Those that the client has fields for were taken out.
    pub(super) fn into_display(self) -> Result<Map<String, Value>, serde_json::Error> {
        let silent = serde_json::to_value(Self::default())?;
        let Value::Object(mut members) = serde_json::to_value(self)? else {
            return Ok(Map::new());
        };
        members.retain(|name, value| silent.get(name.as_str()) != Some(value));
        Ok(members)
    }
}

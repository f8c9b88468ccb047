//! The client's metadata as it crosses the wire: in requests, in answers, and as the document that a JSON Patch changes.
//!
//! RFC 7591 §2, OpenID Connect Dynamic Client Registration §2, RP-Initiated, Front-Channel and Back-Channel Logout, and
//! the additions of Hydra's admin API, in the order in which Hydra writes them. Programs rely on three things: an empty
//! text, `null` and an absent member mean the same when read; arrays are written even if empty; the members marked
//! below are left out if empty. A member that is not named here is ignored.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "each field is the member of the client's metadata with that name"
)]
pub struct Metadata {
    pub client_id: String,
    pub client_name: String,
    #[serde(skip_serializing_if = "ClientSecret::is_empty")]
    pub client_secret: ClientSecret,
    pub redirect_uris: Vec<String>,
    pub grant_types: Vec<String>,
    pub response_types: Vec<String>,
    pub scope: String,
    pub audience: Vec<String>,
    pub owner: String,
    pub policy_uri: String,
    pub allowed_cors_origins: Vec<String>,
    pub tos_uri: String,
    pub client_uri: String,
    pub logo_uri: String,
    pub contacts: Vec<String>,
    pub client_secret_expires_at: i64,
    pub subject_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sector_identifier_uri: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwks_uri: String,
    pub jwks: Map<String, Value>,
    pub token_endpoint_auth_method: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_endpoint_auth_signing_alg: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_object_signing_alg: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub userinfo_signed_response_alg: String,
    #[serde(skip_deserializing)]
    pub created_at: String,
    #[serde(skip_deserializing)]
    pub updated_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub frontchannel_logout_uri: String,
    #[serde(skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backchannel_logout_uri: String,
    #[serde(skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub initiate_login_uri: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id_token_signed_response_alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    pub require_auth_time: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    #[serde(serialize_with = "object_at_least")]
    pub metadata: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_token_strategy: String,
    pub skip_consent: bool,
    pub skip_logout_consent: Option<bool>,
    #[serde(with = "lifespan")]
    pub authorization_code_grant_access_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub authorization_code_grant_id_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub authorization_code_grant_refresh_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub client_credentials_grant_access_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub implicit_grant_access_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub implicit_grant_id_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub jwt_bearer_grant_access_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub refresh_token_grant_id_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub refresh_token_grant_access_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub refresh_token_grant_refresh_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub device_authorization_grant_id_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
    pub device_authorization_grant_access_token_lifespan: Option<u64>,
    #[serde(with = "lifespan")]
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
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(default)]
        #[expect(missing_docs, reason = "each field is the member of the client's metadata with that name")]
        pub struct LifespansRequest { $(#[serde(deserialize_with = "lifespan::deserialize")] pub $member: Option<u64>,)* }

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

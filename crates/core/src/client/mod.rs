//! A registered client.
//!
//! RFC 7591 §2, OpenID Connect Dynamic Client Registration §2, and the additions of Hydra's admin API. The record in
//! the database is the JSON of [`Client`].

mod choices;
mod forms;
mod lifespan;
mod logout;
pub mod metadata;
mod parsed;
pub mod patch;
mod pointer;
pub mod registration;
pub mod registry;
pub mod strangers;
pub mod validate;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::choices::Choices;
pub use self::parsed::ParsedClients;
use crate::client_auth::LastProven;
use crate::context::{Policy, Timestamp};
use crate::port::{ClientProof, ClientRecord, StoreError};
use crate::scope;
use crate::token::access::Format;

/// How a client authenticates at the token endpoint (`token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// HTTP Basic (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Credentials in the body (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// An assertion under the client's secret (OpenID Connect Core §9).
    ClientSecretJwt,
    /// An assertion under a key of the client's own (OpenID Connect Core §9).
    PrivateKeyJwt,
    /// A public client (RFC 6749 §2.1).
    None,
}

impl AuthMethod {
    /// Every method that works, in the order in which discovery lists them.
    pub const ALL: [Self; 5] = [
        Self::ClientSecretPost,
        Self::ClientSecretBasic,
        Self::PrivateKeyJwt,
        Self::ClientSecretJwt,
        Self::None,
    ];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Whether the client has a secret.
    #[must_use]
    pub fn has_secret(self) -> bool {
        matches!(
            self,
            Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt
        )
    }
}

/// A client as the protocol sees it: validated, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// `client_id`.
    pub id: Arc<str>,
    /// Counts changes from 1.
    #[serde(skip)]
    pub version: i64,
    /// Digests of the secrets that authenticate it, newest first.
    pub secrets: Vec<String>,
    /// `token_endpoint_auth_method`.
    pub auth_method: AuthMethod,
    /// `redirect_uris`, as the strings that were registered.
    pub redirect_uris: Vec<String>,
    /// `grant_types`.
    pub grant_types: Vec<String>,
    /// `response_types`; the words of each are sorted.
    pub response_types: Vec<String>,
    /// `scope`, split.
    pub scope: Vec<String>,
    /// `audience`.
    pub audience: Vec<String>,
    /// `skip_consent`.
    pub skip_consent: bool,
    /// How the client manages itself, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Lifespans of this client's tokens, in seconds.
    #[serde(default)]
    pub lifespans: Lifespans,
    /// What the client chose about its tokens and answers.
    #[serde(default)]
    pub choices: Choices,
    /// What the protocol does not look at, kept for the admin API and the login and consent apps.
    #[serde(default)]
    pub display: serde_json::Map<String, serde_json::Value>,
    /// `created_at`.
    #[serde(skip)]
    pub created_at: Timestamp,
    /// `updated_at`.
    #[serde(skip)]
    pub updated_at: Timestamp,
    /// The secret that authenticated it last; a new client starts with the default, which is none.
    #[serde(skip)]
    pub last_proven: LastProven,
}

/// How a client manages itself (RFC 7592).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Digest of its registration access token.
    pub token: String,
    /// Whether nobody but the client itself asked for it, so that the operator trusts it less.
    #[serde(default)]
    pub by_stranger: bool,
}

/// Lifespans of one client's tokens by grant, in seconds; none means the global ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "each field is the member of the client's metadata with that name"
)]
pub struct Lifespans {
    pub authorization_code_grant_access_token_lifespan: Option<u64>,
    pub authorization_code_grant_id_token_lifespan: Option<u64>,
    pub authorization_code_grant_refresh_token_lifespan: Option<u64>,
    pub client_credentials_grant_access_token_lifespan: Option<u64>,
    pub implicit_grant_access_token_lifespan: Option<u64>,
    pub implicit_grant_id_token_lifespan: Option<u64>,
    pub jwt_bearer_grant_access_token_lifespan: Option<u64>,
    pub refresh_token_grant_id_token_lifespan: Option<u64>,
    pub refresh_token_grant_access_token_lifespan: Option<u64>,
    pub refresh_token_grant_refresh_token_lifespan: Option<u64>,
    pub device_authorization_grant_id_token_lifespan: Option<u64>,
    pub device_authorization_grant_access_token_lifespan: Option<u64>,
    pub device_authorization_grant_refresh_token_lifespan: Option<u64>,
}

impl Client {
    /// Reads a stored client.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if the document is not one that this program wrote.
    pub fn from_record(record: &ClientRecord) -> Result<Self, StoreError> {
        let mut client: Self = serde_json::from_str(&record.document)
            .map_err(|error| StoreError::Broken(format!("client {:?} cannot be read: {error}", record.id)))?;
        client.version = record.version;
        client.created_at = record.created_at;
        client.updated_at = record.updated_at;
        Ok(client)
    }

    /// The proof for a change that relies on this client as it is.
    #[must_use]
    pub fn proof(&self) -> ClientProof {
        ClientProof {
            id: Arc::clone(&self.id),
            version: self.version,
        }
    }

    /// The form of the client's access tokens.
    #[must_use]
    pub fn access_token_format(&self, policy: &Policy) -> Format {
        self.choices.access_token.unwrap_or(policy.access_token.format)
    }

    /// `resource_server`: whether the operator lets it know what every access token stands for.
    #[must_use]
    pub fn is_resource_server(&self) -> bool {
        self.display.get("resource_server") == Some(&serde_json::Value::Bool(true))
    }

    /// Whether the client has no secret (RFC 6749 §2.1).
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.auth_method == AuthMethod::None
    }

    /// Whether the client must use PKCE (RFC 7636): by the operator's settings, and a public client that registered itself
    /// in any case (D10).
    #[must_use]
    pub fn must_use_pkce(&self, policy: &Policy) -> bool {
        let by_stranger = self.registration.as_ref().is_some_and(|known| known.by_stranger);
        policy.pkce_enforced || self.is_public() && (policy.pkce_enforced_for_public_clients || by_stranger)
    }

    /// Whether the client is registered for a scope, by the operator's strategy (RFC 6749 §3.3).
    #[must_use]
    pub fn may_have_scope(&self, policy: &Policy, scope: &str) -> bool {
        scope::is_scope_token(scope) && scope::allows(policy.scope_strategy, &self.scope, scope)
    }

    /// Whether tokens of the client may be meant for an audience.
    #[must_use]
    pub fn may_have_audience(&self, audience: &str) -> bool {
        let mut registered = self.audience.iter();
        registered.any(|registered| scope::audience_allows(registered, audience))
    }

    /// Whether the client is registered for a grant type.
    #[must_use]
    pub fn has_grant_type(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|registered| registered == grant_type)
    }
}

//! The answer of the token endpoint.
//!
//! Implements RFC 6749 §5.1 and OpenID Connect Core §3.1.3.3.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::consented::Consented;
use crate::context::{Cx, Timestamp};
use crate::fault::Failure;
use crate::port::GrantRecord;
use crate::token::id_token::{Beside, IdToken};
use crate::world::World;

/// A successful answer. Its members are in the order in which Hydra sends them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2TokenExchange")]
pub struct TokenResponse {
    /// Opaque, or a JWT (RFC 9068).
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    access_token: Zeroizing<String>,
    /// Seconds.
    expires_in: u64,
    /// If a person granted `openid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// If a person granted `offline` or `offline_access`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_text")]
    #[schemars(with = "String")]
    refresh_token: Option<Zeroizing<String>>,
    /// The granted scopes, separated by spaces.
    scope: String,
    /// `bearer`.
    token_type: &'static str,
}

/// The tokens that a person's grant gives, before the ID token is made.
pub(super) struct Given<'a> {
    pub(super) client: &'a Client,
    pub(super) grant: &'a GrantRecord,
    pub(super) consented: &'a Consented,
    /// The scope of the access token, which may be narrower than the grant's.
    pub(super) scope: &'a [String],
    pub(super) access: Zeroizing<String>,
    pub(super) access_expires_at: Timestamp,
    pub(super) refresh: Option<Zeroizing<String>>,
    pub(super) id_token_life: Duration,
}

impl TokenResponse {
    pub(super) fn has_refresh_token(&self) -> bool {
        self.refresh_token.is_some()
    }

    pub(super) fn has_id_token(&self) -> bool {
        self.id_token.is_some()
    }

    /// The answer to a client that acts for itself.
    pub(super) fn of_client(cx: &Cx<'_>, access: Zeroizing<String>, expires_at: Timestamp, scope: &[String]) -> Self {
        Self {
            access_token: access,
            expires_in: expires_at.seconds_since(cx.now),
            id_token: None,
            refresh_token: None,
            scope: scope.join(" "),
            token_type: "bearer",
        }
    }

    /// The answer to a client that acts for a person, with an ID token if the scope has `openid`.
    pub(super) async fn of_grant(world: &World<'_>, given: Given<'_>) -> Result<Self, Failure> {
        let mut response = Self::of_client(&world.cx, given.access, given.access_expires_at, given.scope);
        response.refresh_token = given.refresh;
        if given.scope.iter().any(|word| word == "openid") {
            let id_token = IdToken {
                alg: given.client.choices.id_token_alg,
                grant: given.grant,
                consented: given.consented,
                beside: Beside {
                    access_token: Some(&response.access_token),
                    ..Beside::default()
                },
                life: given.id_token_life,
            };
            response.id_token = Some(id_token.sign(world).await?);
        }
        Ok(response)
    }
}

fn text<S: Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn optional_text<S: Serializer>(secret: &Option<Zeroizing<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.as_str()),
        None => serializer.serialize_none(),
    }
}

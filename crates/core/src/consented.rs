//! What a grant holds in its sealed part: who authenticated how, and the claims that the consent app set.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::context::{Cx, Id, Timestamp};
use crate::fault::Failure;
use crate::port::GrantRecord;
use crate::seal::{Age, Purpose, open_with_age, seal};

/// The consented session of a grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Consented {
    /// `auth_time` (OpenID Connect Core §2).
    #[serde(rename = "t")]
    pub auth_time: i64,
    /// What the client calls the person, if not by the grant's subject ([`crate::subject`]).
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `acr`.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// `amr`.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// `nonce` of the authorization request.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// `session.access_token`: `ext` of introspection.
    #[serde(rename = "e", default, skip_serializing_if = "Map::is_empty")]
    pub access_token: Map<String, Value>,
    /// `session.id_token`: extra claims of the ID token.
    #[serde(rename = "i", default, skip_serializing_if = "Map::is_empty")]
    pub id_token: Map<String, Value>,
    /// `session.userinfo`: claims of userinfo, if they are to differ from those of the ID token.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub userinfo: Option<Map<String, Value>>,
    /// What the consent was about, for lists of consents.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// The question that a consent answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The authorization request, encoded.
    #[serde(rename = "r")]
    pub request: String,
    /// What the login app left for the consent app.
    #[serde(rename = "l", default, skip_serializing_if = "Value::is_null")]
    pub login_context: Value,
    /// What the consent app keeps for itself.
    #[serde(rename = "c", default, skip_serializing_if = "Value::is_null")]
    pub context: Value,
}

impl Consented {
    /// Seals the session for the grant with this id.
    ///
    /// # Errors
    /// [`Failure::Internal`] if it cannot be written as JSON, which no value read from JSON causes.
    pub fn seal(&self, cx: &Cx<'_>, grant: Id) -> Result<Vec<u8>, Failure> {
        let plain = serde_json::to_vec(self).map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(seal(cx.secrets, cx.entropy, Purpose::GrantAtRest, &grant.0, &plain))
    }

    /// Opens the session of a stored grant; none if its secret is no longer configured, and then the grant counts as
    /// gone.
    ///
    /// # Errors
    /// [`Failure::Internal`] if the row was not written by this program.
    pub fn open(cx: &Cx<'_>, grant: &GrantRecord) -> Result<Option<Self>, Failure> {
        Ok(Self::open_with_age(cx, grant)?.map(|(consented, _)| consented))
    }

    /// [`Self::open`], and the age of the secret that did it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_age(cx: &Cx<'_>, grant: &GrantRecord) -> Result<Option<(Self, Age)>, Failure> {
        let opened = open_with_age(cx.secrets, Purpose::GrantAtRest, &grant.id.0, &grant.sealed);
        let Ok((plain, age)) = opened else { return Ok(None) };
        let consented = serde_json::from_slice(&plain)
            .map_err(|error| Failure::Internal(format!("the session of grant {} cannot be read: {error}", grant.id)))?;
        Ok(Some((consented, age)))
    }

    /// Opens what [`Self::seal`] made for this id; none if its secret is no longer configured.
    #[must_use]
    pub fn open_sealed(cx: &Cx<'_>, id: Id, sealed: &[u8]) -> Option<Self> {
        let (plain, _) = open_with_age(cx.secrets, Purpose::GrantAtRest, &id.0, sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// [`Self::auth_time`] as a time.
    #[must_use]
    pub fn authenticated_at(&self) -> Timestamp {
        Timestamp(self.auth_time)
    }
}

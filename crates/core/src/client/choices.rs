//! What a client chose about the tokens and answers that it gets.
//!
//! OpenID Connect Dynamic Client Registration §2. `access_token_strategy` is an addition of Hydra's admin API.

use std::mem::take;

use claviger_jose::Alg;
use serde::{Deserialize, Serialize};

use super::metadata::Metadata;
use crate::context::Timestamp;
use crate::subject::sector;
use crate::token::access::Format;

/// `subject_type` of clients that are told the subjects themselves.
pub(super) const PUBLIC: &str = "public";
/// `subject_type` of clients that each know a person by another identifier.
pub(super) const PAIRWISE: &str = "pairwise";

/// The choices of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// `access_token_strategy`; none means the operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Format>,
    /// `id_token_signed_response_alg`, which JWT access tokens follow; none means the operator's.
    #[serde(with = "algorithm", skip_serializing_if = "Option::is_none")]
    pub id_token_alg: Option<Alg>,
    /// `userinfo_signed_response_alg`; none means that userinfo is plain JSON.
    #[serde(with = "algorithm", skip_serializing_if = "Option::is_none")]
    pub userinfo_alg: Option<Alg>,
    /// `client_secret_expires_at`; none means never.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub secret_expires_at: Option<Timestamp>,
    /// `sector_identifier_uri`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sector_identifier_uri: String,
    /// The sector of a client with pairwise identifiers ([`crate::subject`]); none if `subject_type` is `public`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector: Option<String>,
    /// `default_max_age`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// `require_auth_time`. ID tokens always have it.
    pub require_auth_time: bool,
    /// `default_acr_values`.
    pub default_acr_values: Vec<String>,
}

impl Choices {
    /// Takes the choices out of metadata whose forms were checked.
    pub(super) fn take(metadata: &mut Metadata) -> Self {
        Self {
            access_token: Format::named(&take(&mut metadata.access_token_strategy)),
            id_token_alg: Alg::parse(&take(&mut metadata.id_token_signed_response_alg)),
            userinfo_alg: Alg::parse(&take(&mut metadata.userinfo_signed_response_alg)),
            secret_expires_at: Some(Timestamp(take(&mut metadata.client_secret_expires_at))).filter(|at| at.0 > 0),
            sector: match take(&mut metadata.subject_type).as_str() {
                PAIRWISE => sector(&metadata.sector_identifier_uri, &metadata.redirect_uris),
                _ => None,
            },
            sector_identifier_uri: take(&mut metadata.sector_identifier_uri),
            default_max_age: metadata.default_max_age.take(),
            require_auth_time: take(&mut metadata.require_auth_time),
            default_acr_values: take(&mut metadata.default_acr_values),
        }
    }

    /// Puts them back.
    pub(super) fn show(&self, metadata: &mut Metadata) {
        if let Some(format) = self.access_token {
            format.as_str().clone_into(&mut metadata.access_token_strategy);
        }
        if let Some(alg) = self.id_token_alg {
            alg.as_str().clone_into(&mut metadata.id_token_signed_response_alg);
        }
        self.userinfo_alg
            .map_or("none", Alg::as_str)
            .clone_into(&mut metadata.userinfo_signed_response_alg);
        metadata.client_secret_expires_at = self.secret_expires_at.unwrap_or_default().0;
        let subject_type = if self.sector.is_some() { PAIRWISE } else { PUBLIC };
        subject_type.clone_into(&mut metadata.subject_type);
        metadata.sector_identifier_uri.clone_from(&self.sector_identifier_uri);
        metadata.default_max_age = self.default_max_age;
        metadata.require_auth_time = self.require_auth_time;
        metadata.default_acr_values.clone_from(&self.default_acr_values);
    }
}

/// Times are kept in seconds since 1970.
mod seconds {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::context::Timestamp;

    #[expect(clippy::ref_option, reason = "serde passes the field as it is")]
    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(|at| at.0).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp))
    }
}

/// Algorithms are kept by name.
mod algorithm {
    use claviger_jose::Alg;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes the field as it is")]
    pub(super) fn serialize<S: Serializer>(alg: &Option<Alg>, serializer: S) -> Result<S::Ok, S::Error> {
        match alg {
            Some(alg) => serializer.serialize_str(alg.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Alg>, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(name.as_deref().and_then(Alg::parse))
    }
}

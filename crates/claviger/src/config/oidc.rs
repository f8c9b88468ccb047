//! The settings of OpenID Connect: registration, subjects and discovery.

use claviger_core::client::strangers::{InitialToken, Strangers};
use claviger_core::context::Advertised;
use claviger_core::subject::PairwiseSalt;

use super::error::ConfigError;
use super::secret::Secret;
use super::settings::list;
use super::values::Values;

/// `oidc` and `webfinger.oidc_discovery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// Whether strangers may register clients.
    pub dynamic_registration: bool,
    /// What they may have.
    pub strangers: Strangers,
    /// Scopes of clients that are registered without any.
    pub default_scope: Vec<String>,
    /// Whether clients may have public subject identifiers.
    pub public_subjects: bool,
    /// The salt of pairwise ones, if there may be any.
    pub pairwise_salt: Option<PairwiseSalt>,
    /// Extra entries of `claims_supported`.
    pub supported_claims: Vec<String>,
    /// Extra entries of `scopes_supported`.
    pub supported_scope: Vec<String>,
    /// What discovery says in place of our own addresses.
    pub advertised: Advertised,
}

impl Oidc {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            dynamic_registration: values.get("oidc.dynamic_client_registration.enabled")?,
            strangers: strangers(values)?,
            default_scope: list(values, "oidc.dynamic_client_registration.default_scope")?,
            public_subjects: has_subject_type(values, "public")?,
            pairwise_salt: pairwise_salt(values)?,
            supported_claims: list(values, "webfinger.oidc_discovery.supported_claims")?,
            supported_scope: list(values, "webfinger.oidc_discovery.supported_scope")?,
            advertised: advertised(values)?,
        })
    }
}

fn advertised(values: &Values) -> Result<Advertised, ConfigError> {
    let url = |name: &str| values.get(&format!("webfinger.oidc_discovery.{name}"));
    Ok(Advertised {
        jwks: url("jwks_url")?,
        token: url("token_url")?,
        authorization: url("auth_url")?,
        device_authorization: url("device_authorization_url")?,
        registration: url("client_registration_url")?,
        userinfo: url("userinfo_url")?,
    })
}

fn strangers(values: &Values) -> Result<Strangers, ConfigError> {
    let of = |name: &str| list(values, &format!("oidc.dynamic_client_registration.{name}"));
    let tokens: Option<Vec<Secret>> = values.get("oidc.dynamic_client_registration.initial_access_tokens")?;
    let tokens = tokens.unwrap_or_default();
    Ok(Strangers {
        grant_types: of("grant_types")?,
        members: of("members")?,
        initial_tokens: tokens.iter().map(|token| InitialToken::of(token.expose())).collect(),
    })
}

fn has_subject_type(values: &Values, name: &str) -> Result<bool, ConfigError> {
    let types: Vec<String> = values.get("oidc.subject_identifiers.supported_types")?;
    Ok(types.iter().any(|kind| kind == name))
}

fn pairwise_salt(values: &Values) -> Result<Option<PairwiseSalt>, ConfigError> {
    let salt: Option<Secret> = values.get("oidc.subject_identifiers.pairwise.salt")?;
    let salt = salt.map(|salt| PairwiseSalt::new(salt.expose().to_owned()));
    Ok(salt.filter(|_| has_subject_type(values, "pairwise").unwrap_or_default()))
}

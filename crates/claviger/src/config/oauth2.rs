//! The settings of grants and tokens.

use std::time::Duration;

use claviger_core::hook::{Hook, HookAuth, Hooks};
use claviger_core::token::access::{AccessTokens, ScopeClaim};
use serde_json::Value;

use super::device::Device;
use super::error::ConfigError;
use super::settings::list;
use super::values::Values;

/// `oauth2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// `oauth2.token_hook` and `oauth2.refresh_token_hook`.
    pub hooks: Hooks,
    pub pkce_enforced: bool,
    pub pkce_enforced_for_public_clients: bool,
    pub default_grant_allowed_scope: bool,
    pub rotation_grace_period: Duration,
    /// `oauth2.grant.jwt.max_ttl`.
    pub assertion_longest: Duration,
    /// `oauth2.grant.jwt.jti_optional`.
    pub assertion_id_optional: bool,
    /// `oauth2.grant.jwt.iat_optional`.
    pub assertion_issue_optional: bool,
    pub access_token_prefix: String,
    pub refresh_token_prefix: String,
    pub code_prefix: String,
    pub device: Device,
}

impl OAuth2 {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let prefix = |kind: &str| values.get(&format!("oauth2.token_prefixes.{kind}"));
        let grace = "oauth2.grant.refresh_token.rotation_grace_period";
        let rotation_grace_period = values.duration(grace)?;
        if rotation_grace_period > Duration::from_secs(300) {
            return Err(values.invalid(grace, "must be at most 5m"));
        }
        Ok(Self {
            hooks: Hooks {
                token: hook(values, "oauth2.token_hook")?,
                refresh: hook(values, "oauth2.refresh_token_hook")?,
            },
            pkce_enforced: values.get("oauth2.pkce.enforced")?,
            pkce_enforced_for_public_clients: values.get("oauth2.pkce.enforced_for_public_clients")?,
            default_grant_allowed_scope: values.get("oauth2.client_credentials.default_grant_allowed_scope")?,
            rotation_grace_period,
            assertion_longest: values.duration("oauth2.grant.jwt.max_ttl")?,
            assertion_id_optional: values.get("oauth2.grant.jwt.jti_optional")?,
            assertion_issue_optional: values.get("oauth2.grant.jwt.iat_optional")?,
            access_token_prefix: prefix("access")?,
            refresh_token_prefix: prefix("refresh")?,
            code_prefix: prefix("code")?,
            device: Device::from_values(values)?,
        })
    }
}

/// The form of access tokens.
pub(super) fn access_token(values: &Values) -> Result<AccessTokens, ConfigError> {
    let scope_claim: String = values.get("strategies.jwt.scope_claim")?;
    let without_not_before: bool = values.get("oauth2.exclude_not_before_claim")?;
    Ok(AccessTokens {
        format: values.get("strategies.access_token")?,
        scope_claim: match scope_claim.as_str() {
            "string" => ScopeClaim::Text,
            "both" => ScopeClaim::Both,
            _ => ScopeClaim::List,
        },
        not_before: !without_not_before,
        top_level: list(values, "oauth2.allowed_top_level_claims")?,
        mirror: values.get("oauth2.mirror_top_level_claims")?,
        preserve: values.get("oauth2.preserve_ext_claims")?,
    })
}

/// Where the hooks are.
pub(super) fn hook_urls(values: &Values) -> Result<Vec<String>, ConfigError> {
    let hooks = [
        hook(values, "oauth2.token_hook")?,
        hook(values, "oauth2.refresh_token_hook")?,
    ];
    Ok(hooks.into_iter().flatten().map(|hook| hook.url).collect())
}

/// A URL, or a URL and a key; the form was checked when the value was read.
fn hook(values: &Values, name: &'static str) -> Result<Option<Hook>, ConfigError> {
    let value: Option<Value> = values.get(name)?;
    let text = |pointer: &str| {
        let found = value.as_ref().and_then(|value| value.pointer(pointer));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let url = match &value {
        Some(Value::String(url)) => url.clone(),
        _ => text("/url"),
    };
    let auth = Some(text("/auth/config/name")).filter(|name| !name.is_empty());
    let auth = auth.map(|name| HookAuth {
        in_cookie: text("/auth/config/in") == "cookie",
        name,
        value: text("/auth/config/value").into(),
    });
    Ok(Some(Hook { url, auth }).filter(|hook| !hook.url.is_empty()))
}

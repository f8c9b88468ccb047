//! `serve.public.rate_limit`: how often one address may ask for what costs most.

use super::error::ConfigError;
use super::tls::Networks;
use super::values::Values;

/// The settings of the limit.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// Whether there is one.
    pub enabled: bool,
    /// Requests a minute in the long run.
    pub per_minute: u32,
    /// Requests at once.
    pub burst: u32,
    /// Networks to which it does not apply.
    pub trusted: Networks,
}

impl Rates {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: values.get("serve.public.rate_limit.enabled")?,
            per_minute: values.get("serve.public.rate_limit.per_minute")?,
            burst: values.get("serve.public.rate_limit.burst")?,
            trusted: Networks::from_values(values, "serve.public.rate_limit.trusted_networks")?,
        })
    }
}

//! The settings of devices that have no browser.

use std::time::Duration;

use claviger_core::device::user_code::UserCodeForm;

use super::error::ConfigError;
use super::values::Values;

/// `oauth2.device_authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// At least one second.
    pub interval: Duration,
    pub user_code: UserCodeForm,
}

impl Device {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let (preset, length, characters) = (
            "oauth2.device_authorization.user_code.entropy_preset",
            "oauth2.device_authorization.user_code.length",
            "oauth2.device_authorization.user_code.character_set",
        );
        let mut form = match values.get::<String>(preset)?.as_str() {
            "low" => UserCodeForm::low(),
            "medium" => UserCodeForm::medium(),
            _ => UserCodeForm::high(),
        };
        if let Some(length) = values.get(length)? {
            form = form.with_length(length);
        }
        if let Some(text) = values.get::<Option<String>>(characters)? {
            let made = form.with_characters(&text);
            form = made.map_err(|error| values.invalid(characters, error.to_string()))?;
        }
        Ok(Self {
            interval: values.at_least_a_second("oauth2.device_authorization.token_polling_interval")?,
            user_code: form,
        })
    }
}

//! The settings of the published keys and of their rotation.

use std::time::Duration;

use super::error::ConfigError;
use super::values::Values;
use crate::keys::Rotation;

/// `keys` and `webfinger.jwks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Key sets that are published besides those that sign.
    pub broadcast: Vec<String>,
    /// When keys are replaced; none means on command only.
    pub rotation: Option<Rotation>,
}

impl Signing {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            broadcast: values
                .get::<Option<_>>("webfinger.jwks.broadcast_keys")?
                .unwrap_or_default(),
            rotation: rotation(values)?,
        })
    }
}

fn rotation(values: &Values) -> Result<Option<Rotation>, ConfigError> {
    let (interval, publish_ahead) = ("keys.rotation.interval", "keys.rotation.publish_ahead");
    let rotation = Rotation {
        interval: values.duration(interval)?,
        publish_ahead: values.at_least_a_second(publish_ahead)?,
    };
    if rotation.interval == Duration::ZERO {
        return Ok(None);
    }
    // Otherwise there would be more and more keys that wait for their time.
    if rotation.interval <= rotation.publish_ahead {
        return Err(values.invalid(interval, format!("must be longer than {publish_ahead}")));
    }
    Ok(Some(rotation))
}

//! The settings of cookies.

use serde::Deserialize;

use super::error::ConfigError;
use super::values::Values;

/// `serve.cookies`, as cookies have to be made: the rules about http and development mode are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookies {
    /// Domain attribute, if any.
    pub domain: Option<String>,
    /// Secure attribute.
    pub secure: bool,
    /// SameSite attribute.
    pub same_site: SameSite,
    /// Whether to set a second cookie without SameSite.
    pub legacy_workaround: bool,
    /// Name of the login session's cookie.
    pub session: String,
    /// Name of the cookie that ties a login to its browser.
    pub login_csrf: String,
    /// Name of the cookie that ties a consent to its browser.
    pub consent_csrf: String,
    /// Name of the cookie that ties a device verification to its browser.
    pub device_csrf: String,
    /// Path attribute of the login session's cookie.
    pub session_path: String,
}

/// The SameSite attribute of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

impl Cookies {
    pub(super) fn from_values(values: &Values, issuer: &str, dev: bool) -> Result<Self, ConfigError> {
        let https = issuer.starts_with("https:");
        let secure: bool = values.get("serve.cookies.secure")?;
        let same_site = values.get("serve.cookies.same_site_mode")?;
        let name = |kind: &str| -> Result<String, ConfigError> {
            let name: String = values.get(&format!("serve.cookies.names.{kind}"))?;
            Ok(if dev { format!("{name}_dev") } else { name })
        };
        Ok(Self {
            domain: values.get("serve.cookies.domain")?,
            // Browsers drop SameSite=None without Secure, and Secure on plain http.
            secure: https || secure,
            same_site: if https { same_site } else { SameSite::Lax },
            legacy_workaround: values.get("serve.cookies.same_site_legacy_workaround")?,
            session: name("session")?,
            login_csrf: name("login_csrf")?,
            consent_csrf: name("consent_csrf")?,
            device_csrf: name("device_csrf")?,
            session_path: values.get("serve.cookies.paths.session")?,
        })
    }
}

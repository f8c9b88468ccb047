//! Who may call from a page of another origin.

use super::error::ConfigError;
use super::values::Values;

/// `serve.public.cors` or `serve.admin.cors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Whether cross-origin requests are answered at all.
    pub enabled: bool,
    /// Origins with at most one `*` each; none means every origin on the public port, without credentials, and nobody on the other.
    pub allowed_origins: Vec<String>,
    /// Methods that a preflight allows.
    pub allowed_methods: Vec<String>,
    /// Request headers that a preflight allows.
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read.
    pub exposed_headers: Vec<String>,
    /// Whether an origin that is listed may send credentials.
    pub allow_credentials: bool,
    /// Seconds that a preflight answer may be kept; 0 leaves it to the browser.
    pub max_age: u64,
}

impl Cors {
    pub(super) fn from_values(values: &Values, listener: &str) -> Result<Self, ConfigError> {
        let path = |key: &str| format!("serve.{listener}.cors.{key}");
        let list = |key: &str| -> Result<Vec<String>, ConfigError> {
            Ok(values.get::<Option<_>>(&path(key))?.unwrap_or_default())
        };
        Ok(Self {
            enabled: values.get(&path("enabled"))?,
            allowed_origins: list("allowed_origins")?,
            allowed_methods: list("allowed_methods")?,
            allowed_headers: list("allowed_headers")?,
            exposed_headers: list("exposed_headers")?,
            allow_credentials: values.get(&path("allow_credentials"))?,
            max_age: values.get(&path("max_age"))?,
        })
    }
}

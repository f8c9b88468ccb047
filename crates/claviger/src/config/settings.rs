//! The settings that work in this release, as typed values.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::token::access::AccessTokens;
use rustls::RootCertStore;
use serde::Deserialize;
use serde_json::Value;

pub use super::cookies::{Cookies, SameSite};
use super::dsn::Dsn;
use super::error::{ConfigError, Source};
use super::keys::{Key, Standing};
use super::listener::Listener;
use super::oauth2;
pub use super::oauth2::OAuth2;
pub use super::oidc::Oidc;
use super::rates::Rates;
use super::secret::Secret;
use super::signing::Signing;
use super::tracing::Collector;
use super::values::Values;
use crate::authorities::read;

/// Longest `ttl.authentication_session`: 180 days.
const LONGEST_SESSION: Duration = Duration::from_secs(180 * 24 * 3600);

/// What the operator wrote, complete and checked.
#[derive(Debug)]
pub struct Settings {
    /// Development mode.
    pub dev: bool,
    /// Whether an issuer with http is allowed (`dangerous-force-http`).
    pub force_http: bool,
    /// Redirect URIs that may use http (`dangerous-allow-insecure-redirect-urls`).
    pub insecure_redirect_urls: Vec<String>,
    /// `secrets.system`, newest first. Never empty when the server is to be started.
    pub system_secrets: Vec<Secret>,
    /// `serve.public`.
    pub public: Listener,
    /// `serve.admin`.
    pub admin: Listener,
    /// Whether the admin port may be open to other machines without asking for anything.
    pub admin_unauthenticated: bool,
    /// Whether requests to the admin port need an API key.
    pub admin_asks_for_keys: bool,
    /// `serve.public.rate_limit`.
    pub rates: Rates,
    /// Where traces go, if anywhere.
    pub collector: Option<Collector>,
    /// How long requests in flight may take at shutdown.
    pub shutdown_timeout: Duration,
    /// `log`.
    pub log: Log,
    /// `serve.cookies`.
    pub cookies: Cookies,
    /// `urls`.
    pub urls: Urls,
    /// `ttl`.
    pub ttl: Ttl,
    /// `strategies`.
    pub strategies: Strategies,
    /// `strategies.access_token`, `strategies.jwt` and what `oauth2` says of JWT access tokens.
    pub access_token: AccessTokens,
    /// `oauth2`.
    pub oauth2: OAuth2,
    /// `oidc` and `webfinger.oidc_discovery`.
    pub oidc: Oidc,
    /// `keys` and `webfinger.jwks`.
    pub keys: Signing,
    /// `clients.http`.
    pub outgoing: Outgoing,
    /// One line for every setting that was given and has no effect in this release.
    pub warnings: Vec<String>,
    dsn: Option<Dsn>,
    values: Arc<Values>,
    effective: Vec<(&'static str, Value, Source)>,
}

/// `log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// `log.level`, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Also written `panic` or `fatal`.
    #[serde(alias = "panic", alias = "fatal")]
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    /// One object a line.
    Json,
    /// Indented objects.
    JsonPretty,
}

/// `urls`. Pages are absolute URLs, or paths on our own host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// The issuer, verbatim.
    pub issuer: String,
    /// Base of public links; the issuer by default.
    pub public: String,
    /// Login page.
    pub login: Option<String>,
    /// Registration page.
    pub registration: Option<String>,
    /// Consent page.
    pub consent: Option<String>,
    /// Logout page.
    pub logout: Option<String>,
    /// Error page.
    pub error: Option<String>,
    /// Where people go after a logout.
    pub post_logout_redirect: Option<String>,
    /// Page for user codes.
    pub device_verification: Option<String>,
    /// Page after a device was allowed.
    pub device_success: Option<String>,
}

/// `ttl`. All at least one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    pub login_consent_request: Duration,
    /// At most 180 days.
    pub authentication_session: Duration,
    pub access_token: Duration,
    /// None: for ever.
    pub refresh_token: Option<Duration>,
    pub id_token: Duration,
    pub auth_code: Duration,
    pub device_user_code: Duration,
}

/// `strategies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategies {
    pub scope: ScopeStrategy,
    pub id_token_signing_alg: SigningAlg,
}

/// `strategies.scope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeStrategy {
    Wildcard,
    Exact,
    #[serde(rename = "DEPRECATED_HIERARCHICAL_SCOPE_STRATEGY")]
    Hierarchic,
}

/// `strategies.jwt.id_token_signing_alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SigningAlg {
    Rs256,
    Es256,
}

/// `clients.http`.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Whether private and loopback addresses are refused.
    pub disallow_private_ip_ranges: bool,
    /// URLs that are fetched all the same.
    pub private_ip_exception_urls: Vec<String>,
    /// The operator's hooks, wherever they are.
    pub own_urls: Vec<String>,
    /// The public authorities and the operator's; none if there are only the public ones.
    pub authorities: Option<Arc<RootCertStore>>,
}

/// Nothing is open that nobody opened.
impl Default for Outgoing {
    fn default() -> Self {
        Self {
            disallow_private_ip_ranges: true,
            private_ip_exception_urls: Vec::new(),
            own_urls: Vec::new(),
            authorities: None,
        }
    }
}

impl Settings {
    /// The database.
    ///
    /// # Errors
    /// If none is configured.
    pub fn dsn(&self) -> Result<&Dsn, ConfigError> {
        self.dsn.as_ref().ok_or_else(|| {
            ConfigError::Refused("no database is configured: set dsn (environment variable DSN), for example to sqlite://claviger.sqlite or postgres://user:password@host:5432/database".into())
        })
    }

    /// Why the admin port must not listen there, if it must not: whoever reaches it can do everything.
    #[must_use]
    pub fn open_admin(&self, listener: &Listener) -> Option<&'static str> {
        let is_guarded = self.admin_unauthenticated || self.guards_admin(listener);
        (!is_guarded).then_some(
            "would open the admin port, which asks for no credentials, to other machines: use 127.0.0.1, ask for API keys (serve.admin.require_api_key) or client certificates (serve.admin.tls.client_ca), or set serve.admin.allow_unauthenticated (SERVE_ADMIN_ALLOW_UNAUTHENTICATED) to true if something else protects it",
        )
    }

    fn guards_admin(&self, listener: &Listener) -> bool {
        let asks_certificates = listener.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        listener.is_local() || asks_certificates || self.admin_asks_for_keys
    }

    /// Whether the admin port would be refused there, had the operator not said that something else protects it.
    #[must_use]
    pub fn leaves_admin_open(&self, listener: &Listener) -> bool {
        self.admin_unauthenticated && !self.guards_admin(listener)
    }

    /// Every setting that has a value: its path, the value with secrets masked, and where it came from.
    #[must_use]
    pub fn effective(&self) -> &[(&'static str, Value, Source)] {
        &self.effective
    }

    /// What they were made of.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Reads the operator's authorities, so that what is wrong with the file is said before anything starts.
    pub(super) fn read_authorities(&mut self) -> Result<(), ConfigError> {
        const PATH: &str = "clients.http.ca.path";
        let Some(file) = self.values.get::<Option<PathBuf>>(PATH)? else {
            return Ok(());
        };
        let (roots, ignored) = read(&file).map_err(|reason| self.values.invalid(PATH, reason))?;
        if ignored > 0 {
            let what = "certificates in the file cannot be used as authorities and are left out";
            self.warnings.push(format!("{PATH}: {ignored} {what}"));
        }
        self.trust(Some(Arc::new(roots)));
        Ok(())
    }

    /// The authorities that were read at the start: a file that changed since counts at the next one.
    pub(super) fn keep_authorities(&mut self, running: &Self) {
        self.trust(running.outgoing.authorities.clone());
    }

    fn trust(&mut self, authorities: Option<Arc<RootCertStore>>) {
        if let Some(collector) = &mut self.collector {
            collector.authorities.clone_from(&authorities);
        }
        self.outgoing.authorities = authorities;
    }

    pub(super) fn from_values(values: &Arc<Values>) -> Result<Self, ConfigError> {
        let dsn: Option<Secret> = values.get("dsn")?;
        let dsn = dsn.map(|text| Dsn::parse(text.expose())).transpose();
        let urls = Urls::from_values(values)?;
        let dev = values.get("dev")?;
        Ok(Self {
            dev,
            force_http: values.get("dangerous-force-http")?,
            insecure_redirect_urls: list(values, "dangerous-allow-insecure-redirect-urls")?,
            system_secrets: values.get::<Option<_>>("secrets.system")?.unwrap_or_default(),
            public: Listener::from_values(values, "public")?,
            admin: Listener::from_values(values, "admin")?,
            admin_unauthenticated: values.get("serve.admin.allow_unauthenticated")?,
            admin_asks_for_keys: values.get("serve.admin.require_api_key")?,
            rates: Rates::from_values(values)?,
            collector: Collector::from_values(values)?,
            shutdown_timeout: values.duration("serve.shutdown_timeout")?,
            log: Log {
                level: values.get("log.level")?,
                format: values.get("log.format")?,
            },
            cookies: Cookies::from_values(values, &urls.issuer, dev)?,
            urls,
            ttl: Ttl::from_values(values)?,
            strategies: Strategies {
                scope: values.get("strategies.scope")?,
                id_token_signing_alg: values.get("strategies.jwt.id_token_signing_alg")?,
            },
            access_token: oauth2::access_token(values)?,
            oauth2: OAuth2::from_values(values)?,
            oidc: Oidc::from_values(values)?,
            keys: Signing::from_values(values)?,
            outgoing: Outgoing {
                disallow_private_ip_ranges: values.get("clients.http.disallow_private_ip_ranges")?,
                private_ip_exception_urls: list(values, "clients.http.private_ip_exception_urls")?,
                own_urls: oauth2::hook_urls(values)?,
                authorities: None,
            },
            warnings: values
                .changed(Standing::NotYet)
                .map(|(key, source)| no_effect(key, source))
                .collect(),
            dsn: dsn.map_err(|error| values.invalid("dsn", error.to_string()))?,
            values: Arc::clone(values),
            effective: values.shown(),
        })
    }
}

fn no_effect(key: &Key, source: &Source) -> String {
    format!("{} ({source}) has no effect: {}", key.path, key.reason)
}

pub(super) fn list(values: &Values, path: &str) -> Result<Vec<String>, ConfigError> {
    Ok(values.get::<Option<_>>(path)?.unwrap_or_default())
}

impl Urls {
    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let issuer: String = values.get("urls.self.issuer")?;
        Ok(Self {
            public: values
                .get::<Option<_>>("urls.self.public")?
                .unwrap_or_else(|| issuer.clone()),
            issuer,
            login: values.get("urls.login")?,
            registration: values.get("urls.registration")?,
            consent: values.get("urls.consent")?,
            logout: values.get("urls.logout")?,
            error: values.get("urls.error")?,
            post_logout_redirect: values.get("urls.post_logout_redirect")?,
            device_verification: values.get("urls.device.verification")?,
            device_success: values.get("urls.device.success")?,
        })
    }
}

impl Ttl {
    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let life = |path: &str| values.at_least_a_second(path);
        let never = values.duration_or_never("ttl.refresh_token")?.is_none();
        Ok(Self {
            login_consent_request: life("ttl.login_consent_request")?,
            authentication_session: life("ttl.authentication_session")?.min(LONGEST_SESSION),
            access_token: life("ttl.access_token")?,
            refresh_token: if never { None } else { Some(life("ttl.refresh_token")?) },
            id_token: life("ttl.id_token")?,
            auth_code: life("ttl.auth_code")?,
            device_user_code: life("ttl.device_user_code")?,
        })
    }
}

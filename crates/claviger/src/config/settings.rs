//! The settings that work in this release, as typed values.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::client::strangers::{InitialToken, Strangers};
use claviger_core::context::Advertised;
use claviger_core::hook::{Hook, HookAuth, Hooks};
use claviger_core::subject::PairwiseSalt;
use claviger_core::token::access::{AccessTokens, ScopeClaim};
use serde::Deserialize;
use serde_json::Value;

use super::device::Device;
use super::dsn::Dsn;
use super::error::{ConfigError, Source};
use super::keys::{Key, Standing};
use super::listener::Listener;
use super::rates::Rates;
use super::secret::Secret;
use super::signing::Signing;
use super::tracing::Collector;
use super::values::Values;

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

/// `clients.http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Whether private and loopback addresses are refused.
    pub disallow_private_ip_ranges: bool,
    /// URLs that are fetched all the same.
    pub private_ip_exception_urls: Vec<String>,
    /// The operator's hooks, wherever they are.
    pub own_urls: Vec<String>,
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
            access_token: access_token(values)?,
            oauth2: OAuth2::from_values(values)?,
            oidc: Oidc {
                dynamic_registration: values.get("oidc.dynamic_client_registration.enabled")?,
                strangers: strangers(values)?,
                default_scope: list(values, "oidc.dynamic_client_registration.default_scope")?,
                public_subjects: has_subject_type(values, "public")?,
                pairwise_salt: pairwise_salt(values)?,
                supported_claims: list(values, "webfinger.oidc_discovery.supported_claims")?,
                supported_scope: list(values, "webfinger.oidc_discovery.supported_scope")?,
                advertised: advertised(values)?,
            },
            keys: Signing::from_values(values)?,
            outgoing: Outgoing {
                disallow_private_ip_ranges: values.get("clients.http.disallow_private_ip_ranges")?,
                private_ip_exception_urls: list(values, "clients.http.private_ip_exception_urls")?,
                own_urls: hook_urls(values)?,
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

fn list(values: &Values, path: &str) -> Result<Vec<String>, ConfigError> {
    Ok(values.get::<Option<_>>(path)?.unwrap_or_default())
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

/// The form of access tokens.
fn access_token(values: &Values) -> Result<AccessTokens, ConfigError> {
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

impl Cookies {
    fn from_values(values: &Values, issuer: &str, dev: bool) -> Result<Self, ConfigError> {
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

impl OAuth2 {
    fn from_values(values: &Values) -> Result<Self, ConfigError> {
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

fn hook_urls(values: &Values) -> Result<Vec<String>, ConfigError> {
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

//! Every setting there is: one table, from which loading, checking, the environment's names and the reference follow.
//!
//! Names, types and defaults are those of Ory Hydra 2 where it has the setting, so that its configuration files can be
//! used as they are. To add a setting, add a line here and read it in `settings.rs`.

use std::sync::LazyLock;

use serde_json::Value;

use super::kind::Kind::{
    self, Bool, CookieAttribute, CookieName, Duration, DurationOrNever, Headers, Hook, Host, Int, Networks, OneOf,
    Page, Ratio, Secret, Secrets, SomeOf, Text, Texts, Url,
};

/// Grant types that a client can register for.
const REGISTRABLE: [&str; 6] = [
    "authorization_code",
    "implicit",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];

/// Members of a client that are the operator's, unless strangers may decide them. Never `skip_consent` and the end of a secret.
const MEMBERS: [&str; 6] = claviger_core::client::strangers::MEMBERS;

/// What a setting does in this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does what its description says.
    Works,
    /// Accepted, so that a configuration written for Hydra starts; a warning at start says that it has no effect yet.
    NotYet,
    /// Accepted without a warning, because there is nothing here that it could switch.
    Moot,
    /// Refused when set to anything but its default: to start without what it asks for would be less safe than not to start.
    Withheld,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// For the next request after a reload.
    Hot,
    /// At the next start.
    Start,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Where it stands in a file, parts separated by dots.
    pub path: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// The default in the form of an environment variable; empty for none.
    pub default: &'static str,
    /// What it means, in one line.
    pub doc: &'static str,
    /// When a change takes effect.
    pub effect: Effect,
    /// What it does in this release.
    pub standing: Standing,
    /// Why it has no effect, or is refused; the end of a sentence.
    pub reason: &'static str,
}

/// Settings that belong together.
pub struct Section {
    /// Heading in the reference.
    pub title: &'static str,
    /// The settings.
    pub keys: &'static [Key],
}

const fn key(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        doc,
        effect: Effect::Start,
        standing: Standing::Works,
        reason: "",
    }
}

impl Key {
    const fn hot(self) -> Self {
        Self {
            effect: Effect::Hot,
            ..self
        }
    }

    const fn not_yet(self) -> Self {
        Self {
            standing: Standing::NotYet,
            reason: "this release has nothing of the kind",
            ..self
        }
    }

    const fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    const fn moot(self) -> Self {
        Self {
            standing: Standing::Moot,
            ..self
        }
    }

    const fn withheld(self) -> Self {
        Self {
            standing: Standing::Withheld,
            reason: "this release has nothing of the kind, and to start without it would not be what was asked for",
            ..self
        }
    }

    /// The name of the environment variable: `serve.public.port` is `SERVE_PUBLIC_PORT`.
    #[must_use]
    pub fn env_name(&self) -> String {
        env_name(self.path)
    }

    /// The variable that names a file with the value, if it is a secret.
    #[must_use]
    pub fn file_env_name(&self) -> Option<String> {
        self.kind.is_secret().then(|| format!("{}_FILE", self.env_name()))
    }

    /// The default as a value; null for none.
    #[must_use]
    pub fn default_value(&self) -> Value {
        if self.default.is_empty() {
            Value::Null
        } else {
            self.kind.read(self.default).unwrap_or_default()
        }
    }
}

/// The environment variable of the setting or group of settings at `path`.
#[must_use]
pub fn env_name(path: &str) -> String {
    path.replace(['.', '-'], "_").to_ascii_uppercase()
}

/// Every setting, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// The setting at `path`.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

/// The paths of all groups of settings: `serve`, `serve.public`, ...
pub fn groups() -> &'static [&'static str] {
    static GROUPS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let parents = |path: &'static str| path.match_indices('.').filter_map(move |(dot, _)| path.get(..dot));
        let mut groups: Vec<_> = all().flat_map(|key| parents(key.path)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    });
    &GROUPS
}

/// The settings of a listener, `$e` being `public` or `admin`.
#[rustfmt::skip]
macro_rules! listener {
    ($e:literal, $host:literal, $port:literal, $($extra:expr),+) => {
        &[
            key(concat!("serve.", $e, ".host"), Host, $host, concat!("Address that the ", $e, " port binds to, or `unix:/path` for a socket; empty for all interfaces.")),
            key(concat!("serve.", $e, ".port"), Int(1, 65535), $port, concat!("TCP port of the ", $e, " endpoints.")),
            key(concat!("serve.", $e, ".base_url"), Url, "", "Base of links to these endpoints.").not_yet().because("links are made from urls.self.public"),
            key(concat!("serve.", $e, ".write_listen_file"), Text, "", "File to write the address to that is listened on."),
            key(concat!("serve.", $e, ".socket.owner"), Text, "", "Owner of the socket file: a name of `/etc/passwd`, or a number."),
            key(concat!("serve.", $e, ".socket.group"), Text, "", "Group of the socket file: a name of `/etc/group`, or a number."),
            key(concat!("serve.", $e, ".socket.mode"), Int(0, 0o7777), "493", "Mode of the socket file, as a decimal number: 432 is 0660. Who may write to the file may connect."),
            key(concat!("serve.", $e, ".request_log.disable_for_health"), Bool, "false", "Log health probes at trace level only.").hot(),
            key(concat!("serve.", $e, ".access_log.disable_for_health"), Bool, "false", "Version 1 name of `request_log.disable_for_health`.").hot(),
            key(concat!("serve.", $e, ".tls.enabled"), Bool, "false", "Speak TLS (1.2 and 1.3) on this port."),
            key(concat!("serve.", $e, ".tls.key.path"), Text, "", "PEM file of the private key; read again when it changes."),
            key(concat!("serve.", $e, ".tls.key.base64"), Secret, "", "The private key, PEM in base64."),
            key(concat!("serve.", $e, ".tls.cert.path"), Text, "", "PEM file of the certificate chain, the server's own first; read again when it changes."),
            key(concat!("serve.", $e, ".tls.cert.base64"), Secret, "", "The certificate chain, PEM in base64."),
            key(concat!("serve.", $e, ".tls.allow_termination_from"), Networks, "", "Networks (CIDR) of proxies that end TLS before this server. Set, plain HTTP is answered only if such a proxy sends it with `X-Forwarded-Proto: https`, and `X-Forwarded-For` of such a proxy names the client."),
            key(concat!("serve.", $e, ".cors.enabled"), Bool, "false", "Answer cross-origin requests.").hot(),
            key(concat!("serve.", $e, ".cors.allowed_origins"), Texts, "", "Origins that may call, with at most one `*` each; empty means every origin on the public port, without credentials, and none on the admin port. A client's `allowed_cors_origins` count besides.").hot(),
            key(concat!("serve.", $e, ".cors.allowed_methods"), Texts, "POST,GET,PUT,PATCH,DELETE,CONNECT,HEAD,OPTIONS,TRACE", "Methods of cross-origin requests.").hot(),
            key(concat!("serve.", $e, ".cors.allowed_headers"), Texts, "Accept,Content-Type,Content-Length,Accept-Language,Content-Language,Authorization", "Headers of cross-origin requests.").hot(),
            key(concat!("serve.", $e, ".cors.exposed_headers"), Texts, "Cache-Control,Expires,Last-Modified,Pragma,Content-Length,Content-Language,Content-Type", "Response headers that cross-origin callers may read.").hot(),
            key(concat!("serve.", $e, ".cors.allow_credentials"), Bool, "true", "Allow credentials in cross-origin requests.").hot(),
            key(concat!("serve.", $e, ".cors.options_passthrough"), Bool, "false", "Hand preflight requests on.").not_yet().because("a preflight request is always answered at the edge; nothing behind it would answer"),
            key(concat!("serve.", $e, ".cors.max_age"), Int(0, i64::MAX), "0", "Seconds that a preflight answer may be kept.").hot(),
            key(concat!("serve.", $e, ".cors.debug"), Bool, "false", "Log cross-origin decisions.").not_yet().because("cross-origin decisions are not logged one by one"),
            $($extra),+
        ]
    };
}

/// The table.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { title: "Database, logs and modes", keys: &[
        key("dsn", Kind::Dsn, "", "Database: `sqlite:///path/to/file.sqlite`, `postgres://user:password@host:5432/database`, `mysql://user:password@tcp(host:3306)/database` or `memory`."),
        key("db.ignore_unknown_table_columns", Bool, "false", "Nothing to switch: columns that this release does not know never matter.").moot(),
        key("db.jwk_cache.enabled", Bool, "false", "Nothing to switch: keys are always cached.").moot(),
        key("db.jwk_cache.size", Int(0, i64::MAX), "", "Nothing to switch: keys are always cached.").moot(),
        key("db.jwk_cache.ttl", Duration, "", "Nothing to switch: keys are always cached.").moot(),
        key("log.level", OneOf(&["panic", "fatal", "error", "warn", "info", "debug", "trace"]), "info", "How much is logged. Below `error` there is nothing: `panic` and `fatal` mean `error`.").hot(),
        key("log.format", OneOf(&["text", "json", "json_pretty"]), "text", "Form of log lines: `json` is one object a line, `json_pretty` an indented one."),
        key("log.leak_sensitive_values", Bool, "false", "Secrets are never logged, so there is nothing to leak.").not_yet().because("secrets are never logged"),
        key("log.redaction_text", Text, "", "Text in place of what is not logged.").not_yet().because("what is secret is left out of the log, not replaced"),
        key("dev", Bool, "false", "Development mode: plain HTTP on loopback, a SQLite file and generated secrets where none are set. Never in production."),
        key("dangerous-force-http", Bool, "false", "Allow an issuer with http, for a server whose network is trusted."),
        key("dangerous-allow-insecure-redirect-urls", Texts, "", "Redirect URIs that may use http; needs `dangerous-force-http`."),
        key("profiling", OneOf(&["cpu", "mem"]), "", "Write a profile.").not_yet().because("this program writes no profiles; look at it from outside, for example with perf"),
        key("sqa.opt_out", Bool, "false", "Nothing to switch: nothing is ever reported to anybody.").moot(),
        key("cgroups.v1.auto_max_procs_enabled", Bool, "false", "Nothing to switch: CPU quotas are always respected.").moot(),
        key("$schema", Text, "", "Nothing to switch: where your editor finds the JSON Schema of the file, `docs/claviger.schema.json`.").moot(),
        key("version", Text, "", "Free for your own use: the release that the file was written for.").moot(),
        key("feature_flags.legacy_allow_insecure_origins", Bool, "false", "Older matching of origins with `*`.").hot().not_yet().because("the older matching lets in more origins than are written down; list the origins"),
    ] },
    Section { title: "Public listener", keys: listener!("public", "", "4444",
        key("serve.public.rate_limit.enabled", Bool, "false", "Limit how often one address may use the endpoints that cost most (authorize, token, device, introspect, revoke, register). The addresses of clients behind a proxy are known only with `allow_termination_from`."),
        key("serve.public.rate_limit.per_minute", Int(1, 1_000_000), "120", "Requests a minute that one address, or one IPv6 network (/64), may make in the long run."),
        key("serve.public.rate_limit.burst", Int(1, 1_000_000), "60", "Requests that it may make at once."),
        key("serve.public.rate_limit.trusted_networks", Networks, "", "Networks (CIDR) that are not limited: those of your own services."),
        key("serve.shutdown_timeout", Duration, "10s", "How long requests in flight may take to finish at shutdown.")
    ) },
    Section { title: "Admin listener", keys: listener!("admin", "127.0.0.1", "4445",
        key("serve.admin.v1_paths", Bool, "true", "Also answer at the paths of Hydra 1, which have no `/admin`.").hot(),
        key("serve.admin.require_api_key", Bool, "false", "Ask for an API key (`claviger create api-key`) in every request to the admin port but health probes."),
        key("serve.admin.allow_unauthenticated", Bool, "false", "Let the admin port bind to an address other than loopback, because something else keeps strangers out."),
        key("serve.admin.tls.client_ca.path", Text, "", "PEM file of the authorities that sign the certificates of clients; read again when it changes. Set, clients without such a certificate are turned away."),
        key("serve.admin.tls.client_ca.base64", Secret, "", "The same, PEM in base64.")
    ) },
    Section { title: "Both listeners, cookies", keys: &[
        key("serve.tls.enabled", Bool, "false", "Speak TLS on both ports."),
        key("serve.tls.key.path", Text, "", "PEM file of the private key; read again when it changes."),
        key("serve.tls.key.base64", Secret, "", "The private key, PEM in base64."),
        key("serve.tls.cert.path", Text, "", "PEM file of the certificate chain, the server's own first; read again when it changes."),
        key("serve.tls.cert.base64", Secret, "", "The certificate chain, PEM in base64."),
        key("serve.tls.allow_termination_from", Networks, "", "Networks (CIDR) of proxies that end TLS before this server. Set, plain HTTP is answered only if such a proxy sends it with `X-Forwarded-Proto: https`, and `X-Forwarded-For` of such a proxy names the client."),
        key("serve.cookies.same_site_mode", OneOf(&["Strict", "Lax", "None"]), "None", "SameSite attribute of cookies; always `Lax` when the issuer is not https."),
        key("serve.cookies.same_site_legacy_workaround", Bool, "false", "Also set a cookie without SameSite, for browsers that misread `None`."),
        key("serve.cookies.domain", CookieAttribute, "", "Domain attribute of cookies; empty for the host alone."),
        key("serve.cookies.secure", Bool, "false", "Secure attribute of cookies when the issuer is http; with https it is always set."),
        key("serve.cookies.names.session", CookieName, "ory_hydra_session", "Name of the login session's cookie; `_dev` is added in development mode, here and below."),
        key("serve.cookies.names.login_csrf", CookieName, "ory_hydra_login_csrf", "Name of the cookie that ties a login to its browser."),
        key("serve.cookies.names.consent_csrf", CookieName, "ory_hydra_consent_csrf", "Name of the cookie that ties a consent to its browser."),
        key("serve.cookies.names.device_csrf", CookieName, "ory_hydra_device_csrf", "Name of the cookie that ties a device verification to its browser."),
        key("serve.cookies.paths.session", CookieAttribute, "/", "Path attribute of the login session's cookie."),
    ] },
    Section { title: "URLs", keys: &[
        key("urls.self.issuer", Url, "", "Issuer: the public URL of this server, used verbatim. Without it, the address of the public listener."),
        key("urls.self.public", Url, "", "Base of links to the public endpoints; the issuer by default.").hot(),
        key("urls.self.admin", Url, "", "Base of links to the admin endpoints.").hot().not_yet().because("no link leads to the admin endpoints"),
        key("urls.login", Page, "", "Page of your login app. Without it, a page that says what is missing; in development mode, a sample.").hot(),
        key("urls.registration", Page, "", "Page where people register; the login page by default.").hot(),
        key("urls.consent", Page, "", "Page of your consent app, likewise.").hot(),
        key("urls.logout", Page, "", "Page of your logout app, likewise.").hot(),
        key("urls.error", Page, "", "Page that shows errors to people; a built-in one by default.").hot(),
        key("urls.post_logout_redirect", Page, "", "Where people go after a logout that names no other place.").hot(),
        key("urls.device.verification", Page, "", "Page where people enter the code that a device shows. Without it, as for `urls.login`.").hot(),
        key("urls.device.success", Page, "", "Page after a device was allowed; a built-in one by default.").hot(),
        key("urls.identity_provider.url", Url, "", "Admin URL of an identity provider, to end its sessions.").hot().not_yet().because("your logout app ends the sessions of your identity provider"),
        key("urls.identity_provider.publicUrl", Url, "", "Public URL of that identity provider.").hot().not_yet().because("your logout app ends the sessions of your identity provider"),
        key("urls.identity_provider.headers", Headers, "", "Headers of requests to that identity provider.").hot().not_yet().because("your logout app ends the sessions of your identity provider"),
    ] },
    Section { title: "Strategies", keys: &[
        key("strategies.scope", OneOf(&["wildcard", "exact", "DEPRECATED_HIERARCHICAL_SCOPE_STRATEGY"]), "wildcard", "How requested scopes are compared with a client's.").hot(),
        key("strategies.access_token", OneOf(&["opaque", "jwt"]), "opaque", "Form of access tokens, where a client has not chosen its own; a JWT (RFC 9068) can be revoked as well.").hot(),
        key("strategies.jwt.scope_claim", OneOf(&["list", "string", "both"]), "list", "Scope in JWT access tokens: `scp` (list), `scope` (string) or both.").hot(),
        key("strategies.jwt.id_token_signing_alg", OneOf(&["RS256", "ES256"]), "RS256", "Algorithm that signs ID tokens; ES256 is many times faster, RS256 is what every client knows.").hot(),
        key("strategies.jwt.stateless.enabled", Bool, "false", "JWT access tokens without a record of them.").hot().not_yet().because("every access token has a record, so that it can be revoked"),
        key("strategies.jwt.stateless.claim_name", Text, "sl", "Claim that marks them.").hot().not_yet().because("every access token has a record, so that it can be revoked"),
    ] },
    Section { title: "Lifetimes", keys: &[
        key("ttl.login_consent_request", Duration, "30m", "Life of a login or consent challenge.").hot(),
        key("ttl.authentication_session", Duration, "720h", "Life of a remembered login for which the login app sets no other, at most 180 days.").hot(),
        key("ttl.access_token", Duration, "1h", "Life of an access token.").hot(),
        key("ttl.refresh_token", DurationOrNever, "720h", "Life of a refresh token; -1 for ever.").hot(),
        key("ttl.id_token", Duration, "1h", "Life of an ID token.").hot(),
        key("ttl.auth_code", Duration, "10m", "Life of an authorization code.").hot(),
        key("ttl.device_user_code", Duration, "10m", "Life of a device code and its user code.").hot(),
    ] },
    Section { title: "OAuth 2.0", keys: &[
        key("oauth2.expose_internal_errors", Bool, "false", "Nothing to switch: what went wrong inside is in the log, under the id that the error carries.").moot(),
        key("oauth2.include_legacy_error_fields", Bool, "false", "Version 1: `error_hint`, `error_debug` and `status_code` in errors.").hot().not_yet().because("Hydra 2 has them no more; clients read error and error_description"),
        key("oauth2.session.encrypt_at_rest", Bool, "true", "Session data is always encrypted in the database.").not_yet().because("session data is always encrypted"),
        key("oauth2.exclude_not_before_claim", Bool, "false", "No `nbf` in JWT access tokens.").hot(),
        key("oauth2.allowed_top_level_claims", Texts, "", "Claims of the consent answer that JWT access tokens carry outside `ext`.").hot(),
        key("oauth2.mirror_top_level_claims", Bool, "true", "Keep those claims in `ext` too.").hot(),
        key("oauth2.preserve_ext_claims", Bool, "false", "With `oauth2.mirror_top_level_claims` off: an `ext` with the other claims.").hot(),
        key("oauth2.hashers.algorithm", OneOf(&["pbkdf2", "bcrypt"]), "pbkdf2", "Nothing to switch: secrets that a person chose are hashed with Argon2id; hashes of the others still verify.").moot(),
        key("oauth2.hashers.bcrypt.cost", Int(4, 31), "10", "Nothing to switch, see `oauth2.hashers.algorithm`.").moot(),
        key("oauth2.hashers.pbkdf2.iterations", Int(1, i64::MAX), "25000", "Nothing to switch, see `oauth2.hashers.algorithm`.").moot(),
        key("oauth2.pkce.enforced", Bool, "false", "Every client must use PKCE.").hot(),
        key("oauth2.pkce.enforced_for_public_clients", Bool, "true", "Public clients must use PKCE, as RFC 9700 §2.1.1 says.").hot(),
        key("oauth2.client_credentials.default_grant_allowed_scope", Bool, "false", "A client_credentials request without a scope gets all that the client may have.").hot(),
        key("oauth2.grant.refresh_token.rotation_grace_period", Duration, "0s", "How long a used refresh token still answers, with the same successor; at most 5m.").hot(),
        key("oauth2.grant.refresh_token.rotation_grace_reuse_count", Int(0, i64::MAX), "0", "How often it still answers.").hot().not_yet().because("within the grace period a used refresh token gives the same successor, however often"),
        key("oauth2.grant.jwt.jti_optional", Bool, "false", "Assertions that are grants (RFC 7523) need no `jti`; without one they can be used more than once.").hot(),
        key("oauth2.grant.jwt.iat_optional", Bool, "false", "Assertions that are grants need no `iat`.").hot(),
        key("oauth2.grant.jwt.max_ttl", Duration, "720h", "Longest time until an assertion that is a grant expires.").hot(),
        key("oauth2.grant.jwt.omit_assertion_audience", Bool, "true", "Tokens do not take over the audience of an assertion.").hot().not_yet().because("the audience of an assertion is this server, and no token is meant for it; clients name audiences in the request"),
        key("oauth2.refresh_token_hook", Hook, "", "URL that is asked before a token is refreshed; or an object with `url` and `auth`.").hot(),
        key("oauth2.token_hook", Hook, "", "URL that is asked before a token is issued; or an object with `url` and `auth`.").hot(),
        key("oauth2.device_authorization.token_polling_interval", Duration, "5s", "Least time between two polls of a device.").hot(),
        key("oauth2.device_authorization.user_code.entropy_preset", OneOf(&["high", "medium", "low"]), "high", "Form of user codes: `high` 8 letters and digits, `medium` 8 letters, `low` 9 digits; none that look alike.").hot(),
        key("oauth2.device_authorization.user_code.length", Int(6, 255), "", "Length of user codes, instead of the preset's.").hot(),
        key("oauth2.device_authorization.user_code.character_set", Text, "", "Characters of user codes, instead of the preset's: letters and digits, at least 8; case does not count.").hot(),
        key("oauth2.token_prefixes.access", Kind::Prefix, "clv_at_", "Text before every access token, for scanners of leaked secrets."),
        key("oauth2.token_prefixes.refresh", Kind::Prefix, "clv_rt_", "Text before every refresh token."),
        key("oauth2.token_prefixes.code", Kind::Prefix, "clv_ac_", "Text before every authorization code."),
    ] },
    Section { title: "OpenID Connect, discovery", keys: &[
        key("oidc.subject_identifiers.supported_types", SomeOf(&["public", "pairwise"]), "public", "Kinds of subject identifiers; `pairwise` needs a salt.").hot(),
        key("oidc.subject_identifiers.pairwise.salt", Secret, "", "Salt of pairwise identifiers, at least 8 characters, never to be changed."),
        key("oidc.dynamic_client_registration.enabled", Bool, "false", "Let anybody register clients at /oauth2/register, within limits.").hot(),
        key("oidc.dynamic_client_registration.default_scope", Texts, "offline_access,offline,openid", "Scopes of clients that are registered without any, and all that strangers may register for.").hot(),
        key("oidc.dynamic_client_registration.grant_types", SomeOf(&REGISTRABLE), "authorization_code,refresh_token,urn:ietf:params:oauth:grant-type:device_code", "Grant types that strangers may register for.").hot(),
        key("oidc.dynamic_client_registration.members", SomeOf(&MEMBERS), "", "What strangers may decide besides, which is the operator's otherwise.").hot(),
        key("oidc.dynamic_client_registration.initial_access_tokens", Secrets, "", "Whoever registers must present one of these as bearer token (RFC 7591 §3). Without any, everybody may register.").hot(),
        key("webfinger.jwks.broadcast_keys", Texts, "hydra.openid.id-token", "Key sets at /.well-known/jwks.json, besides those that sign.").hot(),
        key("webfinger.oidc_discovery.jwks_url", Url, "", "Advertised in place of our own JWKS URL.").hot(),
        key("webfinger.oidc_discovery.token_url", Url, "", "Advertised in place of our own token URL.").hot(),
        key("webfinger.oidc_discovery.auth_url", Url, "", "Advertised in place of our own authorization URL.").hot(),
        key("webfinger.oidc_discovery.device_authorization_url", Url, "", "Advertised in place of our own device authorization URL.").hot(),
        key("webfinger.oidc_discovery.client_registration_url", Url, "", "Advertised in place of our own registration URL.").hot(),
        key("webfinger.oidc_discovery.userinfo_url", Url, "", "Advertised in place of our own userinfo URL.").hot(),
        key("webfinger.oidc_discovery.supported_claims", Texts, "", "Claims that discovery lists besides `sub`.").hot(),
        key("webfinger.oidc_discovery.supported_scope", Texts, "", "Scopes that discovery lists besides openid, offline and offline_access.").hot(),
    ] },
    Section { title: "Secrets and keys", keys: &[
        key("secrets.system", Secrets, "", "Everything that is sealed, signed or encrypted depends on it. To rotate, put a new one in front and keep the old ones.").hot(),
        key("secrets.cookie", Secrets, "", "Cookies are sealed under `secrets.system`.").not_yet().because("cookies are sealed under secrets.system"),
        key("secrets.pagination", Secrets, "", "Page tokens are sealed under `secrets.system`.").not_yet().because("page tokens are sealed under secrets.system"),
        key("keys.rotation.interval", Duration, "0s", "For how long a key signs until the next one takes over, such as 2160h; 0s for ever. Keys that nothing needs any more are then removed."),
        key("keys.rotation.publish_ahead", Duration, "24h", "For how long a key is published before it signs."),
        key("hsm.enabled", Bool, "false", "Keep keys in a PKCS#11 device.").withheld().because("keys are in the database, sealed under secrets.system, and in no PKCS#11 device"),
        key("hsm.library", Text, "", "Path of its PKCS#11 library.").not_yet().because("keys are in the database, sealed under secrets.system"),
        key("hsm.pin", Secret, "", "Its PIN.").not_yet().because("keys are in the database, sealed under secrets.system"),
        key("hsm.slot", Int(0, i64::MAX), "", "Its slot.").not_yet().because("keys are in the database, sealed under secrets.system"),
        key("hsm.token_label", Text, "", "Label of the token.").not_yet().because("keys are in the database, sealed under secrets.system"),
        key("hsm.key_set_prefix", Text, "", "Text before the names of key sets.").not_yet().because("keys are in the database, sealed under secrets.system"),
    ] },
    Section { title: "Outgoing requests", keys: &[
        key("clients.http.disallow_private_ip_ranges", Bool, "true", "Refuse to fetch what clients name from private and loopback addresses, or to send there. `false` in development mode.").hot(),
        key("clients.http.private_ip_exception_urls", Texts, "", "URLs that are fetched from there all the same; `*` stands for a part of one, `**` for any text.").hot(),
        key("clients.http.ca.path", Text, "", "PEM file of authorities that are trusted beside the public ones, in all requests that the server makes over `https`; read at the start."),
    ] },
    Section { title: "Tracing", keys: &[
        key("tracing.provider", OneOf(&["jaeger", "otel", "zipkin", "datadog", "elastic-apm", "instana"]), "", "Set to `otel` to send traces; the others are refused, as they take OTLP too."),
        key("tracing.service_name", Text, "Claviger", "Name of this service in traces."),
        key("tracing.deployment_environment", Text, "", "Name of this environment in traces."),
        key("tracing.providers.jaeger.local_agent_address", Text, "", "Address of a Jaeger agent.").not_yet(),
        key("tracing.providers.jaeger.propagation", Text, "", "Version 1: form of trace headers.").not_yet(),
        key("tracing.providers.jaeger.max_tag_value_length", Int(0, i64::MAX), "", "Version 1: longest value of a tag.").not_yet(),
        key("tracing.providers.jaeger.sampling.server_url", Url, "", "Where sampling is decided.").not_yet(),
        key("tracing.providers.jaeger.sampling.trace_id_ratio", Ratio, "1", "Part of all requests that is traced.").not_yet(),
        key("tracing.providers.jaeger.sampling.type", Text, "", "Version 1: kind of sampling.").not_yet(),
        key("tracing.providers.jaeger.sampling.value", Ratio, "", "Version 1: part of all requests that is traced.").not_yet(),
        key("tracing.providers.zipkin.server_url", Url, "", "URL of a Zipkin server.").not_yet(),
        key("tracing.providers.zipkin.sampling.sampling_ratio", Ratio, "", "Part of all requests that is traced.").not_yet(),
        key("tracing.providers.otlp.server_url", Text, "", "OTLP collector (HTTP): `host:port`, or a URL."),
        key("tracing.providers.otlp.insecure", Bool, "false", "Send traces over http, where `server_url` is no URL."),
        key("tracing.providers.otlp.sampling.sampling_ratio", Ratio, "1", "Part of all requests that is traced; a request that comes with `traceparent` brings the decision."),
        key("tracing.providers.otlp.authorization_header", Secret, "", "Authorization header for the collector."),
    ] },
];

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for key in all().filter(|key| !key.default.is_empty()) {
            assert!(key.kind.read(key.default).is_ok(), "{}", key.path);
        }
    }

    #[test]
    fn paths_and_environment_names_are_unique() {
        let mut seen = HashMap::new();
        let names = all().map(|key| key.path).chain(groups().iter().copied());
        for path in names {
            assert_eq!(seen.insert(env_name(path), path), None, "{path}");
        }
        for key in all() {
            let name = key.file_env_name();
            assert_eq!(name.and_then(|name| seen.insert(name, key.path)), None, "{}", key.path);
        }
    }

    #[test]
    fn environment_names_are_upper_cased_paths() {
        assert_eq!(env_name("oauth2.hashers.bcrypt.cost"), "OAUTH2_HASHERS_BCRYPT_COST");
        assert_eq!(env_name("dangerous-force-http"), "DANGEROUS_FORCE_HTTP");
    }

    #[test]
    fn a_group_is_never_a_setting() {
        assert!(groups().contains(&"serve.public.tls.cert"));
        assert!(groups().iter().all(|group| find(group).is_none()));
    }
}

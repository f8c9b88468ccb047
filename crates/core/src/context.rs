//! What a decision may look at: the time, randomness, policy and secrets of one request.

use std::fmt;
use std::time::Duration;

use crate::client::strangers::Strangers;
use crate::device::user_code::UserCodeForm;
use crate::hook::Hooks;
use crate::secrets::Secrets;
use crate::subject::PairwiseSalt;
use crate::token::access::AccessTokens;

/// Seconds since 1970-01-01T00:00:00Z, the `NumericDate` of RFC 7519 §2 without a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A time that never comes: tokens and memories that do not expire.
    pub const NEVER: Self = Self(i64::MAX);

    /// This time plus `life`; saturates at [`Self::NEVER`].
    #[must_use]
    pub fn plus(self, life: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(life.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Whole seconds from `earlier` to this time, zero if it lies in the past of `earlier`.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// RFC 3339 in UTC, ending in `Z`, as the admin API writes times.
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.0)
            .unwrap_or(jiff::Timestamp::MAX)
            .to_string()
    }
}

/// A source of unpredictable bytes. The program uses the operating system's generator; tests count.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random data.
    fn fill(&self, bytes: &mut [u8]);
}

/// Sixteen bytes that name a row: a UUIDv7 (RFC 9562 §5.7), so that new rows sort after old ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// A new id whose first 48 bits are `millis`, milliseconds since 1970.
    pub fn generate(millis: u64, entropy: &dyn Entropy) -> Self {
        let mut random = [0; 10];
        entropy.fill(&mut random);
        Self(
            uuid::Builder::from_unix_timestamp_millis(millis, &random)
                .into_uuid()
                .into_bytes(),
        )
    }

    /// The greatest id of a moment, milliseconds since 1970: every id that was generated until then sorts up to it.
    #[must_use]
    pub fn last_of(millis: u64) -> Self {
        let mut bytes = [0xff; 16];
        let [_, _, time @ ..] = millis.to_be_bytes();
        for (to, from) in bytes.iter_mut().zip(time) {
            *to = from;
        }
        Self(bytes)
    }

    /// Reads the hyphenated text that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::parse_str(text).ok().map(|id| Self(id.into_bytes()))
    }

    /// The creation time inside the id, milliseconds since 1970.
    #[must_use]
    pub fn millis(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// What one request may look at. Sampled once at the edge, so that a request sees one time and one policy.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// The time of the request.
    pub now: Timestamp,
    /// The same time in milliseconds, for time-ordered ids.
    pub millis: u64,
    /// The time since this server started, which nobody can set; it stands still while the machine sleeps.
    pub uptime: Duration,
    /// Randomness.
    pub entropy: &'a dyn Entropy,
    /// What the operator decided.
    pub policy: &'a Policy,
    /// Keys derived from `secrets.system`.
    pub secrets: &'a Secrets,
}

impl Cx<'_> {
    /// A new time-ordered id.
    #[must_use]
    pub fn new_id(&self) -> Id {
        Id::generate(self.millis, self.entropy)
    }
}

/// How a requested scope is compared with a registered one (`strategies.scope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeStrategy {
    /// Equality.
    Exact,
    /// `foo.*` matches `foo.bar` and `foo.bar.baz`, not `foo`.
    Wildcard,
    /// `foo` also allows `foo.bar`.
    Hierarchic,
}

/// The operator's settings in the form that decisions use: no option that has a default is left open.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `iss` of every token and response, verbatim (`urls.self.issuer`).
    pub issuer: String,
    /// Base of every public URL, without a final slash (`urls.self.public`).
    pub public_url: String,
    /// Where people log in (`urls.login`).
    pub login_url: String,
    /// Where people register with `prompt=registration` or `create` (`urls.registration`, else the login URL).
    pub registration_url: String,
    /// Where people consent (`urls.consent`).
    pub consent_url: String,
    /// Where people are asked whether they log out (`urls.logout`).
    pub logout_url: String,
    /// Where people go after a logout that names no other place (`urls.post_logout_redirect`).
    pub post_logout_url: String,
    /// Where people read about errors that cannot be sent to a client (`urls.error`).
    pub error_url: String,
    /// Life of a login or consent challenge (`ttl.login_consent_request`).
    pub challenge_life: Duration,
    /// Life of a remembered login without its own limit (`ttl.authentication_session`).
    pub session_life: Duration,
    /// `ttl.access_token`.
    pub access_token_life: Duration,
    /// `ttl.refresh_token`; none means that refresh tokens never expire.
    pub refresh_token_life: Option<Duration>,
    /// `ttl.id_token`.
    pub id_token_life: Duration,
    /// `ttl.auth_code`.
    pub code_life: Duration,
    /// How devices are authorized.
    pub device: DevicePolicy,
    /// `strategies.scope`.
    pub scope_strategy: ScopeStrategy,
    /// Whether everybody must use PKCE (`oauth2.pkce.enforced`).
    pub pkce_enforced: bool,
    /// Whether public clients must use PKCE (`oauth2.pkce.enforced_for_public_clients`).
    pub pkce_enforced_for_public_clients: bool,
    /// Whether a client_credentials request without scope gets all registered ones.
    pub default_grant_allowed_scope: bool,
    /// How long a used refresh token answers with the same successor (RFC 9700 §4.14.2).
    pub rotation_grace: Duration,
    /// How far off the end of an assertion may lie that is a grant (`oauth2.grant.jwt.max_ttl`).
    pub assertion_longest: Duration,
    /// Whether such an assertion may come without `jti`, and then more than once (`oauth2.grant.jwt.jti_optional`).
    pub assertion_id_optional: bool,
    /// Whether it may come without `iat` (`oauth2.grant.jwt.iat_optional`).
    pub assertion_issue_optional: bool,
    /// JWS algorithm of ID tokens (`strategies.jwt.id_token_signing_alg`).
    pub id_token_alg: claviger_jose::Alg,
    /// Redirect URIs that may use `http` on any host (`dangerous-allow-insecure-redirect-urls`).
    pub insecure_redirect_uris: Vec<String>,
    /// Development mode: `http` redirect URIs anywhere, cookies without `Secure`.
    pub dev: bool,
    /// The form of access tokens (`strategies.access_token`, `strategies.jwt`).
    pub access_token: AccessTokens,
    /// Text before every token, by kind.
    pub prefixes: Prefixes,
    /// Whether strangers may register clients (`oidc.dynamic_client_registration.enabled`).
    pub dynamic_registration: bool,
    /// Scopes of clients registered without any, and all that strangers may ask for.
    pub default_client_scope: Vec<String>,
    /// What strangers may have (`oidc.dynamic_client_registration`).
    pub strangers: Strangers,
    /// Who is asked before tokens are issued.
    pub hooks: Hooks,
    /// Whether clients may be told the subjects that the login app uses (`oidc.subject_identifiers.supported_types`).
    pub public_subjects: bool,
    /// The salt of pairwise identifiers, if there may be any.
    pub pairwise_salt: Option<PairwiseSalt>,
    /// Extra entries of `claims_supported`.
    pub supported_claims: Vec<String>,
    /// Extra entries of `scopes_supported`.
    pub supported_scopes: Vec<String>,
    /// What discovery says in place of our own addresses.
    pub advertised: Advertised,
}

/// Addresses that discovery names in place of our own, where something stands in front of them
/// (`webfinger.oidc_discovery`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised {
    /// `jwks_uri`
    pub jwks: Option<String>,
    /// `token_endpoint`
    pub token: Option<String>,
    /// `authorization_endpoint`
    pub authorization: Option<String>,
    /// `device_authorization_endpoint`
    pub device_authorization: Option<String>,
    /// `registration_endpoint`
    pub registration: Option<String>,
    /// `userinfo_endpoint`
    pub userinfo: Option<String>,
}

/// How devices are authorized (RFC 8628).
#[derive(Clone, Debug)]
pub struct DevicePolicy {
    /// Where people enter a user code (`urls.device.verification`).
    pub verification_url: String,
    /// Where people go after they allowed a device (`urls.device.success`).
    pub success_url: String,
    /// Life of a device code and its user code (`ttl.device_user_code`).
    pub code_life: Duration,
    /// Least time between two polls (`oauth2.device_authorization.token_polling_interval`).
    pub interval: Duration,
    /// What user codes look like (`oauth2.device_authorization.user_code`).
    pub user_code: UserCodeForm,
}

/// Text before each kind of token, so that scanners of leaked secrets recognize them.
#[derive(Clone, Debug)]
pub struct Prefixes {
    /// Before access tokens.
    pub access: String,
    /// Before refresh tokens.
    pub refresh: String,
    /// Before authorization codes.
    pub code: String,
    /// Before device codes.
    pub device: String,
    /// Before registration access tokens.
    pub registration: String,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            access: "clv_at_".into(),
            refresh: "clv_rt_".into(),
            code: "clv_ac_".into(),
            device: "clv_dc_".into(),
            registration: "clv_ra_".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::testing::Counter;

    #[test]
    fn the_last_id_of_a_moment_separates_it_from_the_next() {
        let millis = 1_700_000_000_123;
        let (now, next) = (
            Id::generate(millis, &Counter::default()),
            Id::generate(millis + 1, &Counter::default()),
        );
        let last = Id::last_of(millis);
        assert!(now <= last && last < next && last.millis() == millis);
    }
}

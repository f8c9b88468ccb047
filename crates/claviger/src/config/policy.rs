//! What the settings mean: the policy that protocol decisions use.

use claviger_core::context::{DevicePolicy, Policy, Prefixes, ScopeStrategy};

use super::settings::{self, Settings};

/// Built-in pages, for what the operator has no page for. In development mode they work; otherwise they say what is missing.
const LOGIN: &str = "/oauth2/fallbacks/login";
const CONSENT: &str = "/oauth2/fallbacks/consent";
const LOGOUT: &str = "/oauth2/fallbacks/logout";
const LOGOUT_DONE: &str = "/oauth2/fallbacks/logout/callback";
const DEVICE: &str = "/oauth2/fallbacks/device";
const DEVICE_DONE: &str = "/oauth2/fallbacks/device/done";
const ERROR: &str = "/oauth2/fallbacks/error";

/// The policy that follows from `settings`.
#[must_use]
pub fn policy(settings: &Settings) -> Policy {
    let public_url = settings.urls.public.trim_end_matches('/');
    let page = |given: Option<&str>, built_in| page(public_url, given.unwrap_or(built_in));
    let urls = &settings.urls;
    let login_url = page(urls.login.as_deref(), LOGIN);
    Policy {
        issuer: urls.issuer.clone(),
        public_url: public_url.to_owned(),
        registration_url: urls
            .registration
            .as_deref()
            .map_or_else(|| login_url.clone(), |url| page(Some(url), LOGIN)),
        login_url,
        consent_url: page(urls.consent.as_deref(), CONSENT),
        logout_url: page(urls.logout.as_deref(), LOGOUT),
        post_logout_url: page(urls.post_logout_redirect.as_deref(), LOGOUT_DONE),
        error_url: page(urls.error.as_deref(), ERROR),
        challenge_life: settings.ttl.login_consent_request,
        session_life: settings.ttl.authentication_session,
        access_token_life: settings.ttl.access_token,
        refresh_token_life: settings.ttl.refresh_token,
        id_token_life: settings.ttl.id_token,
        code_life: settings.ttl.auth_code,
        device: DevicePolicy {
            verification_url: page(urls.device_verification.as_deref(), DEVICE),
            success_url: page(urls.device_success.as_deref(), DEVICE_DONE),
            code_life: settings.ttl.device_user_code,
            interval: settings.oauth2.device.interval,
            user_code: settings.oauth2.device.user_code.clone(),
        },
        scope_strategy: scope_strategy(settings.strategies.scope),
        pkce_enforced: settings.oauth2.pkce_enforced,
        pkce_enforced_for_public_clients: settings.oauth2.pkce_enforced_for_public_clients,
        default_grant_allowed_scope: settings.oauth2.default_grant_allowed_scope,
        rotation_grace: settings.oauth2.rotation_grace_period,
        assertion_longest: settings.oauth2.assertion_longest,
        assertion_id_optional: settings.oauth2.assertion_id_optional,
        assertion_issue_optional: settings.oauth2.assertion_issue_optional,
        id_token_alg: match settings.strategies.id_token_signing_alg {
            settings::SigningAlg::Rs256 => claviger_jose::Alg::RS256,
            settings::SigningAlg::Es256 => claviger_jose::Alg::ES256,
        },
        insecure_redirect_uris: settings.insecure_redirect_urls.clone(),
        dev: settings.dev,
        access_token: settings.access_token.clone(),
        prefixes: prefixes(&settings.oauth2),
        dynamic_registration: settings.oidc.dynamic_registration,
        default_client_scope: settings.oidc.default_scope.clone(),
        strangers: settings.oidc.strangers.clone(),
        hooks: settings.oauth2.hooks.clone(),
        public_subjects: settings.oidc.public_subjects,
        pairwise_salt: settings.oidc.pairwise_salt.clone(),
        supported_claims: settings.oidc.supported_claims.clone(),
        supported_scopes: settings.oidc.supported_scope.clone(),
        advertised: settings.oidc.advertised.clone(),
    }
}

/// An absolute URL as it is; a path on our own host behind the public URL.
fn page(public_url: &str, given: &str) -> String {
    if given.starts_with('/') {
        format!("{public_url}{given}")
    } else {
        given.to_owned()
    }
}

fn scope_strategy(strategy: settings::ScopeStrategy) -> ScopeStrategy {
    match strategy {
        settings::ScopeStrategy::Wildcard => ScopeStrategy::Wildcard,
        settings::ScopeStrategy::Exact => ScopeStrategy::Exact,
        settings::ScopeStrategy::Hierarchic => ScopeStrategy::Hierarchic,
    }
}

fn prefixes(oauth2: &settings::OAuth2) -> Prefixes {
    Prefixes {
        access: oauth2.access_token_prefix.clone(),
        refresh: oauth2.refresh_token_prefix.clone(),
        code: oauth2.code_prefix.clone(),
        ..Prefixes::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use claviger_core::device::user_code::UserCodeForm;

    use super::*;
    use crate::config::{Purpose, Sources, load};

    fn policy_of(env: &[(&str, &str)]) -> Policy {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        policy(
            &load(Sources {
                env,
                purpose: Purpose::Show,
                ..Sources::default()
            })
            .unwrap(),
        )
    }

    #[test]
    fn the_issuer_stays_verbatim_and_the_public_url_loses_its_final_slash() {
        let policy = policy_of(&[("URLS_SELF_ISSUER", "https://a.example/x/")]);
        assert_eq!(policy.issuer, "https://a.example/x/");
        assert_eq!(policy.public_url, "https://a.example/x");
    }

    #[test]
    fn pages_that_are_not_set_are_the_built_in_ones() {
        let policy = policy_of(&[("URLS_SELF_PUBLIC", "https://a.example/x/")]);
        assert_eq!(policy.login_url, "https://a.example/x/oauth2/fallbacks/login");
        assert_eq!(policy.registration_url, policy.login_url);
        assert_eq!(policy.consent_url, "https://a.example/x/oauth2/fallbacks/consent");
        assert_eq!(policy.error_url, "https://a.example/x/oauth2/fallbacks/error");
    }

    #[test]
    fn pages_are_absolute_or_paths_behind_the_public_url() {
        let policy = policy_of(&[
            ("URLS_SELF_ISSUER", "https://a.example/"),
            ("URLS_LOGIN", "https://login.example/?x=y"),
            ("URLS_CONSENT", "/ui/consent"),
        ]);
        assert_eq!(policy.login_url, "https://login.example/?x=y");
        assert_eq!(policy.registration_url, "https://login.example/?x=y");
        assert_eq!(policy.consent_url, "https://a.example/ui/consent");
    }

    #[test]
    fn lifetimes_and_strategies_arrive() {
        let policy = policy_of(&[
            ("TTL_LOGIN_CONSENT_REQUEST", "1m"),
            ("TTL_AUTHENTICATION_SESSION", "2m"),
            ("TTL_ACCESS_TOKEN", "3m"),
            ("TTL_REFRESH_TOKEN", "-1"),
            ("TTL_ID_TOKEN", "4m"),
            ("TTL_AUTH_CODE", "5m"),
            ("OAUTH2_GRANT_REFRESH_TOKEN_ROTATION_GRACE_PERIOD", "6s"),
            ("STRATEGIES_SCOPE", "DEPRECATED_HIERARCHICAL_SCOPE_STRATEGY"),
        ]);
        let minutes = |count: u64| Duration::from_secs(60 * count);
        assert_eq!((policy.challenge_life, policy.session_life), (minutes(1), minutes(2)));
        assert_eq!(
            (policy.access_token_life, policy.refresh_token_life),
            (minutes(3), None)
        );
        assert_eq!((policy.id_token_life, policy.code_life), (minutes(4), minutes(5)));
        assert_eq!(policy.rotation_grace, Duration::from_secs(6));
        assert_eq!(policy.scope_strategy, ScopeStrategy::Hierarchic);
    }

    #[test]
    fn what_concerns_devices_arrives() {
        let policy = policy_of(&[
            ("URLS_SELF_ISSUER", "https://a.example/"),
            ("URLS_DEVICE_VERIFICATION", "/ui/device"),
            ("TTL_DEVICE_USER_CODE", "1m"),
            ("OAUTH2_DEVICE_AUTHORIZATION_TOKEN_POLLING_INTERVAL", "7s"),
            ("OAUTH2_DEVICE_AUTHORIZATION_USER_CODE_ENTROPY_PRESET", "low"),
            ("OAUTH2_DEVICE_AUTHORIZATION_USER_CODE_LENGTH", "12"),
        ]);
        let device = policy.device;
        assert_eq!(device.verification_url, "https://a.example/ui/device");
        assert_eq!(device.success_url, "https://a.example/oauth2/fallbacks/device/done");
        let (minute, interval) = (Duration::from_secs(60), Duration::from_secs(7));
        assert_eq!((device.code_life, device.interval), (minute, interval));
        assert_eq!(device.user_code, UserCodeForm::low().with_length(12));
        let set = [("OAUTH2_DEVICE_AUTHORIZATION_USER_CODE_CHARACTER_SET", "abcdefgh")];
        let expected = UserCodeForm::high().with_characters("ABCDEFGH").unwrap();
        assert_eq!(policy_of(&set).device.user_code, expected);
    }

    #[test]
    fn switches_arrive_one_by_one() {
        let is_on = |name: &str| {
            let p = policy_of(&[("OAUTH2_PKCE_ENFORCED_FOR_PUBLIC_CLIENTS", "false"), (name, "true")]);
            let all = [
                p.pkce_enforced,
                p.pkce_enforced_for_public_clients,
                p.default_grant_allowed_scope,
            ];
            (all, p.dev)
        };
        assert_eq!(is_on("OAUTH2_PKCE_ENFORCED"), ([true, false, false], false));
        assert_eq!(
            is_on("OAUTH2_PKCE_ENFORCED_FOR_PUBLIC_CLIENTS"),
            ([false, true, false], false)
        );
        let registration = "OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED";
        assert!(policy_of(&[(registration, "true")]).dynamic_registration);
        assert!(!policy_of(&[]).dynamic_registration);
        let scope = "OAUTH2_CLIENT_CREDENTIALS_DEFAULT_GRANT_ALLOWED_SCOPE";
        assert_eq!(is_on(scope), ([false, false, true], false));
        assert_eq!(is_on("DEV"), ([false; 3], true));
    }

    #[test]
    fn lists_and_prefixes_arrive() {
        let policy = policy_of(&[
            ("OAUTH2_TOKEN_PREFIXES_ACCESS", "a_"),
            ("OAUTH2_TOKEN_PREFIXES_REFRESH", "r_"),
            ("OAUTH2_TOKEN_PREFIXES_CODE", "c_"),
            ("OIDC_DYNAMIC_CLIENT_REGISTRATION_DEFAULT_SCOPE", "openid"),
            ("WEBFINGER_OIDC_DISCOVERY_SUPPORTED_CLAIMS", "email"),
            ("WEBFINGER_OIDC_DISCOVERY_SUPPORTED_SCOPE", "photos"),
        ]);
        let prefixes = &policy.prefixes;
        assert_eq!(
            [&prefixes.access, &prefixes.refresh, &prefixes.code],
            ["a_", "r_", "c_"]
        );
        assert_eq!(policy.default_client_scope, ["openid"]);
        assert_eq!(policy.supported_claims, ["email"]);
        assert_eq!(policy.supported_scopes, ["photos"]);
    }
}

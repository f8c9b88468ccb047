//! Environment variables.

use super::*;

#[test]
fn names_with_underscores_are_found() {
    let settings = Start::served()
        .env("OAUTH2_PKCE_ENFORCED_FOR_PUBLIC_CLIENTS", "true")
        .env("TTL_LOGIN_CONSENT_REQUEST", "1h30m")
        .env("SERVE_PUBLIC_REQUEST_LOG_DISABLE_FOR_HEALTH", "true")
        .load();
    assert!(settings.oauth2.pkce_enforced_for_public_clients && settings.public.quiet_health);
    assert_eq!(settings.ttl.login_consent_request, Duration::from_secs(5400));
}

#[test]
fn log_level_and_format_are_read() {
    let settings = Start::served()
        .env("LOG_LEVEL", "fatal")
        .env("LOG_FORMAT", "json_pretty")
        .load();
    assert_eq!(
        (settings.log.level, settings.log.format),
        (LogLevel::Error, LogFormat::JsonPretty)
    );
}

#[test]
fn lists_are_comma_separated_json_or_numbered() {
    let expected = ["email", "name"];
    let name = "WEBFINGER_OIDC_DISCOVERY_SUPPORTED_CLAIMS";
    for text in ["email, name", r#"["email","name"]"#] {
        assert_eq!(Start::served().env(name, text).load().oidc.supported_claims, expected);
    }
    let numbered = Start::served()
        .env(&format!("{name}_0"), "email")
        .env(&format!("{name}_1"), "name");
    assert_eq!(numbered.load().oidc.supported_claims, expected);
}

#[test]
fn numbered_secrets_keep_their_order() {
    let start = (0..11)
        .rev()
        .fold(Start::served().without("SECRETS_SYSTEM"), |start, index| {
            start.env(&format!("SECRETS_SYSTEM_{index}"), &format!("{index:016}"))
        });
    let settings = start.load();
    let secrets: Vec<_> = settings
        .system_secrets
        .iter()
        .map(|s| s.expose().parse::<u32>().unwrap())
        .collect();
    assert_eq!(secrets, (0..11).collect::<Vec<_>>());
}

#[test]
fn numbered_lists_have_no_gap() {
    let error = Start::served()
        .without("SECRETS_SYSTEM")
        .env("SECRETS_SYSTEM_1", SECRET)
        .error();
    assert!(error.ends_with("must be numbered from 0 without a gap"), "{error}");
}

#[test]
fn groups_are_json_objects_and_single_variables_win_over_them() {
    let settings = Start::served()
        .env("TTL", r#"{"id_token": "2m", "auth_code": "3m"}"#)
        .env("TTL_AUTH_CODE", "4m")
        .load();
    assert_eq!(settings.ttl.id_token, Duration::from_secs(120));
    assert_eq!(settings.ttl.auth_code, Duration::from_secs(240));
    let error = Start::served().env("TTL", r#"{"id_tokn": "2m"}"#).error();
    assert_eq!(
        error,
        "ttl.id_tokn (environment variable TTL) is not a setting; did you mean ttl.id_token?"
    );
}

#[test]
fn other_programs_variables_are_ignored() {
    Start::served()
        .env("PATH", "/bin")
        .env("LOG", "x")
        .env("DB", "y")
        .env("SERVE_PUBLIC_PORTS", "z")
        .load();
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let settings = Start::served()
        .env("SECRETS_COOKIE", "")
        .env("SERVE_PUBLIC_PORT", " ")
        .load();
    assert_eq!(address(&settings.public), ("", 4444));
}

#[test]
fn a_port_that_does_not_parse_is_never_zero() {
    let error = Start::served().env("SERVE_PUBLIC_PORT", "abc").error();
    let expected = "serve.public.port (environment variable SERVE_PUBLIC_PORT) must be a whole number from 1 to 65535, not \"abc\"";
    assert_eq!(error, expected);
    let error = Start::served().env("SERVE_ADMIN_PORT", "70000").error();
    assert!(error.contains("serve.admin.port") && error.contains("70000"), "{error}");
}

#[test]
fn a_refresh_token_may_live_for_ever() {
    assert_eq!(
        Start::served().env("TTL_REFRESH_TOKEN", "-1").load().ttl.refresh_token,
        None
    );
    let file = Start::served().file("a.yml", "ttl:\n  refresh_token: -1\n");
    assert_eq!(file.load().ttl.refresh_token, None);
    let error = Start::served().env("TTL_ACCESS_TOKEN", "-1").error();
    assert!(
        error.starts_with("ttl.access_token (environment variable TTL_ACCESS_TOKEN) must be a duration"),
        "{error}"
    );
}

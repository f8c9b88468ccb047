//! What a start needs, and what it refuses.

use super::*;
use crate::config::tls::Pem;

#[test]
fn the_guide_starts_with_secret_database_and_urls_only() {
    let settings = Start::served()
        .env("URLS_LOGIN", "http://127.0.0.1:9020/login")
        .env("URLS_CONSENT", "http://127.0.0.1:9020/consent")
        .load();
    assert_eq!(address(&settings.public), ("", 4444));
    assert_eq!(address(&settings.admin), ("127.0.0.1", 4445));
    assert_eq!(settings.urls.issuer, ISSUER);
    assert_eq!(settings.urls.login.as_deref(), Some("http://127.0.0.1:9020/login"));
}

#[test]
fn a_database_is_needed() {
    for purpose in [
        Purpose::Database,
        Purpose::Serve {
            public: true,
            admin: false,
        },
    ] {
        let error = Start::served().without("DSN").purpose(purpose).error();
        assert!(
            error.starts_with("no database is configured: set dsn (environment variable DSN)"),
            "{error}"
        );
    }
}

#[test]
fn a_database_of_another_kind_is_refused_without_showing_it() {
    for (dsn, part) in [
        ("garbage", "is not a database URL"),
        ("oracle://u:hidden@x", "database type \"oracle\""),
    ] {
        let error = Start::served().env("DSN", dsn).error();
        assert!(
            error.starts_with("dsn (environment variable DSN)") && error.contains(part),
            "{error}"
        );
        assert!(
            error.contains("supported are sqlite://") && !error.contains("hidden"),
            "{error}"
        );
    }
}

#[test]
fn a_system_secret_is_needed_to_serve_but_not_to_migrate() {
    let error = Start::served().without("SECRETS_SYSTEM").error();
    assert!(
        error.starts_with("no system secret is configured: set secrets.system"),
        "{error}"
    );
    Start::served()
        .without("SECRETS_SYSTEM")
        .purpose(Purpose::Database)
        .load();
}

#[test]
fn every_secret_has_sixteen_bytes() {
    let error = Start::served().env("SECRETS_SYSTEM", "short").error();
    let expected = "secrets.system (environment variable SECRETS_SYSTEM) has 5 bytes in its entry 1, and every entry needs at least 16";
    assert!(error.starts_with(expected), "{error}");
    let error = Start::served()
        .env("SECRETS_SYSTEM", &format!("{SECRET},short"))
        .error();
    assert!(error.contains("in its entry 2"), "{error}");
    let error = Start::served().env("SECRETS_COOKIE", "short").error();
    assert!(error.starts_with("secrets.cookie"), "{error}");
}

#[test]
fn an_http_issuer_needs_dev_or_force_http() {
    let mut start = Start::served();
    start.sources.flags.clear();
    let error = start.error();
    let expected = "urls.self.issuer (environment variable URLS_SELF_ISSUER) must use https, or start with --dev or --dangerous-force-http where nobody can listen in";
    assert_eq!(error, expected);
    assert_eq!(Start::dev().env("URLS_SELF_ISSUER", ISSUER).load().urls.issuer, ISSUER);
}

#[test]
fn an_issuer_has_no_query_and_no_fragment() {
    for issuer in ["https://a.example/?x", "https://a.example/#x"] {
        let error = Start::served().env("URLS_SELF_ISSUER", issuer).error();
        assert!(error.ends_with("must have no query and no fragment"), "{error}");
    }
}

#[test]
fn without_an_issuer_it_is_the_address_of_the_public_port() {
    let mut start = Start::served()
        .without("URLS_SELF_ISSUER")
        .env("SERVE_PUBLIC_PORT", "5000");
    start.sources.flags.clear();
    assert_eq!(start.load().urls.issuer, "https://127.0.0.1:5000/");
    let start = Start::served()
        .without("URLS_SELF_ISSUER")
        .env("SERVE_PUBLIC_HOST", "::1");
    assert_eq!(start.load().urls.issuer, "http://[::1]:4444/");
    let error = Start::served()
        .without("URLS_SELF_ISSUER")
        .env("SERVE_PUBLIC_HOST", "unix:/run/c.sock")
        .error();
    assert!(error.ends_with("set urls.self.issuer (URLS_SELF_ISSUER)"), "{error}");
}

#[test]
fn the_issuer_is_kept_verbatim_and_is_the_public_url_by_default() {
    let urls = Start::served().env("URLS_SELF_ISSUER", "https://a.example").load().urls;
    assert_eq!(
        (urls.issuer.as_str(), urls.public.as_str()),
        ("https://a.example", "https://a.example")
    );
}

#[test]
fn insecure_redirect_urls_need_force_http() {
    let mut start = Start::served().env("URLS_SELF_ISSUER", "https://a.example/");
    start.sources.flags.clear();
    let value = json!(["http://a/"]);
    let name = "--dangerous-allow-insecure-redirect-urls";
    start.sources.flags.push(Flag {
        path: "dangerous-allow-insecure-redirect-urls",
        name,
        value,
    });
    let error = start.error();
    assert!(
        error.starts_with("dangerous-allow-insecure-redirect-urls (flag") && error.contains("force-http"),
        "{error}"
    );
}

#[test]
fn the_admin_port_opens_to_other_machines_only_when_told_so() {
    for host in ["0.0.0.0", "::", "10.0.0.1", "admin.internal"] {
        let error = Start::served().env("SERVE_ADMIN_HOST", host).error();
        assert!(
            error.starts_with("serve.admin.host (environment variable SERVE_ADMIN_HOST) would open"),
            "{error}"
        );
        assert!(error.contains("serve.admin.allow_unauthenticated"), "{error}");
    }
    let start = Start::served().env("SERVE_ADMIN_HOST", "0.0.0.0");
    start.env("SERVE_ADMIN_ALLOW_UNAUTHENTICATED", "true").load();
    let start = Start::served().env("SERVE_ADMIN_HOST", "0.0.0.0");
    let settings = start.env("SERVE_ADMIN_REQUIRE_API_KEY", "true").load();
    assert!(settings.admin_asks_for_keys);
}

#[test]
fn traces_go_to_an_otlp_collector_and_other_protocols_are_refused_with_a_reason() {
    for other in ["jaeger", "zipkin", "datadog"] {
        let error = Start::served().env("TRACING_PROVIDER", other).error();
        let reason = "whose own protocol is not spoken: such servers take OTLP";
        assert!(
            error.starts_with("tracing.provider (") && error.contains(reason),
            "{error}"
        );
    }
    let error = Start::served().env("TRACING_PROVIDER", "otel").error();
    assert!(error.contains("tracing.providers.otlp.server_url"), "{error}");
    let start = Start::served().env("TRACING_PROVIDER", "otel");
    let start = start.env("TRACING_PROVIDERS_OTLP_SERVER_URL", "localhost:4318");
    let collector = start.env("TRACING_PROVIDERS_OTLP_INSECURE", "true").load().collector;
    let collector = collector.unwrap();
    assert_eq!(collector.url, "http://localhost:4318/v1/traces");
    assert_eq!((collector.ratio, collector.service_name.as_str()), (1.0, "Claviger"));
    assert!(Start::served().load().collector.is_none());
}

#[test]
fn loopback_and_sockets_need_no_permission() {
    for host in [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "[::1]",
        "::ffff:127.0.0.1",
        "localhost",
        "unix:/run/a.sock",
    ] {
        Start::served().env("SERVE_ADMIN_HOST", host).load();
    }
}

#[test]
fn the_public_server_does_not_care_about_the_admin_port() {
    let start = Start::served().env("SERVE_ADMIN_HOST", "0.0.0.0");
    start
        .purpose(Purpose::Serve {
            public: true,
            admin: false,
        })
        .load();
}

#[test]
fn pairwise_subjects_need_a_salt_of_eight_characters() {
    let start = || Start::served().env("OIDC_SUBJECT_IDENTIFIERS_SUPPORTED_TYPES", "public,pairwise");
    for start in [start(), start().env("OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT", "short")] {
        let error = start.error();
        assert!(
            error.contains("oidc.subject_identifiers.pairwise.salt with at least 8"),
            "{error}"
        );
    }
    start()
        .env("OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT", "long enough")
        .load();
}

#[test]
fn settings_of_features_to_come_are_named_in_a_warning() {
    let settings = Start::served()
        .env("STRATEGIES_JWT_STATELESS_ENABLED", "true")
        .env("TTL_DEVICE_USER_CODE", "10m")
        .load();
    let expected = "strategies.jwt.stateless.enabled (environment variable STRATEGIES_JWT_STATELESS_ENABLED) has no effect: every access token has a record, so that it can be revoked";
    assert_eq!(settings.warnings, [expected]);
}

#[test]
fn switches_without_a_counterpart_are_accepted_silently() {
    let settings = Start::served()
        .env("SQA_OPT_OUT", "true")
        .env("OAUTH2_HASHERS_BCRYPT_COST", "12")
        .load();
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn protection_that_is_not_there_yet_is_refused_and_not_ignored() {
    let error = Start::served().env("HSM_ENABLED", "true").error();
    assert!(
        error.contains("HSM_ENABLED") && error.contains("sealed under secrets.system"),
        "{error}"
    );
}

#[test]
fn lifetimes_are_at_least_a_second_and_bounded_where_the_protocol_needs_it() {
    let error = Start::served().env("TTL_AUTH_CODE", "500ms").error();
    assert!(error.ends_with("must be at least 1s"), "{error}");
    let error = Start::served()
        .env("OAUTH2_GRANT_REFRESH_TOKEN_ROTATION_GRACE_PERIOD", "6m")
        .error();
    assert!(error.ends_with("must be at most 5m"), "{error}");
    let settings = Start::served().env("TTL_AUTHENTICATION_SESSION", "10000h").load();
    assert_eq!(
        settings.ttl.authentication_session,
        Duration::from_secs(180 * 24 * 3600)
    );
}

#[test]
fn cookies_follow_the_scheme_of_the_issuer() {
    let cookies = Start::served().load().cookies;
    assert_eq!((cookies.secure, cookies.same_site), (false, SameSite::Lax));
    let cookies = Start::served()
        .env("URLS_SELF_ISSUER", "https://a.example/")
        .load()
        .cookies;
    assert_eq!((cookies.secure, cookies.same_site), (true, SameSite::None));
    assert_eq!(cookies.session, "ory_hydra_session");
}

#[test]
fn a_cookie_name_cannot_smuggle_attributes() {
    for (name, value) in [
        ("NAMES_SESSION", "a;b"),
        ("DOMAIN", "a; Secure"),
        ("PATHS_SESSION", "/\r\nx"),
    ] {
        Start::served().env(&format!("SERVE_COOKIES_{name}"), value).error();
    }
}

/// A server that speaks TLS on both ports.
fn encrypted() -> Start {
    Start::served()
        .env("SERVE_TLS_ENABLED", "true")
        .env("SERVE_TLS_CERT_PATH", "/etc/tls/cert.pem")
        .env("SERVE_TLS_KEY_PATH", "/etc/tls/key.pem")
}

#[test]
fn tls_of_a_port_comes_from_its_own_settings_and_then_from_those_of_both() {
    let settings = encrypted()
        .env("SERVE_ADMIN_TLS_ENABLED", "false")
        .env("SERVE_PUBLIC_TLS_KEY_PATH", "/own.pem")
        .without("URLS_SELF_ISSUER")
        .load();
    assert!(settings.admin.tls.is_none());
    let tls = settings.public.tls.unwrap();
    assert!(matches!(tls.certificate, Pem::File(path) if path.ends_with("cert.pem")));
    assert!(matches!(tls.key, Pem::File(path) if path.ends_with("own.pem")));
    assert_eq!(settings.urls.issuer, "https://127.0.0.1:4444/");
}

#[test]
fn tls_without_a_certificate_is_refused_and_the_setting_named() {
    let error = encrypted().without("SERVE_TLS_CERT_PATH").error();
    assert!(
        error.starts_with("serve.tls.enabled") && error.contains("serve.public.tls.cert.path"),
        "{error}"
    );
    let error = encrypted().env("SERVE_TLS_KEY_BASE64", "QUFB").error();
    assert!(
        error.starts_with("serve.tls.key.path") && error.contains("keep one"),
        "{error}"
    );
    let error = encrypted()
        .env("SERVE_TLS_ALLOW_TERMINATION_FROM", "10.0.0.0/8,proxy")
        .error();
    assert!(error.contains("must be a list of networks"), "{error}");
}

#[test]
fn client_certificates_open_the_admin_port_to_other_machines_and_need_tls() {
    let asking = || Start::served().env("SERVE_ADMIN_TLS_CLIENT_CA_PATH", "/etc/tls/clients.pem");
    let error = asking().error();
    assert!(error.contains("serve.admin.tls.enabled"), "{error}");
    let settings = encrypted()
        .env("SERVE_ADMIN_TLS_CLIENT_CA_PATH", "/etc/tls/clients.pem")
        .env("SERVE_ADMIN_HOST", "0.0.0.0")
        .load();
    assert!(settings.admin.tls.unwrap().client_ca.is_some());
    assert!(settings.public.tls.unwrap().client_ca.is_none());
}

#[test]
fn authorities_of_the_operators_own_are_read_at_the_start_and_what_is_wrong_with_them_is_said() {
    assert!(Start::served().load().outgoing.authorities.is_none());
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["ca.example".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let named = |text: &str| {
        let start = Start::served();
        let path = start.path("ca.pem");
        std::fs::write(&path, text).unwrap();
        start.env("CLIENTS_HTTP_CA_PATH", path.to_str().unwrap())
    };
    let trusted = named(&pem).load().outgoing.authorities.unwrap();
    assert!(trusted.len() > 100, "the public ones count, too");
    let error = named("no PEM").error();
    assert!(
        error.contains("clients.http.ca.path") && error.contains("no certificate"),
        "{error}"
    );
    // Commands that only need the database ask nobody.
    named("no PEM").purpose(Purpose::Database).load();
}

//! Configuration files.

use super::*;

#[test]
fn yaml_json_and_toml_say_the_same() {
    let texts = [
        (
            "a.yaml",
            "serve:\n  public:\n    port: 5444\nwebfinger:\n  oidc_discovery:\n    supported_claims: [email]\n",
        ),
        (
            "a.yml",
            "{serve: {public: {port: 5444}}, webfinger: {oidc_discovery: {supported_claims: [email]}}}",
        ),
        (
            "a.json",
            r#"{"serve":{"public":{"port":5444}},"webfinger":{"oidc_discovery":{"supported_claims":["email"]}}}"#,
        ),
        (
            "a.toml",
            "[serve.public]\nport = 5444\n[webfinger.oidc_discovery]\nsupported_claims = [\"email\"]\n",
        ),
    ];
    for (name, text) in texts {
        let settings = Start::served().file(name, text).load();
        assert_eq!(address(&settings.public), ("", 5444), "{name}");
        assert_eq!(settings.oidc.supported_claims, ["email"], "{name}");
    }
}

#[test]
fn an_empty_file_and_an_empty_group_set_nothing() {
    let settings = Start::served()
        .file("a.yaml", "# nothing\n\n")
        .file("b.yaml", "urls:\n  # login: x\n")
        .load();
    assert_eq!(settings.urls.login, None);
}

#[test]
fn a_missing_file_is_named() {
    let mut start = Start::served();
    start.sources.files.push(start.path("nonexist.yml"));
    let error = start.error();
    assert!(
        error.starts_with("cannot read the configuration file nonexist.yml: "),
        "{error}"
    );
}

#[test]
fn an_unknown_extension_is_refused_with_the_known_ones() {
    let error = Start::served().file("k6.txt", "dev: true").error();
    assert_eq!(
        error,
        "the configuration file k6.txt has an unknown extension; use .yaml, .yml, .json or .toml"
    );
}

#[test]
fn a_syntax_error_has_file_line_and_column() {
    for (name, text, place) in [
        ("k5.yml", "dev: true\nurls: [", "k5.yml:2:"),
        ("k5.json", "{\n  \"dev\": yes\n}", "k5.json:2:"),
        ("k5.toml", "dev = true\nurls = \n", "k5.toml:2:"),
    ] {
        let error = Start::served().file(name, text).error();
        assert!(error.starts_with(place), "{error}");
        assert!(error.len() > place.len() + 5, "{error}");
    }
}

#[test]
fn a_repeated_key_is_a_syntax_error() {
    let error = Start::served().file("a.yaml", "dev: true\ndev: false\n").error();
    assert!(error.starts_with("a.yaml:2:") && error.contains("dev"), "{error}");
}

#[test]
fn an_unknown_key_at_the_top_is_refused() {
    let error = Start::served().file("k1.yml", "not_a_key: 1\n").error();
    assert_eq!(error, "not_a_key (file k1.yml:1) is not a setting");
}

#[test]
fn an_unknown_nested_key_names_the_nearest_one() {
    let error = Start::served().file("k2.yml", "ttl:\n  access_tokenx: 1h\n").error();
    assert_eq!(
        error,
        "ttl.access_tokenx (file k2.yml:2) is not a setting; did you mean ttl.access_token?"
    );
}

#[test]
fn a_dot_in_a_name_is_not_a_level() {
    let error = Start::served().file("a.yml", "ttl.access_token: 1h\n").error();
    assert!(
        error.starts_with("ttl.access_token (file a.yml:1) is not a setting"),
        "{error}"
    );
}

#[test]
fn a_bad_duration_is_refused() {
    let error = Start::served().file("k3.yml", "ttl:\n  access_token: 1day\n").error();
    let expected = "ttl.access_token (file k3.yml:2) must be a duration such as 30s, 10m or 1h30m, not \"1day\"";
    assert_eq!(error, expected);
}

#[test]
fn a_word_that_is_not_a_choice_is_refused_with_the_choices() {
    let error = Start::served()
        .file("k4.yml", "strategies:\n  access_token: paseto\n")
        .error();
    assert_eq!(
        error,
        "strategies.access_token (file k4.yml:2) must be one of opaque, jwt, not \"paseto\""
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let error = Start::served()
        .file("k9.yml", "serve:\n  public:\n    port: abc\n")
        .error();
    assert_eq!(
        error,
        "serve.public.port (file k9.yml:3) must be a whole number from 1 to 65535, not \"abc\""
    );
    let error = Start::served().file("a.yml", "serve: 1\n").error();
    assert_eq!(
        error,
        "serve (file a.yml:1) must be a group of settings, not a single value"
    );
    let error = Start::served().file("a.json", "[]").error();
    assert_eq!(
        error,
        "the configuration (file a.json) must be a group of settings, not a single value"
    );
}

#[test]
fn version_1_names_still_work() {
    let text = "serve:\n  admin:\n    access_log:\n      disable_for_health: true\n";
    let settings = Start::served().file("a.yml", text).load();
    assert!(settings.admin.quiet_health && !settings.public.quiet_health);
    let text = "dangerous-force-http: true\ndangerous-allow-insecure-redirect-urls: [http://a/]\n";
    let settings = Start::served().file("a.yml", text).load();
    assert_eq!(settings.insecure_redirect_urls, ["http://a/"]);
}

//! Secrets in files of their own.

use super::*;

fn with_file(start: Start, variable: &str, content: &str) -> Start {
    let path = start.path("content");
    fs::write(&path, content).unwrap();
    start.env(variable, path.to_str().unwrap())
}

#[test]
fn the_database_and_every_secret_may_be_in_a_file() {
    let settings = with_file(Start::served().without("DSN"), "DSN_FILE", "sqlite:///d.sqlite\n").load();
    assert_eq!(settings.dsn().unwrap().to_string(), "sqlite:///d.sqlite");
    let one = "0123456789abcdef,with a comma";
    let start = Start::served().without("SECRETS_SYSTEM");
    let settings = with_file(start, "SECRETS_SYSTEM_FILE", &format!("{one}\n\nfedcba9876543210\n")).load();
    let secrets: Vec<_> = settings.system_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, [one, "fedcba9876543210"]);
    assert_eq!(
        effective(&settings, "secrets.system").1,
        "environment variable SECRETS_SYSTEM_FILE"
    );
}

#[test]
fn every_kind_of_secret_has_such_a_variable() {
    for key in keys::all() {
        let expected = matches!(
            key.path,
            "dsn" | "secrets.system" | "hsm.pin" | "oauth2.token_hook" | "urls.identity_provider.headers"
        );
        if expected {
            assert_eq!(key.file_env_name(), Some(format!("{}_FILE", key.env_name())));
        }
    }
    assert_eq!(keys::find("ttl.id_token").unwrap().file_env_name(), None);
}

#[test]
fn what_cannot_be_read_is_named_and_both_variables_together_are_refused() {
    let error = Start::served().without("DSN").env("DSN_FILE", "/nowhere/dsn").error();
    assert!(error.contains("DSN_FILE") && error.contains("/nowhere/dsn"), "{error}");
    let error = with_file(Start::served().without("DSN"), "DSN_FILE", " \n").error();
    assert!(error.contains("is empty"), "{error}");
    let error = with_file(Start::served(), "DSN_FILE", "memory").error();
    assert!(error.contains("is set by DSN too"), "{error}");
    let start = Start::served().without("SECRETS_SYSTEM");
    let error = with_file(start, "SECRETS_SYSTEM_FILE", "too-short").error();
    assert!(error.contains("9 bytes") && !error.contains("too-short"), "{error}");
}

#[test]
fn the_files_are_among_those_that_are_looked_at() {
    let start = with_file(Start::served().without("DSN"), "DSN_FILE", "memory").file("a.yml", "");
    let expected = [start.path("a.yml"), start.path("content")];
    assert_eq!(watched(&start.sources), expected);
}

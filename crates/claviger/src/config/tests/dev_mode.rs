//! Development mode.

use super::*;

#[test]
fn it_needs_nothing() {
    let start = Start::dev();
    let database = start.path("claviger.sqlite");
    let settings = start.load();
    assert_eq!(settings.dsn().unwrap(), &Dsn::Sqlite { path: database });
    assert_eq!(address(&settings.public), ("127.0.0.1", 4444));
    assert_eq!(address(&settings.admin), ("127.0.0.1", 4445));
    assert_eq!(settings.urls.issuer, "http://127.0.0.1:4444/");
    assert_eq!(settings.cookies.session, "ory_hydra_session_dev");
    assert_eq!(settings.system_secrets.len(), 1);
}

#[test]
fn the_issuer_follows_the_port() {
    assert_eq!(
        Start::dev().env("SERVE_PUBLIC_PORT", "5000").load().urls.issuer,
        "http://127.0.0.1:5000/"
    );
}

#[test]
fn what_is_set_wins() {
    let start = Start::dev()
        .env("DSN", "memory")
        .env("SECRETS_SYSTEM", SECRET)
        .env("SERVE_PUBLIC_HOST", "0.0.0.0");
    let path = start.path("claviger.secrets");
    let settings = start.load();
    assert_eq!(settings.dsn().unwrap(), &Dsn::Memory);
    assert_eq!(address(&settings.public), ("0.0.0.0", 4444));
    assert_eq!(settings.system_secrets[0].expose(), SECRET);
    assert!(!path.exists());
}

#[test]
fn the_secret_is_kept_for_the_next_start() {
    let first = Start::dev();
    let mut second = Start::dev();
    second.sources.directory.clone_from(&first.sources.directory);
    let directory = first.directory;
    let one = load(first.sources).unwrap().system_secrets[0].expose().to_owned();
    let two = load(second.sources).unwrap().system_secrets[0].expose().to_owned();
    assert_eq!(one, two);
    assert_eq!(one.len(), 43);
    drop(directory);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_secret() {
    use std::os::unix::fs::PermissionsExt;
    let start = Start::dev();
    let path = start.path("claviger.secrets");
    let directory = start.directory;
    load(start.sources).unwrap();
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(directory);
}

#[test]
fn secrets_that_cannot_be_read_are_a_clear_error() {
    let start = Start::dev();
    fs::create_dir(start.path("claviger.secrets")).unwrap();
    let error = start.error();
    assert!(
        error.starts_with("the development secrets in claviger.secrets cannot be used:"),
        "{error}"
    );
    assert!(error.contains("set SECRETS_SYSTEM"), "{error}");
    let start = Start::dev();
    fs::write(start.path("claviger.secrets"), "# only a comment\n").unwrap();
    let error = start.error();
    assert!(error.contains("it is empty; delete it"), "{error}");
}

#[test]
fn the_file_may_hold_several_secrets_for_rotation() {
    let start = Start::dev();
    fs::write(
        start.path("claviger.secrets"),
        "# new\nnew-secret-of-16-bytes\n\nold-secret-of-16-bytes\n",
    )
    .unwrap();
    assert_eq!(start.load().system_secrets.len(), 2);
}

#[test]
fn looking_at_the_settings_makes_no_file() {
    let start = Start::dev().purpose(Purpose::Show);
    let path = start.path("claviger.secrets");
    let directory = start.directory;
    load(start.sources).unwrap();
    assert!(!path.exists());
    drop(directory);
}

//! Which source wins, and what is shown of the outcome.

use super::*;

#[test]
fn defaults_hold_where_nothing_is_set() {
    let settings = Start::served().load();
    assert_eq!(settings.ttl.access_token, Duration::from_secs(3600));
    assert_eq!(settings.ttl.refresh_token, Some(Duration::from_secs(720 * 3600)));
    assert_eq!(settings.log.level, LogLevel::Info);
    assert_eq!(settings.strategies.scope, ScopeStrategy::Wildcard);
    assert_eq!(settings.oauth2.access_token_prefix, "clv_at_");
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(10));
    assert_eq!(effective(&settings, "ttl.id_token"), (json!("1h"), "default".into()));
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn a_later_file_wins_over_an_earlier_one() {
    let settings = Start::served()
        .file("a.yaml", "ttl:\n  id_token: 5m\n  access_token: 5m\n")
        .file("b.json", r#"{"ttl": {"id_token": "6m"}}"#)
        .load();
    assert_eq!(settings.ttl.id_token, Duration::from_secs(360));
    assert_eq!(settings.ttl.access_token, Duration::from_secs(300));
}

#[test]
fn flags_win_over_files_and_the_environment_over_flags() {
    let file = |start: Start| start.file("a.toml", "dev = false\n");
    assert!(file(Start::dev()).load().dev);
    assert!(
        !file(Start::served().flag("dev", "--dev"))
            .env("DEV", "false")
            .load()
            .dev
    );
}

#[test]
fn a_flag_that_was_not_given_leaves_dev_of_a_file_alone() {
    assert!(Start::bare().file("a.yml", "dev: true\n").load().dev);
}

#[test]
fn the_argument_of_the_command_wins_over_the_environment() {
    let mut start = Start::served().purpose(Purpose::Database);
    start.sources.forced_dsn = Some("sqlite:///given.db".into());
    assert_eq!(
        start.load().dsn().unwrap(),
        &Dsn::Sqlite {
            path: "/given.db".into()
        }
    );
}

#[test]
fn effective_settings_say_where_they_come_from() {
    let settings = Start::served()
        .file("a.yaml", "log: {level: debug}")
        .env("LOG_FORMAT", "json")
        .load();
    assert!(effective(&settings, "log.level").1.ends_with("a.yaml:1"));
    assert_eq!(
        effective(&settings, "log.format"),
        (json!("json"), "environment variable LOG_FORMAT".into())
    );
    let forced = effective(&settings, "dangerous-force-http");
    assert_eq!(forced, (json!(true), "flag --dangerous-force-http".into()));
}

#[test]
fn effective_settings_mask_every_secret() {
    let settings = Start::served()
        .env("DSN", "postgres://hydra:hidden-1@h/d")
        .env("SECRETS_SYSTEM", "hidden-2-aaaaaaaaaa,hidden-3-aaaaaaaaaa")
        .env("HSM_PIN", "hidden-4")
        .env("URLS_IDENTITY_PROVIDER_HEADERS", r#"{"Authorization": "hidden-5"}"#)
        .load();
    let shown = format!("{:?} {settings:?}", settings.effective());
    assert!(!shown.contains("hidden-"), "{shown}");
    assert_eq!(effective(&settings, "dsn").0, json!("postgres://hydra:******@h/d"));
    assert_eq!(effective(&settings, "secrets.system").0, json!(["******", "******"]));
}

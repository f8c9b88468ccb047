//! A configuration that changes while the server runs.

use super::*;

/// The settings of the first text, and what the second one in its place comes to.
fn replaced(first: &str, second: &str) -> (Settings, Result<Reloaded, ConfigError>) {
    let start = Start::served().file("a.yml", first);
    let running = load(start.sources.clone()).unwrap();
    fs::write(start.path("a.yml"), second).unwrap();
    let reloaded = reload(start.sources, &running);
    (running, reloaded)
}

#[test]
fn what_can_change_changes_and_what_cannot_is_held_back_and_named() {
    let (running, reloaded) = replaced(
        "ttl: {access_token: 1h}\nserve: {public: {port: 5000}}\n",
        "ttl: {access_token: 2h}\nserve: {public: {port: 5001}}\n",
    );
    let reloaded = reloaded.unwrap();
    assert_eq!(running.ttl.access_token, Duration::from_secs(3600));
    assert_eq!(reloaded.settings.ttl.access_token, Duration::from_secs(7200));
    assert_eq!(reloaded.settings.public.port, 5000);
    assert_eq!(
        (reloaded.applied, reloaded.held),
        (vec!["ttl.access_token"], vec!["serve.public.port"])
    );
}

#[test]
fn a_setting_that_is_gone_goes_back_to_its_default() {
    let (_, reloaded) = replaced("ttl: {access_token: 3h}\nlog: {level: debug, format: json}\n", "");
    let reloaded = reloaded.unwrap();
    assert_eq!(reloaded.settings.ttl.access_token, Duration::from_secs(3600));
    assert_eq!(reloaded.settings.log.level, LogLevel::Info);
    assert_eq!(reloaded.settings.log.format, LogFormat::Json);
    assert_eq!(reloaded.held, ["log.format"]);
}

#[test]
fn one_mistake_refuses_all_of_it() {
    for wrong in [
        "ttl: {access_token: 2h, id_token: soon}\n",
        "ttl: {access_token: 2h}\nnot_a_key: 1\n",
        "ttl: {access_token: 2h}\noidc: {subject_identifiers: {supported_types: [pairwise]}}\n",
        "ttl: {access_token: 2h}\nserve: {admin: {host: 0.0.0.0}}\n",
        "ttl: {",
    ] {
        assert!(replaced("ttl: {access_token: 1h}\n", wrong).1.is_err(), "{wrong}");
    }
}

#[test]
fn a_secret_may_be_put_in_front_but_the_one_in_use_must_stay() {
    let list = |secrets: &[&str]| format!("secrets: {{system: [{}]}}\n", secrets.join(", "));
    let (one, two) = ("0123456789abcdef", "fedcba9876543210");
    let reload_of = |first: &[&str], second: &[&str]| {
        let start = Start::served().without("SECRETS_SYSTEM").file("a.yml", &list(first));
        let running = load(start.sources.clone()).unwrap();
        fs::write(start.path("a.yml"), list(second)).unwrap();
        reload(start.sources, &running)
    };
    let rotated = reload_of(&[one], &[two, one]).unwrap();
    assert_eq!(rotated.applied, ["secrets.system"]);
    assert_eq!(rotated.settings.system_secrets[0].expose(), two);
    assert!(reload_of(&[two, one], &[two]).is_ok());
    let error = reload_of(&[one], &[two]).err().unwrap().to_string();
    assert!(error.contains("secret in use") && !error.contains(two), "{error}");
}

#[test]
fn the_environment_still_wins() {
    let start = Start::served()
        .env("TTL_ACCESS_TOKEN", "5h")
        .file("a.yml", "ttl: {access_token: 1h}\n");
    let running = load(start.sources.clone()).unwrap();
    fs::write(start.path("a.yml"), "ttl: {access_token: 2h}\n").unwrap();
    assert_eq!(reload(start.sources, &running).unwrap().applied, Vec::<&str>::new());
}

#[test]
fn authorities_stay_those_of_the_start_whatever_becomes_of_their_file() {
    let start = Start::served().file("a.yml", "ttl: {access_token: 1h}\n");
    let ca = start.path("ca.pem");
    let own = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
    fs::write(&ca, own.cert.pem()).unwrap();
    let start = start.env("CLIENTS_HTTP_CA_PATH", ca.to_str().unwrap());
    let running = load(start.sources.clone()).unwrap();
    fs::remove_file(&ca).unwrap();
    fs::write(start.path("a.yml"), "ttl: {access_token: 2h}\n").unwrap();
    let reloaded = reload(start.sources, &running).unwrap();
    assert_eq!(reloaded.applied, ["ttl.access_token"]);
    let (before, after) = (running.outgoing.authorities, reloaded.settings.outgoing.authorities);
    assert!(std::sync::Arc::ptr_eq(&before.unwrap(), &after.unwrap()));
}

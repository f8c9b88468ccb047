//! A configuration that changes while the server runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use claviger_e2e::process::PATIENCE;
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};

/// A server on a new database, with a configuration file of this text.
struct Configured {
    directory: tempfile::TempDir,
    server: Server,
    _database: Database,
}

impl Configured {
    async fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("claviger.yml");
        std::fs::write(&file, text).unwrap();
        Self::with(directory, &file).await
    }

    async fn with(directory: tempfile::TempDir, file: &Path) -> Self {
        let database = Database::sqlite();
        claviger_e2e::server::migrate(&database);
        let mut options = ServerOptions::new(&database);
        options.args.extend(["-c".to_owned(), file.display().to_string()]);
        let server = options.start().await;
        Self {
            directory,
            server,
            _database: database,
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("claviger.yml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file(), text).unwrap();
    }

    async fn counted(&self, outcome: &str) -> u64 {
        let metrics = Http::new()
            .get(&self.server.admin("/admin/metrics/prometheus"))
            .await
            .text();
        let line = format!("claviger_config_reloads_total{{outcome=\"{outcome}\"}} ");
        let count = metrics
            .lines()
            .find_map(|found| found.strip_prefix(&line).map(str::to_owned));
        count.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    }

    /// Waits until the server has counted this.
    async fn wait_for(&self, outcome: &str) {
        self.wait_for_more(outcome, 0).await;
    }

    async fn wait_for_more(&self, outcome: &str, than: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.counted(outcome).await <= than {
            assert!(Instant::now() < deadline, "never {outcome}:\n{}", self.server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn life(flow: &Flow) -> i64 {
    let answer = flow.token(&[("grant_type", "client_credentials")]).await;
    answer.json()["expires_in"].as_i64().unwrap()
}

#[tokio::test]
async fn a_changed_file_takes_effect_and_what_needs_a_start_is_named() {
    let configured = Configured::start("ttl: {access_token: 1h}\n").await;
    let flow = Flow::new(&configured.server).await;
    assert_eq!(life(&flow).await, 3600);
    configured.write("ttl: {access_token: 2h}\nlog: {format: json}\nserve: {public: {cors: {enabled: true, allowed_origins: [\"https://a.example\"]}}}\n");
    configured.wait_for("applied").await;
    assert_eq!(life(&flow).await, 7200);
    // The rules of a port are part of it.
    let asked = Request::get(&configured.server.public("/userinfo")).header("origin", "https://a.example");
    let answer = Http::new().send(asked).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://a.example");
    let log = configured.server.log();
    let line = log.lines().find(|line| line.contains("take effect at the next start"));
    assert!(line.is_some_and(|line| line.contains("log.format")), "{log}");
    assert_eq!(configured.counted("refused").await, 0);
}

#[tokio::test]
async fn one_mistake_refuses_the_whole_file_and_the_server_goes_on() {
    let configured = Configured::start("ttl: {access_token: 1h}\n").await;
    let flow = Flow::new(&configured.server).await;
    configured.write("ttl: {access_token: 2h, id_token: soon}\n");
    configured.wait_for("refused").await;
    assert_eq!(life(&flow).await, 3600);
    let log = configured.server.log();
    assert!(log.contains("ttl.id_token") && log.contains("stays in use"), "{log}");
    configured.write("ttl: {access_token: 3h}\n");
    configured.wait_for("applied").await;
    assert_eq!(life(&flow).await, 10_800);
}

/// Whether a request is logged now.
async fn is_logged(configured: &Configured) -> bool {
    let answer = Http::new().get(&configured.server.public("/health/alive")).await;
    let id = answer.header("x-request-id").to_owned();
    configured.server.log().contains(&id)
}

async fn wait_until_logged(configured: &Configured, wanted: bool) {
    let deadline = Instant::now() + PATIENCE;
    while is_logged(configured).await != wanted {
        assert!(Instant::now() < deadline, "{}", configured.server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_log_becomes_quiet_and_talkative_while_the_server_runs() {
    let configured = Configured::start("log: {level: error, format: json_pretty}\n").await;
    assert!(!is_logged(&configured).await, "{}", configured.server.log());
    configured.write("log: {level: info, format: json_pretty}\n");
    wait_until_logged(&configured, true).await;
    // A level that nobody knows changes nothing, nor does what stands beside it.
    configured.write("log: {level: loud, format: json_pretty}\nttl: {access_token: 2h}\n");
    configured.wait_for("refused").await;
    assert_eq!(life(&Flow::new(&configured.server).await).await, 3600);
    wait_until_logged(&configured, true).await;
    configured.write("log: {level: warn, format: json_pretty}\n");
    wait_until_logged(&configured, false).await;
    let log = configured.server.log();
    let lines: Vec<serde_json::Value> = serde_json::Deserializer::from_str(&log)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}: {log}"));
    assert!(log.starts_with("{\n  \""), "indented: {log}");
    let refused = lines.iter().find(|line| line["level"] == "error").unwrap();
    assert!(refused["msg"].as_str().unwrap().contains("log.level"), "{refused}");
}

/// As Kubernetes replaces the files of a config map: a link to a directory is turned.
#[cfg(unix)]
#[tokio::test]
async fn a_link_that_is_turned_and_a_hangup_are_seen() {
    use std::os::unix::fs::symlink;

    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, life) in [("v1", "1h"), ("v2", "2h")] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(
            at(version).join("claviger.yml"),
            format!("ttl: {{access_token: {life}}}\n"),
        )
        .unwrap();
    }
    symlink(at("v1"), at("data")).unwrap();
    symlink(Path::new("data/claviger.yml"), at("claviger.yml")).unwrap();
    symlink(at("v2"), at("next")).unwrap();
    let (data, next, file) = (at("data"), at("next"), at("claviger.yml"));
    let configured = Configured::with(directory, &file).await;
    let flow = Flow::new(&configured.server).await;
    assert_eq!(life(&flow).await, 3600);
    std::fs::rename(next, data).unwrap();
    configured.wait_for("applied").await;
    assert_eq!(life(&flow).await, 7200);
    // The files are looked at without it, but a hangup alone is what makes it read one that has not changed.
    let before = configured.counted("applied").await;
    configured.server.process.signal("HUP");
    configured.wait_for_more("applied", before).await;
    assert_eq!(life(&flow).await, 7200);
}

/// A changed strategy ended live tokens in Hydra.
#[tokio::test]
async fn tokens_live_on_when_the_strategy_changes_and_a_secret_is_put_in_front() {
    let (one, two) = ("first-key-0123456789-abcdef-xyz", "other-key-0123456789-abcdef-xyz");
    let directory = tempfile::tempdir().unwrap();
    let (file, secrets) = (directory.path().join("claviger.yml"), directory.path().join("secrets"));
    std::fs::write(&file, "strategies: {access_token: opaque}\n").unwrap();
    std::fs::write(&secrets, one).unwrap();
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let mut options = ServerOptions::new(&database).with("SECRETS_SYSTEM", "");
    options = options.with("SECRETS_SYSTEM_FILE", &secrets.display().to_string());
    options.args.extend(["-c".to_owned(), file.display().to_string()]);
    let server = options.start().await;
    let configured = Configured {
        directory,
        server,
        _database: database,
    };
    let mut flow = Flow::new(&configured.server).await;
    let before = flow.tokens().await;
    let opaque = before["access_token"].as_str().unwrap().to_owned();
    std::fs::write(&secrets, format!("{two}\n{one}\n")).unwrap();
    configured.write("strategies: {access_token: jwt}\n");
    configured.wait_for("applied").await;
    let deadline = Instant::now() + PATIENCE;
    let jwt = loop {
        let answer = flow.token(&[("grant_type", "client_credentials")]).await.json();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        if token.starts_with("eyJ") {
            break token;
        }
        assert!(Instant::now() < deadline, "{}", configured.server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for token in [&opaque, &jwt] {
        assert!(configured.server.is_active(token).await, "{}", configured.server.log());
    }
    configured.write("strategies: {access_token: opaque}\n");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = flow.token(&[("grant_type", "client_credentials")]).await.json();
        if !answer["access_token"].as_str().unwrap().starts_with("eyJ") {
            break;
        }
        assert!(Instant::now() < deadline, "{}", configured.server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for token in [&opaque, &jwt] {
        assert!(configured.server.is_active(token).await, "{}", configured.server.log());
    }
    let refreshed = flow.refresh(before["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
}

/// What the public port says of itself.
async fn documents(server: &Server) -> [Vec<String>; 3] {
    let told = async |path: &str| Http::new().get(&server.public(path)).await.json();
    let paths = told("/.well-known/openapi.json").await["paths"]
        .as_object()
        .unwrap()
        .clone();
    let about_clients = paths
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.contains("register"));
    let mut all = [about_clients.collect(), Vec::new(), Vec::new()];
    let metadata = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ];
    for (found, path) in all.iter_mut().skip(1).zip(metadata) {
        found.extend(told(path).await["registration_endpoint"].as_str().map(str::to_owned));
    }
    all
}

#[tokio::test]
async fn what_the_server_says_of_itself_follows_the_switch_of_registration() {
    let [closed, open] = [false, true].map(|on| format!("oidc: {{dynamic_client_registration: {{enabled: {on}}}}}\n"));
    let configured = Configured::start(&closed).await;
    let register = async || {
        let body = serde_json::json!({"redirect_uris": ["https://shop.example/cb"]});
        let url = configured.server.public("/oauth2/register");
        Http::new().send(Request::post(&url).json(&body)).await.status
    };
    for (on, text) in [(false, None), (true, Some(&open)), (false, Some(&closed))] {
        if let Some(text) = text {
            configured.write(text);
            configured.server.process.signal("HUP");
        }
        let deadline = Instant::now() + PATIENCE;
        while (register().await == 201) != on {
            assert!(Instant::now() < deadline, "never so:\n{}", configured.server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let [paths, openid, oauth] = documents(&configured.server).await;
        let endpoint = if on {
            vec![configured.server.public("/oauth2/register")]
        } else {
            Vec::new()
        };
        assert_eq!((&openid, &oauth), (&endpoint, &endpoint), "{on}");
        let listed = ["/oauth2/register", "/oauth2/register/{id}"].map(str::to_owned);
        assert!(
            listed.iter().all(|path| paths.contains(path) == on) && paths.is_empty() != on,
            "{on}: {paths:?}"
        );
    }
}

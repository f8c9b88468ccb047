//! The recorded commands of Hydra, run by this program.
//!
//! Each fixture is one command with its environment and input, what it printed, its status, and for commands of an
//! API the requests it sent with their answers. A server in this process gives the same answers, and what is sent
//! and printed is compared. [`DIFFERENT`] lists what differs on purpose, with the reason.

mod replay;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use self::replay::Replay;
use super::terminal::testing::terminal;

/// Fixtures whose outcome is another one here, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("v2/migrate-sql-down-1", DOWN),
    ("v2/migrate-sql-down-across-merge", DOWN),
    ("v2/migrate-sql-down-nosteps", DOWN),
    ("v2/migrate-sql-up-down-conflict", DOWN),
    ("v1/clients-unknown-subcommand", WORD),
    ("v1/migrate-unknown", WORD),
    ("v1/serve-unknown-sub", WORD),
    ("v2/create-unknown", WORD),
    ("v2/migrate-unknown", WORD),
    (
        "v2/list-jwk",
        "a wrong word is an error, and there is no list of key sets",
    ),
    ("v2/create-client-file-stdin", "an id in the file is the client's"),
    (
        "v2/create-client-hydra-admin-url-ignored",
        "HYDRA_ADMIN_URL names the admin API for every command",
    ),
    ("v1/clients-create-pgp-armored", PGP),
    ("v1/clients-create-pgp-garbage", PGP),
    ("v1/clients-create-pgp-key", PGP),
    ("v2/create-client-pgp-armored", PGP),
    ("v2/create-client-pgp-garbage", PGP),
    ("v2/create-client-pgp-key", PGP),
    ("v2/create-client-pgp-with-secret", PGP),
    ("v1/clients-get-noarg", SILENT),
    ("v1/token-client-noid", SILENT),
    ("v1/token-user-noid", SILENT),
    (
        "v1/clients-list-page0",
        "page 0 is the first page, without a negative offset",
    ),
    ("v1/version-flag", SHARED),
    ("v1/root-unknown", SHARED),
    ("v1/root-unknown-flag", SHARED),
    (
        "v1/token-client-verbose",
        "the answer as JSON, not a dump of a Go structure",
    ),
    ("v1/token-introspect-clientid", "the warning ends with a line break"),
    ("v2/create-client-admin-suffix", "a base that ends in /admin works"),
    (
        "v2/create-client-badformat",
        "an unknown format is refused before anything is created",
    ),
    ("v2/get-client-two-quiet", ADDRESSES),
    ("v2/import-client-object", OBJECT),
    ("v2/import-client-stdin-object", OBJECT),
    ("v2/list-clients-quiet", ADDRESSES),
    ("v2/v1-clients", BOTH),
    ("v2/v1-keys", BOTH),
    ("v2/v1-token-client", BOTH),
    ("v2/perform-authorization-code-bad-state", DENIED),
    ("v2/perform-authorization-code-denied", DENIED),
    ("v2/perform-authorization-code-login-denied", DENIED),
];
const WORD: &str = "a wrong word in a group of commands does not end with status 0";
const DENIED: &str = "a flow that gives no tokens does not end with status 0";
const OBJECT: &str = "one client without an array is imported too";
const DOWN: &str = "a migration is not undone; the way back is a backup";
const PGP: &str = "secrets are not encrypted with PGP here; the flags are refused before anything is created";
const SHARED: &str = "a command line of both trees: status 1, and nothing on standard output";
const SILENT: &str = "a command that could not do its work does not end with status 0";
const ADDRESSES: &str = "--quiet prints ids, not memory addresses";
const BOTH: &str = "both trees of commands are in this program";

#[derive(Deserialize)]
struct Fixture {
    #[serde(skip)]
    name: String,
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    stdin: Option<String>,
    stdout: String,
    #[serde(default)]
    stderr: Option<String>,
    /// A number, or "timeout".
    exit: Value,
    #[serde(default)]
    http: Option<Vec<Exchange>>,
}

/// A recorded request and its answer.
#[derive(Clone, Deserialize)]
struct Exchange {
    request: String,
    headers: BTreeMap<String, String>,
    body: String,
    status: u16,
    response_body: String,
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/cli");
    let mut found = Vec::new();
    for version in ["v1", "v2"] {
        let folder = folder.join(version);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
            panic!("the recorded commands are missing: {}: {error}", folder.display());
        });
        for entry in entries {
            let path = entry.unwrap().path();
            let mut fixture: Fixture = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            fixture.name = format!("{version}/{}", path.file_stem().unwrap().to_str().unwrap());
            found.push(fixture);
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(
        found.len() > 300,
        "only {} recorded commands in {}",
        found.len(),
        folder.display()
    );
    found
}

impl Fixture {
    fn is_different(&self) -> bool {
        DIFFERENT.iter().any(|(name, _)| *name == self.name)
    }

    /// Commands that run on the server are tested with the server.
    fn is_of_the_server(&self) -> bool {
        matches!(
            self.argv.get(1).map(String::as_str),
            Some("serve" | "migrate" | "janitor")
        )
    }

    fn arguments(&self) -> Vec<OsString> {
        self.argv.iter().map(OsString::from).collect()
    }

    /// Whether the recorded program refused the words themselves.
    fn was_refused(&self) -> bool {
        const REFUSALS: [&str; 6] = [
            "unknown",
            "accepts",
            "requires",
            "invalid argument",
            "Expected exact",
            "Expected at",
        ];
        let stderr = self
            .stderr
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches("<usage>\n");
        REFUSALS
            .iter()
            .any(|refusal| stderr.trim_start_matches("Error: ").starts_with(refusal))
    }
}

#[test]
fn every_recorded_command_line_parses_or_is_refused_as_it_was() {
    // The one form of the older command that the newer refuses and this program, being both, accepts.
    const ACCEPTED: [&str; 1] = ["v2/serve-v1-flag"];
    // Refused without a word but the usage.
    const REFUSED: [&str; 1] = ["v1/migrate-sql-twoargs"];
    for fixture in fixtures() {
        if fixture.is_different() || ACCEPTED.contains(&fixture.name.as_str()) {
            continue;
        }
        let (mut terminal, output, errors) = terminal("", Vec::new());
        let parsed = super::parse::parse(&fixture.arguments(), &mut terminal);
        let shows_help = matches!(parsed, Err(status) if status == ExitCode::SUCCESS);
        let name = &fixture.name;
        assert_eq!(
            shows_help,
            fixture.stdout == "<help>\n",
            "{name}: {}{}",
            output.text(),
            errors.text()
        );
        assert_eq!(
            parsed.is_err() && !shows_help,
            fixture.was_refused() || REFUSED.contains(&name.as_str()),
            "{name}: {}",
            errors.text()
        );
    }
}

#[test]
fn every_recorded_client_command_sends_prints_and_ends_as_it_did() {
    let mut compared = 0;
    for fixture in fixtures() {
        // Without recorded answers there is nothing to compare with, unless nothing was sent.
        let offline = fixture.http.is_none() && (fixture.was_refused() || fixture.stdout == "<help>\n");
        let online = fixture.http.as_ref().is_some_and(|exchanges| !exchanges.is_empty());
        if fixture.is_different() || fixture.is_of_the_server() || !(offline || online) {
            continue;
        }
        compared += 1;
        Comparison::of(&fixture).check();
    }
    assert!(compared > 150, "only {compared} commands were compared");
}

/// A recorded run beside ours.
struct Comparison<'f> {
    fixture: &'f Fixture,
    status: ExitCode,
    stdout: String,
    stderr: String,
    sent: Vec<replay::Sent>,
}

impl<'f> Comparison<'f> {
    fn of(fixture: &'f Fixture) -> Self {
        let server = Replay::start(fixture.http.clone().unwrap_or_default(), &fixture.stdout);
        let files = files(fixture);
        let folder = files
            .as_ref()
            .map_or(PathBuf::from("$WORK"), |folder| folder.path().to_owned());
        let local = |text: &String| server.localize(text).replace("$WORK", folder.to_str().unwrap());
        let environment = fixture
            .env
            .iter()
            .map(|(name, value)| (name.clone(), local(value)))
            .collect();
        let arguments: Vec<OsString> = fixture.argv.iter().map(|word| local(word).into()).collect();
        let input = fixture.stdin.as_deref().unwrap_or_default();
        let (mut terminal, output, errors) = terminal(input, environment);
        let status = super::run(arguments, &mut terminal);
        let stdout = output.text().replace(folder.to_str().unwrap(), "$WORK");
        Self {
            fixture,
            status,
            stdout,
            stderr: errors.text(),
            sent: server.sent(),
        }
    }

    fn check(&self) {
        let name = &self.fixture.name;
        let expected = ExitCode::from(u8::try_from(self.fixture.exit.as_u64().unwrap()).unwrap());
        assert_eq!(self.status, expected, "{name}: {}{}", self.stdout, self.stderr);
        self.check_requests();
        self.check_output();
        assert!(
            expected == ExitCode::SUCCESS || !self.stderr.is_empty(),
            "{name}: failed without a word"
        );
    }

    fn check_requests(&self) {
        let name = &self.fixture.name;
        let recorded = self.fixture.http.as_deref().unwrap_or_default();
        // The recorded program repeats any refused token request in another way, and no other request; this one
        // repeats whatever was sent as an OAuth 2.0 client, if the client was not accepted.
        let expected = match recorded {
            [first, _] if first.request == "POST /oauth2/token" && first.status != 401 => 1,
            [only] if only.request == "POST /oauth2/revoke" && only.status == 401 => 2,
            recorded => recorded.len(),
        };
        assert_eq!(self.sent.len(), expected, "{name}: {:?}", self.sent);
        for (sent, exchange) in self.sent.iter().zip(recorded) {
            let makes_no_secret = !self.fixture.argv.contains(&"--secret".to_owned());
            assert_eq!(
                sent.comparable(makes_no_secret),
                replay::Sent::from(exchange).comparable(makes_no_secret),
                "{name}"
            );
            for (header, value) in &exchange.headers {
                if ["Authorization", "X-Forwarded-Proto"].contains(&header.as_str()) {
                    assert_eq!(sent.header(header), Some(value.as_str()), "{name}: {header}");
                }
            }
        }
    }

    fn check_output(&self) {
        let name = &self.fixture.name;
        match self.fixture.stdout.as_str() {
            "<help>\n" | "<script>\n" => assert!(self.stdout.len() > 200, "{name}: {}", self.stdout),
            text if text.starts_with("<usage>") => {}
            text => {
                let expected = comparable(text);
                // The recording of a long answer is cut, and then so is what can be shown of it.
                let cut = self
                    .fixture
                    .http
                    .iter()
                    .flatten()
                    .any(|exchange| exchange.response_body.ends_with('…'));
                match (cut, json(&expected), json(&self.stdout)) {
                    (true, Some(expected), Some(shown)) => {
                        assert!(is_part(&shown, &expected), "{name}: {}", self.stdout);
                    }
                    (true, _, _) if self.fixture.argv.iter().any(|word| word == "list") => {}
                    (true, _, _) if expected.starts_with("client_id: ") => {}
                    _ => assert_eq!(comparable(&self.stdout), expected, "{name}"),
                }
            }
        }
    }
}

/// Without what is prose, or depends on the time of day.
fn comparable(text: &str) -> String {
    let prose = ["You should not provide secrets", "Note: a secret on the command line"];
    let mut lines: Vec<String> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !prose.iter().any(|prose| line.starts_with(prose)))
    {
        let reasoned = line
            .starts_with("invalid argument")
            .then(|| line.split("flag:").next())
            .flatten();
        let line = reasoned.unwrap_or(line);
        let timed = line.starts_with("EXPIRY\t\t20") || line.starts_with("Expires in");
        lines.push(if timed && !line.contains("+0000 UTC\t\t\n") {
            "EXPIRY".to_owned()
        } else {
            line.to_owned()
        });
    }
    let text = lines.join("\n");
    match text.find("\"expiry\":\"") {
        Some(start) => format!(
            "{}{}",
            &text[..start],
            text[start..].split_once("\"}").map_or("", |(_, rest)| rest)
        ),
        None => text,
    }
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Whether everything in `part` is in `whole`. Lists may be shorter.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, value)| whole.get(name).is_some_and(|whole| is_part(value, whole))),
        (Value::Array(part), Value::Array(whole)) => part.iter().zip(whole).all(|(part, whole)| is_part(part, whole)),
        (part, whole) => part == whole,
    }
}

/// The files that the command reads. They were not recorded, but what was sent of them was.
fn files(fixture: &Fixture) -> Option<tempfile::TempDir> {
    let named: Vec<&str> = fixture
        .argv
        .iter()
        .filter_map(|word| word.strip_prefix("$WORK/"))
        .collect();
    if named.is_empty() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let bodies: Vec<&str> = fixture
        .http
        .iter()
        .flatten()
        .map(|exchange| exchange.body.trim())
        .collect();
    let newer_import = fixture.argv[1] == "import";
    for (index, file) in named.iter().enumerate() {
        let content = if newer_import {
            Some(format!("[{}]", bodies.join(",")))
        } else {
            content(&bodies, index)
        };
        if let Some(content) = content.filter(|_| !file.starts_with("no")) {
            std::fs::write(folder.path().join(file), content).unwrap();
        }
    }
    Some(folder)
}

/// The client that the file held, or the key of it that was put into the set.
fn content(bodies: &[&str], index: usize) -> Option<String> {
    let put = bodies
        .iter()
        .find_map(|body| json(body)?.get("keys")?.get(index).cloned());
    match put {
        Some(mut key) => {
            key.as_object_mut()
                .unwrap()
                .retain(|name, _| !["kid", "use"].contains(&name.as_str()));
            Some(key.to_string())
        }
        None => bodies
            .get(index)
            .filter(|body| !body.is_empty())
            .map(|body| (*body).to_owned()),
    }
}

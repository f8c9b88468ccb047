//! What Hydra's commands on the server ended with, recorded, beside what the program ends with.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use claviger_e2e::process::PATIENCE;
use claviger_e2e::{Database, binary, server};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Recorded {
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    stdin: String,
    /// A number, or "timeout" where the server served.
    exit: Value,
}

/// What ends otherwise here, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("v1/janitor-bad-batch", ONE),
    ("v1/janitor-bad-limit", ONE),
    ("v1/janitor-dsn-nothing", ONE),
    ("v1/janitor-none", ONE),
    ("v1/serve-unknown-flag", ONE),
    ("v1/serve-not-migrated", WAITS),
    ("v2/serve-not-migrated", WAITS),
    ("v2/migrate-sql-status-block", WAITS),
    ("v1/serve-port-in-use", MACHINE),
    ("v2/serve-no-dsn", "development has a database without being told"),
    ("v2/serve-v1-flag", "the flags of both versions are there"),
    ("v1/serve-dsn-unreachable", AWAY),
    ("v1/serve-dsn-wrong-password", AWAY),
    ("v1/migrate-sql-unreachable", AWAY),
    ("v1/migrate-sql-wrong-password", AWAY),
    ("v1/serve-unknown-sub", WORD),
    ("v1/migrate-unknown", WORD),
    ("v2/migrate-unknown", WORD),
    ("v2/migrate-sql-down-1", DOWN),
    ("v2/migrate-sql-down-across-merge", DOWN),
    ("v2/migrate-sql-up-fails", MACHINE),
];
const ONE: &str = "every failure is status 1";
const WAITS: &str = "waits for the migration";
const AWAY: &str = "waits for a database that cannot be reached";
const WORD: &str = "a word that nobody knows is a failure";
const MACHINE: &str = "what was on the machine of the recording is not here";
const DOWN: &str = "migrations only add";

fn recorded() -> Vec<(String, Recorded)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/cli");
    let mut all = Vec::new();
    for version in ["v1", "v2"] {
        let entries = std::fs::read_dir(folder.join(version))
            .unwrap_or_else(|error| panic!("the recorded commands are missing: {}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            let one: Recorded = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let name = format!("{version}/{}", path.file_stem().unwrap().to_str().unwrap());
            all.push((name, one));
        }
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

impl Recorded {
    /// Of the server, and ended by itself, without a file that was not recorded.
    fn can_be_compared(&self) -> bool {
        let words = &self.argv[1..];
        let is_of_the_server = words
            .first()
            .is_some_and(|word| ["serve", "migrate", "janitor"].contains(&&**word));
        let needs_file = words
            .iter()
            .any(|word| word.contains("$WORK") && !word.contains("nonexist"));
        is_of_the_server && self.exit.is_number() && !needs_file
    }

    /// The same with a database of ours in place of the recorded one.
    fn run(&self) -> (Option<i32>, String) {
        let database = Database::sqlite();
        if self.argv[1] != "migrate" {
            server::migrate(&database);
        }
        let local = |text: &str| {
            if text.contains("127.0.0.1:5432/h2_") && !text.contains("h2:bad") {
                return database.dsn();
            }
            text.replace("$WORK", "/nowhere")
        };
        let mut command = binary::command();
        command.args(self.argv[1..].iter().map(|word| local(word)));
        command.envs(self.env.iter().map(|(name, value)| (name, local(value))));
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // Fails where the program ended without reading.
        let _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes());
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let ended = child.wait_with_output().unwrap();
        let told = [ended.stdout, ended.stderr].concat();
        (ended.status.code(), String::from_utf8_lossy(&told).into_owned())
    }
}

#[test]
fn commands_of_the_server_end_as_they_did() {
    let mut compared = 0;
    for (name, one) in recorded() {
        if !one.can_be_compared() || DIFFERENT.iter().any(|(different, _)| *different == name) {
            continue;
        }
        compared += 1;
        let (status, told) = one.run();
        assert_eq!(status.map(i64::from), one.exit.as_i64(), "{name}: {told}");
        assert!(status == Some(0) || !told.trim().is_empty(), "{name} says why");
    }
    assert!(compared > 60, "only {compared} commands were compared");
}

#[test]
fn what_ends_otherwise_was_recorded() {
    let recorded = recorded();
    for (name, why) in DIFFERENT {
        let (_, one) = recorded
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("{name}: {why}"));
        assert!(one.can_be_compared(), "{name} is not compared anyway");
    }
}

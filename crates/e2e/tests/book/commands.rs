//! What README.md and the guide say to type is typed, in their order, in an empty directory.
//!
//! What stands in for something of the reader's machine: `cargo` gives the program that was built already, `sudo` asks the
//! private PostgreSQL of the tests, `xdg-open` writes down what it should open, and ports that others may use are exchanged
//! for free ones.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::{Browser, binary, ports, postgres};
use tempfile::TempDir;

use crate::blocks::{self, How};

const CARGO: &str = r#"#!/bin/sh
mkdir -p target/release && ln -sf "$CLAVIGER" target/release/claviger
case "$*" in
    "build --release") ;;
    "run --release -- "*) shift 3 && exec target/release/claviger "$@" ;;
    *) echo "nothing stands in for cargo $*" >&2; exit 1 ;;
esac
"#;
const SUDO: &str = r#"#!/bin/sh
case "$*" in
    "-u postgres psql "*) shift 3 && exec "$PSQL" -h 127.0.0.1 -p "$DATABASE_PORT" -U postgres "$@" ;;
    *) echo "nothing stands in for sudo $*" >&2; exit 1 ;;
esac
"#;
const XDG_OPEN: &str = "#!/bin/sh\nprintf %s \"$1\" >\"$LOGS.new\" && mv \"$LOGS.new\" \"$LOGS.opened\"\n";

/// A page being followed.
struct Reader {
    script: Process,
    directory: TempDir,
    ports: Vec<(u16, u16)>,
}

impl Reader {
    /// Begins to do what the page says.
    fn start(page: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("claviger-book-").tempdir().unwrap();
        let place = directory.path().join("place");
        let bin = directory.path().join("bin");
        for new in [&place, &bin, &directory.path().join("logs")] {
            std::fs::create_dir(new).unwrap();
        }
        for (name, text) in [("cargo", CARGO), ("sudo", SUDO), ("xdg-open", XDG_OPEN)] {
            std::fs::write(bin.join(name), text).unwrap();
            std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        // npm works on a copy, so that it takes nothing from under other tests.
        let node = place.join("crates/e2e/node");
        std::fs::create_dir_all(&node).unwrap();
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(binary::root().join("crates/e2e/node").join(file), node.join(file)).unwrap();
        }
        symlink(binary::root().join("examples"), place.join("examples")).unwrap();

        let cluster = postgres::cluster();
        let mut ports: Vec<(u16, u16)> = [4444, 4445, 9010, 9020]
            .into_iter()
            .map(|port| (port, ports::free()))
            .collect();
        ports.push((5432, cluster.port()));
        let text = std::fs::read_to_string(binary::root().join(page)).unwrap();
        let script = exchange(&blocks::script(&blocks::of(&text)), &ports);
        let file = directory.path().join("script");
        std::fs::write(&file, script).unwrap();

        let mut command = Command::new("bash");
        command.arg(&file).current_dir(&place).env_clear();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("HOME", std::env::var_os("HOME").unwrap());
        command.env("LOGS", directory.path().join("logs"));
        command.env("CLAVIGER", binary::path());
        command.env("PSQL", cluster.program("psql").get_program());
        command.env("DATABASE_PORT", cluster.port().to_string());
        command.env("npm_config_prefer_offline", "true");
        command.env("npm_config_audit", "false");
        command.env("SERVE_PUBLIC_HOST", "127.0.0.1");
        command.env("SERVE_PUBLIC_PORT", ports[0].1.to_string());
        command.env("SERVE_ADMIN_PORT", ports[1].1.to_string());
        Self {
            script: Process::start(page, &mut command),
            directory,
            ports,
        }
    }

    /// The address that a command wants to be opened in the browser.
    async fn opened(&mut self) -> String {
        self.script.wait_for_output("@@ waits");
        let deadline = Instant::now() + PATIENCE;
        let file = self.directory.path().join("logs.opened");
        loop {
            if let Ok(address) = std::fs::read_to_string(&file) {
                return address;
            }
            let waits = self.script.is_running() && Instant::now() < deadline;
            assert!(waits, "no browser was opened");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn port(&self, written: u16) -> u16 {
        self.ports.iter().find(|(port, _)| *port == written).unwrap().1
    }

    /// Waits for the end of the page, and returns what was printed.
    fn finish(mut self) -> String {
        let status = self.script.wait();
        let printed = self.script.output();
        assert!(status.success() && printed.contains("@@ the end"), "{printed}");
        printed
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The script ends what it has started before it ends itself.
        if self.script.is_running() {
            self.script.signal("TERM");
            self.script.wait();
        }
    }
}

/// Puts other ports in the place of those of the page, wherever a number is one of them as a whole.
fn exchange(text: &str, ports: &[(u16, u16)]) -> String {
    let mut exchanged = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let length = from
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(from.len());
        let (number, after) = from.split_at(length);
        let other = ports.iter().find(|(port, _)| number == port.to_string());
        exchanged.push_str(before);
        exchanged.push_str(&other.map_or_else(|| number.to_owned(), |(_, other)| other.to_string()));
        rest = after;
    }
    exchanged + rest
}

#[tokio::test]
async fn the_guide_works_as_it_is_written() {
    let mut reader = Reader::start("docs/guide.md");
    reader.script.wait_for_output("@@ starts");
    // npm may take its time.
    let deadline = Instant::now() + Duration::from_secs(120);
    while !reader.script.output().contains("@@ waits") {
        assert!(
            reader.script.is_running() && Instant::now() < deadline,
            "it does not get to the browser"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let browser = Browser::start().await;
    browser.open(&reader.opened().await).await;
    browser.click("a.button").await;
    browser
        .wait_for(&format!("http://127.0.0.1:{}/login", reader.port(9020)))
        .await;
    browser.fill("#email", "foo@bar.com").await;
    browser.fill("#password", "foobar").await;
    browser.click("#accept").await;
    browser
        .wait_for(&format!("http://127.0.0.1:{}/consent", reader.port(9020)))
        .await;
    for scope in ["#openid", "#offline"] {
        browser.click(scope).await;
    }
    browser.click("#accept").await;
    browser.element("#access-token").await;
    let printed = reader.finish();
    for told in [
        r#"{"status":"ok"}"#,
        "some-consumer",
        r#""active": true"#,
        r#""token_type""#,
        "Access Token:",
        "Refresh Token:",
        "ID Token:",
    ] {
        assert!(printed.contains(told), "{told} is missing in:\n{printed}");
    }
}

#[tokio::test]
async fn the_first_five_minutes_of_the_readme_work_as_they_are_written() {
    let mut reader = Reader::start("README.md");
    let browser = Browser::start().await;
    browser.open(&reader.opened().await).await;
    browser.click("a.button").await;
    browser.fill("#name", "ada@example.com").await;
    browser.click("button[value=accept]").await;
    browser.element("input[name='scope:openid']").await;
    browser.click("button[value=accept]").await;
    browser.element("#access-token").await;
    let directory: PathBuf = reader.directory.path().join("place");
    for made in ["claviger.sqlite", "claviger.secrets"] {
        assert!(directory.join(made).exists(), "{made}");
    }
    let printed = reader.finish();
    assert!(printed.to_lowercase().contains("access token"), "{printed}");
}

/// Two commands do everything on a bare machine; one of them is the script that runs this test.
#[test]
fn only_the_command_that_runs_every_test_is_not_run_here() {
    let page = |path: &str| std::fs::read_to_string(binary::root().join(path)).unwrap();
    let readme = blocks::of(&page("README.md"));
    let left_out: Vec<&str> = readme
        .iter()
        .filter(|block| block.how == How::NotHere)
        .map(|block| block.text.trim())
        .collect();
    assert_eq!(left_out, [".ci/run"]);
    let script: &Path = &binary::root().join(".ci/run");
    assert!(std::fs::metadata(script).unwrap().permissions().mode() & 0o111 != 0);
    let guide = blocks::of(&page("docs/guide.md"));
    assert!(guide.len() >= 8 && guide.iter().all(|block| block.how != How::NotHere));
}

#[test]
fn a_number_is_exchanged_as_a_whole() {
    let exchanged = exchange("127.0.0.1:4444/4444 14444 4444", &[(4444, 9)]);
    assert_eq!(exchanged, "127.0.0.1:9/9 14444 9");
}

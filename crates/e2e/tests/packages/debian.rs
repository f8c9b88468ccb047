//! The Debian package and the unit in it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use claviger_e2e::{Database, Http, Request, ServerOptions};
use tempfile::TempDir;

use crate::{file, output, release};

fn package() -> (TempDir, PathBuf) {
    let out = tempfile::tempdir().unwrap();
    release(out.path(), &["deb"], &[]);
    let made = std::fs::read_dir(out.path()).unwrap().next().unwrap().unwrap().path();
    (out, made)
}

#[tokio::test]
async fn the_package_has_program_unit_settings_and_user_and_its_program_serves_with_its_settings() {
    let (out, package) = package();
    let field = |name: &str| output(Command::new("dpkg-deb").args(["-f"]).arg(&package).arg(name));
    assert_eq!(
        (field("Package").trim(), field("Version").trim()),
        ("claviger", "0.1.0")
    );
    assert!(!field("Depends").contains("libc"), "{}", field("Depends"));
    let root = out.path().join("root");
    output(Command::new("dpkg-deb").arg("-R").arg(&package).arg(&root));
    for path in [
        "usr/bin/claviger",
        "usr/bin/hydra",
        "usr/lib/systemd/system/claviger.service",
        "usr/lib/systemd/system/claviger.socket",
        "usr/lib/sysusers.d/claviger.conf",
        "etc/claviger/claviger.yml",
        "usr/share/doc/claviger/copyright",
        "usr/share/doc/claviger/changelog.gz",
        "usr/share/man/man1/claviger.1.gz",
        "usr/share/man/man1/claviger-serve.1.gz",
    ] {
        assert!(root.join(path).exists(), "{path}");
    }
    let manual = output(
        Command::new("gzip")
            .arg("-dc")
            .arg(root.join("usr/share/man/man1/claviger-serve.1.gz")),
    );
    assert!(manual.contains(".TH claviger-serve 1"), "{manual}");
    for (path, told) in [
        ("bash-completion/completions/claviger", "complete -F _claviger"),
        ("zsh/vendor-completions/_claviger", "#compdef claviger"),
        ("fish/vendor_completions.d/claviger.fish", "complete -c claviger"),
    ] {
        let script = std::fs::read_to_string(root.join("usr/share").join(path)).unwrap();
        assert!(script.contains(told), "{path}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let mode = std::fs::metadata(root.join("DEBIAN").join(script))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o755, "{script}");
    }
    let conffiles = std::fs::read_to_string(root.join("DEBIAN/conffiles")).unwrap();
    assert_eq!(
        conffiles.trim(),
        "/etc/claviger/claviger.yml",
        "settings survive an upgrade"
    );

    // Its settings are taken as they are; only ports, database and issuer are others here.
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = ServerOptions::new(&database);
    let mut command = Command::new(root.join("usr/bin/claviger"));
    command.env_clear().args(["serve", "all", "--config"]);
    command.arg(root.join("etc/claviger/claviger.yml"));
    let kept = ["SECRETS_SYSTEM", "DSN", "SERVE_PUBLIC_PORT", "SERVE_ADMIN_PORT"];
    for (name, value) in options
        .variables
        .iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
    {
        command.env(name, value);
    }
    let process = claviger_e2e::process::Process::start("packaged claviger", &mut command);
    let server = claviger_e2e::Server::wait(process, options).await;
    let discovery = server.public("/.well-known/openid-configuration");
    let found = Http::new().send(Request::get(&discovery)).await.json();
    assert_eq!(found["issuer"], "https://auth.example.com/", "that of the file");
}

/// The script of the installation makes a secret once, and for root alone.
#[test]
fn an_installation_makes_a_secret_once_and_an_upgrade_keeps_it() {
    let place = tempfile::tempdir().unwrap();
    let (etc, bin) = (place.path().join("etc"), place.path().join("bin"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("claviger.yml"), "").unwrap();
    // What belongs to the machine is only written down.
    for name in ["systemd-sysusers", "chown", "systemctl"] {
        let path = bin.join(name);
        std::fs::write(
            &path,
            format!("#!/bin/sh\necho {name} \"$@\" >>'{}/calls'\n", place.path().display()),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = file("packaging/debian/postinst").replace("/etc/claviger", etc.to_str().unwrap());
    let install = |previous: &str| {
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        output(
            Command::new("sh")
                .args(["-c", &script, "postinst", "configure", previous])
                .env("PATH", path),
        )
    };
    let told = install("");
    assert!(told.contains("migrate sql") && told.contains("not started"), "{told}");
    let secrets = etc.join("secrets.env");
    let made = std::fs::read_to_string(&secrets).unwrap();
    let value = made.trim().strip_prefix("SECRETS_SYSTEM=").unwrap();
    assert!(
        value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{made}"
    );
    assert_eq!(std::fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(install("0.0.9"), "", "an upgrade has nothing to tell");
    assert_eq!(std::fs::read_to_string(&secrets).unwrap(), made);
    let calls = std::fs::read_to_string(place.path().join("calls")).unwrap();
    assert!(calls.contains("systemd-sysusers claviger.conf"), "{calls}");
}

/// `systemd-analyze security`: 0 is the best, 10 the worst. The documentation has the number.
#[test]
fn the_unit_is_as_confined_as_the_documentation_says() {
    let (_out, unit) = unit();
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=yes", "--no-pager", "--threshold=15"]);
    let told = output(analyze.arg(&unit));
    let exposure = told
        .lines()
        .find(|line| line.contains("Overall exposure level"))
        .unwrap();
    let number = exposure
        .split_whitespace()
        .find(|word| word.parse::<f64>().is_ok())
        .unwrap();
    assert!(number.parse::<f64>().unwrap() <= 1.5, "{told}");
    let documented = file("docs/packages.md");
    // Other releases of systemd count other things.
    let version = output(Command::new("systemd-analyze").arg("--version"));
    if version.starts_with("systemd 252 ") {
        assert!(
            documented.contains(&format!("exposure level of {number}")),
            "docs/packages.md does not say {number}"
        );
    }
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let (_out, unit) = unit();
    let socket = unit.with_extension("socket");
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args([&unit, &socket])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&verified.stderr);
    // It also looks at units of this machine that these ones name.
    let ours: Vec<&str> = told.lines().filter(|line| line.contains("claviger")).collect();
    assert!(ours.is_empty(), "{told}");
    let directives = directives(&std::fs::read_to_string(&unit).unwrap());
    for (name, value) in [
        ("Type", "notify"),
        ("User", "claviger"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("WatchdogSec", "30"),
    ] {
        assert_eq!(directives.get(name).map(String::as_str), Some(value), "{name}");
    }
}

/// The units as installed, but with a program that is there on this machine.
fn unit() -> (TempDir, PathBuf) {
    let out = tempfile::tempdir().unwrap();
    let program = claviger_e2e::binary::path().display().to_string();
    for name in ["claviger.service", "claviger.socket"] {
        let text = file(&format!("packaging/debian/{name}"));
        assert!(name.ends_with("socket") || text.contains("ExecStart=/usr/bin/claviger serve all"));
        // Without it `systemctl reload`, which the documentation names, is refused.
        assert!(name.ends_with("socket") || text.contains("ExecReload=/bin/kill -HUP $MAINPID"));
        std::fs::write(out.path().join(name), text.replace("/usr/bin/claviger", &program)).unwrap();
    }
    let unit: &Path = &out.path().join("claviger.service");
    (out, unit.to_owned())
}

fn directives(unit: &str) -> BTreeMap<String, String> {
    unit.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

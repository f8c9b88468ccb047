//! The program: one file.

use std::process::Command;

use claviger_e2e::binary;
use serde_json::{Value, json};

use crate::{output, release};

#[test]
fn the_program_is_one_file_that_needs_no_shared_library() {
    let program = binary::released();
    // ldd ends with 1 for such a file, and says so.
    let told = Command::new("ldd").arg(program).output().unwrap();
    let told = [told.stdout, told.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(
        told.contains("statically linked") || told.contains("not a dynamic executable"),
        "{told}"
    );
    assert!(binary::is_static(program));
    assert!(!binary::is_static("/bin/sh".as_ref()), "the check can tell");
}

#[test]
fn the_archive_has_the_program_its_license_and_a_readme_and_is_made_the_same_again() {
    let out = tempfile::tempdir().unwrap();
    release(out.path(), &["archive", "checksums"], &[]);
    let archive = std::fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .unwrap();
    let before = std::fs::read(&archive).unwrap();
    let listed = output(Command::new("tar").arg("-tzf").arg(&archive));
    let files = [
        "/claviger",
        "/LICENSE",
        "/README.md",
        "/CHANGELOG.md",
        "/man/man1/claviger.1",
        "/man/man1/claviger-serve.1",
        "/completions/claviger.bash",
        "/completions/claviger.powershell",
    ];
    for file in files {
        assert!(listed.lines().any(|line| line.ends_with(file)), "{file} in\n{listed}");
    }
    output(
        Command::new("sha256sum")
            .args(["--check", "SHA256SUMS"])
            .current_dir(out.path()),
    );
    output(Command::new("tar").arg("-xzf").arg(&archive).current_dir(out.path()));
    let name = archive
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches(".tar.gz");
    let program = out.path().join(name).join("claviger");
    assert!(output(Command::new(program).arg("version").env_clear()).contains("0.1.0"));

    release(out.path(), &["archive"], &[]);
    assert!(
        before == std::fs::read(&archive).unwrap(),
        "another archive of the same files"
    );
}

#[test]
fn a_program_that_needs_shared_libraries_is_not_released() {
    let out = tempfile::tempdir().unwrap();
    let refused = Command::new(binary::root().join("packaging/release"))
        .args(["--binary", "/bin/sh", "--out"])
        .arg(out.path())
        .arg("archive")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("shared libraries"), "{told}");
}

/// What `packaging/release sbom` asks of a bill of materials, asked of one that is right and of some that are not.
#[test]
fn a_bill_of_materials_that_leaves_something_out_is_refused() {
    let mut tree = Command::new("cargo");
    tree.args([
        "tree",
        "--locked",
        "--package",
        "claviger",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    let tree = output(tree.args(["--target", TARGET]).current_dir(binary::root()));
    let mut parts: Vec<Value> = tree
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| {
            let version = rest.split_whitespace().next().unwrap();
            json!({"name": name, "version": version, "licenses": [{"expression": "MIT"}]})
        })
        .collect();
    let check = |parts: &[Value], format: &str| {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("bill.json");
        std::fs::write(&file, json!({"bomFormat": format, "components": parts}).to_string()).unwrap();
        let mut check = Command::new(binary::root().join("packaging/check-sbom"));
        let ran = check
            .arg(&file)
            .arg(TARGET)
            .current_dir(binary::root())
            .output()
            .unwrap();
        (ran.status.success(), String::from_utf8(ran.stderr).unwrap())
    };
    assert_eq!(check(&parts, "CycloneDX"), (true, String::new()));
    assert!(check(&parts, "SPDX").1.contains("no CycloneDX document"));
    let last = parts.iter().rposition(|part| part["name"] == "tokio").unwrap();
    parts[last]["licenses"] = json!([]);
    assert!(check(&parts, "CycloneDX").1.contains("license"));
    parts.retain(|part| part["name"] != "tokio");
    let (accepted, told) = check(&parts, "CycloneDX");
    assert!(!accepted && told.contains("tokio"), "{told}");
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

#[test]
fn the_scripts_are_what_a_linter_accepts() {
    let mut lint = Command::new("shellcheck");
    lint.current_dir(binary::root());
    output(lint.args([
        "packaging/release",
        ".ci/run",
        "packaging/debian/postinst",
        "packaging/debian/prerm",
        "packaging/debian/postrm",
    ]));
}

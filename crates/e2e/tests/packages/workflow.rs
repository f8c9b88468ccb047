//! The workflow that makes a release.

use std::collections::BTreeSet;
use std::process::Command;

use claviger_e2e::binary;
use serde_json::Value;

use crate::{file, output, yaml};

const WORKFLOW: &str = ".github/workflows/release.yml";

#[test]
fn a_linter_for_workflows_finds_no_fault_in_it() {
    output(Command::new("actionlint").arg(WORKFLOW).current_dir(binary::root()));
}

#[test]
fn it_makes_every_platform_by_the_script_that_is_tested_here() {
    let workflow = yaml(&file(WORKFLOW));
    let jobs = workflow["jobs"].as_object().unwrap();
    let mut targets = BTreeSet::new();
    for job in ["linux", "other", "freebsd"] {
        for entry in jobs[job]["strategy"]["matrix"]["include"].as_array().unwrap() {
            targets.insert(entry["target"].as_str().unwrap());
        }
        let steps: &Value = &jobs[job]["steps"];
        assert!(
            steps.to_string().contains("packaging/release --target"),
            "{job}: {steps}"
        );
    }
    let demanded = [
        "aarch64-apple-darwin",
        "aarch64-pc-windows-msvc",
        "aarch64-unknown-freebsd",
        "aarch64-unknown-linux-gnu",
        "armv7-unknown-linux-gnueabihf",
        "i686-unknown-linux-gnu",
        "x86_64-apple-darwin",
        "x86_64-pc-windows-msvc",
        "x86_64-unknown-freebsd",
        "x86_64-unknown-linux-gnu",
    ];
    assert_eq!(targets, BTreeSet::from(demanded));
    let text = file(WORKFLOW);
    for told in ["sbom", "checksums", "attest-build-provenance", "deb", "image"] {
        assert!(text.contains(told), "{told}");
    }
}

#[test]
fn the_toolchain_is_the_one_that_the_sources_name() {
    let workspace = file("Cargo.toml");
    let named = workspace
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap();
    let wanted = yaml(&file(WORKFLOW))["env"]["RUST_VERSION"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(wanted.starts_with(named.trim_matches('"')), "{wanted}, {named}");
}

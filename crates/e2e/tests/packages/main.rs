//! What is released: made by `packaging/release` as the release workflow does, and used as people would.
//!
//! The program in the packages is the one that the other tests use, without optimization; how it is linked and packed is
//! the same.

mod chart;
mod compose;
mod debian;
mod image;
mod program;
mod workflow;

use std::path::Path;
use std::process::Command;

use claviger_e2e::binary;
use serde_json::Value;

/// Runs `packaging/release` for these things, with the program that is there already.
fn release(out: &Path, things: &[&str], variables: &[(&str, &str)]) {
    let made = Command::new(binary::root().join("packaging/release"))
        .arg("--binary")
        .arg(binary::released())
        .arg("--out")
        .arg(out)
        .args(things)
        // A program without optimization is large, and nobody keeps it.
        .envs([
            ("GZIP_LEVEL", "-1"),
            ("DPKG_DEB_COMPRESSOR_TYPE", "gzip"),
            ("DPKG_DEB_COMPRESSOR_LEVEL", "1"),
        ])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}{}",
        String::from_utf8_lossy(&made.stdout),
        String::from_utf8_lossy(&made.stderr)
    );
}

/// A file of the repository.
fn file(path: &str) -> String {
    std::fs::read_to_string(binary::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML document.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The output of a command that succeeds.
fn output(command: &mut Command) -> String {
    let ran = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{command:?}:\n{stdout}{stderr}");
    stdout.into_owned()
}

/// The texts of a list.
fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

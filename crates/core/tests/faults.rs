//! Every way to refuse has one line in the table of faults and at least one test that names it.

#![expect(
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::fs;
use std::path::Path;

use claviger_core::fault::Fault;

/// The text of all tests: whole files of tests, and what stands behind `#[cfg(test)]` in the others.
fn tests_in(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            let is_source = !path.ends_with("node_modules") && !path.ends_with("target");
            if is_source {
                tests_in(&path, text);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests/faults.rs") {
            let source = fs::read_to_string(&path).expect("the file can be read");
            let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
            let from = if is_test {
                Some(0)
            } else {
                source.find("#[cfg(test)]\nmod ")
            };
            if let Some(from) = from {
                text.push_str(&source[from..]);
            }
        }
    }
}

#[test]
fn every_fault_is_named_by_a_test() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the folder of all crates");
    let mut text = String::new();
    tests_in(crates, &mut text);
    let is_named = |fault: &Fault| {
        let (inside, outside) = (format!("Fault::{}", fault.name()), format!("\"{}\"", fault.name()));
        let ends = |at: usize| !text[at..].starts_with(|c: char| c.is_alphanumeric());
        text.match_indices(&inside).any(|(at, found)| ends(at + found.len())) || text.contains(&outside)
    };
    let silent: Vec<_> = Fault::ALL
        .iter()
        .filter(|fault| !is_named(fault))
        .map(|fault| fault.name())
        .collect();
    assert!(silent.is_empty(), "no test names {silent:?}");
}

//! The page of all refusals, `docs/errors.md`, written from the table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::Fault;

const INTRODUCTION: &str = "\
# Errors

This page is written from the table in `crates/core/src/fault.rs`.

Every refusal has a name. The log has it in `error`, in the line of the request whose id people find in the header
`X-Request-Id` and on error pages. The client gets the OAuth code, which is the heading here, and as `error_description` the text,
followed by what is special about this request. *Status* is that of the answer where the error is an answer of its own and no
redirect. *Rule* is what asks for the refusal; a dash stands for a rule of this server.
";

fn page() -> String {
    let mut codes: BTreeMap<&str, Vec<Fault>> = BTreeMap::new();
    for &fault in Fault::ALL {
        codes.entry(fault.code().as_str()).or_default().push(fault);
    }
    let mut page = INTRODUCTION.to_owned();
    for (code, faults) in codes {
        let head = "| Name | Status | Rule | What happened, and what to do |\n|---|---|---|---|";
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## `{code}`\n\n{head}\n");
        for fault in faults {
            let rule = if fault.rule() == "-" { "–" } else { fault.rule() };
            let _ = writeln!(
                page,
                "| `{}` | {} | {rule} | {} |",
                fault.name(),
                fault.code().status(),
                fault.description().replace('|', "\\|")
            );
        }
    }
    page
}

/// With `CLAVIGER_BLESS=1` in the environment the file is written anew.
#[test]
fn the_checked_in_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    if std::env::var_os("CLAVIGER_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(
        file == page(),
        "docs/errors.md is out of date; run: CLAVIGER_BLESS=1 cargo test -p claviger-core --lib reference"
    );
}

#[test]
fn every_refusal_is_on_the_page_in_one_line() {
    let page = page();
    for fault in Fault::ALL {
        let start = format!("| `{}` |", fault.name());
        let lines = page.lines().filter(|line| line.starts_with(&start)).count();
        assert_eq!(lines, 1, "{}", fault.name());
    }
}

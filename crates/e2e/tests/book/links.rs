//! Every link of the documentation leads somewhere, and every page is in the table of contents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use claviger_e2e::binary;

/// The pages of the book, and what stands beside them.
fn pages() -> Vec<PathBuf> {
    let docs = binary::root().join("docs");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(docs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    for other in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "bench/README.md",
        "crates/e2e/README.md",
    ] {
        pages.push(binary::root().join(other));
    }
    pages.sort();
    pages
}

/// The lines that are no code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The targets of the links of a page.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let (target, further) = after.split_once(')').unwrap_or((after, ""));
            found.push(target.to_owned());
            rest = further;
        }
    }
    found
}

/// The anchors that a heading gets: what GitHub and mdBook make of its text.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).filter_map(|line| line.strip_prefix('#'));
    let mut anchors = BTreeSet::new();
    for heading in headings {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|character| character.is_alphanumeric() || [' ', '-', '_'].contains(character));
        let anchor: String = kept
            .map(|character| if character == ' ' { '-' } else { character })
            .collect();
        // The second heading of the same text has a number.
        let mut number = 0;
        let mut name = anchor.clone();
        while !anchors.insert(name) {
            number += 1;
            name = format!("{anchor}-{number}");
        }
    }
    anchors
}

#[test]
fn every_link_to_a_file_leads_to_one_and_every_anchor_to_a_heading() {
    let mut lost = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let is_elsewhere = link.contains("://") || link.is_empty();
            if !is_elsewhere && !leads_somewhere(&page, &link) {
                lost.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(lost.is_empty(), "links that lead nowhere:\n{}", lost.join("\n"));
}

fn leads_somewhere(page: &Path, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        page.to_owned()
    } else {
        page.parent().unwrap().join(file)
    };
    if anchor.is_empty() || target.extension().is_none_or(|extension| extension != "md") {
        return target.exists();
    }
    std::fs::read_to_string(target).is_ok_and(|text| anchors(&text).contains(anchor))
}

/// The security model names tests as proof, so they have to exist.
#[test]
fn every_test_that_the_security_model_names_is_there() {
    let page = std::fs::read_to_string(binary::root().join("docs/security.md")).unwrap();
    let (_, table) = page.split_once("| Tried by |").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut sources = String::new();
    let mut directories = vec![binary::root().join("crates")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut named = 0;
    for line in table.lines().filter(|line| line.starts_with("| ") && line.len() > 3) {
        let proof = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in proof.split('`').skip(1).step_by(2).filter(|name| !name.contains('/')) {
            // In the contract of the stores, tests are functions that are registered by name.
            assert!(sources.contains(&format!("fn {name}(")), "no test {name}");
            named += 1;
        }
    }
    assert!(named >= 20, "{named}");
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let docs = binary::root().join("docs");
    let contents = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed = links(&contents);
    for page in pages() {
        if page.parent() != Some(docs.as_path()) || page.ends_with("SUMMARY.md") {
            continue;
        }
        let name = page.file_name().unwrap().to_str().unwrap();
        let times = listed.iter().filter(|link| *link == name).count();
        assert_eq!(times, 1, "{name} in docs/SUMMARY.md");
    }
    let book = std::fs::read_to_string(binary::root().join("book.toml")).unwrap();
    assert!(book.contains("src = \"docs\""), "{book}");
}

#[test]
fn anchors_are_those_of_the_renderers() {
    let anchors = anchors("# One, two: `three_four`\n```sh\n# no\n```\n## A (b)\n## A (b)\n");
    let expected = ["one-two-three_four", "a-b", "a-b-1"].map(str::to_owned);
    assert_eq!(anchors, expected.into());
}

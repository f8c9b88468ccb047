//! What the guide for operators says about the tables.

use std::collections::BTreeSet;

/// Every row has somebody who removes it, or is said to stay.
#[test]
fn every_table_has_a_line_that_says_who_removes_its_rows_and_when() {
    let guide = include_str!("../../../../docs/operate.md");
    let section = guide
        .split("\n## ")
        .find(|section| section.starts_with("Expired rows\n"));
    let lines = section.unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<&str> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert!(
                cells.len() == 4 && cells[1..3].iter().all(|cell| !cell.is_empty()),
                "{line}"
            );
            cells[0].trim_end_matches('`')
        })
        .collect();
    let tables: BTreeSet<&str> = named.iter().copied().collect();
    assert_eq!(tables.len(), named.len(), "each once");
    for engine in ["postgres", "mysql", "sqlite"] {
        assert_eq!(tables, made_by(engine).iter().map(String::as_str).collect(), "{engine}");
    }
}

/// The tables of the migrations, and the one that lists these.
fn made_by(engine: &str) -> BTreeSet<String> {
    let folder = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
    let mut tables = BTreeSet::from(["claviger_migration".to_owned()]);
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let made = text.split("CREATE TABLE ").skip(1);
        tables.extend(made.map(|rest| rest.split([' ', '(']).next().unwrap().to_owned()));
    }
    tables
}

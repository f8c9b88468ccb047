//! Tests of `table` and `targets`.

use super::*;
use crate::operations::Operation;
use crate::results::{About, Point};
use crate::targets;

fn row(operation: Operation) -> Row {
    Row {
        operation,
        rates: vec![5_000.0, 4_000.0, 6_000.0],
        p50_ms: vec![1.0],
        p99_ms: vec![7.5],
        server_cpu_us: Some(50.0),
        database_cpu_us: Some(20.0),
        driver_cpu_us: 25.0,
        statements_alone: Some(1.0),
        statements: Some(0.05),
        peak_mib: Some(12.0),
        errors: 0,
        half: None,
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn a_row_says_what_one_operation_costs() {
    let half = Some(Point {
        p99_ms: 2.25,
        ..Point::of_nothing(2_500.0)
    });
    let table = operations(&[Row {
        half,
        ..row(Operation::Introspection)
    }]);
    let expected = [
        "introspection",
        "5000",
        "4000 – 6000",
        "1.00",
        "7.50",
        "2.25",
        "50",
        "20",
        "25",
        "1.0",
        "0.05",
        "12.0",
        "0",
    ];
    assert_eq!(cells(table.lines().nth(2).unwrap()), expected);
}

#[test]
fn what_was_not_measured_is_a_dash() {
    let table = operations(&[Row {
        server_cpu_us: None,
        database_cpu_us: None,
        statements: None,
        statements_alone: None,
        peak_mib: None,
        ..row(Operation::Health)
    }]);
    let dashes = cells(table.lines().nth(2).unwrap())
        .iter()
        .filter(|cell| **cell == UNKNOWN)
        .count();
    assert_eq!(dashes, 6);
}

#[test]
fn all_lines_of_a_table_have_one_width() {
    let table = operations(&[row(Operation::Health), row(Operation::ClientCredentials)]);
    let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 4);
    assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
}

fn run(label: &str, operations: Vec<Row>) -> Run {
    Run {
        about: About {
            label: label.to_owned(),
            cores: 2,
            ..About::default()
        },
        operations,
        ..Run::default()
    }
}

#[test]
fn targets_are_held_against_figures() {
    let mut run = run(
        "postgres",
        vec![row(Operation::ClientCredentials), row(Operation::JwtRs256)],
    );
    run.limits.pgbench = vec![9_000.0, 2_500.0, 1_000.0];
    run.limits.rs256 = Some(4_000.0);
    let table = targets::table(&[&run]);
    let rows: Vec<Vec<&str>> = table.lines().skip(2).map(cells).collect();
    let expected = [
        ["client_credentials / pgbench", "2.00", "≥ 1.7", "yes"],
        ["client_credentials, CPU µs", "70.0", "≤ 70", "yes"],
        // The driver keeps an eighth of a core busy.
        ["client_credentials RS256 / signing", "0.667", "≥ 0.8", "no"],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn with_much_stored_each_operation_is_held_against_itself() {
    let mut run = run("postgres", vec![row(Operation::Refresh)]);
    let slower = Row {
        rates: vec![4_000.0],
        ..row(Operation::Refresh)
    };
    run.stored.push(Stored {
        tokens: 1_000_000,
        consents: 100_000,
        clients: 10_000,
        seconds_to_fill: 9.0,
        rows: vec![slower],
    });
    let table = stored(&run);
    assert_eq!(
        cells(table.lines().nth(2).unwrap()),
        ["refresh", "5000", "4000 (-20 %)", "12.0"]
    );
    let table = targets::table(&[&run]);
    assert!(table.contains("with most stored / empty, refresh"), "{table}");
}

#[test]
fn servers_stand_beside_each_other() {
    let (ours, theirs) = (
        run("postgres", vec![row(Operation::Health), row(Operation::Refresh)]),
        run("peer", vec![row(Operation::Health)]),
    );
    let table = compared(&[&ours, &theirs]);
    assert_eq!(
        cells(table.lines().nth(3).unwrap()),
        ["refresh", "5000", "70", UNKNOWN, UNKNOWN]
    );
}

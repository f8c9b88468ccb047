//! Tests of `table`.

use hdrhistogram::Histogram;

use super::*;

fn measured(operation: Operation) -> Measured {
    let mut latencies = Histogram::new(3).unwrap();
    latencies.record_n(1_000, 98).unwrap();
    latencies.record_n(7_500, 2).unwrap();
    Measured {
        operation,
        completed: 10_000,
        elapsed: Duration::from_secs(2),
        latencies,
        errors: 0,
        first_error: None,
        server_cpu: Some(Duration::from_millis(500)),
        database_cpu: Some(Duration::from_millis(200)),
        driver_cpu: Duration::from_millis(250),
        statements: Some(0.05),
        statements_alone: Some(1.0),
        peak: Some(12 * 1024 * 1024),
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn a_row_says_what_one_operation_costs() {
    let table = operations(&[measured(Operation::Introspection)]);
    let row = table.lines().nth(2).unwrap();
    let expected = [
        "introspection",
        "5000",
        "1.00",
        "7.50",
        "50",
        "20",
        "25",
        "1.0",
        "0.05",
        "12.0",
        "0",
    ];
    assert_eq!(cells(row), expected);
}

#[test]
fn what_was_not_measured_is_a_dash() {
    let table = operations(&[Measured {
        server_cpu: None,
        database_cpu: None,
        statements: None,
        statements_alone: None,
        peak: None,
        ..measured(Operation::Health)
    }]);
    let dashes = cells(table.lines().nth(2).unwrap())
        .iter()
        .filter(|cell| **cell == UNKNOWN)
        .count();
    assert_eq!(dashes, 5);
}

#[test]
fn all_lines_of_a_table_have_one_width() {
    let table = operations(&[measured(Operation::Health), measured(Operation::ClientCredentials)]);
    let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 4);
    assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
}

#[test]
fn targets_are_held_against_figures() {
    let measured = [
        measured(Operation::ClientCredentials),
        Measured {
            completed: 1_000,
            ..measured(Operation::CodeFlow)
        },
    ];
    let table = targets(&Figures {
        measured: &measured,
        pgbench: Some(8_000.0),
        startup: None,
    });
    let rows: Vec<Vec<&str>> = table.lines().skip(2).map(cells).collect();
    let expected = [
        ["pgbench, rows/s", "8000", "-", "-"],
        ["client_credentials / pgbench", "0.62", "≥ 1", "no"],
        ["client_credentials, CPU µs", "70", "≤ 90", "yes"],
        ["code flow, SQL alone", "1.00", "≤ 7", "yes"],
        ["code flow, CPU µs", "700", "≤ 1200", "yes"],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn nothing_completed_has_no_cost() {
    let nothing = Measured {
        completed: 0,
        elapsed: Duration::ZERO,
        ..measured(Operation::Health)
    };
    let table = operations(&[nothing]);
    assert_eq!(cells(table.lines().nth(2).unwrap())[1..2], ["0"]);
}

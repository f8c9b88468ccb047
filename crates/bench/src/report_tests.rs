//! Tests of `report`.

use super::*;
use crate::operations::Operation;
use crate::results::{About, Curve, Point};

fn run() -> Run {
    let point = |asked| Point {
        p99_ms: 2.0,
        ..Point::of_nothing(asked)
    };
    Run {
        about: About {
            label: String::from("postgres"),
            notes: vec![String::from("2 cores")],
            ..About::default()
        },
        curves: vec![Curve {
            operation: Operation::Refresh,
            points: vec![point(10.0), point(95.0)],
        }],
        ..Run::default()
    }
}

#[test]
fn only_what_stands_between_the_markers_is_replaced() {
    let text = format!("# Title\n\n{BEGIN}\nold\n{END}\n\n## Next\n");
    let expected = format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\n## Next\n");
    assert_eq!(between(&text, "new\n"), Some(expected));
    assert_eq!(between("# Title\n", "new"), None);
}

#[test]
fn a_run_is_reported_from_its_file_with_tables_and_plots() {
    let directory = tempfile::tempdir().unwrap();
    let (file, readme, plots) = (
        directory.path().join("run.json"),
        directory.path().join("README.md"),
        directory.path().join("plots"),
    );
    save(&run(), &file).unwrap();
    fs::write(&readme, format!("{BEGIN}\n{END}\n")).unwrap();
    write(&[file], Some(&readme), Some(&plots)).unwrap();
    let text = fs::read_to_string(&readme).unwrap();
    assert!(
        text.contains("- 2 cores\n") && text.contains("plots/postgres-latency.svg"),
        "{text}"
    );
    let svg = fs::read_to_string(plots.join("postgres-latency.svg")).unwrap();
    assert!(svg.contains("refresh (max 100/s)"), "{svg}");
}

#[test]
fn a_file_without_markers_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (file, readme) = (directory.path().join("run.json"), directory.path().join("README.md"));
    save(&run(), &file).unwrap();
    fs::write(&readme, "# Title\n").unwrap();
    let error = write(&[file], Some(&readme), None).unwrap_err().to_string();
    assert!(error.contains("README.md") && error.contains("has no lines"), "{error}");
}

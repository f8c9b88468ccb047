//! Tables in Markdown, whose columns stand below each other in plain text too.

use crate::results::{Limits, Pair, Purge, Row, Run, Stored, median};

/// What is printed where nothing was measured.
pub(crate) const UNKNOWN: &str = "-";

const COLUMNS: [&str; 13] = [
    "operation",
    "requests/s",
    "min – max",
    "p50 ms",
    "p99 ms",
    "p99 ms at half",
    "server CPU µs",
    "database CPU µs",
    "driver CPU µs",
    "SQL alone",
    "SQL under load",
    "peak MiB",
    "errors",
];

/// One row for each operation.
pub(crate) fn operations(rows: &[Row]) -> String {
    markdown(&COLUMNS, &rows.iter().map(operation).collect::<Vec<_>>())
}

fn operation(row: &Row) -> Vec<String> {
    vec![
        row.operation.name().to_owned(),
        format!("{:.0}", row.rate()),
        range(&row.rates),
        format!("{:.2}", median(&row.p50_ms)),
        format!("{:.2}", median(&row.p99_ms)),
        shown(row.half.map(|half| half.p99_ms), 2),
        shown(row.server_cpu_us, 0),
        shown(row.database_cpu_us, 0),
        format!("{:.0}", row.driver_cpu_us),
        shown(row.statements_alone, 1),
        shown(row.statements, 2),
        shown(row.peak_mib, 1),
        row.errors.to_string(),
    ]
}

/// The same operations of several servers beside each other: their rates, and their CPU.
pub(crate) fn compared(runs: &[&Run]) -> String {
    let mut columns = vec![String::from("operation")];
    for run in runs {
        columns.push(format!("{}, requests/s", run.about.label));
        columns.push(format!("{}, CPU µs", run.about.label));
    }
    let all = runs.iter().flat_map(|run| &run.operations);
    let mut operations: Vec<_> = all.map(|row| row.operation).collect();
    operations.sort_unstable();
    operations.dedup();
    let rows = operations.iter().map(|operation| {
        let mut cells = vec![operation.name().to_owned()];
        for run in runs {
            let row = run.operations.iter().find(|row| row.operation == *operation);
            cells.push(shown(row.map(Row::rate), 0));
            cells.push(shown(row.and_then(Row::whole_cpu), 0));
        }
        cells
    });
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    markdown(&columns, &rows.collect::<Vec<_>>())
}

/// What nobody can be faster than.
pub(crate) fn limits(limits: &Limits) -> String {
    let pgbench = (!limits.pgbench.is_empty()).then(|| median(&limits.pgbench));
    let rows = [
        ("`GET` of a bare hyper server", limits.bare_hyper),
        ("pgbench, one row and commit each", pgbench),
        ("SQLite, one row and flush each, one connection", limits.sqlite),
        ("RS256 signatures (2048 bits), one core", limits.rs256),
        ("ES256 signatures, one core", limits.es256),
    ];
    let known = rows.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let rows: Vec<_> = known
        .map(|(name, value)| vec![(*name).to_owned(), format!("{value:.0}")])
        .collect();
    markdown(&["limit", "a second"], &rows)
}

/// Each operation with much stored, against the same with an empty database.
pub(crate) fn stored(run: &Run) -> String {
    let mut columns = vec![String::from("operation"), String::from("empty, requests/s")];
    columns.extend(
        run.stored
            .iter()
            .map(|stored| format!("{} tokens", millions(stored.tokens))),
    );
    columns.push(String::from("peak MiB"));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let Some(last) = run.stored.last() else {
        return String::new();
    };
    let rows = last.rows.iter().map(|row| {
        let of = |rows: &[Row]| {
            rows.iter()
                .find(|other| other.operation == row.operation)
                .map(Row::rate)
        };
        let empty = of(&run.operations);
        let mut cells = vec![row.operation.name().to_owned(), shown(empty, 0)];
        cells.extend(run.stored.iter().map(|stored| against(of(&stored.rows), empty)));
        cells.push(shown(row.peak_mib, 1));
        cells
    });
    let rows: Vec<_> = rows.collect();
    let filled: Vec<String> = run.stored.iter().map(filled).collect();
    format!("{}\n{}\n", markdown(&columns, &rows), filled.join(" "))
}

fn filled(stored: &Stored) -> String {
    format!(
        "{} tokens, {} consents and {} clients took {:.0} s to write.",
        millions(stored.tokens),
        millions(stored.consents),
        stored.clients,
        stored.seconds_to_fill
    )
}

fn against(rate: Option<f64>, empty: Option<f64>) -> String {
    match (rate, empty) {
        (Some(rate), Some(empty)) if empty > 0.0 => {
            format!("{rate:.0} ({:+.0} %)", (rate / empty - 1.0) * 100.0)
        }
        (rate, _) => shown(rate, 0),
    }
}

fn millions(count: u64) -> String {
    if count >= 1_000_000 && count.is_multiple_of(100_000) {
        return format!("{} million", crate::driver::as_f64(count) / 1e6);
    }
    count.to_string()
}

pub(crate) fn pairs(pairs: &[Pair]) -> String {
    let columns = [
        "operation",
        "one server, requests/s",
        "two, sum",
        "ratio",
        "cores: servers",
        "database",
        "driver",
    ];
    let row = |pair: &Pair| {
        let (one, two) = (median(&pair.one), median(&pair.two));
        vec![
            pair.operation.name().to_owned(),
            format!("{one:.0}"),
            format!("{two:.0}"),
            if one > 0.0 {
                format!("{:.2}", two / one)
            } else {
                UNKNOWN.to_owned()
            },
            format!("{:.2}", pair.server_cores),
            format!("{:.2}", pair.database_cores),
            format!("{:.2}", pair.driver_cores),
        ]
    };
    markdown(&columns, &pairs.iter().map(row).collect::<Vec<_>>())
}

pub(crate) fn purge(purge: &Purge) -> String {
    let row = |name: &str, point: &crate::results::Point| {
        vec![
            name.to_owned(),
            format!("{:.0}", point.rate),
            format!("{:.2}", point.p50_ms),
            format!("{:.2}", point.p99_ms),
            format!("{:.2}", point.max_ms),
            point.errors.to_string(),
        ]
    };
    let rows = [
        row("without", &purge.without),
        row("while rows are removed", &purge.during),
    ];
    let columns = [
        "client_credentials",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "errors",
    ];
    format!(
        "{}\n{} expired tokens; the command that removed them took {:.0} s and left {}.\n",
        markdown(&columns, &rows),
        purge.rows,
        purge.seconds,
        purge.left
    )
}

fn range(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    if values.len() < 2 {
        return UNKNOWN.to_owned();
    }
    format!("{least:.0} – {most:.0}")
}

pub(crate) fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| format!("{value:.digits$}"))
}

/// The first column to the left, numbers to the right.
pub(crate) fn markdown(columns: &[&str], rows: &[Vec<String>]) -> String {
    let width = |index: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(index))
            .map(|cell| cell.chars().count());
        cells
            .chain(columns.get(index).map(|column| column.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(index, (cell, &width))| match index {
                0 => format!(" {cell:<width$} |"),
                _ => format!(" {cell:>width$} |"),
            });
        format!("|{}\n", padded.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(index, &width)| match index {
        0 => format!("{}|", "-".repeat(width + 2)),
        _ => format!("{}:|", "-".repeat(width + 1)),
    });
    let mut table = line(columns);
    table.push_str(&format!("|{}\n", rule.collect::<String>()));
    for row in rows {
        table.push_str(&line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    table
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

//! The tables and plots of `bench/README.md`, from the raw data of runs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::plot;
use crate::results::Run;
use crate::{table, targets};

const BEGIN: &str = "<!-- figures: written by bench/all, do not edit -->";
const END: &str = "<!-- end of figures -->";

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error("{path:?} cannot be read or written ({source})")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path:?} is not what --json writes ({source}): measure again")]
    Run { path: PathBuf, source: serde_json::Error },
    #[error("{path:?} has no lines \"{BEGIN}\" and \"{END}\", between which the tables belong")]
    Markers { path: PathBuf },
}

/// Writes what a run has found.
pub(crate) fn save(run: &Run, file: &Path) -> Result<(), ReportError> {
    let mut text = serde_json::to_string_pretty(run).map_err(|source| ReportError::Run {
        path: file.to_owned(),
        source,
    })?;
    text.push('\n');
    write_file(file, &text)
}

/// Reads runs and writes the report.
pub(crate) fn write(files: &[PathBuf], readme: Option<&Path>, plots: Option<&Path>) -> Result<(), ReportError> {
    let runs = files.iter().map(|file| load(file)).collect::<Result<Vec<_>, _>>()?;
    if let Some(plots) = plots {
        draw(&runs, plots)?;
    }
    let figures = figures(&runs, plots.is_some());
    let Some(readme) = readme else {
        println!("{figures}");
        return Ok(());
    };
    let text = fs::read_to_string(readme).map_err(|source| failed(readme, source))?;
    let replaced = between(&text, &figures).ok_or_else(|| ReportError::Markers {
        path: readme.to_owned(),
    })?;
    write_file(readme, &replaced)
}

fn load(file: &Path) -> Result<Run, ReportError> {
    let text = fs::read_to_string(file).map_err(|source| failed(file, source))?;
    serde_json::from_str(&text).map_err(|source| ReportError::Run {
        path: file.to_owned(),
        source,
    })
}

fn failed(path: &Path, source: std::io::Error) -> ReportError {
    ReportError::File {
        path: path.to_owned(),
        source,
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), ReportError> {
    fs::write(path, text).map_err(|source| failed(path, source))
}

/// The text with other figures between the markers.
fn between(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", figures.trim()))
}

fn figures(runs: &[Run], plotted: bool) -> String {
    let mut text = String::new();
    let all: Vec<&Run> = runs.iter().collect();
    if let [first, ..] = all.as_slice() {
        for note in &first.about.notes {
            line(&mut text, &format!("- {note}"));
        }
        line(&mut text, &format!("- {}", method(first)));
        line(&mut text, "\n### Targets\n");
        line(&mut text, &targets::table(&all));
        line(&mut text, "### Limits of this machine\n");
        line(&mut text, &table::limits(&limits(&all)));
    }
    for run in runs {
        line(&mut text, &format!("### {}\n", run.about.label));
        for note in run.about.notes.iter().filter(|_| run.about.label != runs_label(runs)) {
            line(&mut text, &format!("{note}\n"));
        }
        line(&mut text, &table::operations(&run.operations));
        more(&mut text, run, plotted);
    }
    if runs.len() > 1 {
        line(&mut text, "### Beside each other\n");
        line(&mut text, "CPU is that of server and database.\n");
        line(&mut text, &table::compared(&all));
    }
    text
}

fn runs_label(runs: &[Run]) -> &str {
    runs.first().map_or("", |run| run.about.label.as_str())
}

/// What only some runs have measured.
fn more(text: &mut String, run: &Run, plotted: bool) {
    let label = &run.about.label;
    if plotted && !run.curves.is_empty() {
        line(text, &format!("![Rate against latency](plots/{label}-latency.svg)\n"));
    }
    if let Some(startup) = &run.startup {
        let startup = format!(
            "Start: ready after {:.0} ms, the first token {:.1} ms later; idle: {:.1} MiB resident, {:.1} wake-ups a second.\n",
            startup.ready_ms, startup.first_ms, startup.idle_mib, startup.wakeups
        );
        line(text, &startup);
    }
    if !run.pairs.is_empty() {
        line(text, "Two servers on one database, on the cores that all share:\n");
        line(text, &table::pairs(&run.pairs));
    }
    if let Some(purge) = &run.purge {
        line(text, "Purge while tokens are issued, open loop:\n");
        line(text, &table::purge(purge));
    }
    if !run.stored.is_empty() {
        line(text, "With much in the database:\n");
        line(text, &table::stored(run));
        if plotted {
            line(
                text,
                &format!("![Rate against stored tokens](plots/{label}-stored.svg)\n"),
            );
        }
    }
}

fn line(text: &mut String, more: &str) {
    // Writing to memory does not fail.
    let _ = writeln!(text, "{more}");
}

fn method(run: &Run) -> String {
    let about = &run.about;
    format!(
        "{} connections, {} repetitions of {} s after {} s of warm-up (the median is shown), {} different tokens; statements \
         counted by {}.",
        about.connections, about.repetitions, about.seconds, about.warm_up, about.pool, about.counted_by
    )
}

/// The first run that knows each of them.
fn limits(runs: &[&Run]) -> crate::results::Limits {
    let first = |of: fn(&crate::results::Limits) -> Option<f64>| runs.iter().find_map(|run| of(&run.limits));
    let pgbench = runs
        .iter()
        .map(|run| &run.limits.pgbench)
        .find(|rates| !rates.is_empty());
    crate::results::Limits {
        bare_hyper: first(|limits| limits.bare_hyper),
        pgbench: pgbench.cloned().unwrap_or_default(),
        sqlite: first(|limits| limits.sqlite),
        rs256: first(|limits| limits.rs256),
        es256: first(|limits| limits.es256),
    }
}

fn draw(runs: &[Run], plots: &Path) -> Result<(), ReportError> {
    fs::create_dir_all(plots).map_err(|source| failed(plots, source))?;
    for run in runs {
        let label = &run.about.label;
        if !run.curves.is_empty() {
            write_file(&plots.join(format!("{label}-latency.svg")), &plot::latency(&run.curves))?;
        }
        if !run.stored.is_empty() {
            write_file(&plots.join(format!("{label}-stored.svg")), &plot::stored(run))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

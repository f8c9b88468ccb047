//! What the figures should be, and whether they are.

use crate::operations::Operation;
use crate::results::{Row, Run, median};
use crate::table::{UNKNOWN, markdown};

/// The slowest answer that is allowed to one in a hundred at half of the highest rate.
const P99_MS: f64 = 5.0;

/// What a figure should be.
#[derive(Clone, Copy)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn row(self, name: &str, value: f64) -> Vec<String> {
        let (target, met) = match self {
            Self::AtLeast(least) => (format!("≥ {least}"), value >= least),
            Self::AtMost(most) => (format!("≤ {most}"), value <= most),
        };
        // As many as show on which side of the target it is.
        let digits = match value {
            value if value < 1.0 => 3,
            value if value < 10.0 => 2,
            value if value < 100.0 => 1,
            _ => 0,
        };
        let met = if met { "yes" } else { "no" };
        vec![name.to_owned(), format!("{value:.digits$}"), target, met.to_owned()]
    }
}

/// One row for each target that these runs can tell about, the first that can. The targets hold for PostgreSQL with server,
/// database and driver on the same machine.
pub(crate) fn table(runs: &[&Run]) -> String {
    let rows: Vec<_> = runs.iter().flat_map(|run| of(run)).collect();
    let mut known = Vec::new();
    let mut shown = Vec::new();
    for (name, value, target) in rows {
        if !known.contains(&name) {
            shown.push(target.row(&name, value));
            known.push(name);
        }
    }
    if shown.is_empty() {
        shown.push(vec![UNKNOWN.to_owned(); 4]);
    }
    markdown(&["figure", "measured", "target", "met"], &shown)
}

type Figure = (String, f64, Target);

fn of(run: &Run) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |name: &str, value: Option<f64>, target| {
        if let Some(value) = value {
            figures.push((name.to_owned(), value, target));
        }
    };
    if run.about.label == "sqlite" {
        for (name, value, target) in on_sqlite(run) {
            add(name, value, target);
        }
    } else {
        for (name, value, target) in on_postgres(run) {
            add(name, value, target);
        }
        latency(run, &mut figures);
        if let Some(stored) = run.stored.last() {
            figures.extend(kept(run, &stored.rows));
        }
    }
    figures
}

fn find(run: &Run, operation: Operation) -> Option<&Row> {
    run.operations.iter().find(|row| row.operation == operation)
}

fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    Some(part? / whole.filter(|whole| *whole > 0.0)?)
}

fn on_postgres(run: &Run) -> Vec<(&'static str, Option<f64>, Target)> {
    let rate = |operation| find(run, operation).map(Row::rate);
    let cpu = |operation| find(run, operation).and_then(Row::whole_cpu);
    let health = rate(Operation::Health);
    let pgbench = (!run.limits.pgbench.is_empty()).then(|| median(&run.limits.pgbench));
    let against = |operation, whole| ratio(rate(operation), whole);
    let flow = find(run, Operation::CodeFlow);
    let pair = |operation| {
        let pair = run.pairs.iter().find(|pair| pair.operation == operation)?;
        ratio(Some(median(&pair.two)), Some(median(&pair.one)))
    };
    let startup = run.startup.as_ref();
    vec![
        (
            "client_credentials / pgbench",
            against(Operation::ClientCredentials, pgbench),
            Target::AtLeast(1.7),
        ),
        (
            "client_credentials, CPU µs",
            cpu(Operation::ClientCredentials),
            Target::AtMost(70.0),
        ),
        (
            "client_credentials ES256 / pgbench",
            against(Operation::JwtEs256, pgbench),
            Target::AtLeast(1.2),
        ),
        (
            "client_credentials RS256 / signing",
            against(Operation::JwtRs256, left(run)),
            Target::AtLeast(0.8),
        ),
        (
            "introspection / health",
            against(Operation::Introspection, health),
            Target::AtLeast(0.6),
        ),
        (
            "introspection, CPU µs",
            cpu(Operation::Introspection),
            Target::AtMost(35.0),
        ),
        (
            "userinfo / health",
            against(Operation::Userinfo, health),
            Target::AtLeast(0.6),
        ),
        ("userinfo, CPU µs", cpu(Operation::Userinfo), Target::AtMost(35.0)),
        ("code flow, CPU µs", cpu(Operation::CodeFlow), Target::AtMost(800.0)),
        (
            "code flow, SQL alone",
            flow.and_then(|flow| flow.statements_alone),
            Target::AtMost(7.0),
        ),
        ("refresh, CPU µs", cpu(Operation::Refresh), Target::AtMost(450.0)),
        (
            "discovery / health",
            against(Operation::Discovery, health),
            Target::AtLeast(0.7),
        ),
        ("JWKS / health", against(Operation::Jwks, health), Target::AtLeast(0.7)),
        (
            "first request on PostgreSQL, ms",
            startup.map(|startup| startup.first_ms),
            Target::AtMost(20.0),
        ),
        (
            "ready on PostgreSQL, ms",
            startup.map(|startup| startup.ready_ms),
            Target::AtMost(60.0),
        ),
        (
            "idle on PostgreSQL, MiB resident",
            startup.map(|startup| startup.idle_mib),
            Target::AtMost(15.0),
        ),
        (
            "idle on PostgreSQL, wake-ups/s",
            startup.map(|startup| startup.wakeups),
            Target::AtMost(1.0),
        ),
        (
            "two servers / one, client_credentials",
            pair(Operation::ClientCredentials),
            Target::AtLeast(1.3),
        ),
        (
            "two servers / one, introspection",
            pair(Operation::Introspection),
            Target::AtLeast(1.3),
        ),
        (
            "p99 of issue during purge / without",
            run.purge
                .as_ref()
                .and_then(|purge| ratio(Some(purge.during.p99_ms), Some(purge.without.p99_ms))),
            Target::AtMost(2.0),
        ),
        (
            "resident with most stored, MiB",
            run.stored
                .iter()
                .flat_map(|stored| &stored.rows)
                .filter_map(|row| row.peak_mib)
                .reduce(f64::max),
            Target::AtMost(100.0),
        ),
    ]
}

fn on_sqlite(run: &Run) -> Vec<(&'static str, Option<f64>, Target)> {
    let rate = |operation| find(run, operation).map(Row::rate);
    let startup = run.startup.as_ref();
    vec![
        (
            "SQLite: client_credentials / INSERT and commit",
            ratio(rate(Operation::ClientCredentials), run.limits.sqlite),
            Target::AtLeast(8.0),
        ),
        (
            "ready on SQLite, ms",
            startup.map(|startup| startup.ready_ms),
            Target::AtMost(30.0),
        ),
        (
            "first request on SQLite, ms",
            startup.map(|startup| startup.first_ms),
            Target::AtMost(20.0),
        ),
        (
            "idle on SQLite, MiB resident",
            startup.map(|startup| startup.idle_mib),
            Target::AtMost(15.0),
        ),
        (
            "idle on SQLite, wake-ups/s",
            startup.map(|startup| startup.wakeups),
            Target::AtMost(1.0),
        ),
    ]
}

/// RS256 signatures a second on the cores that the driver leaves.
fn left(run: &Run) -> Option<f64> {
    let row = find(run, Operation::JwtRs256)?;
    let busy = row.rate() * row.driver_cpu_us / 1e6;
    #[expect(clippy::cast_precision_loss, reason = "a machine has few cores")]
    let cores = run.about.cores as f64 - busy;
    Some(run.limits.rs256? * cores)
}

fn latency(run: &Run, figures: &mut Vec<Figure>) {
    for row in &run.operations {
        if let Some(half) = row.half {
            let name = format!("p99 at half of the highest rate, {}, ms", row.operation.name());
            figures.push((name, half.p99_ms, Target::AtMost(P99_MS)));
        }
    }
}

/// What is left of each rate when there is much in the database.
fn kept<'a>(run: &'a Run, rows: &'a [Row]) -> impl Iterator<Item = Figure> + 'a {
    rows.iter().filter_map(|row| {
        let empty = find(run, row.operation).map(Row::rate);
        let name = format!("with most stored / empty, {}", row.operation.name());
        Some((name, ratio(Some(row.rate()), empty)?, Target::AtLeast(0.9)))
    })
}

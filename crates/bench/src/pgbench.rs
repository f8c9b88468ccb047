//! The yardstick: how many rows like that of an access token pgbench writes, one prepared `INSERT` and commit each.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio_postgres::NoTls;

use crate::driver::Plan;

/// A primary key and an index on the expiry, as a table of access tokens has them.
const CREATE: &str = "DROP TABLE IF EXISTS bench_yardstick; \
     CREATE TABLE bench_yardstick (id uuid PRIMARY KEY, digest bytea NOT NULL, client_id text NOT NULL, \
     scope text NOT NULL, issued_at bigint NOT NULL, expires_at bigint NOT NULL); \
     CREATE INDEX bench_yardstick_expires_at ON bench_yardstick (expires_at)";

const DROP: &str = "DROP TABLE bench_yardstick";

/// The values come from the database: pgbench has no bytes. Both calls together cost it about a microsecond.
const SCRIPT: &str = "\\set issued random(1700000000, 1700003600)\n\
     INSERT INTO bench_yardstick (id, digest, client_id, scope, issued_at, expires_at) VALUES \
     (gen_random_uuid(), uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), \
     'a1b2c3d4-0000-4000-8000-000000000000', 'openid offline', :issued, :issued + 3600);\n";

/// Why there is no yardstick.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PgbenchError {
    #[error("the table for pgbench could not be made ({0}): correct --postgres-dsn")]
    Table(#[from] tokio_postgres::Error),
    #[error("{program} could not be run ({source}): give its place with --pgbench")]
    Run { program: String, source: std::io::Error },
    #[error("{program} has failed: {output}")]
    Failed { program: String, output: String },
}

/// Inserts with as many connections and for as long as an operation lasts. Returns rows a second.
pub(crate) async fn rate(program: &Path, dsn: &str, plan: &Plan) -> Result<f64, PgbenchError> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    client.batch_execute(CREATE).await?;
    let rate = run(program, dsn, plan);
    client.batch_execute(DROP).await?;
    rate
}

fn run(program: &Path, dsn: &str, plan: &Plan) -> Result<f64, PgbenchError> {
    let unable = |source| PgbenchError::Run {
        program: program.display().to_string(),
        source,
    };
    let (connections, threads) = (plan.connections.to_string(), plan.threads.to_string());
    let seconds = plan.duration.as_secs().max(1).to_string();
    let mut child = Command::new(program)
        .args(["--no-vacuum", "--protocol=prepared", "--file=-"])
        .args(["--client", &connections, "--jobs", &threads, "--time", &seconds])
        .arg(dsn)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(unable)?;
    if let Some(mut script) = child.stdin.take() {
        script.write_all(SCRIPT.as_bytes()).map_err(unable)?;
    }
    let output = child.wait_with_output().map_err(unable)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = tps(&text).filter(|_| output.status.success());
    rate.ok_or_else(|| PgbenchError::Failed {
        program: program.display().to_string(),
        output: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
    })
}

/// The rate in the report of pgbench, the time to connect left out.
fn tps(report: &str) -> Option<f64> {
    let line = report.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_report() {
        let report = "number of clients: 64\nlatency average = 6.9 ms\ninitial connection time = 80.1 ms\n\
                      tps = 9250.375 (without initial connection time)\n";
        assert_eq!(tps(report), Some(9250.375));
        assert_eq!(tps("pgbench: error: connection failed\n"), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let plan = Plan {
            connections: 1,
            threads: 1,
            warm_up: std::time::Duration::ZERO,
            duration: std::time::Duration::from_secs(1),
            pool: 1,
        };
        let error = run(Path::new("no-such-pgbench"), "postgres://127.0.0.1:1/none", &plan).unwrap_err();
        assert!(
            error.to_string().starts_with("no-such-pgbench could not be run"),
            "{error}"
        );
    }
}

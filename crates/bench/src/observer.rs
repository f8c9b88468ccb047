//! What the operations cost: CPU of server, database and driver, SQL statements, memory. Read beside the load, so that
//! the difference of two readings belongs to the operations that were finished between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use crate::http::{Call, Failure, Link, Origin};
use crate::process::{self, ProcessError};

/// Every call that the database has counted in the current database, these readings excepted.
const CALLS: &str = "SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s \
     JOIN pg_database d ON d.oid = s.dbid \
     WHERE d.datname = current_database() AND s.query NOT ILIKE '%pg_stat_statements%'";

/// The counter of the server, without `_total`; one sample for each kind of statement.
const COUNTER: &str = "sql_statements";

/// What can be looked at.
pub(crate) struct Observer {
    /// The servers under load. None if nobody said.
    pub(crate) servers: Vec<u32>,
    /// The first process of the database server.
    pub(crate) database: Option<u32>,
    statements: Statements,
    completed: Arc<AtomicU64>,
}

/// Who counts the SQL statements.
enum Statements {
    /// PostgreSQL itself, with the extension pg_stat_statements.
    Database(tokio_postgres::Client),
    /// The server, in its metrics.
    Server(Link),
    Nobody,
}

/// The clock and the CPU meters at one moment, and how many operations were finished by then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) completed: u64,
    pub(crate) server: Option<Duration>,
    pub(crate) database: Option<Duration>,
    pub(crate) driver: Duration,
}

/// The statements at one moment. Asking takes a round trip, so that it is not the moment of a [`Reading`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatementReading {
    pub(crate) completed: u64,
    pub(crate) statements: Option<u64>,
}

impl Observer {
    /// Finds out who counts statements: the database when it can, otherwise the server, otherwise nobody.
    pub(crate) async fn new(
        admin: &Arc<Origin>,
        postgres: Option<&str>,
        completed: Arc<AtomicU64>,
    ) -> Result<Self, tokio_postgres::Error> {
        let mut statements = match postgres {
            Some(dsn) => Statements::Database(connect(dsn).await?),
            None => Statements::Nobody,
        };
        if statements.count().await.is_none() {
            statements = Statements::Server(Link::new(Arc::clone(admin)));
        }
        if statements.count().await.is_none() {
            statements = Statements::Nobody;
        }
        Ok(Self {
            servers: Vec::new(),
            database: None,
            statements,
            completed,
        })
    }

    /// Who counts the statements, for the notes below the table.
    pub(crate) fn counted_by(&self) -> &'static str {
        match self.statements {
            Statements::Database(_) => "pg_stat_statements",
            Statements::Server(_) => "the metrics of the server",
            Statements::Nobody => "nobody",
        }
    }

    /// Reads the meters.
    pub(crate) fn read(&self) -> Result<Reading, ProcessError> {
        Ok(Reading {
            server: self.server_cpu()?,
            database: self.database.map(process::family_cpu).transpose()?,
            driver: process::cpu(std::process::id())?,
            completed: self.completed.load(Ordering::Relaxed),
            at: Instant::now(),
        })
    }

    fn server_cpu(&self) -> Result<Option<Duration>, ProcessError> {
        let spent = self.servers.iter().map(|server| process::cpu(*server));
        let spent: Duration = spent.sum::<Result<_, _>>()?;
        Ok((!self.servers.is_empty()).then_some(spent))
    }

    /// Lets the peaks of memory begin again.
    pub(crate) fn forget_peaks(&self) {
        for server in &self.servers {
            process::forget_peak(*server);
        }
    }

    /// The highest resident memory of the servers, in bytes.
    pub(crate) fn peak(&self) -> Result<Option<u64>, ProcessError> {
        let peaks = self.servers.iter().map(|server| Ok(process::memory(*server)?.peak));
        Ok(peaks.collect::<Result<Vec<_>, ProcessError>>()?.into_iter().max())
    }

    /// Reads the counter of statements.
    pub(crate) async fn read_statements(&mut self) -> StatementReading {
        let statements = self.statements.count().await;
        StatementReading {
            statements,
            completed: self.completed.load(Ordering::Relaxed),
        }
    }
}

impl Statements {
    async fn count(&mut self) -> Option<u64> {
        match self {
            Self::Database(client) => {
                let row = client.query_one(CALLS, &[]).await.ok()?;
                u64::try_from(row.try_get::<_, i64>(0).ok()?).ok()
            }
            Self::Server(link) => scrape(link).await.ok().flatten(),
            Self::Nobody => None,
        }
    }
}

async fn connect(dsn: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await?;
    // The next query says when the connection has ended.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

async fn scrape(link: &mut Link) -> Result<Option<u64>, Failure> {
    let answer = link.send(&Call::get("/admin/metrics/prometheus")).await?;
    Ok(counter(&String::from_utf8_lossy(&answer.body)))
}

/// The sum of all samples of [`COUNTER`] in the text format of Prometheus; nothing when there is no sample.
fn counter(exposition: &str) -> Option<u64> {
    let samples = exposition.lines().filter_map(|line| {
        let rest = line.strip_prefix(COUNTER)?;
        let rest = rest.strip_prefix("_total").unwrap_or(rest);
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    samples.fold(None, |sum, value| Some(sum.unwrap_or(0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_statements_are_added_up() {
        let text = "# HELP sql_statements_total Statements sent\n# TYPE sql_statements_total counter\n\
                    sql_statements_total{kind=\"issue\"} 7\nsql_statements_total{kind=\"find {x}\"} 5\n\
                    sql_statements_failed_total{kind=\"issue\"} 100\nhttp_requests_total 9\n";
        assert_eq!(counter(text), Some(12));
    }

    #[test]
    fn a_counter_without_labels_is_read() {
        assert_eq!(counter("sql_statements_total 3\n"), Some(3));
        assert_eq!(counter("sql_statements 4 1700000000\n"), Some(4));
    }

    #[test]
    fn a_server_that_counts_nothing_is_told_from_one_that_counted_zero() {
        assert_eq!(counter("go_goroutines 12\n"), None);
        assert_eq!(counter("sql_statements_total{kind=\"issue\"} 0\n"), Some(0));
    }
}

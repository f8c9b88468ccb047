//! Migrations of MySQL, on a connection of their own.
//!
//! MySQL commits each statement that changes the schema by itself, so a step is not applied whole or not at all. Instead
//! every statement may be repeated: what is there already is taken as done. So a step that was interrupted goes on when it
//! is run again, and servers that migrate at the same moment, also on different servers of a cluster, where no lock is
//! common to all, do no harm to each other. Who records a step tells of it.

use claviger_core::port::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row};

use super::connect::reason;
use super::fault::{Failed, LOCK_WAIT};
use super::line::sets;
use super::read::column;
use super::sql::{statement, values};
use super::statements::APPLIED;
use crate::migrate::{AppliedMigration, Comparison, LOCK_ATTEMPTS, LOCK_PAUSE, MYSQL, Migration, MigrationStatus};
use crate::retry::Retry;

/// Migrations may run long, but not wait long for a table: while one waits behind a backup, everybody waits behind it.
const PREPARE: &str = "SET SESSION lock_wait_timeout = 3, SESSION innodb_lock_wait_timeout = 3600";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS claviger_migration (
          version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, sha256 VARBINARY(32) NOT NULL,
          applied_at BIGINT NOT NULL)
      ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC";
const RECORD: &str = "INSERT INTO claviger_migration (version, name, sha256, applied_at)
      VALUES (?1, ?2, ?3, UNIX_TIMESTAMP()) ON DUPLICATE KEY UPDATE version = version";

/// The table, column or index is there, or is gone.
const DONE_ALREADY: [u16; 4] = [1050, 1060, 1061, 1091];
const NO_TABLE: u16 = 1146;
const UNKNOWN_VARIABLE: u16 = 1193;

/// Also where no migration was ever applied.
pub(super) async fn compare(conn: &mut Conn) -> Result<Comparison, StoreError> {
    let sets = match sets(conn, APPLIED).await {
        Ok(sets) => sets,
        Err(Error::Server(error)) if error.code == NO_TABLE => return Comparison::new(MYSQL, Vec::new()),
        Err(error) => return Err(Failed::from(&error).into()),
    };
    compared(&sets)
}

/// From the rows of [`APPLIED`].
pub(super) fn compared(sets: &[Vec<Row>]) -> Result<Comparison, StoreError> {
    let applied = sets.iter().flatten().map(|row| {
        Ok(AppliedMigration {
            version: column(row, 0)?,
            name: column(row, 1)?,
            sha256: column(row, 2)?,
        })
    });
    Comparison::new(MYSQL, applied.collect::<Result<_, StoreError>>()?)
}

/// Applies what is pending.
pub(super) async fn run(mut conn: Conn, progress: &(dyn Fn(MigrationStatus) + Send + Sync)) -> Result<(), StoreError> {
    // MySQL knows no such limit.
    let unlimited = conn.query_drop("SET SESSION max_statement_time = 0").await;
    if let Err(error) = unlimited.or_else(|error| allowed(error, UNKNOWN_VARIABLE)) {
        return Err(Failed::from(&error).into());
    }
    for text in [PREPARE, TABLE] {
        let ran = repeatable(&mut conn, text).await;
        ran.map_err(|error| StoreError::from(Failed::from(&error)))?;
    }
    for migration in compare(&mut conn).await?.pending {
        let is_ours = step(&mut conn, migration)
            .await
            .map_err(|error| unfinished(migration, &error))?;
        if is_ours {
            progress(migration.status(true));
        }
    }
    Ok(())
}

/// Whether it was this program that recorded it.
async fn step(conn: &mut Conn, migration: &Migration) -> mysql_async::Result<bool> {
    for text in statements(migration.sql) {
        repeatable(conn, text).await?;
    }
    let digest = migration.sha256();
    let record = statement(RECORD, &values![migration.version, migration.name, &digest]);
    repeatable(conn, &record).await?;
    Ok(conn.affected_rows() > 0)
}

/// Runs a statement, again if the cluster undid or interrupted it for another one, or somebody has a lock on the table.
async fn repeatable(conn: &mut Conn, text: &str) -> mysql_async::Result<()> {
    let mut retry = Retry::new();
    let mut waits = 0..LOCK_ATTEMPTS;
    loop {
        match conn.query_drop(text).await {
            Err(Error::Server(error)) if DONE_ALREADY.contains(&error.code) => return Ok(()),
            Err(Error::Server(error)) if error.code == LOCK_WAIT && waits.next().is_some() => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(error) if may_be_repeated(&Failed::from(&error)) && retry.again().await => {}
            ran => return ran,
        }
    }
}

/// Whether it was done or not does not matter to a statement that may be repeated: a cluster interrupts those that change the
/// schema when another server changes it.
fn may_be_repeated(failed: &Failed) -> bool {
    failed.may_pass() || matches!(failed, Failed::Unclear { .. })
}

fn allowed(error: Error, code: u16) -> Result<(), Error> {
    match error {
        Error::Server(error) if error.code == code => Ok(()),
        error => Err(error),
    }
}

fn unfinished(migration: &Migration, error: &Error) -> StoreError {
    let Migration { version, name, .. } = migration;
    StoreError::Broken(format!(
        "migration {version} ({name}) did not end: {}; what it did stays, and it goes on when it is run again",
        reason(error)
    ))
}

/// The statements of a step. Each ends with its line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|text| {
        let mut lines = text.lines().map(str::trim);
        lines.any(|line| !line.is_empty() && !line.starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_cut_at_the_ends_of_its_statements() {
        let step = "-- One; two.\nCREATE TABLE a (b INT);\n\nALTER TABLE a\n    ADD COLUMN c INT;\n-- The end.\n";
        let cut: Vec<_> = statements(step).collect();
        assert_eq!(
            cut,
            [
                "-- One; two.\nCREATE TABLE a (b INT)",
                "ALTER TABLE a\n    ADD COLUMN c INT"
            ]
        );
    }

    #[test]
    fn every_statement_of_every_step_may_be_repeated() {
        for migration in MYSQL {
            for text in statements(migration.sql) {
                let begin = text
                    .lines()
                    .find(|line| !line.trim().is_empty() && !line.starts_with("--"));
                let begin = begin.unwrap_or_default();
                // A second time these say that it is done already.
                assert!(
                    ["CREATE TABLE ", "INSERT IGNORE INTO "]
                        .iter()
                        .any(|first| begin.starts_with(first))
                        || begin.contains(" ADD COLUMN ")
                        || begin.contains(" ADD KEY "),
                    "{}: {begin}",
                    migration.name
                );
            }
        }
    }
}

//! Migrations of SQLite. The lock is the write lock of the database.

use claviger_core::port::StoreError;
use rusqlite::{Connection, TransactionBehavior, params};

use super::refused;
use crate::migrate::{AppliedMigration, Comparison, Migration, SQLITE};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS claviger_migration (
      version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT";
const HAS_TABLE: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'claviger_migration'";
const APPLIED: &str = "SELECT version, name, sha256 FROM claviger_migration ORDER BY version";
const RECORD: &str =
    "INSERT INTO claviger_migration (version, name, sha256, applied_at) VALUES (?1, ?2, ?3, unixepoch())";

pub(super) fn compare(connection: &Connection) -> Result<Comparison, StoreError> {
    let rows = applied(connection).map_err(|error| refused(&error))?;
    Comparison::new(SQLITE, rows)
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<AppliedMigration>> {
    let tables: i64 = connection.query_row(HAS_TABLE, [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let read = |row: &rusqlite::Row<'_>| {
        Ok(AppliedMigration {
            version: row.get(0)?,
            name: row.get(1)?,
            sha256: row.get(2)?,
        })
    };
    connection.prepare(APPLIED)?.query_map([], read)?.collect()
}

/// Applies the next pending migration whole, or finds none.
pub(super) fn step(connection: &mut Connection) -> Result<Option<&'static Migration>, StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| refused(&error))?;
    let Some(migration) = compare(&transaction)?.pending.first().copied() else {
        return Ok(None);
    };
    let apply = || {
        transaction.execute_batch(TABLE)?;
        transaction.execute_batch(migration.sql)?;
        transaction.execute(RECORD, params![migration.version, migration.name, migration.sha256()])
    };
    apply().map_err(|error| migration.failed(&error.to_string()))?;
    transaction
        .commit()
        .map_err(|error| migration.failed(&error.to_string()))?;
    Ok(Some(migration))
}

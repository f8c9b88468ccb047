//! Migrations of PostgreSQL, on a connection of their own.
//!
//! Each step is one transaction that first records itself. Who does so at the same moment waits at that row until the first
//! one ends, and finds the step done. No lock of a session is needed, which a pooler would leave with strangers.

use claviger_core::port::StoreError;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::fault::{explained, is_passing, refused};
use super::lists::APPLIED;
use super::read::column;
use crate::migrate::{AppliedMigration, Comparison, LOCK_ATTEMPTS, LOCK_PAUSE, Migration, MigrationStatus, POSTGRES};
use crate::retry::Retry;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS claviger_migration (
          version bigint NOT NULL PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL, applied_at bigint NOT NULL)";
/// Migrations may run long, and wait for a server that runs them.
const PATIENCE: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
/// Not long for a table: while a step waits behind a backup, everybody waits behind it.
const LOCKS: &str = "SET LOCAL lock_timeout = '3s'";
const HAS_TABLE: &str = "SELECT to_regclass('claviger_migration') IS NOT NULL";
const RECORD: &str = "INSERT INTO claviger_migration (version, name, sha256, applied_at)
      VALUES ($1, $2, $3, extract(epoch FROM now())::bigint) ON CONFLICT (version) DO NOTHING";

/// Also where no migration was ever applied.
pub(super) async fn compare(client: &Client) -> Result<Comparison, StoreError> {
    let row = client
        .query_typed_one(HAS_TABLE, &[])
        .await
        .map_err(|error| refused(&error))?;
    if !column::<bool>(&row, 0)? {
        return Comparison::new(POSTGRES, Vec::new());
    }
    read(
        &client
            .query_typed(APPLIED, &[])
            .await
            .map_err(|error| refused(&error))?,
    )
}

/// From the rows of [`APPLIED`].
pub(super) fn read(rows: &[Row]) -> Result<Comparison, StoreError> {
    let applied = rows.iter().map(|row| {
        Ok(AppliedMigration {
            version: column(row, 0)?,
            name: column(row, 1)?,
            sha256: column(row, 2)?,
        })
    });
    Comparison::new(POSTGRES, applied.collect::<Result<_, StoreError>>()?)
}

/// Applies what is pending.
pub(super) async fn run(
    mut client: Client,
    progress: &(dyn Fn(MigrationStatus) + Send + Sync),
) -> Result<(), StoreError> {
    if let Err(error) = client.batch_execute(TABLE).await {
        // Somebody else made it at this moment.
        let made = [&SqlState::UNIQUE_VIOLATION, &SqlState::DUPLICATE_TABLE];
        if !error.code().is_some_and(|code| made.contains(&code)) {
            return Err(refused(&error));
        }
    }
    for migration in compare(&client).await?.pending {
        if again(&mut client, migration).await? {
            progress(migration.status(true));
        }
    }
    Ok(())
}

/// Whether it was this program that applied the step.
async fn again(client: &mut Client, migration: &Migration) -> Result<bool, StoreError> {
    let mut retry = Retry::new();
    let mut waits = 0..LOCK_ATTEMPTS;
    loop {
        match step(client, migration).await {
            Ok(is_ours) => return Ok(is_ours),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) && waits.next().is_some() => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(error) if is_passing(&error) && retry.again().await => {}
            Err(error) => return Err(migration.failed(&explained(&error))),
        }
    }
}

async fn step(client: &mut Client, migration: &Migration) -> Result<bool, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(PATIENCE).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&migration.version, &migration.name, &migration.sha256()];
    if transaction.execute(RECORD, &values).await? == 0 {
        return transaction.rollback().await.map(|()| false);
    }
    transaction.batch_execute(LOCKS).await?;
    transaction.batch_execute(migration.sql).await?;
    transaction.commit().await.map(|()| true)
}

//! Migrations of PostgreSQL, on a connection of their own, one server at a time by an advisory lock.

use claviger_core::port::StoreError;
use tokio_postgres::{Client, Row};

use super::read::column;
use super::refused;
use super::statements::APPLIED;
use crate::migrate::{AppliedMigration, Comparison, Migration, MigrationStatus, POSTGRES};

/// Migrations may run long, and wait for a server that runs them.
const PREPARE: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
      SELECT pg_advisory_lock(7812733648501139828);
      CREATE TABLE IF NOT EXISTS claviger_migration (
          version bigint NOT NULL PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL, applied_at bigint NOT NULL)";
const HAS_TABLE: &str = "SELECT to_regclass('claviger_migration') IS NOT NULL";
const RECORD: &str = "INSERT INTO claviger_migration (version, name, sha256, applied_at)
      VALUES ($1, $2, $3, extract(epoch FROM now())::bigint)";

/// Also where no migration was ever applied.
pub(super) async fn compare(client: &Client) -> Result<Comparison, StoreError> {
    let row = client
        .query_one(HAS_TABLE, &[])
        .await
        .map_err(|error| refused(&error))?;
    if !column::<bool>(&row, 0)? {
        return Comparison::new(POSTGRES, Vec::new());
    }
    read(&client.query(APPLIED, &[]).await.map_err(|error| refused(&error))?)
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

/// Applies what is pending. The lock goes with the connection.
pub(super) async fn run(
    mut client: Client,
    progress: &(dyn Fn(MigrationStatus) + Send + Sync),
) -> Result<(), StoreError> {
    client.batch_execute(PREPARE).await.map_err(|error| refused(&error))?;
    for migration in compare(&client).await?.pending {
        step(&mut client, migration)
            .await
            .map_err(|error| migration.failed(&super::explained(&error)))?;
        progress(migration.status(true));
    }
    Ok(())
}

async fn step(client: &mut Client, migration: &Migration) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(migration.sql).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&migration.version, &migration.name, &migration.sha256()];
    transaction.execute(RECORD, &values).await?;
    transaction.commit().await
}

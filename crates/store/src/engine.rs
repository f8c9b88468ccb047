//! What a database offers to the program besides the facts and changes of the protocol.

use std::path::Path;

use async_trait::async_trait;
use claviger_core::context::Timestamp;
use claviger_core::port::{Store, StoreError};

use crate::migrate::MigrationStatus;
use crate::statistics::Statistics;
use crate::{BackupError, OpenError};

/// One database. [`crate::Database`] documents the operations.
#[async_trait]
pub(crate) trait Engine: Store {
    async fn migrate(&self, progress: &(dyn Fn(MigrationStatus) + Send + Sync)) -> Result<(), StoreError>;
    async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError>;
    /// Says whether it is there and lets us in. What is a file is, once it is open.
    async fn reach(&self) -> Result<(), OpenError> {
        Ok(())
    }
    /// The time of the database, if it is not that of this machine.
    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
    async fn close(&self);
    async fn backup(&self, to: &Path) -> Result<(), BackupError>;
    fn statistics(&self) -> &Statistics;

    /// What the OpenTelemetry conventions call it (`db.system.name`).
    fn system(&self) -> &'static str {
        "other_sql"
    }

    /// How many operations wait in each of its queues.
    fn queues(&self) -> Vec<(&'static str, usize)> {
        Vec::new()
    }
}

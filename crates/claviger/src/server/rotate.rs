//! The background job that replaces signing keys by policy (`keys.rotation`).
//!
//! Every server tries, each at its own moments; the database lets one of them succeed.

use std::time::{Duration, Instant};

use claviger_core::context::{Cx, Timestamp};
use claviger_core::port::StoreError;
use claviger_store::Database;
use tokio_util::sync::CancellationToken;

use super::purge::{Undone, compare_clocks, fraction};
use crate::clock::Careful;
use crate::keys::KeysError;
use crate::provider::{Current, OperatingSystem, Provider, now};

/// Between two rounds, on average.
const INTERVAL: Duration = Duration::from_secs(60);

/// Works until `stop` is cancelled; not at all if keys are replaced on command only.
pub(super) async fn run(current: &Current, database: &Database, stop: &CancellationToken) {
    let Some(rotation) = current.now().ring.rotation() else {
        return;
    };
    // So often that a key is published for nearly as long as was said, also where that is very short.
    let interval = (rotation.publish_ahead / 8).clamp(Duration::from_millis(250), INTERVAL);
    let mut careful = Careful::new(now(), Instant::now());
    let mut is_told = false;
    loop {
        let wait = interval.mul_f64(0.5 + fraction(&OperatingSystem));
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        let provider = current.now();
        let done = stop
            .run_until_cancelled(round(&provider, database.clock(), &mut careful))
            .await;
        let Some(done) = done else { return };
        let differs = matches!(done, Err(Unrotated::Clock(Undone::Clock(_))));
        match done {
            Ok(()) => {}
            // Readiness tells it already.
            Err(
                Unrotated::Keys(KeysError::Store(StoreError::NotMigrated))
                | Unrotated::Clock(Undone::Store(StoreError::NotMigrated)),
            ) => {}
            Err(_) if differs && is_told => {}
            Err(error) => tracing::warn!(%error, "signing keys could not be replaced; trying again later"),
        }
        is_told = differs;
    }
}

/// Why a round replaced nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unrotated {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Clock(#[from] Undone),
}

/// A key that is removed too early leaves tokens that nobody can verify.
pub(super) async fn round(
    provider: &Provider,
    theirs: impl Future<Output = Result<Option<Timestamp>, StoreError>>,
    careful: &mut Careful,
) -> Result<(), Unrotated> {
    compare_clocks(theirs).await?;
    let cx = Cx {
        now: careful.time(now(), Instant::now()),
        ..provider.cx()
    };
    provider.ring.rotate(&cx).await?;
    Ok(())
}

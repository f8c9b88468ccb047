//! The background job that removes what has expired.
//!
//! Every server tries about once a minute, each at its own moment, and the database lets one of them work. It works in
//! small batches with pauses, so that requests never wait long behind one.

use std::time::Duration;

use claviger_core::context::Entropy;
use claviger_core::port::StoreError;
use tokio_util::sync::CancellationToken;

use crate::provider::{Current, OperatingSystem, Provider};

/// Between two rounds, on average.
const INTERVAL: Duration = Duration::from_secs(60);
/// Rows of each kind that one statement removes.
const BATCH: u32 = 500;
/// Most batches of a round. What is left is for the next round, which may be another server's.
const MOST_BATCHES: u32 = 200;
/// Between two batches.
const PAUSE: Duration = Duration::from_millis(50);

/// Works until `stop` is cancelled.
pub(super) async fn run(current: &Current, stop: &CancellationToken) {
    let mut is_told = false;
    loop {
        let wait = INTERVAL.mul_f64(0.5 + fraction(&OperatingSystem));
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        let provider = &*current.now();
        // Here rather than in the request that met the row: one line for all of them.
        if provider.secrets.has_missed() && !is_told {
            is_told = true;
            tracing::warn!(
                "the database holds grants, sessions or flows that no entry of secrets.system opens; they count as gone. \
                 If that was not meant, put the secret that was dropped back behind the others"
            );
        }
        match stop.run_until_cancelled(round(provider)).await {
            None => return,
            Some(Ok(rows)) => {
                provider.metrics.purged("done", rows);
                if rows > 0 {
                    tracing::debug!(rows, "removed what has expired");
                }
            }
            // Readiness tells it already.
            Some(Err(StoreError::NotMigrated)) => {}
            Some(Err(error)) => {
                provider.metrics.purged("failed", 0);
                tracing::warn!(%error, "what has expired could not be removed; trying again later");
            }
        }
    }
}

/// Removes batches until one is not full, or another server is at it. Returns the number of rows.
async fn round(provider: &Provider) -> Result<u64, StoreError> {
    let mut rows = 0;
    for _ in 0..MOST_BATCHES {
        let purged = provider.store.purge(provider.cx().now, BATCH).await?;
        rows += purged.rows;
        if purged.busy || purged.rows < u64::from(BATCH) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(rows)
}

/// A random number from 0 to 1, so that servers that were started together do not stay together.
pub(super) fn fraction(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_round_comes_after_half_an_interval_at_least_and_one_and_a_half_at_most() {
        let wait = |byte| INTERVAL.mul_f64(0.5 + fraction(&Fixed(byte)));
        assert_eq!(wait(0), INTERVAL / 2);
        assert_eq!(wait(255), INTERVAL * 3 / 2);
    }
}

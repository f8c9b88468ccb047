//! The background job that replaces signing keys by policy (`keys.rotation`).
//!
//! Every server tries, each at its own moments; the database lets one of them succeed.

use std::time::{Duration, Instant};

use claviger_core::context::Cx;
use claviger_core::port::StoreError;
use tokio_util::sync::CancellationToken;

use super::purge::fraction;
use crate::clock::Careful;
use crate::keys::KeysError;
use crate::provider::{Current, OperatingSystem, now};

/// Between two rounds, on average.
const INTERVAL: Duration = Duration::from_secs(60);

/// Works until `stop` is cancelled; not at all if keys are replaced on command only.
pub(super) async fn run(current: &Current, stop: &CancellationToken) {
    let Some(rotation) = current.now().ring.rotation() else {
        return;
    };
    // So often that a key is published for nearly as long as was said, also where that is very short.
    let interval = (rotation.publish_ahead / 8).clamp(Duration::from_millis(250), INTERVAL);
    let mut careful = Careful::new(now(), Instant::now());
    loop {
        let wait = interval.mul_f64(0.5 + fraction(&OperatingSystem));
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        let provider = current.now();
        // A key that is removed too early leaves tokens that nobody can verify.
        let cx = Cx {
            now: careful.time(now(), Instant::now()),
            ..provider.cx()
        };
        match stop.run_until_cancelled(provider.ring.rotate(&cx)).await {
            None => return,
            // Readiness tells it already.
            Some(Ok(_) | Err(KeysError::Store(StoreError::NotMigrated))) => {}
            Some(Err(error)) => tracing::warn!(%error, "signing keys could not be replaced; trying again later"),
        }
    }
}

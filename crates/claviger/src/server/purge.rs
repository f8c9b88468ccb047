//! The background job that removes what has expired.
//!
//! Every server tries about once a minute, each at its own moment, and the database lets one of them work. It works in
//! small batches with pauses, so that requests never wait long behind one. The slower the database is, and the more it is
//! asked, the longer the pauses.

use std::time::{Duration, Instant};

use claviger_core::context::{Entropy, Timestamp};
use claviger_core::port::StoreError;
use claviger_store::Database;
use tokio_util::sync::CancellationToken;

use crate::clock::Careful;
use crate::provider::{Current, OperatingSystem, Provider, now};

/// Between two rounds, on average.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);
/// Rows of each kind that one statement removes.
const BATCH: u32 = 500;
/// Most batches of a round. What is left is for the next round, which comes soon and may be another server's.
const MOST_BATCHES: u32 = 200;
/// Between two batches, at least and at most.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much longer it rests while requests wait for the database.
const UNDER_LOAD: u32 = 4;

/// Between two rounds when the first has left something: what expires must not pile up where many tokens are issued.
const BEHIND: Duration = Duration::from_secs(1);

/// Further than this from the clock of the database, in seconds, that of this machine removes and replaces nothing: one of the two is wrong,
/// and what is removed does not come back.
const MOST_APART: i64 = 300;

/// Why a round did nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undone {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the clock of the database is {} s {} that of this machine; set both by NTP, as one of them is wrong",
        .0.abs(), if *.0 < 0 { "behind" } else { "ahead of" }
    )]
    Clock(i64),
}

/// What one round has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    rows: u64,
    /// There is more to remove.
    is_behind: bool,
}

/// Works until `stop` is cancelled, about once in each `interval`.
pub(super) async fn run(current: &Current, database: &Database, interval: Duration, stop: &CancellationToken) {
    let mut is_told = false;
    let mut is_behind = false;
    let mut careful = Careful::new(now(), Instant::now());
    loop {
        let next = if is_behind { BEHIND } else { interval };
        let wait = next.mul_f64(0.5 + fraction(&OperatingSystem));
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
        let done = stop
            .run_until_cancelled(round(provider, database, database.clock(), &mut careful, is_behind))
            .await;
        is_behind = matches!(done, Some(Ok(Round { is_behind: true, .. })));
        match done {
            None => return,
            Some(Ok(Round { rows, .. })) => {
                provider.metrics.purged("done", rows);
                if rows > 0 {
                    tracing::debug!(rows, "removed what has expired");
                }
            }
            // Readiness tells it already.
            Some(Err(Undone::Store(StoreError::NotMigrated))) => {}
            Some(Err(error)) => {
                provider.metrics.purged("failed", 0);
                tracing::warn!(%error, "what has expired could not be removed; trying again later");
            }
        }
    }
}

/// Removes batches until one is not full, another server is at it, or it was long enough.
pub(super) async fn round(
    provider: &Provider,
    database: &Database,
    theirs: impl Future<Output = Result<Option<Timestamp>, StoreError>>,
    careful: &mut Careful,
    is_behind: bool,
) -> Result<Round, Undone> {
    compare_clocks(theirs).await?;
    let mut rows = 0;
    for _ in 0..MOST_BATCHES {
        let begun = Instant::now();
        let time = careful.time(now(), begun);
        let purged = provider.store.purge(time, BATCH).await?;
        rows += purged.rows;
        if purged.busy || purged.rows < u64::from(BATCH) {
            return Ok(Round { rows, is_behind: false });
        }
        let took = begun.elapsed();
        let waiting = database.queues().into_iter().any(|(_, waiting)| waiting > 0);
        tokio::time::sleep(pause(took, waiting && !is_behind)).await;
    }
    Ok(Round { rows, is_behind: true })
}

/// Whether the clock of the database, if it has one of its own, allows to go by that of this machine.
pub(super) async fn compare_clocks(
    theirs: impl Future<Output = Result<Option<Timestamp>, StoreError>>,
) -> Result<(), Undone> {
    match theirs.await? {
        Some(theirs) => judge(theirs, now()),
        None => Ok(()),
    }
}

fn judge(theirs: Timestamp, ours: Timestamp) -> Result<(), Undone> {
    let ahead = theirs.0.saturating_sub(ours.0);
    if ahead.saturating_abs() > MOST_APART {
        return Err(Undone::Clock(ahead));
    }
    Ok(())
}

/// At most half of the time is worked, and a fifth under load. Who is behind does not give way further: what expires would pile up
/// as long as the load lasts.
pub(super) fn pause(took: Duration, gives_way: bool) -> Duration {
    let factor = if gives_way { UNDER_LOAD } else { 1 };
    took.max(PAUSE).saturating_mul(factor).min(LONGEST_PAUSE)
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

    #[test]
    fn it_rests_as_long_as_it_worked_and_longer_while_requests_wait() {
        let (quick, slow) = (Duration::from_millis(3), Duration::from_millis(400));
        assert_eq!((pause(quick, false), pause(slow, false)), (PAUSE, slow));
        assert_eq!((pause(quick, true), pause(slow, true)), (PAUSE * 4, slow * 4));
        assert_eq!(pause(Duration::MAX, true), LONGEST_PAUSE);
    }

    #[test]
    fn a_clock_that_is_far_from_the_databases_removes_nothing() {
        let ours = Timestamp(1_800_000_000);
        for near in [-300, -1, 0, 300] {
            assert!(judge(Timestamp(ours.0 + near), ours).is_ok(), "{near}");
        }
        let told = |ahead: i64| judge(Timestamp(ours.0 + ahead), ours).unwrap_err().to_string();
        assert!(told(301).contains("301 s ahead of"), "{}", told(301));
        assert!(told(-86_400).contains("86400 s behind"), "{}", told(-86_400));
        assert!(judge(Timestamp(i64::MIN), ours).is_err());
    }

    /// An hour of 3000 tokens a second is removed within the hour, if the database takes 50 ms for a batch.
    #[test]
    fn who_is_behind_keeps_up_under_load() {
        let per_second =
            f64::from(BATCH) / (Duration::from_millis(50) + pause(Duration::from_millis(50), false)).as_secs_f64();
        assert!(per_second > 3000.0, "{per_second}");
    }
}

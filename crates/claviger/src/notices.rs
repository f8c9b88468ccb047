//! The background job that tells clients of logouts (Back-Channel Logout).
//!
//! Every server claims what is due: the database gives each notice to one of them, for as long as its lease lasts. A
//! logout at this server wakes the job at once; what other servers left undone is found within seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_core::context::Timestamp;
use claviger_core::fault::Failure;
use claviger_core::logout::notice::{LEASE, Told, tell};
use claviger_core::port::{NoticeRecord, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::provider::{Current, Provider, Shared};

/// Between two looks at the queue, if nothing happens here.
const INTERVAL: Duration = Duration::from_secs(5);
/// Before the next look when the database did not answer.
const PAUSE: Duration = Duration::from_secs(60);
/// How many clients are told at once. What is claimed is told at once, so that its lease does not end before.
const AT_ONCE: usize = 64;

/// What the handlers and the job share.
#[derive(Debug, Default)]
pub struct Notices {
    bell: Notify,
    queued: AtomicU64,
    counts: [AtomicU64; OUTCOMES.len()],
    in_hand: AtomicU64,
}

/// How an attempt may end, as metrics name it.
const OUTCOMES: [&str; 4] = ["delivered", "unwanted", "failed", "given_up"];

impl Notices {
    /// Something was queued.
    pub fn wake(&self) {
        self.bell.notify_one();
    }

    /// How many notices were taken up for the first time, and how many were settled. Over all servers, and but for those
    /// that were queued in the last seconds, the difference is what waits.
    #[must_use]
    pub fn progress(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts();
        let settled = counts.iter().filter(|(outcome, _)| *outcome != "failed");
        vec![
            ("queued", self.queued.load(Ordering::Relaxed)),
            ("settled", settled.map(|(_, count)| count).sum()),
        ]
    }

    /// How many attempts ended how.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = OUTCOMES.iter().zip(&self.counts);
        counts
            .map(|(name, count)| (*name, count.load(Ordering::Relaxed)))
            .collect()
    }

    fn take_up(&self, notice: &NoticeRecord) {
        if notice.attempts == 1 {
            self.queued.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many are being delivered.
    #[must_use]
    pub fn in_hand(&self) -> u64 {
        self.in_hand.load(Ordering::Relaxed)
    }

    fn count(&self, told: Told) {
        let outcome = match told {
            Told::Delivered => "delivered",
            Told::Unwanted => "unwanted",
            Told::Later(_) => "failed",
            Told::GivenUp(_) => "given_up",
        };
        let mut counts = OUTCOMES.iter().zip(&self.counts);
        if let Some((_, count)) = counts.find(|(name, _)| **name == outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Works until `stop` is cancelled. What is being told then is told again by another server, or after the restart.
pub(crate) async fn run(current: &Current, stop: &CancellationToken) {
    let notices = Arc::clone(&current.now().notices);
    // A client that does not answer holds up nobody else: each has a task, and a place that is free is filled at once.
    let mut told = JoinSet::new();
    loop {
        while told.try_join_next().is_some() {}
        let pause = match stop.run_until_cancelled(fill(&current.now(), &mut told)).await {
            None => return,
            // Readiness tells it already.
            Some(Ok(()) | Err(StoreError::NotMigrated)) => INTERVAL,
            Some(Err(error)) => {
                tracing::warn!(%error, "logout notices could not be read; trying again later");
                PAUSE
            }
        };
        let is_full = told.len() == AT_ONCE;
        tokio::select! {
            () = stop.cancelled() => return,
            _ = told.join_next(), if is_full => {}
            () = notices.bell.notified(), if !is_full && pause == INTERVAL => {}
            () = tokio::time::sleep(pause), if !is_full => {}
        }
    }
}

/// Claims as many notices as places are free, and begins to tell them.
async fn fill(provider: &Shared, told: &mut JoinSet<()>) -> Result<(), StoreError> {
    let free = u32::try_from(AT_ONCE.saturating_sub(told.len())).unwrap_or_default();
    let now = provider.cx().now;
    let lease: Timestamp = now.plus(LEASE);
    for notice in provider.store.claim_notices(now, lease, free).await? {
        let provider = Arc::clone(provider);
        told.spawn(async move {
            provider.notices.in_hand.fetch_add(1, Ordering::Relaxed);
            tell_one(&provider, notice).await;
            provider.notices.in_hand.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(())
}

async fn tell_one(provider: &Provider, notice: NoticeRecord) {
    provider.notices.take_up(&notice);
    let client = notice.client.as_str();
    match tell(&provider.world(), &notice).await {
        Ok(told) => {
            provider.notices.count(told);
            report(client, notice.attempts, told);
        }
        Err(Failure::Store(error)) => tracing::warn!(client, %error, "a logout notice was not settled"),
        Err(error) => tracing::error!(client, %error, "a logout notice could not be made"),
    }
}

fn report(client: &str, attempts: u32, told: Told) {
    match told {
        Told::Delivered => tracing::debug!(client, "a client was told of a logout"),
        Told::Unwanted => tracing::debug!(client, "a client has no back-channel logout address any more"),
        Told::Later(why) => {
            tracing::info!(client, attempts, %why, "a client could not be told of a logout; trying again");
        }
        Told::GivenUp(why) => {
            tracing::warn!(client, attempts, %why, "a client was not told of a logout; check its backchannel_logout_uri");
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::context::Id;
    use claviger_core::logout::notice::Unheard;

    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_name() {
        let notices = Notices::default();
        let why = Unheard::Status(503);
        for told in [Told::Delivered, Told::Later(why), Told::Later(why), Told::GivenUp(why)] {
            notices.count(told);
        }
        let expected = [("delivered", 1), ("unwanted", 0), ("failed", 2), ("given_up", 1)];
        assert_eq!(notices.counts(), expected);
        for attempts in [1, 2, 1, 1, 3] {
            notices.take_up(&NoticeRecord {
                id: Id([1; 16]),
                client: "app".to_owned(),
                session: Id([2; 16]),
                subject: "alice".to_owned(),
                attempts,
                due_at: Timestamp(0),
                expires_at: Timestamp(1),
            });
        }
        assert_eq!(notices.progress(), [("queued", 3), ("settled", 2)]);
    }
}

//! The background job that tells clients of logouts (Back-Channel Logout).
//!
//! Every server claims what is due: the database gives each notice to one of them, for as long as its lease lasts. A
//! logout at this server wakes the job at once; what other servers left undone is found within seconds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_core::context::Timestamp;
use claviger_core::fault::Failure;
use claviger_core::logout::notice::{LEASE, Told, tell};
use claviger_core::port::{NoticeRecord, StoreError};
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::provider::{Current, Provider, Shared};

/// Between two looks at the queue, if nothing happens here.
const INTERVAL: Duration = Duration::from_secs(5);
/// Before the next look when the database did not answer.
const PAUSE: Duration = Duration::from_secs(60);
/// How many clients are told at once. What is claimed is told while its lease lasts.
const AT_ONCE: usize = 64;
/// How many notices of one client are told at once.
const OF_CLIENT: usize = 8;
/// So many free places are worth a look at the queue.
const WORTH_A_CLAIM: usize = 16;
/// How many notices wait here for a place of their client.
const MOST_WAITING: usize = 1024;
/// How often the queue is looked at in a row while notices of busy clients stand before the others.
const MOST_CLAIMS: usize = 32;
/// Longer than it takes to tell a client.
const TELLING: Duration = Duration::from_secs(20);

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
    let mut hand = Hand::default();
    loop {
        let pause = match stop.run_until_cancelled(fill(&current.now(), &mut hand)).await {
            None => return,
            // Readiness tells it already.
            Some(Ok(()) | Err(StoreError::NotMigrated)) => INTERVAL,
            Some(Err(error)) => {
                tracing::warn!(%error, "logout notices could not be read; trying again later");
                PAUSE
            }
        };
        notices.in_hand.store(hand.len(), Ordering::Relaxed);
        let until = tokio::time::Instant::now() + pause;
        let was_full = hand.free() == 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = hand.rest(), if !hand.is_empty() => {
                    let provider = current.now();
                    hand.resume(&provider);
                    notices.in_hand.store(hand.len(), Ordering::Relaxed);
                    if was_full && pause == INTERVAL && hand.wants_more() {
                        break;
                    }
                }
                () = notices.bell.notified(), if !was_full && pause == INTERVAL => break,
                () = tokio::time::sleep_until(until) => break,
            }
        }
    }
}

/// A notice that waits because its client has as many places as it may have.
struct Waiting {
    notice: NoticeRecord,
    /// When it is anybody's again.
    lease: Timestamp,
}

/// What is claimed. A client that does not answer holds up nobody else: each notice has a task, and each client few of them.
#[derive(Default)]
struct Hand {
    told: JoinSet<()>,
    clients: HashMap<Id, String>,
    waiting: VecDeque<Waiting>,
}

impl Hand {
    fn len(&self) -> u64 {
        u64::try_from(self.told.len()).unwrap_or(u64::MAX)
    }

    fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    fn free(&self) -> usize {
        AT_ONCE.saturating_sub(self.told.len())
    }

    /// One statement claims many: it is not worth one for each place.
    fn wants_more(&self) -> bool {
        self.is_empty() || self.free() >= WORTH_A_CLAIM
    }

    fn lets(&self, client: &str) -> bool {
        let busy = self.clients.values().filter(|busy| *busy == client);
        self.free() > 0 && busy.count() < OF_CLIENT
    }

    /// What does not fit in here is claimed again when its lease is over.
    fn put_off(&mut self, notice: NoticeRecord, lease: Timestamp) {
        if self.waiting.len() < MOST_WAITING || self.lets(&notice.client) {
            self.waiting.push_back(Waiting { notice, lease });
        }
    }

    /// The next one that has a place, and whose lease lasts until it is told.
    fn next(&mut self, now: Timestamp) -> Option<NoticeRecord> {
        self.waiting.retain(|waiting| now.plus(TELLING) < waiting.lease);
        let mut waiting = self.waiting.iter();
        let place = waiting.position(|waiting| self.lets(&waiting.notice.client))?;
        self.waiting.remove(place).map(|waiting| waiting.notice)
    }

    fn begin(&mut self, client: String, telling: impl Future<Output = ()> + Send + 'static) {
        let id = self.told.spawn(telling).id();
        self.clients.insert(id, client);
    }

    fn resume(&mut self, provider: &Shared) {
        while let Some(notice) = self.next(provider.cx().now) {
            let provider = Arc::clone(provider);
            let client = notice.client.clone();
            self.begin(client, async move { tell_one(&provider, notice).await });
        }
    }

    /// Until one more was told.
    async fn rest(&mut self) {
        let id = match self.told.join_next_with_id().await {
            None => return,
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => {
                tracing::error!(%error, "a logout notice was not told; it is claimed again when its lease is over");
                error.id()
            }
        };
        self.clients.remove(&id);
    }
}

/// Claims as many notices as places are free, and begins to tell them. Those of a client that has its places already do
/// not hide the ones behind them.
async fn fill(provider: &Shared, hand: &mut Hand) -> Result<(), StoreError> {
    for _ in 0..MOST_CLAIMS {
        hand.resume(provider);
        let free = u32::try_from(hand.free()).unwrap_or_default();
        if free == 0 {
            return Ok(());
        }
        let now = provider.cx().now;
        let lease: Timestamp = now.plus(LEASE);
        let claimed = provider.store.claim_notices(now, lease, free).await?;
        let is_last = u32::try_from(claimed.len()).is_ok_and(|count| count < free);
        for notice in claimed {
            provider.notices.take_up(&notice);
            hand.put_off(notice, lease);
        }
        hand.resume(provider);
        if is_last {
            return Ok(());
        }
    }
    Ok(())
}

async fn tell_one(provider: &Provider, notice: NoticeRecord) {
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

    fn notice(client: &str) -> NoticeRecord {
        NoticeRecord {
            id: Id([1; 16]),
            client: client.to_owned(),
            session: Id([2; 16]),
            subject: "alice".to_owned(),
            attempts: 1,
            due_at: Timestamp(0),
            expires_at: Timestamp(1),
        }
    }

    /// Begins whatever has a place, as if no client ever answered; how many of each.
    fn begin_all(hand: &mut Hand, now: Timestamp) -> HashMap<String, usize> {
        let mut begun = HashMap::new();
        while let Some(notice) = hand.next(now) {
            *begun.entry(notice.client.clone()).or_default() += 1;
            hand.begin(notice.client, std::future::pending());
        }
        begun
    }

    #[tokio::test]
    async fn many_notices_of_a_silent_client_leave_places_to_others() {
        let mut hand = Hand::default();
        let (now, lease) = (Timestamp(1000), Timestamp(1060));
        for _ in 0..100 {
            hand.put_off(notice("silent"), lease);
        }
        hand.put_off(notice("other"), lease);
        let begun = begin_all(&mut hand, now);
        assert_eq!((begun["silent"], begun["other"]), (OF_CLIENT, 1));
        assert_eq!(hand.free(), AT_ONCE - OF_CLIENT - 1);
        // What cannot be told before its lease ends is left to the next claim.
        assert!(hand.next(Timestamp(1050)).is_none() && hand.waiting.is_empty());
        for number in 0..AT_ONCE {
            hand.put_off(notice(&format!("client {number}")), lease);
        }
        begin_all(&mut hand, now);
        assert_eq!((hand.free(), hand.waiting.len()), (0, OF_CLIENT + 1));
    }

    #[tokio::test]
    async fn a_notice_whose_task_panics_gives_its_place_back() {
        async fn fail() {
            panic!("on purpose");
        }
        let mut hand = Hand::default();
        hand.begin("app".to_owned(), fail());
        hand.begin("app".to_owned(), std::future::ready(()));
        assert_eq!((hand.len(), hand.clients.len()), (2, 2));
        hand.rest().await;
        hand.rest().await;
        assert!(hand.is_empty() && hand.clients.is_empty() && hand.wants_more());
    }

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
                attempts,
                ..notice("app")
            });
        }
        assert_eq!(notices.progress(), [("queued", 3), ("settled", 2)]);
    }
}

//! What is done about a clock that is set while the server runs.
//!
//! Tokens, flows and logins go by the wall clock of the machine, whatever it says. Two things must not follow it at once:
//! ids, which are in the order of time so that those up to a moment can be ended, and what removes for good.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use claviger_core::context::Timestamp;

/// How far ids run ahead of a clock that was set back, in milliseconds. One that was further ahead was wrong before.
const MOST_LEAD: u64 = 2 * 3600 * 1000;

/// Milliseconds since 1970 that go on, at half speed, when the clock is set back, until it has caught up: so ids of this
/// server are in order, and soon in order with those of servers whose clock was right.
#[derive(Debug, Default)]
struct Growing {
    /// The most that an id was ahead of half the time that has passed since the start.
    ahead: AtomicU64,
}

impl Growing {
    /// `wall` is what the clock says, and `passed` the time since the start, which nobody sets.
    fn millis(&self, wall: u64, passed: u64) -> u64 {
        let half = passed / 2;
        let ahead = wall.saturating_sub(half);
        let most = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        if most - ahead > MOST_LEAD {
            self.ahead.store(ahead, Ordering::Relaxed);
            return wall;
        }
        half.saturating_add(most)
    }
}

/// The time that has passed since the first call, whatever becomes of the clock.
pub(crate) fn uptime() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed()
}

/// The time of new ids: that of the clock, or later where the clock was set back.
pub(crate) fn millis_of_ids(wall: Duration, uptime: Duration) -> u64 {
    static GROWING: Growing = Growing {
        ahead: AtomicU64::new(0),
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    GROWING.millis(millis(wall), millis(uptime))
}

/// How much more than the time that has passed a clock may go forward without being doubted.
const LEEWAY: Duration = Duration::from_secs(60);
/// For how long a clock that jumped forward is doubted.
const DOUBT: Duration = Duration::from_secs(3600);

/// The time for what cannot be undone: a jump forward of the clock counts when it has lasted for an hour, so that a clock
/// that was wrong for a while removes nothing. A clock that is set back counts at once.
#[derive(Debug)]
pub(crate) struct Careful {
    believed: Timestamp,
    at: Instant,
    doubted_since: Option<Instant>,
}

impl Careful {
    /// Believes the clock as it is.
    pub(crate) fn new(wall: Timestamp, at: Instant) -> Self {
        Self {
            believed: wall,
            at,
            doubted_since: None,
        }
    }

    /// The time to go by when the clock says `wall`.
    pub(crate) fn time(&mut self, wall: Timestamp, at: Instant) -> Timestamp {
        let expected = self.believed.plus(at.saturating_duration_since(self.at));
        if wall > expected.plus(LEEWAY) {
            if self.doubted_since.is_none() {
                tracing::warn!(
                    seconds = wall.seconds_since(expected),
                    "the clock of this machine jumped forward: rows that expired by that are removed, and signing keys \
                     replaced, in an hour, if it still says so then"
                );
            }
            let since = *self.doubted_since.get_or_insert(at);
            if at.saturating_duration_since(since) < DOUBT {
                return expected;
            }
        }
        *self = Self::new(wall, at);
        wall
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::context::Id;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;

    #[test]
    fn ids_follow_a_clock_that_goes_on_or_jumps_forward() {
        let growing = Growing::default();
        assert_eq!(growing.millis(NOW, 0), NOW);
        assert_eq!(growing.millis(NOW + 5, 5), NOW + 5);
        assert_eq!(growing.millis(NOW + HOUR, 6), NOW + HOUR);
    }

    /// Whoever ends the tokens of a client, before or after that, ends those that were made until then and no later ones.
    #[test]
    fn a_clock_that_is_set_back_an_hour_makes_no_id_of_the_past() {
        let growing = Growing::default();
        let first = growing.millis(NOW, 1000);
        let ended = Id::last_of(first);
        for passed in [1002, 1004, 5000, 1000 + HOUR] {
            let later = growing.millis(NOW - HOUR + passed - 1000, passed);
            assert_eq!(later, first + (passed - 1000) / 2, "time goes on");
            assert!(Id::last_of(later - 1) >= ended);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_catches_up_in_twice_that_time() {
        let growing = Growing::default();
        growing.millis(NOW + HOUR, 0);
        assert_eq!(growing.millis(NOW + HOUR, HOUR), NOW + HOUR + HOUR / 2);
        for passed in [2 * HOUR, 2 * HOUR + 7, 9 * HOUR] {
            assert_eq!(growing.millis(NOW + passed, passed), NOW + passed);
        }
    }

    #[test]
    fn a_clock_that_was_far_ahead_is_corrected() {
        let growing = Growing::default();
        growing.millis(NOW + 24 * HOUR, 0);
        assert_eq!(growing.millis(NOW, 1), NOW);
        assert_eq!(growing.millis(NOW + 1, 2), NOW + 1);
    }

    /// The time to go by, for what the clock says after so many seconds.
    fn careful(steps: &[(u64, i64)]) -> Vec<i64> {
        let begin = Instant::now();
        let mut careful = Careful::new(Timestamp(10_000), begin);
        let time = |(passed, wall): &(u64, i64)| careful.time(Timestamp(*wall), begin + Duration::from_secs(*passed)).0;
        steps.iter().map(time).collect()
    }

    #[test]
    fn a_clock_that_goes_on_or_is_set_back_is_believed() {
        let steps = [(60, 10_060), (120, 10_180), (180, 6_600), (240, 6_660)];
        assert_eq!(careful(&steps), [10_060, 10_180, 6_600, 6_660]);
    }

    #[test]
    fn a_jump_forward_removes_nothing_when_it_is_taken_back() {
        let steps = [(60, 13_660), (120, 13_720), (180, 10_180), (240, 10_240)];
        assert_eq!(careful(&steps), [10_060, 10_120, 10_180, 10_240]);
    }

    #[test]
    fn a_jump_forward_counts_when_it_has_lasted_for_an_hour() {
        let steps = [(60, 13_660), (3_600, 17_200), (3_660, 17_260), (3_720, 17_320)];
        assert_eq!(careful(&steps), [10_060, 13_600, 17_260, 17_320]);
    }

    #[test]
    fn a_second_jump_is_doubted_anew() {
        let steps = [
            (60, 13_660),
            (120, 10_120),
            (180, 13_780),
            (3_700, 17_300),
            (3_780, 17_380),
        ];
        assert_eq!(careful(&steps), [10_060, 10_120, 10_180, 13_700, 17_380]);
    }
}

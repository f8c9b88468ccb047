//! How many wrong user codes may be entered.
//!
//! RFC 8628 §5.1. There are few user codes, so guessing is bounded twice: for each browser that opened the page, and for all
//! of them together, as a page can be opened again. Counted in the memory of this server: what is bounded is the rate,
//! and nothing that strangers do is written to the database.

use std::sync::{Mutex, PoisonError};

use quick_cache::sync::Cache;

use crate::context::{Id, Timestamp};
use crate::fault::Fault;

/// Wrong codes after one visit of the page.
const MOST_OF_ONE: u32 = 10;
/// Wrong codes in a minute.
const MOST_OF_ALL: u32 = 300;
/// Visits that are remembered.
const VISITS: usize = 10_000;

/// The wrong codes that were entered lately.
pub struct Guesses {
    visits: Cache<Id, u32>,
    lately: Mutex<(Timestamp, u32)>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            visits: Cache::new(VISITS),
            lately: Mutex::new((Timestamp::default(), 0)),
        }
    }
}

impl Guesses {
    /// Counts a code as wrong before it is looked up, so that codes entered at the same moment count too.
    ///
    /// # Errors
    /// If there were too many.
    pub(crate) fn take(&self, visit: Id, now: Timestamp) -> Result<(), Fault> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        // A minute that begins in the future began before the clock was set back.
        if now.seconds_since(lately.0) >= 60 || lately.0.seconds_since(now) >= 60 {
            *lately = (now, 0);
        }
        if lately.1 >= MOST_OF_ALL {
            return Err(Fault::UserCodesGuessed);
        }
        let of_visit = self.visits.get(&visit).unwrap_or_default();
        if of_visit >= MOST_OF_ONE {
            return Err(Fault::UserCodeGuessed);
        }
        self.visits.insert(visit, of_visit + 1);
        lately.1 += 1;
        Ok(())
    }

    /// The code was right after all.
    pub(crate) fn give_back(&self, visit: Id) {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.1 = lately.1.saturating_sub(1);
        if let Some(of_visit) = self.visits.get(&visit) {
            self.visits.insert(visit, of_visit.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod rfc8628_5_1 {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    #[test]
    fn one_visit_has_ten_tries_and_a_right_code_costs_none() {
        let guesses = Guesses::default();
        let visit = Id([1; 16]);
        for _ in 0..20 {
            guesses.take(visit, NOW).expect("every code is right");
            guesses.give_back(visit);
        }
        for _ in 0..MOST_OF_ONE {
            guesses.take(visit, NOW).expect("there are tries left");
        }
        assert_eq!(guesses.take(visit, NOW), Err(Fault::UserCodeGuessed));
        assert_eq!(guesses.take(Id([2; 16]), NOW), Ok(()));
    }

    #[test]
    fn all_visits_together_are_bounded_for_a_minute() {
        let guesses = Guesses::default();
        for visit in 0..MOST_OF_ALL {
            let visit = Id(u128::from(visit).to_be_bytes());
            guesses.take(visit, NOW).expect("there are tries left");
        }
        let other = Id([9; 16]);
        assert_eq!(guesses.take(other, NOW), Err(Fault::UserCodesGuessed));
        assert_eq!(guesses.take(other, Timestamp(NOW.0 + 60)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_waiting() {
        let guesses = Guesses::default();
        for visit in 0..MOST_OF_ALL {
            let visit = Id(u128::from(visit).to_be_bytes());
            guesses.take(visit, NOW).expect("there are tries left");
        }
        let other = Id([9; 16]);
        // Requests of one moment may see it a second apart.
        let before = guesses.take(other, Timestamp(NOW.0 - 1));
        assert_eq!(before, Err(Fault::UserCodesGuessed));
        assert_eq!(guesses.take(other, Timestamp(NOW.0 - 3600)), Ok(()));
    }
}

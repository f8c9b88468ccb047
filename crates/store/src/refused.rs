//! Whether the database takes changes: one whose disk is full, or that is read-only, still answers who reads.

use std::sync::atomic::{AtomicU64, Ordering};

use claviger_core::port::{Outcome, StoreError};

/// Fewer refusals than this in a row are an incident of a moment.
const MANY: u64 = 5;

/// The changes that the database refused since it took one.
#[derive(Debug, Default)]
pub struct Refused(AtomicU64);

impl Refused {
    pub(crate) fn note(&self, outcome: &Result<Outcome, StoreError>) {
        match outcome {
            Ok(_) if self.in_a_row() == 0 => {}
            Ok(_) => self.0.store(0, Ordering::Relaxed),
            Err(StoreError::Unavailable(_)) => {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            // Of the change itself.
            Err(StoreError::Broken(_) | StoreError::NotMigrated) => {}
        }
    }

    /// How many changes were refused in a row.
    #[must_use]
    pub fn in_a_row(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it looks as if no change is taken at the moment.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.in_a_row() >= MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_count_until_a_change_is_taken() {
        let refused = Refused::default();
        for _ in 1..MANY {
            refused.note(&Err(StoreError::Unavailable(String::new())));
        }
        refused.note(&Err(StoreError::Broken(String::new())));
        assert!(!refused.is_lasting());
        refused.note(&Err(StoreError::Unavailable(String::new())));
        assert!(refused.is_lasting());
        refused.note(&Ok(Outcome::LostRace));
        assert_eq!((refused.in_a_row(), refused.is_lasting()), (0, false));
    }
}

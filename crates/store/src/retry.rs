//! Whole changes are tried again when the database undid them for the sake of others.

use std::time::{Duration, Instant};

/// Most times that one operation is tried.
const ATTEMPTS: u32 = 10;
/// The longest wait after the first attempt, doubled up to [`LONGEST_WAIT`]. The wait itself is drawn below it, so that
/// those who met once do not meet again.
const FIRST_WAIT: Duration = Duration::from_millis(4);
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// How often one operation was tried.
pub(crate) struct Retry {
    tried: u32,
    begun: Instant,
}

impl Retry {
    /// Before the first attempt.
    pub(crate) fn new() -> Self {
        Self {
            tried: 1,
            begun: Instant::now(),
        }
    }

    /// Since the first attempt began.
    pub(crate) fn spent(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits before the next attempt; false if there is none left.
    pub(crate) async fn again(&mut self) -> bool {
        if self.tried >= ATTEMPTS {
            return false;
        }
        let most = FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(self.tried - 1).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT);
        tokio::time::sleep(most.mul_f64(fraction())).await;
        self.tried += 1;
        true
    }
}

/// Between 0 and 1. Without randomness all wait the whole time.
fn fraction() -> f64 {
    let mut byte = [0];
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_operation_is_tried_a_bounded_number_of_times() {
        let mut retry = Retry::new();
        let mut attempts = 1;
        while retry.again().await {
            attempts += 1;
        }
        assert_eq!(attempts, ATTEMPTS);
        assert!(!retry.again().await);
    }
}

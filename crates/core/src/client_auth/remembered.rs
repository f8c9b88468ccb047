//! The last secret that authenticated a client, so that its slow hash is computed once and not for each request.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::secret::Salted;

/// A salted digest of the last good secret. It lives in the parsed client, so it ends with the client's version, and is
/// no part of what the client is: two clients with different memories are equal.
#[derive(Default)]
pub struct LastProven(Arc<Mutex<Option<Salted>>>);

impl LastProven {
    /// Whether this secret authenticated the client before. Compares in constant time.
    pub(super) fn is(&self, secret: &str) -> bool {
        let last = self.0.lock();
        last.is_ok_and(|last| last.as_ref().is_some_and(|last| last.is_of(secret)))
    }

    /// The same memory, for a job that may outlive the client.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Keeps the digest of a secret that was found right.
    pub(super) fn keep(&self, secret: Salted) {
        if let Ok(mut last) = self.0.lock() {
            *last = Some(secret);
        }
    }
}

impl Clone for LastProven {
    /// A copy of a client proves its secrets anew.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for LastProven {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastProven {}

impl fmt::Debug for LastProven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastProven(..)")
    }
}

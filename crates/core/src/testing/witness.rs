//! A witness that remembers.

use std::sync::Mutex;

use crate::witness::{Seen, Witness};

/// What was seen since it was last asked.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<String>>);

impl Witness for Heard {
    fn see(&self, seen: Seen<'_>) {
        self.0.lock().expect("no test panics in here").push(format!("{seen:?}"));
    }
}

impl Heard {
    /// Each by its `Debug` text.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no test panics in here"))
    }
}

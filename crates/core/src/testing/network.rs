//! The others, in memory: what is published at which URL, and what was asked of them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::outgoing::{Answer, Fetch, FetchFailed, Outgoing};

/// Nothing is published until a test does so; every other URL is unreachable.
#[derive(Default)]
pub(crate) struct Network {
    published: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<Outgoing>>,
    is_crowded: AtomicBool,
}

impl Network {
    /// From now on this is the answer at `url`.
    pub(crate) fn publish(&self, url: &str, status: u16, body: &str) {
        let answer = Answer {
            status,
            body: body.as_bytes().to_vec(),
        };
        let mut published = self.published.lock().expect("no test panicked with the lock");
        published.insert(url.to_owned(), answer);
    }

    /// Whether there is no place on the way out.
    pub(crate) fn crowd(&self, is_crowded: bool) {
        self.is_crowded.store(is_crowded, Ordering::Relaxed);
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Outgoing> {
        std::mem::take(&mut *self.asked.lock().expect("no test panicked with the lock"))
    }
}

#[async_trait]
impl Fetch for Network {
    async fn fetch(&self, request: Outgoing) -> Result<Answer, FetchFailed> {
        let published = self.published.lock().expect("no test panicked with the lock");
        let answer = published.get(&request.url).cloned();
        self.asked.lock().expect("no test panicked with the lock").push(request);
        if self.is_crowded.load(Ordering::Relaxed) {
            return Err(FetchFailed::Crowded);
        }
        answer.ok_or(FetchFailed::Unreachable)
    }
}

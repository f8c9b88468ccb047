//! How many exchanges run at once.
//!
//! Attacks: a slow server that somebody names again and again, so that everything else that goes out waits for it. What is
//! fetched because strangers say so has places of its own, and few of them lead to one host; neither takes a place from
//! the operator's own services or from messages to clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use url::Url;

/// How many exchanges of each kind run at once; further ones wait, and their time counts.
const AT_ONCE: usize = 64;
/// How many documents of one host, whatever its ports, are fetched at once.
const OF_HOST: usize = 8;

/// For whom a request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// To a service of the operator's own: a hook.
    Own,
    /// To a client that is told something.
    Message,
    /// For a document that somebody named.
    Document,
}

/// The places of each kind.
pub(super) struct Room {
    own: Semaphore,
    messages: Semaphore,
    documents: Semaphore,
    /// Only hosts that are asked right now.
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Held while an exchange runs.
pub(super) struct Place<'a> {
    _of_kind: SemaphorePermit<'a>,
    _of_host: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new() -> Self {
        let [own, messages, documents] = [AT_ONCE; 3].map(Semaphore::new);
        Self {
            own,
            messages,
            documents,
            hosts: Mutex::default(),
        }
    }

    /// Waits for a place. None only if there will never be one.
    pub(super) async fn enter(&self, errand: Errand, url: &Url) -> Option<Place<'_>> {
        let (of_kind, of_host) = match errand {
            Errand::Own => (&self.own, None),
            Errand::Message => (&self.messages, None),
            Errand::Document => (&self.documents, Some(self.at(url))),
        };
        // First this one: who waits for a slow host must not take up a place that others could use.
        let of_host = match of_host {
            Some(places) => Some(places.acquire_owned().await.ok()?),
            None => None,
        };
        Some(Place {
            _of_kind: of_kind.acquire().await.ok()?,
            _of_host: of_host,
        })
    }

    fn at(&self, url: &Url) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, places| Arc::strong_count(places) > 1);
        let places = hosts.entry(url.host_str().unwrap_or_default().to_owned());
        Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(OF_HOST))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn one_host_has_few_places_and_whoever_waits_for_it_takes_none_from_others() {
        let room = Room::new();
        let enter = |errand, text: &str| room.enter(errand, &url(text)).now_or_never().flatten();
        let slow: Vec<_> = (0..OF_HOST)
            .map_while(|n| enter(Errand::Document, &format!("https://slow.example/{n}")))
            .collect();
        assert_eq!(slow.len(), OF_HOST);
        let next = url("https://slow.example/next");
        let mut waiting: Vec<_> = (0..AT_ONCE)
            .map(|_| Box::pin(room.enter(Errand::Document, &next)))
            .collect();
        assert!(waiting.iter_mut().all(|entering| entering.now_or_never().is_none()));
        assert!(enter(Errand::Document, "https://other.example/").is_some());
        for other_port in ["http://slow.example/", "https://slow.example:8443/"] {
            assert!(enter(Errand::Document, other_port).is_none(), "{other_port}");
        }
        drop((slow, waiting));
        assert!(enter(Errand::Document, "https://slow.example/").is_some());
        assert_eq!(
            room.hosts.lock().expect("no panic").len(),
            1,
            "only the last one is kept"
        );
    }

    #[test]
    fn documents_messages_and_the_operators_own_do_not_wait_for_each_other() {
        let room = Room::new();
        let errands = [Errand::Own, Errand::Message, Errand::Document];
        let mut held = Vec::new();
        for errand in errands {
            for n in 0..AT_ONCE {
                let host = url(&format!("https://host-{n}.example/"));
                held.push(room.enter(errand, &host).now_or_never().flatten().expect("a place"));
            }
            let next = url("https://next.example/");
            assert!(room.enter(errand, &next).now_or_never().is_none(), "{errand:?}");
        }
    }
}

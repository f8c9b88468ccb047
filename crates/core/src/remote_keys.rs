//! Key sets that clients publish (`jwks_uri`), fetched and kept for a while.
//!
//! RFC 7517 §5, OpenID Connect Core §10.1.1 (rotation: an unknown `kid` is a reason to look again). Attacks: using the
//! server to flood the one that publishes (one fetch per URL and half minute and server, whatever is sent), filling
//! memory (the number of sets is bounded, and the size of each by the client that fetches).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use claviger_jose::{Jwk, VerifyingKey, parse_object};
use quick_cache::sync::Cache;
use serde_json::Value;

use crate::context::{Cx, Timestamp};
use crate::outgoing::{FetchFailed, Outgoing};
use crate::world::World;

/// How long a set is used without looking again, in seconds.
const FRESH: u64 = 300;
/// How long a set is used while it cannot be fetched again, in seconds.
const USABLE: u64 = 24 * 3600;
/// At most one fetch of a URL in so many seconds.
const PAUSE: u64 = 30;
/// Most keys of a set; the rest is not looked at.
const MOST_KEYS: usize = 64;

/// A set as it was fetched.
pub(crate) struct KeySet {
    /// Those of its keys that verify signatures.
    pub(crate) keys: Vec<VerifyingKey>,
    fetched_at: Timestamp,
    fetched_after: Duration,
}

impl KeySet {
    /// In seconds, by the clock that makes it older: one may have been set back, and the other one stands still while the
    /// machine sleeps.
    fn age(&self, cx: &Cx<'_>) -> u64 {
        let passed = cx.uptime.saturating_sub(self.fetched_after).as_secs();
        passed.max(cx.now.seconds_since(self.fetched_at))
    }
}

type Fetched = Result<Arc<KeySet>, FetchFailed>;

/// The sets that this server knows.
pub struct RemoteKeys {
    sets: Cache<String, Arc<KeySet>>,
    /// What the one fetch of a URL in a stretch of time came to. Who asks meanwhile waits for it.
    fetches: Cache<String, Fetched>,
}

impl RemoteKeys {
    /// Room for `most` sets.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            sets: Cache::new(most),
            fetches: Cache::new(most),
        }
    }

    /// The set at `url`, from memory if it is fresh, or cannot be fetched and is not too old.
    pub(crate) async fn known(&self, world: &World<'_>, url: &str) -> Fetched {
        let known = self.sets.get(url);
        let younger_than = |most| known.clone().filter(|known| known.age(&world.cx) < most);
        if let Some(known) = younger_than(FRESH) {
            return Ok(known);
        }
        let fetched = self.fetch(world, url).await;
        fetched.or_else(|why| younger_than(USABLE).ok_or(why))
    }

    /// The set at `url` as it is now; none if it was looked at just before `known` did not help.
    pub(crate) async fn newer(
        &self,
        world: &World<'_>,
        url: &str,
        known: &Arc<KeySet>,
    ) -> Result<Option<Arc<KeySet>>, FetchFailed> {
        let fetched = self.fetch(world, url).await?;
        Ok(Some(fetched).filter(|fetched| !Arc::ptr_eq(fetched, known)))
    }

    async fn fetch(&self, world: &World<'_>, url: &str) -> Fetched {
        let stretch = format!("{} {url}", world.cx.uptime.as_secs() / PAUSE);
        let mut was_crowded = false;
        let fetching = async {
            let fetched = read(world, url).await;
            was_crowded = matches!(fetched, Err(FetchFailed::Crowded));
            if let Ok(set) = &fetched {
                self.sets.insert(url.to_owned(), Arc::clone(set));
            }
            Ok::<_, Infallible>(fetched)
        };
        let fetched = match self.fetches.get_or_insert_async(stretch.as_str(), fetching).await {
            Ok(fetched) => fetched,
            Err(never) => match never {},
        };
        // Nobody was asked: that says nothing of the URL. Who waited meanwhile does not wait again.
        if was_crowded {
            self.fetches.remove(stretch.as_str());
        }
        fetched
    }
}

async fn read(world: &World<'_>, url: &str) -> Fetched {
    let answer = world.fetch.fetch(Outgoing::get(url)).await?;
    if answer.status != 200 {
        return Err(FetchFailed::Unreachable);
    }
    let document = parse_object(&answer.body).map_err(|_| FetchFailed::Unreachable)?;
    let Some(Value::Array(keys)) = document.get("keys") else {
        return Err(FetchFailed::Unreachable);
    };
    // Keys of kinds to come, and those for encryption, stand beside the others (RFC 7517 §5).
    let keys = keys
        .iter()
        .take(MOST_KEYS)
        .filter_map(|key| Jwk::parse(key.clone()).ok());
    let keys = keys.filter(|key| !key.is_symmetric());
    Ok(Arc::new(KeySet {
        keys: keys.filter_map(|key| VerifyingKey::from_jwk(&key).ok()).collect(),
        fetched_at: world.cx.now,
        fetched_after: world.cx.uptime,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Desk, now};

    const URL: &str = "https://app.example/jwks";
    const HOUR: Duration = Duration::from_secs(3600);

    fn desk() -> Desk {
        let desk = Desk::new();
        desk.network.publish(URL, 200, r#"{"keys": []}"#);
        desk
    }

    /// How often the set had to be fetched to be known.
    fn fetches(desk: &Desk) -> usize {
        let world = desk.world();
        assert!(now(world.remote_keys.known(&world, URL)).is_ok());
        desk.network.asked().len()
    }

    #[test]
    fn a_set_that_found_no_place_on_the_way_out_is_asked_for_again() {
        let desk = desk();
        let world = desk.world();
        desk.network.crowd(true);
        let outcome = now(world.remote_keys.known(&world, URL));
        assert_eq!(outcome.err(), Some(FetchFailed::Crowded));
        desk.network.crowd(false);
        assert!(now(world.remote_keys.known(&world, URL)).is_ok());
    }

    #[test]
    fn a_set_does_not_become_fresh_again_because_the_clock_was_set_back() {
        let desk = desk();
        assert_eq!((fetches(&desk), fetches(&desk)), (1, 0));
        desk.advance(HOUR);
        desk.rewind(HOUR);
        assert_eq!((fetches(&desk), fetches(&desk)), (1, 0));
        // Nor does what was fetched in the same half minute of the clock.
        desk.advance(HOUR);
        assert_eq!(fetches(&desk), 1);
        desk.rewind(HOUR);
        desk.advance(Duration::from_secs(FRESH));
        assert_eq!(fetches(&desk), 1);
    }

    #[test]
    fn a_set_is_as_old_as_the_clock_says_if_that_went_on_while_the_machine_slept() {
        let desk = desk();
        assert_eq!(fetches(&desk), 1);
        desk.sleep(HOUR);
        // At most one fetch in half a minute of work.
        desk.advance(Duration::from_secs(PAUSE));
        assert_eq!(fetches(&desk), 1);
    }
}

//! Rotation by policy: the next key is published before it signs, the last one for as long as anything needs it.
//!
//! OpenID Connect Core §10.1.1. Every server runs [`KeyRing::rotate`] again and again; the database lets one of them make
//! the next key, and remove one that is not needed. How long a key is needed is written down before it signs ([`super::ring`]),
//! so a server that has not heard of its removal yet cannot sign with it. Keys that came from elsewhere stay until the
//! operator removes them.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_core::context::{Cx, Timestamp};
use claviger_core::port::{Change, KeyRecord, Outcome};
use claviger_jose::Alg;

use super::published::Entry;
use super::{ACCESS_TOKEN_SET, ID_TOKEN_SET, KeyRing, Keys, KeysError, vault};

/// For how much longer than it is needed a key stays published, for clocks that are late.
const LEEWAY: Duration = Duration::from_secs(600);

/// When keys are replaced (`keys.rotation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// For how long a key signs.
    pub interval: Duration,
    /// For how long it is published before.
    pub publish_ahead: Duration,
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Keys that were made.
    pub made: u32,
    /// Keys that were removed.
    pub retired: u32,
}

impl KeyRing {
    /// Makes the keys that are due next, and removes those that nothing needs. Does nothing if no rotation is configured.
    ///
    /// # Errors
    /// What the store says, or that a key cannot be made. The next round goes on.
    pub async fn rotate(&self, cx: &Cx<'_>) -> Result<Rotated, KeysError> {
        let mut rotated = Rotated::default();
        let Some(rotation) = self.rotation() else {
            return Ok(rotated);
        };
        let keys = self.reload(cx).await?;
        for set in [ID_TOKEN_SET, ACCESS_TOKEN_SET] {
            for alg in keys.algs(set) {
                rotated.made += u32::from(self.make_next(cx, &keys, (set, alg), rotation).await?);
                rotated.retired += self.retire(cx, &keys, (set, alg)).await?;
            }
        }
        if rotated != Rotated::default() {
            self.reload(cx).await?;
        }
        Ok(rotated)
    }

    /// Makes the key that follows the one that signs, if that is due and not there yet.
    async fn make_next(
        &self,
        cx: &Cx<'_>,
        keys: &Keys,
        (set, alg): (&str, Alg),
        rotation: Rotation,
    ) -> Result<bool, KeysError> {
        let Some(signer) = keys.signer(set, alg, cx.now) else {
            return Ok(false);
        };
        let is_newest = keys
            .signing_by(set, alg)
            .next()
            .is_some_and(|newest| is_one(newest, signer));
        // Nobody asks for this algorithm any more.
        let is_idle = signer.needed_until() <= cx.now;
        let began = signer.record.created_at.max(signer.record.signs_from);
        let ends = began.plus(rotation.interval);
        let published = cx.now.plus(rotation.publish_ahead);
        if !is_newest || is_idle || published < ends {
            return Ok(false);
        }
        let jwk = vault::generate(alg, cx.new_id().to_string(), "sig").await?;
        let records: Vec<KeyRecord> = keys.of(set).map(|entry| entry.record.clone()).collect();
        let key = KeyRecord {
            signs_from: ends.max(published),
            ..vault::made(cx, set, &jwk, vault::newest(cx.now, &records))
        };
        let change = Change::SeedKey {
            key,
            alg: occasion(alg, &signer.record.kid),
        };
        let is_made = self.store.apply(change).await? == Outcome::Applied;
        if is_made {
            let signs_from = ends.max(published).0;
            tracing::info!(set, kid = jwk.kid(), %alg, signs_from, "published the next signing key");
        }
        Ok(is_made)
    }

    /// Removes the keys before the one that signs whose time is over.
    async fn retire(&self, cx: &Cx<'_>, keys: &Keys, (set, alg): (&str, Alg)) -> Result<u32, KeysError> {
        let mut retired = 0;
        let Some(signer) = keys.signer(set, alg, cx.now) else {
            return Ok(retired);
        };
        let older = keys
            .signing_by(set, alg)
            .skip_while(|entry| !is_one(entry, signer))
            .skip(1);
        for entry in older.filter(|entry| is_over(entry, cx.now)) {
            let KeyRecord { set, kid, .. } = entry.record.clone();
            let change = Change::RetireKey {
                set,
                kid: kid.clone(),
                needed_until: entry.needed_until(),
            };
            if self.store.apply(change).await? == Outcome::Applied {
                retired += 1;
                tracing::info!(set = entry.record.set, kid, %alg, "removed a signing key that nothing needs any more");
            }
        }
        Ok(retired)
    }
}

fn is_one(one: &Entry, other: &Entry) -> bool {
    one.record.kid == other.record.kid
}

fn is_over(entry: &Entry, now: Timestamp) -> bool {
    let needed_until = entry.needed_until();
    needed_until != Timestamp::NEVER && needed_until.plus(LEEWAY) < now
}

/// What the store remembers of the key that follows `kid`. Of fixed length, whatever the operator calls a key.
fn occasion(alg: Alg, kid: &str) -> String {
    format!("{alg}>{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, kid.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use claviger_core::port::Store as _;

    use super::*;
    use crate::keys::sets::NewKey;
    use crate::keys::testing::{Server, Shelf};

    const DAY: u64 = 24 * 3600;
    /// One is published for a day, signs for ten, and is needed for as long as its tokens live.
    const ROTATION: Rotation = Rotation {
        interval: Duration::from_secs(10 * DAY),
        publish_ahead: Duration::from_secs(DAY),
    };
    const HOUR: Duration = Duration::from_secs(3600);

    fn server(shelf: &Arc<Shelf>) -> Server {
        let mut server = Server::new(shelf);
        server.ring = KeyRing::new(shelf.clone(), Alg::ES256, &[]).rotated(Some(ROTATION));
        server
    }

    fn wanted(kid: &str) -> NewKey {
        NewKey {
            alg: "ES256".to_owned(),
            kid: kid.to_owned(),
            ..NewKey::default()
        }
    }

    impl Server {
        fn pass(&mut self, seconds: u64) {
            self.desk.millis += seconds * 1000;
        }

        /// The key of a token that lives for an hour.
        async fn issues(&self) -> String {
            let cx = self.desk.cx();
            let key = self.ring.id_token_key(&cx, None, cx.now.plus(HOUR)).await;
            let key = key.expect("a key signs");
            key.kid().expect("keys of ours have a kid").to_owned()
        }

        async fn round(&self) -> (u32, u32) {
            let done = self.ring.rotate(&self.desk.cx()).await.expect("the store answers");
            (done.made, done.retired)
        }

        async fn kids(&self) -> Vec<String> {
            let keys = self.store.keys(ID_TOKEN_SET).await.expect("the store answers");
            keys.into_iter().map(|key| key.kid).collect()
        }
    }

    #[tokio::test]
    async fn a_key_is_published_before_it_signs_and_until_its_last_token_has_expired() {
        let mut server = server(&Shelf::new());
        let first = server.issues().await;
        server.pass(9 * DAY - 1);
        assert_eq!(server.issues().await, first);
        assert_eq!(server.round().await, (0, 0));
        server.pass(1);
        assert_eq!(server.round().await, (1, 0));
        assert_eq!(server.round().await, (0, 0), "the next one is there");
        let second = server.kids().await[0].clone();
        let published = server
            .ring
            .keys(&server.desk.cx())
            .await
            .expect("keys can be read")
            .jwks()
            .body()
            .clone();
        assert!(String::from_utf8_lossy(&published).contains(&second));
        server.pass(DAY - 1);
        assert_eq!(server.issues().await, first, "its time has not come");
        let last_of_first = server.desk.cx().now.plus(HOUR);
        server.pass(1);
        assert_eq!(server.issues().await, second);
        assert_eq!(server.round().await, (0, 0));
        server.pass(3600);
        assert!(server.desk.cx().now > last_of_first);
        assert_eq!(
            server.round().await,
            (0, 0),
            "clocks may be late, and a day is added to spare writes"
        );
        server.pass(DAY + 3600);
        assert_eq!(server.round().await, (0, 1));
        assert_eq!(server.kids().await, [second]);
    }

    #[tokio::test]
    async fn a_key_whose_token_lives_long_is_kept_as_long() {
        let mut server = server(&Shelf::new());
        let cx = server.desk.cx();
        let year = Duration::from_secs(365 * DAY);
        let key = server
            .ring
            .id_token_key(&cx, None, cx.now.plus(year))
            .await
            .expect("a key signs");
        let kid = key.kid().expect("keys of ours have a kid").to_owned();
        for _ in 0..36 {
            server.pass(10 * DAY);
            server.issues().await;
            server.round().await;
            assert!(server.kids().await.contains(&kid));
        }
        server.pass(10 * DAY);
        server.round().await;
        assert!(!server.kids().await.contains(&kid));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn racing_servers_make_one_key_and_remove_it_once() {
        let shelf = Shelf::new();
        let mut servers: Vec<Server> = (0..8).map(|_| server(&shelf)).collect();
        for server in &servers {
            server.issues().await;
        }
        for (passed, expected) in [(9 * DAY, (1, 0)), (DAY, (0, 0)), (3 * DAY, (0, 1))] {
            for server in &mut servers {
                server.pass(passed);
            }
            if expected != (0, 1) {
                servers[0].issues().await;
            }
            let rounds = futures_util::future::join_all(servers.iter().map(Server::round)).await;
            let sum = rounds.iter().fold((0, 0), |sum, done| (sum.0 + done.0, sum.1 + done.1));
            assert_eq!(sum, expected);
        }
    }

    #[tokio::test]
    async fn a_server_that_has_not_heard_of_the_end_of_a_key_does_not_sign_with_it() {
        let shelf = Shelf::new();
        let (mut here, mut there) = (server(&shelf), server(&shelf));
        let first = here.issues().await;
        there.pass(1);
        there
            .sets()
            .create(ID_TOKEN_SET, &wanted("second"))
            .await
            .expect("a key is made");
        // Here the clock is late by days: the key is removed under its hands.
        there.pass(3 * DAY);
        there.issues().await;
        assert_eq!(there.round().await, (0, 1));
        here.desk.millis += 1_000;
        let cx = here.desk.cx();
        let key = here
            .ring
            .id_token_key(&cx, None, cx.now.plus(Duration::from_secs(2 * DAY)))
            .await;
        let kid = key.expect("a key signs").kid().map(str::to_owned);
        assert_eq!(kid.as_deref(), Some("second"));
        assert!(!there.kids().await.contains(&first));
    }

    #[tokio::test]
    async fn a_key_that_the_operator_adds_signs_at_once_and_rotation_goes_on_from_it() {
        let mut server = server(&Shelf::new());
        server.issues().await;
        server.pass(9 * DAY);
        server.issues().await;
        assert_eq!(server.round().await, (1, 0));
        server
            .sets()
            .create(ID_TOKEN_SET, &wanted("urgent"))
            .await
            .expect("a key is made");
        assert_eq!(server.issues().await, "urgent");
        server.pass(3 * DAY);
        assert_eq!(server.issues().await, "urgent");
        assert_eq!(
            server.round().await,
            (0, 2),
            "its predecessor, and the one that never signed"
        );
        assert_eq!(server.kids().await, ["urgent"]);
        // A second more: it counts as made after the one that it overtook.
        server.pass(6 * DAY + 1);
        server.issues().await;
        assert_eq!(server.round().await, (1, 0));
    }

    #[tokio::test]
    async fn keys_that_came_from_elsewhere_and_sets_that_nobody_uses_stay_as_they_are() {
        let mut server = server(&Shelf::new());
        let jwk = claviger_jose::Jwk::generate(Alg::ES256, "imported", "sig", claviger_jose::RsaSize::Bits2048);
        let text = jwk.expect("a key is made").to_json().to_vec();
        server
            .sets()
            .put(ID_TOKEN_SET, "imported", &text)
            .await
            .expect("a key is stored");
        server
            .sets()
            .create(ID_TOKEN_SET, &wanted("own"))
            .await
            .expect("a key is made");
        server.pass(400 * DAY);
        assert_eq!(server.round().await, (0, 0));
        assert_eq!(server.kids().await, ["own", "imported"]);
    }

    #[tokio::test]
    async fn without_a_rotation_nothing_is_replaced() {
        let mut server = Server::new(&Shelf::new());
        let first = server.issues().await;
        server.pass(1000 * DAY);
        assert_eq!(server.round().await, (0, 0));
        assert_eq!(server.issues().await, first);
    }
}

use std::sync::Arc;
use std::sync::atomic::Ordering;

use claviger_core::port::{Store, StoreError};
use claviger_jose::{Alg, Jwk, VerifyError, verify_jws};
use serde_json::{Value, json};

use super::sets::{NewKey, SetError};
use super::testing::{Desk, Server, Shelf};
use super::{ID_TOKEN_SET, KeyRing, KeysError};

impl Server {
    async fn signs(&self) -> String {
        let key = self
            .ring
            .id_token_key(&self.desk.cx(), None, self.desk.cx().now)
            .await
            .expect("a key signs");
        key.kid().expect("keys of ours have a kid").to_owned()
    }

    async fn published(&self) -> Vec<Value> {
        let keys = self.ring.keys(&self.desk.cx()).await.expect("keys can be read");
        let jwks: Value = serde_json::from_slice(keys.jwks().body()).expect("the set is JSON");
        jwks.get("keys")
            .and_then(Value::as_array)
            .expect("the set has keys")
            .clone()
    }

    async fn published_kids(&self) -> Vec<String> {
        let kid = |key: &Value| {
            key.get("kid")
                .and_then(Value::as_str)
                .expect("published keys have a kid")
                .to_owned()
        };
        self.published().await.iter().map(kid).collect()
    }
}

fn wanted(alg: &str, kid: &str) -> NewKey {
    NewKey {
        alg: alg.into(),
        use_: "sig".into(),
        kid: kid.into(),
    }
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// RFC 7515 §A.3.1.
fn ec_key(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

mod ring {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn racing_servers_make_exactly_one_key() {
        let store = Shelf::new();
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let server = Server::new(&store);
                tokio::spawn(async move { server.signs().await })
            })
            .collect();
        let mut kids = Vec::new();
        for task in tasks {
            kids.push(task.await.expect("no task panics"));
        }
        kids.dedup();
        assert_eq!(kids.len(), 1);
        assert_eq!(store.keys(ID_TOKEN_SET).await.expect("the store answers").len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_deleted_key_is_made_again_once_whatever_races() {
        let store = Shelf::new();
        let first = Server::new(&store).signs().await;
        Server::new(&store)
            .sets()
            .delete(ID_TOKEN_SET)
            .await
            .expect("the set is deleted");
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let server = Server::new(&store);
                tokio::spawn(async move { server.signs().await })
            })
            .collect();
        for task in tasks {
            assert_ne!(task.await.expect("no task panics"), first);
        }
        assert_eq!(store.keys(ID_TOKEN_SET).await.expect("the store answers").len(), 1);
    }

    #[tokio::test]
    async fn keys_are_sealed_in_the_store() {
        let server = Server::new(&Shelf::new());
        let jwk = server
            .sets()
            .create(ID_TOKEN_SET, &wanted("ES256", "k"))
            .await
            .expect("a key is made");
        let d = jwk
            .to_value()
            .get("d")
            .and_then(Value::as_str)
            .expect("it is private")
            .to_owned();
        let records = server.store.keys(ID_TOKEN_SET).await.expect("the store answers");
        assert!(
            records
                .iter()
                .all(|record| !String::from_utf8_lossy(&record.sealed).contains(&d))
        );
    }

    #[tokio::test]
    async fn the_wrong_system_secret_is_explained() {
        let store = Shelf::new();
        Server::new(&store).signs().await;
        let mut other = Server::new(&store);
        other.desk = Desk::new("another secret of thirty-two byt");
        let error = other
            .ring
            .ensure(&other.desk.cx(), ID_TOKEN_SET, Alg::ES256)
            .await
            .expect_err("the key does not open");
        assert!(matches!(error, KeysError::WrongSecrets { .. }));
        assert!(
            error
                .to_string()
                .contains("secrets.system is not the one of this database")
        );
        assert_eq!(store.keys(ID_TOKEN_SET).await.expect("the store answers").len(), 1);
    }

    #[tokio::test]
    async fn another_servers_rotation_is_seen_after_two_seconds() {
        let store = Shelf::new();
        let (mut here, there) = (Server::new(&store), Server::new(&store));
        let old = here.signs().await;
        there
            .sets()
            .create(ID_TOKEN_SET, &wanted("ES256", "new"))
            .await
            .expect("a key is made");
        here.desk.millis += 1_999;
        assert_eq!(here.signs().await, old);
        here.desk.millis += 1;
        assert_eq!(here.signs().await, "new");
        assert_eq!(here.published_kids().await, ["new".to_owned(), old]);
    }

    #[tokio::test]
    async fn fresh_keys_cost_no_read_and_unchanged_ones_are_not_parsed_again() {
        let mut server = Server::new(&Shelf::new());
        server.signs().await;
        let reads = server.store.reads.load(Ordering::SeqCst);
        let before = server.ring.keys(&server.desk.cx()).await.expect("keys can be read");
        assert_eq!(server.store.reads.load(Ordering::SeqCst), reads);
        server.desk.millis += 2_000;
        let after = server.ring.keys(&server.desk.cx()).await.expect("keys can be read");
        // One for each set.
        assert_eq!(server.store.reads.load(Ordering::SeqCst), reads + 2);
        assert!(Arc::ptr_eq(&before, &after));
    }

    #[tokio::test]
    async fn while_the_database_is_away_published_keys_stay_published() {
        let mut server = Server::new(&Shelf::new());
        let kid = server.signs().await;
        server.desk.millis += 60_000;
        server.store.down.store(true, Ordering::SeqCst);
        assert_eq!(server.published_kids().await, [kid]);
    }

    #[tokio::test]
    async fn without_any_reading_the_database_must_answer() {
        let server = Server::new(&Shelf::new());
        server.store.down.store(true, Ordering::SeqCst);
        let error = server.ring.keys(&server.desk.cx()).await.expect_err("nothing is known");
        assert!(matches!(error, KeysError::Store(StoreError::Unavailable(_))));
    }

    #[tokio::test]
    async fn d28_an_id_token_signed_by_the_previous_key_verifies_while_the_key_is_published() {
        let server = Server::new(&Shelf::new());
        let key = server
            .ring
            .id_token_key(&server.desk.cx(), None, server.desk.cx().now)
            .await
            .expect("a key signs");
        let hint = key.sign_jws("JWT", b"{}").expect("signing works");
        server
            .sets()
            .create(ID_TOKEN_SET, &wanted("RS256", "new"))
            .await
            .expect("a key is made");
        let keys = server.ring.keys(&server.desk.cx()).await.expect("keys can be read");
        assert!(verify_jws(&hint, keys.verifying(), &keys.signing_algs()).is_ok());

        let old = key.kid().expect("keys of ours have a kid");
        server
            .sets()
            .delete_key(ID_TOKEN_SET, old)
            .await
            .expect("the key is deleted");
        let keys = server.ring.reload(&server.desk.cx()).await.expect("keys can be read");
        let refused = verify_jws(&hint, keys.verifying(), &Alg::ALL).expect_err("the key is gone");
        assert!(matches!(refused, VerifyError::UnknownKid(kid) if kid == old));
    }

    #[tokio::test]
    async fn the_newest_key_of_the_configured_algorithm_signs() {
        let mut server = Server::new(&Shelf::new());
        for (alg, kid) in [("ES256", "e1"), ("RS256", "r1"), ("ES256", "e2"), ("RS256", "r2")] {
            server
                .sets()
                .create(ID_TOKEN_SET, &wanted(alg, kid))
                .await
                .expect("a key is made");
        }
        assert_eq!(server.signs().await, "e2");
        server.ring = KeyRing::new(server.store.clone(), Alg::RS256, &[]);
        assert_eq!(server.signs().await, "r2");
        assert_eq!(server.published_kids().await, ["r2", "e2", "r1", "e1"]);
        let keys = server.ring.keys(&server.desk.cx()).await.expect("keys can be read");
        assert_eq!(keys.signing_algs(), [Alg::RS256, Alg::ES256]);
    }

    #[tokio::test]
    async fn broadcast_sets_are_published_but_verify_no_id_token() {
        let mut server = Server::new(&Shelf::new());
        server.ring = KeyRing::new(
            server.store.clone(),
            Alg::ES256,
            &["other".to_owned(), ID_TOKEN_SET.to_owned()],
        );
        let jwk = server
            .sets()
            .create("other", &wanted("ES256", "guest"))
            .await
            .expect("a key is made");
        let own = server.signs().await;
        assert_eq!(server.published_kids().await, [own, "guest".to_owned()]);
        let guest = claviger_jose::SigningKey::from_jwk(&jwk).expect("the key signs");
        let token = guest.sign_jws("JWT", b"{}").expect("signing works");
        let keys = server.ring.keys(&server.desk.cx()).await.expect("keys can be read");
        assert!(verify_jws(&token, keys.verifying(), &Alg::ALL).is_err());
    }

    #[tokio::test]
    async fn access_tokens_have_a_key_of_their_own_which_is_made_on_first_use_once_whatever_races() {
        let shelf = Shelf::new();
        let server = Server::new(&shelf);
        let id_key = server.signs().await;
        assert_eq!(server.published_kids().await, std::slice::from_ref(&id_key));
        let others: Vec<Server> = (0..4).map(|_| Server::new(&shelf)).collect();
        let keys = others.iter().map(|other| async {
            let key = other
                .ring
                .access_token_key(&other.desk.cx(), None, other.desk.cx().now)
                .await
                .expect("a key signs");
            key.kid().expect("it has an id").to_owned()
        });
        let kids = futures_util::future::join_all(keys).await;
        assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
        let other = &others[0];
        assert_eq!(other.published_kids().await, [id_key, kids[0].clone()]);
        let keys = other.ring.keys(&other.desk.cx()).await.expect("keys can be read");
        let key = other
            .ring
            .access_token_key(&other.desk.cx(), None, other.desk.cx().now)
            .await
            .expect("a key signs");
        let token = key.sign_jws("at+jwt", b"{}").expect("signing works");
        assert!(verify_jws(&token, keys.verifying(), &Alg::ALL).is_err());
        assert!(verify_jws(&token, keys.verifying_access(), &Alg::ALL).is_ok());
    }

    #[tokio::test]
    async fn neither_private_members_nor_symmetric_keys_are_published() {
        let server = Server::new(&Shelf::new());
        let oct = json!({"kty": "oct", "kid": "o", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"});
        server
            .sets()
            .put(ID_TOKEN_SET, "o", &text(&oct))
            .await
            .expect("the key is stored");
        server
            .sets()
            .create(ID_TOKEN_SET, &wanted("RS256", "r"))
            .await
            .expect("a key is made");
        server.signs().await;
        let published = server.published().await;
        assert_eq!(published.len(), 2);
        for key in published {
            assert!(
                !Jwk::parse(key.clone()).expect("published keys are usable").is_private(),
                "{key}"
            );
        }
    }
}

mod sets {
    use super::*;

    #[tokio::test]
    async fn a_created_key_comes_back_with_its_private_members() {
        let server = Server::new(&Shelf::new());
        for alg in ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS512"] {
            let made = server
                .sets()
                .create("s", &wanted(alg, ""))
                .await
                .expect("a key is made");
            let kid = made.kid().expect("a kid was made up");
            let read = server.sets().read_key("s", kid).await.expect("the key is there");
            assert_eq!((read.to_value(), read.is_private()), (made.to_value(), true));
        }
        let newest = server.sets().read("s").await.expect("the set is there");
        assert_eq!((newest.len(), newest.first().and_then(Jwk::alg)), (8, Some(Alg::HS512)));
    }

    #[tokio::test]
    async fn unsupported_algorithms_and_uses_are_refused() {
        let server = Server::new(&Shelf::new());
        for alg in ["HS1", "foo", "", "none"] {
            let error = server
                .sets()
                .create("s", &wanted(alg, ""))
                .await
                .expect_err("no such keys are made");
            assert!(matches!(error, SetError::UnsupportedAlg(_)), "{alg}");
        }
        let odd = NewKey {
            alg: "ES256".into(),
            use_: "foo".into(),
            kid: String::new(),
        };
        let error = server.sets().create("s", &odd).await.expect_err("D33: use is checked");
        assert!(matches!(error, SetError::UnsupportedUse(_)));
    }

    #[tokio::test]
    async fn a_kid_that_is_taken_is_refused() {
        let server = Server::new(&Shelf::new());
        server
            .sets()
            .create("s", &wanted("ES256", "k"))
            .await
            .expect("a key is made");
        let error = server
            .sets()
            .create("s", &wanted("RS256", "k"))
            .await
            .expect_err("the kid is taken");
        assert!(matches!(error, SetError::Exists));
        assert!(server.sets().create("t", &wanted("ES256", "k")).await.is_ok());
    }

    #[tokio::test]
    async fn replacing_a_set_keeps_the_order_and_an_empty_one_is_gone() {
        let server = Server::new(&Shelf::new());
        server
            .sets()
            .create("s", &wanted("ES256", "old"))
            .await
            .expect("a key is made");
        let mut nameless = ec_key("x");
        nameless.as_object_mut().expect("a key is an object").remove("kid");
        let body = json!({"keys": [ec_key("b"), ec_key("a"), nameless]});
        server
            .sets()
            .replace("s", &text(&body))
            .await
            .expect("the set is replaced");
        let keys = server.sets().read("s").await.expect("the set is there");
        let kids: Vec<_> = keys.iter().filter_map(Jwk::kid).collect();
        // The thumbprint of RFC 7515's example key.
        assert_eq!(kids, ["b", "a", "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"]);
        server
            .sets()
            .replace("s", &text(&json!({"keys": []})))
            .await
            .expect("the set is emptied");
        assert!(matches!(server.sets().read("s").await, Err(SetError::UnknownSet)));
    }

    #[tokio::test]
    async fn a_set_with_one_bad_key_changes_nothing() {
        let server = Server::new(&Shelf::new());
        server
            .sets()
            .create("s", &wanted("ES256", "old"))
            .await
            .expect("a key is made");
        let mut broken = ec_key("c");
        broken["y"] = broken["x"].clone();
        for keys in [
            json!([ec_key("a"), {"kty": "EC"}]),
            json!([ec_key("a"), ec_key("a")]),
            json!([ec_key("a"), broken]),
        ] {
            assert!(
                server
                    .sets()
                    .replace("s", &text(&json!({ "keys": keys })))
                    .await
                    .is_err()
            );
        }
        assert!(server.sets().replace("s", &text(&json!({}))).await.is_err());
        assert!(server.sets().read_key("s", "old").await.is_ok());
    }

    #[tokio::test]
    async fn putting_a_key_goes_by_the_kid_in_its_body() {
        let server = Server::new(&Shelf::new());
        server
            .sets()
            .put("s", "path", &text(&ec_key("body")))
            .await
            .expect("the key is stored");
        assert!(server.sets().read_key("s", "body").await.is_ok());
        assert!(matches!(
            server.sets().read_key("s", "path").await,
            Err(SetError::UnknownKey)
        ));
        server
            .sets()
            .put("s", "path", &text(&ec_key("")))
            .await
            .expect("the key is stored");
        assert!(server.sets().read_key("s", "path").await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_is_replaced_keeps_its_place() {
        let server = Server::new(&Shelf::new());
        for kid in ["first", "second"] {
            server
                .sets()
                .put("s", kid, &text(&ec_key(kid)))
                .await
                .expect("the key is stored");
        }
        server
            .sets()
            .put("s", "first", &text(&ec_key("first")))
            .await
            .expect("the key is replaced");
        let keys = server.sets().read("s").await.expect("the set is there");
        assert_eq!(
            keys.iter().filter_map(Jwk::kid).collect::<Vec<_>>(),
            ["second", "first"]
        );
    }

    #[tokio::test]
    async fn weak_or_contradictory_keys_are_refused() {
        let server = Server::new(&Shelf::new());
        let bad = [
            json!({"kty": "oct", "kid": "o", "k": "AAAA", "alg": "HS256"}),
            json!({"kty": "oct", "kid": "o", "k": "AAAA"}),
            json!({"kty": "EC"}),
            json!("key"),
        ];
        for key in bad {
            assert!(server.sets().put("s", "o", &text(&key)).await.is_err());
        }
        let mut odd = ec_key("k");
        odd["use"] = "foo".into();
        assert!(matches!(
            server.sets().put("s", "k", &text(&odd)).await,
            Err(SetError::UnsupportedUse(_))
        ));
        let long = "k".repeat(256);
        assert!(matches!(
            server.sets().put("s", "k", &text(&ec_key(&long))).await,
            Err(SetError::BadName)
        ));
    }

    #[tokio::test]
    async fn deleting_what_is_not_there_succeeds() {
        let server = Server::new(&Shelf::new());
        server.sets().delete("nothing").await.expect("deleting is idempotent");
        server
            .sets()
            .delete_key("nothing", "k")
            .await
            .expect("deleting is idempotent");
        assert!(matches!(server.sets().read("nothing").await, Err(SetError::UnknownSet)));
        assert!(matches!(
            server.sets().read_key("nothing", "k").await,
            Err(SetError::UnknownKey)
        ));
    }
}

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

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

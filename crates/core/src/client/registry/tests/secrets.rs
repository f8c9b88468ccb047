use super::*;

#[test]
fn a_generated_secret_is_shown_once_and_kept_as_a_digest() {
    let desk = Desk::new();
    let body = json!({"client_id": "a", "token_endpoint_auth_method": "client_secret_post"});
    let secret = created(&desk, body).client_secret;
    assert_eq!(secret.expose().len(), 26);
    let digests = stored(&desk, "a").secrets;
    let [digest] = digests.as_slice() else {
        panic!("{digests:?}")
    };
    assert!(digest.starts_with("$clv-hmac-sha256$") && !digest.contains(secret.expose()));
    let credentials = Credentials {
        authorization: None,
        params: &form(&[("client_id", "a"), ("client_secret", secret.expose())]),
    };
    assert!(now(authenticate(&desk.world(), &credentials, Freshness::Latest)).is_ok());
    assert!(
        now(read(&desk.world(), "a"))
            .expect("the client exists")
            .client_secret
            .is_empty()
    );
}

#[test]
fn a_chosen_secret_is_hashed_slowly() {
    let desk = Desk::new();
    let created = created(&desk, json!({"client_id": "a", "client_secret": "correct horse"}));
    assert_eq!(created.client_secret.expose(), "correct horse");
    let client = stored(&desk, "a");
    assert!(
        client.secrets.iter().all(|hash| hash.starts_with("$argon2id$")),
        "{:?}",
        client.secrets.len()
    );
    assert!(!format!("{created:?}").contains("horse"));
}

#[test]
fn a_replacement_without_a_secret_keeps_the_old_one() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a", "client_secret": "correct horse"}));
    let before = stored(&desk, "a").secrets;
    let replaced = now(replace(&desk.world(), "a", metadata(json!({"client_name": "b"})))).expect("fine");
    assert!(replaced.client_secret.is_empty());
    assert_eq!(stored(&desk, "a").secrets, before);
    let changed = metadata(json!({"client_secret": "battery staple"}));
    let replaced = now(replace(&desk.world(), "a", changed)).expect("fine");
    assert_eq!(replaced.client_secret.expose(), "battery staple");
    let after = stored(&desk, "a").secrets;
    assert_eq!((after.len(), after == before), (1, false));
}

#[test]
fn a_public_client_has_none_and_gets_one_when_it_becomes_confidential() {
    let desk = Desk::new();
    let public = json!({"client_id": "a", "token_endpoint_auth_method": "none", "client_secret": "ignored"});
    assert!(created(&desk, public).client_secret.is_empty());
    assert!(stored(&desk, "a").secrets.is_empty());
    let confidential = now(replace(&desk.world(), "a", metadata(json!({})))).expect("fine");
    assert_eq!(confidential.client_secret.expose().len(), 26);
    let public = metadata(json!({"token_endpoint_auth_method": "none"}));
    assert!(
        now(replace(&desk.world(), "a", public))
            .expect("fine")
            .client_secret
            .is_empty()
    );
    assert!(stored(&desk, "a").secrets.is_empty());
}

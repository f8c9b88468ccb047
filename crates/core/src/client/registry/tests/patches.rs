use super::*;

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let desk = Desk::new();
    created(&desk, full());
    let document = json!([
        {"op": "replace", "path": "/client_name", "value": "Patched"},
        {"op": "add", "path": "/redirect_uris/-", "value": "https://app.example/cb2"},
        {"op": "add", "path": "/metadata/a/b", "value": 1},
        {"op": "remove", "path": "/policy_uri"},
        {"op": "copy", "from": "/client_name", "path": "/owner"},
        {"op": "test", "path": "/owner", "value": "Patched"},
        {"op": "replace", "path": "/unknown", "value": "dropped"},
        {"op": "replace", "path": "/client_secret_expires_at", "value": 4_000_000_000_i64},
        {"op": "replace", "path": "/tos_uri", "value": null},
    ]);
    let mut expected = wire(&now(read(&desk.world(), "full")).expect("the client exists"));
    expected["client_name"] = "Patched".into();
    expected["redirect_uris"] = json!(["https://app.example/cb", "https://app.example/cb2"]);
    expected["metadata"]["a"] = json!({"b": 1});
    expected["policy_uri"] = "".into();
    expected["owner"] = "Patched".into();
    expected["tos_uri"] = "".into();
    expected["client_secret_expires_at"] = 4_000_000_000_i64.into();
    assert_eq!(
        wire(&patched(&desk, "full", document).expect("the patch fits")),
        expected
    );
    assert_eq!(
        wire(&now(read(&desk.world(), "full")).expect("the client exists")),
        expected
    );
}

#[test]
fn no_client_can_take_the_id_of_another() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a", "client_name": "A"}));
    created(&desk, json!({"client_id": "b", "client_name": "B"}));
    let before = stored(&desk, "b");
    for document in [
        json!([{"op": "replace", "path": "/client_id", "value": "b"}]),
        json!([{"op": "remove", "path": "/client_id"}]),
        json!([{"op": "copy", "from": "/client_name", "path": "/client_id"}]),
        json!([{"op": "replace", "path": "/id", "value": "b"}]),
        json!([{"op": "replace", "path": "/ID", "value": "b"}]),
    ] {
        let refused = patched(&desk, "a", document.clone());
        assert!(
            matches!(refused, Err(RegistryError::Renamed)),
            "{document}: {refused:?}"
        );
    }
    assert_eq!(stored(&desk, "b"), before);
    let same = json!([{"op": "replace", "path": "/client_id", "value": "a"}]);
    assert!(patched(&desk, "a", same).is_ok());
}

#[test]
fn a_value_of_the_wrong_type_is_named_and_not_repeated() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a"}));
    let document = json!([
        {"op": "replace", "path": "/client_name", "value": "fine"},
        {"op": "replace", "path": "/jwks", "value": "private-text"},
    ]);
    let refused = patched(&desk, "a", document)
        .expect_err("a text is no key set")
        .to_string();
    assert!(
        refused.contains("'jwks'") && !refused.contains("private-text"),
        "{refused}"
    );
    assert_eq!(
        now(read(&desk.world(), "a")).expect("the client exists").client_name,
        ""
    );
}

#[test]
fn what_a_patch_makes_is_checked() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a"}));
    let document = json!([{"op": "add", "path": "/redirect_uris/0", "value": "https://a.example/#f"}]);
    let refused = patched(&desk, "a", document);
    let Err(RegistryError::Failure(failure)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(failure.fault(), Fault::RedirectUriInvalid);
}

#[test]
fn a_secret_can_be_set_and_not_read() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a", "client_secret": "correct horse"}));
    let before = stored(&desk, "a").secrets;
    let copied = json!([{"op": "copy", "from": "/client_secret", "path": "/client_name"}]);
    assert!(matches!(patched(&desk, "a", copied), Err(RegistryError::Patch(_))));
    let set = json!([{"op": "replace", "path": "/client_secret", "value": "battery staple"}]);
    let shown = patched(&desk, "a", set).expect("fine").client_secret;
    assert_eq!(shown.expose(), "battery staple");
    assert_ne!(stored(&desk, "a").secrets, before);
}

use super::*;
use crate::client_auth::secret::open;

fn signing(algorithm: &str, secret: &str) -> Value {
    json!({"client_id": "app", "token_endpoint_auth_method": "client_secret_jwt",
        "token_endpoint_auth_signing_alg": algorithm, "client_secret": secret})
}

fn known(desk: &Desk) -> String {
    let client = stored(desk, "app");
    let [sealed] = client.secrets.as_slice() else {
        panic!("there is one secret")
    };
    String::clone(&open(&desk.secrets, "app", sealed).expect("the server knows it"))
}

#[test]
fn a_generated_one_has_as_many_characters_as_its_algorithm_needs() {
    for (algorithm, length) in [("", 43), ("HS256", 43), ("HS384", 48), ("HS512", 64)] {
        let desk = Desk::new();
        let shown = created(&desk, signing(algorithm, ""));
        assert_eq!(shown.client_secret.expose().len(), length, "{algorithm}");
        assert_eq!(known(&desk), shown.client_secret.expose());
    }
}

#[test]
fn a_chosen_one_is_kept_if_it_is_long_enough() {
    let desk = Desk::new();
    let chosen = "x".repeat(47);
    assert!(now(create(&desk.world(), metadata(signing("HS384", &chosen)))).is_err());
    created(&desk, signing("HS256", &chosen));
    assert_eq!(known(&desk), chosen);
    let shown = patched(
        &desk,
        "app",
        json!([{"op": "replace", "path": "/client_name", "value": "x"}]),
    );
    assert!(shown.expect("the patch fits").client_secret.is_empty());
    assert_eq!(known(&desk), chosen);
}

#[test]
fn one_that_cannot_sign_makes_room_for_a_new_one() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "app"}));
    let replaced = now(replace(&desk.world(), "app", metadata(signing("HS256", "")))).expect("a change");
    assert_eq!(known(&desk), replaced.client_secret.expose());
    let longer = now(replace(&desk.world(), "app", metadata(signing("HS512", "")))).expect("a change");
    assert_eq!(longer.client_secret.expose().len(), 64);
}

#[test]
fn a_client_with_keys_of_its_own_has_none() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "app"}));
    let keys = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://a.example/jwks"});
    let shown = now(replace(&desk.world(), "app", metadata(keys))).expect("a change");
    assert!(shown.client_secret.is_empty());
    assert!(stored(&desk, "app").secrets.is_empty());
}

use serde_json::json;

use super::*;
use crate::client_auth::{Credentials, authenticate};
use crate::testing::{Desk, form, now};

fn metadata(members: Value) -> Metadata {
    serde_json::from_value(members).expect("the members have the right types")
}

fn wire(metadata: &Metadata) -> Value {
    serde_json::to_value(metadata).expect("metadata is JSON")
}

fn created(desk: &Desk, members: Value) -> Metadata {
    now(create(&desk.world(), metadata(members))).expect("the client can be created")
}

fn patched(desk: &Desk, id: &str, document: Value) -> Result<Metadata, RegistryError> {
    now(patch(&desk.world(), id, &Patch::parse(document)?))
}

fn stored(desk: &Desk, id: &str) -> Client {
    let client = now(desk.world().client(id, Freshness::Latest)).expect("the store answers");
    Client::clone(&client.expect("the client exists"))
}

/// Every member, and none with its default.
fn full() -> Value {
    json!({
        "client_id": "full", "client_name": "Full", "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "scope": "openid a",
        "audience": ["api-1"], "owner": "o1", "policy_uri": "https://x.example/p",
        "allowed_cors_origins": ["https://spa.example"], "tos_uri": "https://x.example/t",
        "client_uri": "https://x.example/", "logo_uri": "https://x.example/l.png", "contacts": ["a@x.example"],
        "subject_type": "public", "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig",
            "alg": "ES256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "extra": {"kept": [1]}}]},
        "token_endpoint_auth_method": "client_secret_post", "token_endpoint_auth_signing_alg": "RS256",
        "request_uris": ["https://x.example/ro"], "request_object_signing_alg": "RS256",
        "userinfo_signed_response_alg": "ES256", "id_token_signed_response_alg": "EdDSA", "default_max_age": 600,
        "require_auth_time": true, "default_acr_values": ["2", "1"], "frontchannel_logout_uri": "https://app.example/fc",
        "frontchannel_logout_session_required": true, "post_logout_redirect_uris": ["https://app.example/bye"],
        "backchannel_logout_uri": "https://app.example/bc", "backchannel_logout_session_required": true,
        "initiate_login_uri": "https://app.example/login", "metadata": {"k": [1, null, {"n": -0.5}]},
        "access_token_strategy": "opaque", "skip_consent": true, "skip_logout_consent": true, "resource_server": true,
        "authorization_code_grant_access_token_lifespan": "1h30m0s",
        "refresh_token_grant_refresh_token_lifespan": "36h0m0s",
        "device_authorization_grant_refresh_token_lifespan": "1s",
    })
}

#[test]
fn every_member_comes_back_as_it_was_sent() {
    let desk = Desk::new();
    let mut sent = full();
    sent["client_secret"] = "secret-1234".into();
    let shown = wire(&created(&desk, sent.clone()));
    for (name, value) in sent.as_object().expect("an object") {
        assert_eq!(shown.get(name), Some(value), "{name}");
    }
    let again = wire(&now(read(&desk.world(), "full")).expect("the client exists"));
    for (name, value) in full().as_object().expect("an object") {
        assert_eq!(again.get(name), Some(value), "{name}");
    }
    assert_eq!(again.get("client_secret"), None);
}

#[test]
fn members_are_written_in_the_order_of_hydra_and_the_empty_ones_left_out() {
    let desk = Desk::new();
    let always = "client_id client_name client_secret redirect_uris grant_types response_types scope audience owner \
        policy_uri allowed_cors_origins tos_uri client_uri logo_uri contacts client_secret_expires_at subject_type jwks \
        token_endpoint_auth_method userinfo_signed_response_alg created_at updated_at metadata skip_consent \
        skip_logout_consent";
    let lifespans = "authorization_code_grant_access authorization_code_grant_id authorization_code_grant_refresh \
        client_credentials_grant_access implicit_grant_access implicit_grant_id jwt_bearer_grant_access \
        refresh_token_grant_id refresh_token_grant_access refresh_token_grant_refresh device_authorization_grant_id \
        device_authorization_grant_access device_authorization_grant_refresh";
    let lifespans = lifespans
        .split_whitespace()
        .map(|name| format!("{name}_token_lifespan"));
    let names: Vec<String> = always.split_whitespace().map(str::to_owned).chain(lifespans).collect();

    let minimal = created(&desk, json!({"client_id": "minimal"}));
    let text = serde_json::to_string(&minimal).expect("metadata is JSON");
    let places: Vec<_> = names.iter().map(|name| text.find(&format!("\"{name}\":"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert_eq!(
        wire(&minimal).as_object().expect("an object").len(),
        names.len(),
        "{text}"
    );
}

#[test]
fn what_is_empty_is_written_as_hydra_writes_it() {
    let desk = Desk::new();
    let shown = wire(&created(&desk, json!({"client_id": "a"})));
    for (name, value) in [
        ("redirect_uris", json!([])),
        ("contacts", json!([])),
        ("jwks", json!({})),
        ("metadata", json!({})),
        ("skip_logout_consent", json!(null)),
        ("userinfo_signed_response_alg", json!("none")),
        ("client_secret_expires_at", json!(0)),
        ("implicit_grant_id_token_lifespan", json!(null)),
        ("created_at", json!("2023-11-14T22:13:20Z")),
        ("updated_at", json!("2023-11-14T22:13:20Z")),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
}

#[test]
fn an_id_is_chosen_or_random_and_never_given_twice() {
    let desk = Desk::new();
    let one = created(&desk, json!({"client_id": ""})).client_id;
    let other = created(&desk, json!({})).client_id;
    assert_ne!(one, other);
    assert_eq!(uuid::Uuid::parse_str(&one).expect("a UUID").get_version_num(), 4);
    created(&desk, json!({"client_id": "mine"}));
    let again = now(create(&desk.world(), metadata(json!({"client_id": "mine"}))));
    assert!(matches!(again, Err(RegistryError::Exists)), "{again:?}");
    let refused = now(create(&desk.world(), metadata(json!({"client_id": ".."}))));
    assert!(matches!(refused, Err(RegistryError::Failure(_))), "{refused:?}");
}

mod secrets;

#[test]
fn a_replacement_takes_everything_back_to_its_default() {
    let desk = Desk::new();
    created(&desk, full());
    desk.advance(std::time::Duration::from_secs(60));
    let other_id = metadata(json!({"client_id": "other", "client_name": "Put"}));
    let replaced = wire(&now(replace(&desk.world(), "full", other_id)).expect("fine"));
    for (name, value) in [
        ("client_id", json!("full")),
        ("client_name", json!("Put")),
        ("redirect_uris", json!([])),
        ("owner", json!("")),
        ("skip_consent", json!(false)),
        ("authorization_code_grant_access_token_lifespan", json!(null)),
        ("created_at", json!("2023-11-14T22:13:20Z")),
        ("updated_at", json!("2023-11-14T22:14:20Z")),
    ] {
        assert_eq!(replaced[name], value, "{name}");
    }
    assert!(replaced.get("access_token_strategy").is_none());
    assert!(matches!(now(read(&desk.world(), "other")), Err(RegistryError::Unknown)));
}

mod patches;

mod races;

#[test]
fn lifespans_are_set_together() {
    let desk = Desk::new();
    created(&desk, full());
    let request = serde_json::from_value(json!({"implicit_grant_id_token_lifespan": "90m"})).expect("a lifespan");
    let shown = wire(&now(set_lifespans(&desk.world(), "full", request)).expect("fine"));
    assert_eq!(shown["implicit_grant_id_token_lifespan"], "1h30m0s");
    assert_eq!(shown["authorization_code_grant_access_token_lifespan"], json!(null));
    assert_eq!(
        (&shown["client_name"], &shown["skip_consent"]),
        (&json!("Full"), &json!(true))
    );
    assert_eq!(
        stored(&desk, "full").lifespans.implicit_grant_id_token_lifespan,
        Some(5400)
    );
    assert!(serde_json::from_value::<LifespansRequest>(json!({"implicit_grant_id_token_lifespan": "x"})).is_err());
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    let desk = Desk::new();
    let world = desk.world();
    for id in ["nobody", "a\0b"] {
        assert!(matches!(now(read(&world, id)), Err(RegistryError::Unknown)));
        assert!(matches!(
            now(replace(&world, id, Metadata::default())),
            Err(RegistryError::Unknown)
        ));
        assert!(matches!(patched(&desk, id, json!([])), Err(RegistryError::Unknown)));
        assert!(matches!(now(delete(&world, id)), Err(RegistryError::Unknown)));
    }
    created(&desk, json!({"client_id": "a"}));
    assert!(now(delete(&world, "a")).is_ok());
    assert!(matches!(now(delete(&world, "a")), Err(RegistryError::Unknown)));
}

#[test]
fn d5_a_database_that_is_away_is_our_failure() {
    let desk = Desk::new();
    desk.store.go_down();
    let outcome = now(create(&desk.world(), Metadata::default()));
    let Err(RegistryError::Failure(failure)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failure.fault(), Fault::Unavailable);
}

/// OpenID Connect Core §9: the server must know a secret that signs.
mod signing_secrets;

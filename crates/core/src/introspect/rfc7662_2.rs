use std::time::Duration;

use serde_json::json;

use super::*;
use crate::client::AuthMethod;
use crate::port::{Change, StoreError};
use crate::testing::{Desk, START, now};
use crate::token::opaque::Kind;

const ADMIN: Caller<'_> = Caller::Admin { scope: None };

fn consented() -> Consented {
    let Value::Object(access_token) = json!({"plan": "gold"}) else {
        panic!("an object")
    };
    Consented {
        access_token,
        ..Consented::default()
    }
}

fn told(desk: &Desk, text: &str, caller: Caller<'_>) -> Value {
    let told = now(introspect(&desk.world(), text, caller)).expect("the store answers");
    serde_json::to_value(told).expect("an answer is JSON")
}

#[test]
fn an_access_token_is_described_as_clients_of_hydra_know_it() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let grant = desk.consent(&client, "openid offline", &consented());
    let pair = desk.issued(&client, &grant, None);
    let mut expected = json!({
        "active": true, "scope": "openid offline", "client_id": "app", "sub": "alice",
        "exp": START.0 + 3600, "iat": START.0, "nbf": START.0, "aud": ["https://api.example"],
        "iss": "https://op.example/", "token_type": "Bearer", "token_use": "access_token", "ext": {"plan": "gold"},
    });
    assert_eq!(told(&desk, &pair.access.text, ADMIN), expected);
    expected["token_use"] = json!("refresh_token");
    expected["exp"] = json!(grant.expires_at.0);
    assert_eq!(told(&desk, &pair.refresh.text, ADMIN), expected);
}

#[test]
fn a_token_of_a_client_itself_has_the_client_as_its_subject() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let token = desk.own_token(&client, "profile");
    let told = told(&desk, &token.text, ADMIN);
    assert_eq!((&told["sub"], &told["aud"]), (&json!("app"), &json!([])));
    assert!(told.get("ext").is_none());
}

#[test]
fn a_token_that_never_expires_has_no_exp() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let mut grant = desk.consent(&client, "openid", &consented());
    grant.expires_at = Timestamp::NEVER;
    let pair = desk.issued(&client, &grant, None);
    assert!(told(&desk, &pair.refresh.text, ADMIN).get("exp").is_none());
}

#[test]
fn a_narrowed_token_has_its_own_scope() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let grant = desk.consent(&client, "openid profile", &consented());
    let pair = desk.issued(&client, &grant, Some("profile"));
    assert_eq!(told(&desk, &pair.access.text, ADMIN)["scope"], "profile");
    assert_eq!(told(&desk, &pair.refresh.text, ADMIN)["scope"], "openid profile");
}

#[test]
fn an_operator_may_ask_for_scopes_all_of_which_count() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let token = desk.own_token(&client, "read write.x");
    let is_active = |scope: &str| told(&desk, &token.text, Caller::Admin { scope: Some(scope) })["active"] == true;
    assert!(is_active("read") && is_active("read  write.x") && is_active(""));
    assert!(!is_active("read admin") && !is_active("write"));
}

#[test]
fn of_what_does_not_live_nothing_else_is_told() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let grants: Vec<_> = (0..4).map(|_| desk.consent(&client, "openid", &consented())).collect();
    let pairs: Vec<_> = grants.iter().map(|grant| desk.issued(&client, grant, None)).collect();
    let code = desk.code(&grants[0], None);
    desk.rotated(&client, &grants[0], &pairs[0]);
    desk.apply(Change::RevokeGrant(grants[1].id));
    desk.apply(Change::RevokeAccess(pairs[2].access.id));
    let forged = [Kind::Access, Kind::Refresh].map(|kind| desk.fresh(kind, pairs[3].access.id));
    let dead = [
        "",
        "nonsense",
        &code.text,
        &pairs[0].access.text,
        &pairs[0].refresh.text,
        &pairs[1].access.text,
        &pairs[1].refresh.text,
        &pairs[2].access.text,
        &forged[0].text,
        &forged[1].text,
    ];
    for text in dead {
        assert_eq!(told(&desk, text, ADMIN), json!({"active": false}), "{text}");
    }
    for text in [&pairs[2].refresh.text, &pairs[3].access.text, &pairs[3].refresh.text] {
        assert_eq!(told(&desk, text, ADMIN)["active"], true, "{}", &**text);
    }
}

#[test]
fn tokens_die_in_the_second_that_their_exp_names_and_with_their_client() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let grant = desk.consent(&client, "openid", &consented());
    let pair = desk.issued(&client, &grant, None);
    desk.advance(Duration::from_secs(3599));
    assert_eq!(told(&desk, &pair.access.text, ADMIN)["active"], true);
    desk.advance(Duration::from_secs(1));
    assert_eq!(told(&desk, &pair.access.text, ADMIN), json!({"active": false}));
    assert_eq!(told(&desk, &pair.refresh.text, ADMIN)["active"], true);
    desk.apply(Change::DeleteClient("app".to_owned()));
    assert_eq!(told(&desk, &pair.refresh.text, ADMIN), json!({"active": false}));
}

#[test]
fn garbage_never_reaches_the_database() {
    let desk = Desk::new();
    desk.store.go_down();
    assert_eq!(told(&desk, "clv_at_nonsense", ADMIN), json!({"active": false}));
}

#[test]
fn d5_a_database_that_is_away_does_not_make_a_token_inactive() {
    let desk = Desk::new();
    let client = desk.register(&desk.draft("app"));
    let token = desk.own_token(&client, "profile");
    desk.store.go_down();
    let failed = now(introspect(&desk.world(), &token.text, ADMIN));
    assert!(matches!(failed, Err(Failure::Store(StoreError::Unavailable(_)))));
}

/// RFC 7662 §4.
#[test]
fn a_client_learns_of_its_own_tokens_and_of_those_that_are_for_it() {
    let desk = Desk::new();
    let (owner, stranger) = (desk.register(&desk.draft("app")), desk.register(&desk.draft("other")));
    let resource = desk.register(&desk.draft("https://api.example"));
    let grant = desk.consent(&owner, "openid", &consented());
    let pair = desk.issued(&owner, &grant, None);
    let is_active = |client, text: &str| {
        let caller = desk.authenticated(client);
        told(&desk, text, Caller::Client(&caller)) != json!({"active": false})
    };
    assert!(is_active(&owner, &pair.access.text) && is_active(&owner, &pair.refresh.text));
    assert!(is_active(&resource, &pair.access.text) && !is_active(&resource, &pair.refresh.text));
    assert!(!is_active(&stranger, &pair.access.text) && !is_active(&stranger, &pair.refresh.text));
}

/// RFC 7662 §2.1.
#[test]
fn a_resource_server_learns_of_every_access_token_and_of_no_refresh_token_of_others() {
    let desk = Desk::new();
    let owner = desk.register(&desk.draft("app"));
    let mut draft = desk.draft("api");
    draft.display.insert("resource_server".to_owned(), json!(true));
    let api = desk.authenticated(&desk.register(&draft));
    let pair = desk.issued(&owner, &desk.consent(&owner, "openid", &consented()), None);
    let own = desk.own_token(&owner, "profile");
    for text in [&pair.access.text, &own.text] {
        assert_eq!(told(&desk, text, Caller::Client(&api)), told(&desk, text, ADMIN));
    }
    assert_eq!(
        told(&desk, &pair.refresh.text, Caller::Client(&api)),
        json!({"active": false})
    );
}

#[test]
fn a_public_client_is_not_authenticated_and_learns_nothing() {
    let desk = Desk::new();
    let mut draft = desk.draft("app");
    draft.auth_method = AuthMethod::None;
    let client = desk.register(&draft);
    let token = desk.own_token(&client, "profile");
    let caller = desk.authenticated(&client);
    let refused = now(introspect(&desk.world(), &token.text, Caller::Client(&caller)));
    assert!(matches!(refused, Err(Failure::Refused(Fault::ClientUnknown, _))));
}

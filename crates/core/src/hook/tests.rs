use super::*;
use crate::testing::{Desk, now};

const URL: &str = "https://hook.example/token";

fn desk() -> Desk {
    let mut desk = Desk::new();
    let auth = HookAuth {
        in_cookie: false,
        name: "X-Key".to_owned(),
        value: "secret-of-the-hook".to_owned().into(),
    };
    assert!(!format!("{auth:?}").contains("secret"));
    desk.policy.hooks.token = Some(Hook {
        url: URL.to_owned(),
        auth: Some(auth),
    });
    desk
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("no object") };
    map
}

fn asked(desk: &Desk, consented: &mut Consented) -> Result<bool, Failure> {
    let client = desk.draft("app");
    let scope = ["openid".to_owned()];
    let event = Event {
        grant_type: "authorization_code",
        client: &client,
        subject: "alice",
        requested: &scope,
        scope: &scope,
        audience: &[],
        assertion: None,
    };
    now(token(&desk.world(), &event, consented))
}

fn consented() -> Consented {
    Consented {
        access_token: object(json!({"plan": "gold"})),
        id_token: object(json!({"email": "a@example"})),
        ..Consented::default()
    }
}

#[test]
fn without_a_hook_nobody_is_asked() {
    let desk = Desk::new();
    assert!(!asked(&desk, &mut consented()).expect("nothing to decide"));
    assert_eq!(desk.network.asked().len(), 0);
}

#[test]
fn the_hook_replaces_the_claims_that_it_names() {
    let desk = desk();
    desk.network
        .publish(URL, 200, r#"{"session": {"access_token": {"plan": "iron"}}}"#);
    let mut known = consented();
    assert!(asked(&desk, &mut known).expect("it agrees"));
    assert_eq!(known.access_token, object(json!({"plan": "iron"})));
    assert_eq!(known.id_token, consented().id_token);
    let request = desk.network.asked().remove(0);
    assert_eq!(request.headers[0].1.as_str(), "secret-of-the-hook");
    let body: Value = serde_json::from_slice(&request.content.expect("a body").body).expect("JSON");
    assert_eq!(body["request"]["granted_scopes"], json!(["openid"]));
    assert_eq!(body["session"]["extra"], json!({"plan": "gold"}));
}

#[test]
fn nothing_changes_if_the_hook_has_nothing_to_say() {
    let desk = desk();
    for (status, body) in [(204, ""), (200, ""), (200, "{}"), (200, r#"{"session": {}}"#)] {
        desk.network.publish(URL, status, body);
        let mut known = consented();
        assert!(!asked(&desk, &mut known).expect("it agrees"), "{status} {body}");
        assert_eq!(known, consented());
    }
}

#[test]
fn a_refusal_is_the_clients_and_a_failure_is_ours() {
    let desk = desk();
    for (status, body, fault, times) in [
        (403, "", Fault::HookDenied, 1),
        (500, "", Fault::HookFailed, 1),
        (302, "", Fault::HookFailed, 1),
        (200, "[]", Fault::HookFailed, 1),
    ] {
        desk.network.publish(URL, status, body);
        let refused = asked(&desk, &mut consented()).expect_err("it is refused");
        assert!(
            matches!(refused, Failure::Refused(found, _) if found == fault),
            "{status}"
        );
        assert_eq!(desk.network.asked().len(), times, "{status}");
    }
    assert_eq!(Fault::HookDenied.code().status(), 403);
    assert_eq!(Fault::HookFailed.code().status(), 500);
}

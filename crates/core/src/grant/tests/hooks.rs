//! The operator's hooks at each grant: what they decide, how often they are asked, and what is left behind.

use serde_json::{Value, json};

use super::*;
use crate::hook::Hook;
use crate::port::Owner;

const TOKEN: &str = "https://hook.example/token";
const REFRESH: &str = "https://hook.example/refresh";

fn hook(url: &str) -> Option<Hook> {
    let url = url.to_owned();
    Some(Hook { url, auth: None })
}

/// A server with a token hook that answers like this.
fn scene(status: u16, body: &str) -> Scene {
    let mut scene = Scene::new();
    scene.desk.policy.hooks.token = hook(TOKEN);
    scene.says(status, body);
    scene
}

impl Scene {
    fn says(&self, status: u16, body: &str) {
        self.desk.network.publish(TOKEN, status, body);
    }

    fn asked(&self) -> Vec<Value> {
        let asked = self.desk.network.asked().into_iter();
        let body = |asked: crate::outgoing::Outgoing| asked.content.expect("a POST").body;
        asked
            .map(|asked| serde_json::from_slice(&body(asked)).expect("JSON"))
            .collect()
    }

    /// The claims that the access token has from its grant.
    fn ext(&self, access: &str) -> Value {
        let world = self.desk.world();
        let record = self.access(access);
        let consented = match record.owner {
            Owner::Grant { id, .. } => {
                let grant = self.desk.store.state().grants[&id].clone();
                Consented::open(&world.cx, &grant).expect("it is JSON")
            }
            Owner::Client { sealed, .. } => sealed.and_then(|it| Consented::open_sealed(&world.cx, record.id, &it)),
        };
        Value::Object(consented.unwrap_or_default().access_token)
    }
}

const GIVEN: &str = r#"{"session": {"access_token": {"tenant": "acme"}}}"#;

#[test]
fn what_the_hook_gives_at_a_code_stays_with_the_grant() {
    let scene = scene(200, GIVEN);
    let first = scene.tokens("profile offline");
    assert_eq!(scene.ext(&first.access_token), json!({"tenant": "acme"}));
    scene.says(204, "");
    let second = scene.refresh(first.refresh(), &[]).expect("the hook agrees");
    assert_eq!(scene.ext(&second.access_token), json!({"tenant": "acme"}));
    let asked = scene.asked();
    let grants: Vec<_> = asked.iter().map(|body| &body["request"]["grant_types"][0]).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token"]);
    assert_eq!(asked[1]["session"]["extra"], json!({"tenant": "acme"}));
}

#[test]
fn what_the_hook_gives_to_a_client_is_with_its_token_only_if_there_is_something() {
    let scene = scene(200, GIVEN);
    let tokens = scene.for_itself(&[]).expect("the hook agrees");
    assert_eq!(scene.ext(&tokens.access_token), json!({"tenant": "acme"}));
    scene.says(204, "");
    let tokens = scene.for_itself(&[]).expect("the hook agrees");
    let owner = scene.access(&tokens.access_token).owner;
    assert!(matches!(owner, Owner::Client { sealed: None, .. }));
}

#[test]
fn claims_of_a_client_that_no_secret_opens_end_its_token() {
    let scene = scene(200, GIVEN);
    let tokens = scene.for_itself(&[]).expect("the hook agrees");
    let hooked = |scene: &Scene| {
        let world = scene.desk.world();
        let known = now(KnownAccess::find(&world, &tokens.access_token)).expect("the store answers");
        known.expect("the token is known").hooked(&world.cx)
    };
    assert!(hooked(&scene).is_some());
    for record in scene.desk.store.state().access.values_mut() {
        if let Owner::Client { sealed, .. } = &mut record.owner {
            *sealed = Some(b"not sealed by us".to_vec());
        }
    }
    assert!(hooked(&scene).is_none());
}

#[test]
fn a_hook_that_refuses_is_asked_once_and_uses_nothing_up() {
    let scene = scene(403, "");
    let code = scene.code("profile offline");
    assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::HookDenied);
    assert_eq!(refused(scene.for_itself(&[])), Fault::HookDenied);
    assert_eq!(scene.asked().len(), 2);
    assert!(scene.desk.store.state().access.is_empty());
    scene.says(204, "");
    let tokens = scene.redeem(&code.text, &[]).expect("the code is still good");
    scene.asked();
    scene.says(403, "");
    assert_eq!(refused(scene.refresh(tokens.refresh(), &[])), Fault::HookDenied);
    assert_eq!(scene.asked().len(), 1);
    scene.says(204, "");
    assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
}

#[test]
fn a_hook_that_answers_with_a_failure_is_not_asked_again() {
    let scene = scene(500, "");
    assert_eq!(refused(scene.for_itself(&[])), Fault::HookFailed);
    assert_eq!(scene.asked().len(), 1);
}

#[test]
fn a_hook_that_cannot_be_reached_may_be_asked_again_on_the_way_out() {
    let mut scene = Scene::new();
    scene.desk.policy.hooks.token = hook(TOKEN);
    let code = scene.code("profile");
    assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::HookFailed);
    let asked = scene.desk.network.asked();
    assert!(asked.len() == 1 && asked[0].is_repeatable);
}

#[test]
fn what_is_refused_anyway_asks_no_hook() {
    let scene = scene(204, "");
    let code = scene.code("profile offline");
    let tokens = scene.redeem(&code.text, &[]).expect("the hook agrees");
    assert_eq!(scene.asked().len(), 1);
    refused(scene.refresh(tokens.refresh(), &[("scope", "openid")]));
    refused(scene.for_itself(&[("scope", "unregistered")]));
    assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeUsed);
    assert_eq!(scene.asked().len(), 0);
}

#[test]
fn at_a_refresh_its_own_hook_comes_first_and_at_no_other_grant() {
    let mut scene = scene(204, "");
    scene.desk.policy.hooks.refresh = hook(REFRESH);
    scene.desk.network.publish(REFRESH, 200, GIVEN);
    let first = scene.tokens("profile offline");
    assert_eq!(scene.asked().len(), 1);
    let second = scene.refresh(first.refresh(), &[]).expect("both agree");
    assert_eq!(scene.ext(&second.access_token), json!({"tenant": "acme"}));
    let asked = scene.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0]["requester"]["client_id"], "app");
    assert_eq!(asked[1]["session"]["extra"], json!({"tenant": "acme"}));
}

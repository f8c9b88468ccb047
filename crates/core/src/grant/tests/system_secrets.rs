//! A new entry in `secrets.system`, and the end of an old one: what was sealed under it lives on or is gone, and nothing
//! breaks.

use super::*;
use crate::introspect::{Caller, Introspection, introspect};
use crate::secrets::Secrets;
use crate::userinfo::userinfo;

const OLD: &str = "0123456789abcdef";
const NEW: &str = "fedcba9876543210";

impl Scene {
    fn configure(&mut self, secrets: &[&str]) {
        self.desk.secrets = Secrets::derive(secrets).expect("the secrets are long enough");
    }

    fn is_active(&self, token: &str) -> bool {
        let caller = Caller::Admin { scope: None };
        let told = now(introspect(&self.desk.world(), token, caller)).expect("the token is judged");
        told != Introspection::Inactive
    }

    fn userinfo(&self, token: &str) -> Result<(), Fault> {
        let claims = now(userinfo(&self.desk.world(), token));
        claims.map(drop).map_err(|failure| failure.fault())
    }
}

#[test]
fn a_grant_that_was_refreshed_outlives_the_secret_of_its_day() {
    let mut scene = Scene::new();
    let old = scene.tokens("openid offline");
    scene.configure(&[NEW, OLD]);
    let new = scene.refresh(old.refresh(), &[]).expect("the token is good");
    scene.configure(&[NEW]);
    assert!(scene.is_active(&new.access_token) && scene.is_active(new.refresh()));
    assert_eq!(scene.userinfo(&new.access_token), Ok(()));
    let next = scene.refresh(new.refresh(), &[]).expect("the token is good");
    assert!(next.id_token.is_some());
}

#[test]
fn a_refresh_under_the_newest_secret_leaves_the_grant_as_it_is() {
    let mut scene = Scene::new();
    let first = scene.tokens("offline");
    let sealed = |scene: &Scene| {
        scene
            .desk
            .store
            .state()
            .grants
            .values()
            .next()
            .map(|grant| grant.sealed.clone())
    };
    let before = sealed(&scene);
    let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
    assert_eq!(sealed(&scene), before);
    scene.configure(&[OLD, NEW]);
    scene.refresh(second.refresh(), &[]).expect("the token is good");
    assert_eq!(sealed(&scene), before);
}

#[test]
fn a_grant_whose_secret_was_dropped_is_gone() {
    let mut scene = Scene::new();
    let code = scene.code("openid offline");
    scene.configure(&[NEW, OLD]);
    // The tokens are checked under the new secret, but the grant still rests under the old one.
    let tokens = scene.redeem(&code.text, &[]).expect("the code is good");
    assert!(scene.is_active(&tokens.access_token));
    scene.configure(&[NEW]);
    assert!(!scene.is_active(&tokens.access_token) && !scene.is_active(tokens.refresh()));
    assert_eq!(scene.userinfo(&tokens.access_token), Err(Fault::BearerInvalid));
    assert_eq!(
        refused(scene.refresh(tokens.refresh(), &[])),
        Fault::RefreshTokenInvalid
    );
}

#[test]
fn a_grant_without_openid_whose_secret_was_dropped_is_gone_too() {
    let mut scene = Scene::new();
    let code = scene.code("offline");
    scene.configure(&[NEW, OLD]);
    let tokens = scene.redeem(&code.text, &[]).expect("the code is good");
    scene.configure(&[NEW]);
    assert!(!scene.is_active(tokens.refresh()));
    assert_eq!(
        refused(scene.refresh(tokens.refresh(), &[])),
        Fault::RefreshTokenInvalid
    );
}

#[test]
fn a_code_whose_grant_no_secret_opens_is_invalid_and_not_used_up() {
    let mut scene = Scene::new();
    let grant = scene.grant("openid");
    scene.configure(&[NEW, OLD]);
    let code = scene.desk.code(&grant, None);
    scene.configure(&[NEW]);
    assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeInvalid);
    scene.configure(&[NEW, OLD]);
    assert!(scene.redeem(&code.text, &[]).is_ok());
}

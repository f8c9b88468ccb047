//! The clock of the server is set while it works: by an hour, in both directions.

use super::*;

const HOUR: u64 = 3600;

impl Scene {
    fn set_back(&self) {
        self.desk.rewind(Duration::from_secs(HOUR));
    }
}

#[test]
fn what_was_issued_before_the_clock_was_set_back_stays_good() {
    let scene = Scene::new();
    let tokens = scene.tokens("openid offline");
    let code = scene.code("offline");
    let own = scene.for_itself(&[]).expect("the client may");
    scene.set_back();
    assert!(scene.lives(&tokens.access_token) && scene.lives(&own.access_token));
    assert!(scene.redeem(&code.text, &[]).is_ok());
    let second = scene.refresh(tokens.refresh(), &[]).expect("the token is good");
    assert!(scene.lives(&second.access_token));
}

#[test]
fn what_is_issued_after_that_lives_as_long_as_ever() {
    let scene = Scene::new();
    let before = scene.tokens("offline");
    scene.set_back();
    let after = scene.tokens("offline");
    assert_eq!(after.expires_in, before.expires_in);
    scene.pass(HOUR - 1);
    assert!(scene.lives(&after.access_token));
    scene.pass(1);
    assert!(!scene.lives(&after.access_token));
}

/// The time of its use lies in the future then.
#[test]
fn a_refresh_that_is_repeated_after_the_clock_was_set_back_is_no_theft() {
    let scene = Scene::new();
    let first = scene.tokens("offline");
    let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
    scene.set_back();
    let again = scene
        .refresh(first.refresh(), &[])
        .expect("the answer may have been lost");
    assert_eq!(again.refresh(), second.refresh());
    assert!(scene.refresh(second.refresh(), &[]).is_ok());
}

#[test]
fn a_jump_forward_that_is_taken_back_ends_nothing_for_good() {
    let scene = Scene::new();
    let tokens = scene.tokens("offline");
    scene.pass(HOUR);
    assert!(!scene.lives(&tokens.access_token));
    scene.set_back();
    assert!(scene.lives(&tokens.access_token));
    assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
}

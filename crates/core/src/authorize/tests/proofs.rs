//! What another server changed meanwhile counts at once: a remembered client is proved by the write, and where nothing is
//! written it is read again.

use super::*;
use crate::flow::Unanswerable;
use crate::flow::login::Rejection;
use crate::port::Change;

const ELSEWHERE: &str = "https://elsewhere.example/callback";

impl Walk {
    /// From now on this server remembers what is, while another one changes the client.
    fn changed_elsewhere(&self, change: impl FnOnce(&mut Client)) {
        self.desk.store.freeze_memory();
        let mut draft = self.desk.draft("app");
        change(&mut draft);
        self.desk.register(&draft);
    }

    fn removed_elsewhere(&self) {
        self.desk.store.freeze_memory();
        self.desk.apply(Change::DeleteClient("app".to_owned()));
    }

    /// The consent challenge of a new flow.
    fn asked(&mut self) -> String {
        let login = self.start(&[]).login();
        self.log_in(&login, LoginAcceptance::default()).consent()
    }

    /// Where the login app sends the browser after an answer that is remembered.
    fn logged_in(&mut self) -> String {
        let login = self.start(&[]).login();
        let body = LoginAcceptance {
            subject: Some("alice".to_owned()),
            remember: Some(true),
            ..LoginAcceptance::default()
        };
        now(login::accept(&self.desk.world(), &login, body)).expect("the login is accepted")
    }

    /// Where the consent app sends the browser after these scopes were granted.
    fn consented(&mut self, scope: &[&str]) -> String {
        let challenge = self.asked();
        let answer = granting(scope);
        now(consent::accept(&self.desk.world(), &challenge, answer)).expect("the consent is accepted")
    }

    fn has_granted(&self) -> bool {
        let state = self.desk.store.state();
        !state.codes.is_empty() || !state.grants.is_empty()
    }
}

fn granting(scope: &[&str]) -> ConsentAcceptance {
    ConsentAcceptance {
        grant_scope: Some(scope.iter().map(|word| (*word).to_owned()).collect()),
        ..ConsentAcceptance::default()
    }
}

fn move_away(client: &mut Client) {
    client.redirect_uris = vec![ELSEWHERE.to_owned()];
}

fn nobody() -> Rejection {
    Rejection {
        error: Some("access_denied".to_owned()),
        ..Rejection::default()
    }
}

#[test]
fn no_code_goes_to_a_redirect_uri_that_was_removed() {
    let mut walk = Walk::new();
    let onward = walk.consented(&["openid"]);
    walk.changed_elsewhere(move_away);
    assert_eq!(walk.follow(&onward), Place::ErrorPage(Code::InvalidRequest));
    assert!(!walk.has_granted());
}

#[test]
fn no_code_goes_to_a_client_that_was_removed() {
    let mut walk = Walk::new();
    let onward = walk.consented(&["openid"]);
    walk.removed_elsewhere();
    assert_eq!(walk.follow(&onward), Place::ErrorPage(Code::InvalidClient));
    assert!(!walk.has_granted());
}

#[test]
fn a_scope_that_the_client_lost_is_not_granted_whether_it_was_asked_for_or_not() {
    for (scope, error) in [("openid", "invalid_scope"), ("profile", "invalid_request")] {
        let mut walk = Walk::new();
        let onward = walk.consented(&[scope]);
        walk.changed_elsewhere(|client| client.scope.retain(|word| word != scope));
        assert_eq!(walk.follow(&onward).error(), error, "{scope}");
        assert!(!walk.has_granted());
    }
}

#[test]
fn a_change_that_leaves_the_request_as_it_is_costs_one_more_try() {
    let mut walk = Walk::new();
    let onward = walk.consented(&["openid"]);
    walk.changed_elsewhere(|client| client.audience.clear());
    walk.desk.store.writes();
    assert!(walk.follow(&onward).has_code());
    assert_eq!(walk.desk.store.writes(), 2);
}

#[test]
fn the_consent_app_cannot_grant_what_the_client_lost_but_can_what_it_gained() {
    let mut walk = Walk::new();
    let challenge = walk.asked();
    walk.changed_elsewhere(|client| client.scope = vec!["openid".to_owned(), "offline".to_owned(), "new".to_owned()]);
    let accept = |scope: &[&str]| now(consent::accept(&walk.desk.world(), &challenge, granting(scope)));
    let refused = accept(&["openid", "profile"]);
    assert!(matches!(refused, Err(Unanswerable::Failure(failure)) if failure.fault() == Fault::GrantTooWide));
    assert!(accept(&["openid", "new"]).is_ok());
}

#[test]
fn a_consent_for_a_client_that_was_removed_is_unknown() {
    let mut walk = Walk::new();
    let challenge = walk.asked();
    walk.removed_elsewhere();
    let refused = now(consent::accept(&walk.desk.world(), &challenge, granting(&["openid"])));
    assert!(matches!(refused, Err(Unanswerable::Unknown)));
}

#[test]
fn a_login_is_not_remembered_for_a_client_that_was_changed_away() {
    let mut walk = Walk::new();
    let onward = walk.logged_in();
    walk.changed_elsewhere(move_away);
    assert_eq!(walk.follow(&onward), Place::ErrorPage(Code::InvalidRequest));
    assert!(walk.desk.store.state().sessions.is_empty());
}

#[test]
fn a_client_that_lost_skip_consent_gets_its_code_only_after_consent() {
    let mut walk = Walk::with(|client| client.skip_consent = true);
    let onward = walk.logged_in();
    walk.changed_elsewhere(|client| client.skip_consent = false);
    walk.follow(&onward).consent();
    assert!(!walk.has_granted());
}

#[test]
fn refusals_of_the_apps_do_not_go_to_a_redirect_uri_that_was_removed() {
    let mut walk = Walk::new();
    let login = walk.start(&[]).login();
    let by_login = now(login::reject(&walk.desk.world(), &login, nobody())).expect("the login is rejected");
    let challenge = walk.asked();
    let by_consent = now(consent::reject(&walk.desk.world(), &challenge, nobody())).expect("the consent is rejected");
    walk.changed_elsewhere(move_away);
    for onward in [by_login, by_consent] {
        assert_eq!(walk.follow(&onward), Place::ErrorPage(Code::InvalidRequest));
    }
}

#[test]
fn our_own_refusals_do_not_go_to_a_redirect_uri_that_was_removed() {
    let mut walk = Walk::new();
    let onward = [walk.logged_in(), walk.consented(&["openid"])];
    walk.changed_elsewhere(move_away);
    walk.marks.clear();
    for onward in onward {
        assert_eq!(walk.follow(&onward), Place::ErrorPage(Code::InvalidRequest));
    }
}

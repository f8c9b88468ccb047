//! RFC 8628 §3.3: a person answers for the device.

use super::*;

#[test]
fn a_person_enters_the_code_logs_in_consents_and_the_device_gets_its_tokens() {
    let mut scene = Scene::new();
    let codes = scene.codes();
    scene.approve(&codes.user);
    assert!(scene.marks.is_empty(), "the flow is over: {:?}", scene.marks);
    let tokens = scene.poll(&codes.device).expect("the person allowed it");
    assert_eq!(tokens["scope"], "openid offline");
    assert!(tokens["id_token"].is_string() && tokens["refresh_token"].is_string());
    let state = scene.desk.store.state();
    let grant = state.grants.values().next().expect("there is a grant");
    assert_eq!((grant.subject.as_str(), &*grant.client_id), ("alice", "tv"));
    assert!(state.codes.is_empty());
}

#[test]
fn the_code_may_be_typed_without_dash_and_in_lower_case() {
    let mut scene = Scene::new();
    let codes = scene.codes();
    let challenge = scene.page();
    let typed = codes.user.replace('-', " ").to_lowercase();
    assert!(scene.enter(&challenge, &typed).is_ok());
    // Entered again before the browser came back: a fresh verifier.
    assert!(scene.enter(&challenge, &codes.user).is_ok());
}

#[test]
fn visiting_the_page_writes_nothing_and_hands_the_code_on_only_if_there_is_one() {
    let mut scene = Scene::new();
    scene.desk.store.writes();
    let plain = scene.visit(VERIFY).expect("everybody may come");
    assert!(
        plain.starts_with("https://op.example/device?device_challenge="),
        "{plain}"
    );
    assert!(!plain.contains("user_code"), "{plain}");
    let complete = scene
        .visit(&format!("{VERIFY}?user_code=WDJB-MJHT"))
        .expect("everybody may come");
    assert_eq!(parameter(&complete, "user_code"), "WDJB-MJHT");
    assert_eq!(scene.desk.store.writes(), 0);
}

#[test]
fn wrong_expired_used_and_empty_codes_are_refused_alike() {
    let mut scene = Scene::new();
    let (first, second) = (scene.codes(), scene.codes());
    scene.approve(&first.user);
    let challenge = scene.page();
    assert_eq!(refused(scene.enter(&challenge, "AAAA-AAAA")), Fault::UserCodeUnknown);
    assert_eq!(refused(scene.enter(&challenge, &first.user)), Fault::UserCodeUnknown);
    assert_eq!(refused(scene.enter(&challenge, "- -")), Fault::UserCodeAbsent);
    assert!(matches!(scene.enter("x", &second.user), Err(Unanswerable::Unknown)));
    scene.desk.advance(Duration::from_secs(600));
    assert_eq!(refused(scene.enter(&challenge, &second.user)), Fault::UserCodeUnknown);
}

#[test]
fn whoever_sat_at_the_page_for_too_long_comes_to_it_again() {
    let mut scene = Scene::new();
    scene.desk.policy.device.code_life = Duration::from_secs(7200);
    let codes = scene.codes();
    let challenge = scene.page();
    let onward = scene.enter(&challenge, &codes.user).expect("the code is right");
    scene.desk.advance(Duration::from_secs(1801));
    assert_eq!(scene.visit(&onward).as_deref(), Ok(VERIFY));
    let again = scene.enter(&challenge, &codes.user).expect("the way goes on");
    assert_eq!(
        parameter(&scene.visit(&again).expect("the page"), "user_code"),
        codes.user
    );
}

#[test]
fn the_verifier_is_for_the_browser_that_saw_the_page() {
    let mut scene = Scene::new();
    let codes = scene.codes();
    let challenge = scene.page();
    let onward = scene.enter(&challenge, &codes.user).expect("the code is right");
    scene.marks.clear();
    assert_eq!(scene.visit(&onward), Err(Fault::BrowserMismatch));
    assert_eq!(
        scene.visit(&format!("{VERIFY}?device_verifier=x")),
        Err(Fault::VerifierInvalid)
    );
}

#[test]
fn of_two_people_with_one_code_the_first_answer_counts() {
    let mut scene = Scene::new();
    let codes = scene.codes();
    let (first, second) = (scene.reach_consent(&codes.user), scene.reach_consent(&codes.user));
    assert!(scene.allow(&first, ConsentAcceptance::default()).is_ok());
    let late = scene.allow(&second, ConsentAcceptance::default());
    assert_eq!(late, Err(Fault::UserCodeUnknown));
    assert_eq!(scene.desk.store.state().grants.len(), 1);
    assert!(scene.poll(&codes.device).is_ok());
}

#[test]
fn the_apps_are_told_of_the_devices_request() {
    let mut scene = Scene::new();
    let codes = scene.codes();
    let challenge = scene.reach_login(&codes.user);
    let request = now(login::read(&scene.desk.world(), &challenge)).expect("the challenge is good");
    assert_eq!(request.request_url, format!("{VERIFY}?client_id=tv"));
    assert_eq!(
        (request.scope, request.skip),
        (vec!["openid".into(), "offline".into()], false)
    );
}

#[test]
fn a_remembered_login_and_consent_skip_both_pages() {
    let mut scene = Scene::new();
    let first = scene.codes();
    let challenge = scene.reach_login(&first.user);
    let remember = LoginAcceptance {
        remember: Some(true),
        ..LoginAcceptance::default()
    };
    let url = scene.log_in(&challenge, remember).expect("the login counts");
    let consent = ConsentAcceptance {
        remember: Some(true),
        ..ConsentAcceptance::default()
    };
    scene
        .allow(&parameter(&url, "consent_challenge"), consent)
        .expect("the consent counts");
    let second = scene.codes();
    let challenge = scene.reach_login(&second.user);
    assert!(now(login::read(&scene.desk.world(), &challenge)).expect("good").skip);
    let url = scene
        .log_in(&challenge, LoginAcceptance::default())
        .expect("the login counts");
    let consent = parameter(&url, "consent_challenge");
    assert!(now(consent::read(&scene.desk.world(), &consent)).expect("good").skip);
}

#[test]
fn another_person_than_the_sessions_logs_in_without_a_second_code() {
    let mut scene = Scene::new();
    let first = scene.codes();
    let challenge = scene.reach_login(&first.user);
    let remember = LoginAcceptance {
        remember: Some(true),
        ..LoginAcceptance::default()
    };
    scene.log_in(&challenge, remember).expect("the login counts");
    let second = scene.codes();
    let challenge = scene.reach_login(&second.user);
    let bob = LoginAcceptance {
        subject: Some("bob".to_owned()),
        ..LoginAcceptance::default()
    };
    let onward = now(login::accept(&scene.desk.world(), &challenge, bob)).expect("the login is accepted");
    let url = scene.visit(&onward).expect("the login counts");
    scene
        .allow(&parameter(&url, "consent_challenge"), ConsentAcceptance::default())
        .expect("the consent counts");
    let state = scene.desk.store.state();
    assert_eq!(state.grants.values().next().expect("a grant").subject, "bob");
}

#[test]
fn a_trusted_client_needs_no_consent_page() {
    let mut scene = Scene::with(|client| client.skip_consent = true);
    let codes = scene.codes();
    let challenge = scene.reach_login(&codes.user);
    let url = scene.log_in(&challenge, LoginAcceptance::default());
    assert_eq!(url.as_deref(), Ok("https://op.example/device/done?client_id=tv"));
    assert!(scene.poll(&codes.device).is_ok());
}

#[test]
fn a_client_that_lost_the_grant_type_meanwhile_gets_nothing() {
    let mut scene = Scene::new();
    let codes = scene.codes();
    let challenge = scene.reach_consent(&codes.user);
    scene.desk.register(&scene.desk.draft("tv"));
    let late = scene.allow(&challenge, ConsentAcceptance::default());
    assert_eq!(late, Err(Fault::GrantTypeUnregistered));
}

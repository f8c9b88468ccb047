//! A device, a person with a browser, and the apps in between: RFC 8628 from the first request to the tokens.

use std::time::Duration;

use serde_json::Value;

use super::begin;
use crate::authorize::{Browser, CookieChange, Destination, Reply, Stage, verify_device};
use crate::client::{AuthMethod, Client};
use crate::client_auth::Credentials;
use crate::context::Id;
use crate::fault::Fault;
use crate::flow::consent::{self, ConsentAcceptance};
use crate::flow::device::accept;
use crate::flow::login::{self, LoginAcceptance, Rejection};
use crate::flow::{Unanswerable, with_parameter};
use crate::grant::{self, DEVICE_CODE};
use crate::params::Params;
use crate::testing::{Desk, form, now};

const VERIFY: &str = "https://op.example/oauth2/device/verify";

/// A client on a device, and the browser of a person.
struct Scene {
    desk: Desk,
    session: Option<String>,
    marks: Vec<(Stage, Id, String)>,
}

/// What the device shows, and what it keeps.
struct Codes {
    device: String,
    user: String,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// With a changed client.
    fn with(change: impl FnOnce(&mut Client)) -> Self {
        let desk = Desk::new();
        let mut draft = desk.draft("tv");
        draft.grant_types.push(DEVICE_CODE.to_owned());
        change(&mut draft);
        desk.register(&draft);
        Self {
            desk,
            session: None,
            marks: Vec::new(),
        }
    }

    fn ask(&self, changed: &[(&str, &str)]) -> Result<Value, Fault> {
        let mut pairs = vec![
            ("client_id", "tv"),
            ("client_secret", "secret"),
            ("scope", "openid offline"),
        ];
        pairs.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        pairs.extend_from_slice(changed);
        let credentials = Credentials {
            authorization: None,
            params: &form(&pairs),
        };
        match now(begin(&self.desk.world(), &credentials)) {
            Ok(response) => Ok(serde_json::to_value(response).expect("the response is JSON")),
            Err(failure) => Err(failure.fault()),
        }
    }

    fn codes(&self) -> Codes {
        let response = self.ask(&[]).expect("the device is let in");
        let text = |name: &str| response[name].as_str().expect("a text").to_owned();
        Codes {
            device: text("device_code"),
            user: text("user_code"),
        }
    }

    fn poll(&self, code: &str) -> Result<Value, Fault> {
        self.poll_as("tv", code)
    }

    fn poll_as(&self, client: &str, code: &str) -> Result<Value, Fault> {
        let params = form(&[
            ("grant_type", DEVICE_CODE),
            ("client_id", client),
            ("client_secret", "secret"),
            ("device_code", code),
        ]);
        let credentials = Credentials {
            authorization: None,
            params: &params,
        };
        match now(grant::run(&self.desk.world(), &credentials)) {
            Ok(response) => Ok(serde_json::to_value(response).expect("the response is JSON")),
            Err(failure) => Err(failure.fault()),
        }
    }

    fn visit(&mut self, url: &str) -> Result<String, Fault> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let params = Params::parse(query.as_bytes()).expect("our own URLs are well formed");
        let marks = |wanted: Stage| {
            let ours = self.marks.iter().filter(|(stage, ..)| *stage == wanted);
            ours.map(|(.., value)| value.clone()).collect()
        };
        let browser = Browser {
            session: self.session.clone(),
            login_marks: marks(Stage::Login),
            consent_marks: marks(Stage::Consent),
            device_marks: marks(Stage::Device),
        };
        let reply = now(verify_device(&self.desk.world(), &params, &browser));
        self.arrive(reply)
    }

    /// Where the browser is sent.
    fn arrive(&mut self, reply: Reply) -> Result<String, Fault> {
        for change in reply.cookies {
            match change {
                CookieChange::Mark(stage, flow, value) => self.marks.push((stage, flow, value)),
                CookieChange::Unmark(stage, flow) => self.marks.retain(|(s, f, _)| (*s, *f) != (stage, flow)),
                CookieChange::Session { value, .. } => self.session = Some(value),
                CookieChange::EndSession => self.session = None,
            }
        }
        match reply.to {
            Destination::Url(url) => Ok(url),
            Destination::ErrorPage(failure) => Err(failure.fault()),
            Destination::Client(delivery) => panic!("no client sent the browser, but it goes to {delivery:?}"),
        }
    }

    /// The challenge of a visit of the page for user codes.
    fn page(&mut self) -> String {
        let url = self.visit(VERIFY).expect("everybody may come");
        parameter(&url, "device_challenge")
    }

    fn enter(&self, challenge: &str, code: &str) -> Result<String, Unanswerable> {
        now(accept(&self.desk.world(), challenge, code))
    }

    /// The person enters the code and comes to the login app.
    fn reach_login(&mut self, code: &str) -> String {
        let challenge = self.page();
        let onward = self.enter(&challenge, code).expect("the code is right");
        let url = self.visit(&onward).expect("the browser is the same");
        parameter(&url, "login_challenge")
    }

    fn log_in(&mut self, challenge: &str, body: LoginAcceptance) -> Result<String, Fault> {
        let body = LoginAcceptance {
            subject: Some("alice".to_owned()),
            ..body
        };
        let onward = now(login::accept(&self.desk.world(), challenge, body)).expect("the login is accepted");
        self.visit(&onward)
    }

    fn reach_consent(&mut self, code: &str) -> String {
        let challenge = self.reach_login(code);
        let url = self.log_in(&challenge, LoginAcceptance::default());
        parameter(&url.expect("the login counts"), "consent_challenge")
    }

    fn allow(&mut self, challenge: &str, body: ConsentAcceptance) -> Result<String, Fault> {
        let body = ConsentAcceptance {
            grant_scope: Some(vec!["openid".to_owned(), "offline".to_owned()]),
            ..body
        };
        let onward = now(consent::accept(&self.desk.world(), challenge, body)).expect("the consent is accepted");
        self.visit(&onward)
    }

    fn approve(&mut self, code: &str) {
        let challenge = self.reach_consent(code);
        let url = self.allow(&challenge, ConsentAcceptance::default());
        assert_eq!(url.as_deref(), Ok("https://op.example/device/done?client_id=tv"));
    }
}

fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let params = Params::parse(query.as_bytes()).expect("our own URLs are well formed");
    params
        .get(name)
        .unwrap_or_else(|| panic!("{url} has no {name}"))
        .to_owned()
}

fn refused(answer: Result<String, Unanswerable>) -> Fault {
    match answer {
        Err(Unanswerable::Failure(failure)) => failure.fault(),
        other => panic!("not refused but {other:?}"),
    }
}

fn denied() -> Rejection {
    Rejection {
        error: Some("access_denied".to_owned()),
        ..Rejection::default()
    }
}

mod rfc8628_3_1 {
    use super::*;

    #[test]
    fn a_client_needs_the_grant_type_its_secret_and_registered_scopes_and_audiences() {
        let scene = Scene::new();
        scene.desk.register(&scene.desk.draft("web"));
        assert_eq!(scene.ask(&[("client_secret", "wrong")]), Err(Fault::ClientUnknown));
        assert_eq!(scene.ask(&[("client_id", "web")]), Err(Fault::GrantTypeUnregistered));
        assert_eq!(scene.ask(&[("scope", "openid admin")]), Err(Fault::ScopeUnregistered));
        let audience = scene.ask(&[("audience", "https://other.example")]);
        assert_eq!(audience, Err(Fault::AudienceUnregistered));
        assert!(scene.desk.store.state().devices.is_empty());
    }

    #[test]
    fn a_public_client_names_itself() {
        let scene = Scene::with(|client| {
            client.auth_method = AuthMethod::None;
            client.secrets.clear();
        });
        assert!(scene.ask(&[("client_secret", "")]).is_ok());
        assert_eq!(
            scene.ask(&[("client_id", ""), ("client_secret", "")]),
            Err(Fault::ClientUnnamed)
        );
    }
}

mod rfc8628_3_2 {
    use super::*;

    #[test]
    fn d36_the_response_has_the_members_of_the_specification_and_no_others() {
        let response = Scene::new().ask(&[]).expect("the device is let in");
        let members: Vec<_> = response.as_object().expect("an object").keys().cloned().collect();
        let mut expected = [
            "device_code",
            "user_code",
            "verification_uri",
            "verification_uri_complete",
            "expires_in",
            "interval",
        ];
        expected.sort_unstable();
        let mut members: Vec<&str> = members.iter().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, expected);
        assert_eq!(
            (response["expires_in"].as_u64(), response["interval"].as_u64()),
            (Some(600), Some(5))
        );
        assert_eq!(response["verification_uri"], VERIFY);
        let complete = with_parameter(VERIFY, "user_code", response["user_code"].as_str().expect("a text"));
        assert_eq!(response["verification_uri_complete"], complete);
    }

    #[test]
    fn the_database_holds_no_code_and_no_plain_digest_of_the_user_code() {
        let scene = Scene::new();
        let codes = scene.codes();
        let state = scene.desk.store.state();
        let device = &state.devices.values().next().expect("a device waits").device;
        let plain = crate::device::user_code::normalize(&codes.user);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, plain.as_bytes());
        assert_ne!(device.user_code.0, digest.as_ref());
        let text = format!("{device:?}");
        assert!(!text.contains(&codes.user) && !text.contains(&codes.device), "{text}");
    }

    #[test]
    fn a_taken_user_code_is_drawn_again() {
        let scene = Scene::new();
        scene.desk.store.lose_next(3);
        assert!(scene.ask(&[]).is_ok());
        scene.desk.store.lose_next(4);
        assert_eq!(scene.ask(&[]), Err(Fault::Unavailable));
    }
}

mod rfc8628_3_3 {
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
}

mod rfc8628_3_5 {
    use super::*;

    #[test]
    fn a_device_that_asks_in_time_is_told_that_nobody_answered() {
        let scene = Scene::new();
        let codes = scene.codes();
        for _ in 0..3 {
            assert_eq!(scene.poll(&codes.device), Err(Fault::DevicePending));
            scene.desk.advance(Duration::from_secs(5));
        }
    }

    #[test]
    fn a_device_that_asks_too_often_slows_down_by_five_seconds_for_good() {
        let scene = Scene::new();
        let codes = scene.codes();
        assert_eq!(scene.poll(&codes.device), Err(Fault::DevicePending));
        assert_eq!(scene.poll(&codes.device), Err(Fault::DeviceTooFast));
        scene.desk.advance(Duration::from_secs(8));
        assert_eq!(
            scene.poll(&codes.device),
            Err(Fault::DeviceTooFast),
            "the interval is 10 s"
        );
        scene.desk.advance(Duration::from_secs(15));
        assert_eq!(
            scene.poll(&codes.device),
            Err(Fault::DevicePending),
            "the interval is 15 s"
        );
    }

    #[test]
    fn a_device_that_asked_too_often_still_gets_its_tokens_at_once() {
        let mut scene = Scene::new();
        let codes = scene.codes();
        assert_eq!(scene.poll(&codes.device), Err(Fault::DevicePending));
        scene.approve(&codes.user);
        assert!(scene.poll(&codes.device).is_ok());
    }

    #[test]
    fn d7_a_refused_login_reaches_the_device() {
        let mut scene = Scene::new();
        let codes = scene.codes();
        let challenge = scene.reach_login(&codes.user);
        let onward = now(login::reject(&scene.desk.world(), &challenge, denied())).expect("the answer counts");
        assert_eq!(scene.visit(&onward), Err(Fault::DeviceDenied));
        assert_eq!(scene.poll(&codes.device), Err(Fault::DeviceDenied));
    }

    #[test]
    fn d7_a_refused_consent_reaches_the_device() {
        let mut scene = Scene::new();
        let codes = scene.codes();
        let challenge = scene.reach_consent(&codes.user);
        let onward = now(consent::reject(&scene.desk.world(), &challenge, denied())).expect("the answer counts");
        assert_eq!(scene.visit(&onward), Err(Fault::DeviceDenied));
        assert_eq!(scene.poll(&codes.device), Err(Fault::DeviceDenied));
        assert_eq!(scene.visit(&onward), Err(Fault::UserCodeUnknown));
    }

    #[test]
    fn d7_the_end_of_the_codes_reaches_the_device_answered_or_not() {
        let mut scene = Scene::new();
        let (pending, approved) = (scene.codes(), scene.codes());
        scene.approve(&approved.user);
        scene.desk.advance(Duration::from_secs(600));
        assert_eq!(scene.poll(&pending.device), Err(Fault::DeviceCodeExpired));
        assert_eq!(scene.poll(&approved.device), Err(Fault::DeviceCodeExpired));
    }

    #[test]
    fn a_code_is_redeemed_once_and_a_second_use_revokes_nothing() {
        let mut scene = Scene::new();
        let codes = scene.codes();
        scene.approve(&codes.user);
        scene.poll(&codes.device).expect("the person allowed it");
        assert_eq!(scene.poll(&codes.device), Err(Fault::DeviceCodeUsed));
        assert_eq!(scene.desk.store.state().grants.len(), 1);
    }

    #[test]
    fn a_code_is_good_for_its_client_only() {
        let mut scene = Scene::new();
        let mut other = scene.desk.draft("other");
        other.grant_types.push(DEVICE_CODE.to_owned());
        scene.desk.register(&other);
        let codes = scene.codes();
        assert_eq!(scene.poll_as("other", &codes.device), Err(Fault::DeviceCodeInvalid));
        scene.approve(&codes.user);
        assert_eq!(scene.poll_as("other", &codes.device), Err(Fault::DeviceCodeInvalid));
        assert!(scene.poll(&codes.device).is_ok());
    }

    #[test]
    fn missing_and_forged_codes_are_refused() {
        let scene = Scene::new();
        assert_eq!(scene.poll(""), Err(Fault::DeviceCodeMissing));
        assert_eq!(scene.poll("clv_dc_x.y"), Err(Fault::DeviceCodeInvalid));
        let user = scene.codes().user;
        assert_eq!(scene.poll(&user), Err(Fault::DeviceCodeInvalid));
    }

    #[test]
    fn a_grant_revoked_before_the_device_asked_gives_nothing() {
        let mut scene = Scene::new();
        let codes = scene.codes();
        scene.approve(&codes.user);
        let grant = *scene.desk.store.state().grants.keys().next().expect("a grant");
        scene.desk.apply(crate::port::Change::RevokeGrant(grant));
        assert_eq!(scene.poll(&codes.device), Err(Fault::DeviceCodeInvalid));
    }

    #[test]
    fn tokens_live_as_long_as_the_client_says_for_this_grant() {
        let mut scene = Scene::with(|client| {
            client.lifespans.device_authorization_grant_access_token_lifespan = Some(77);
        });
        let codes = scene.codes();
        scene.approve(&codes.user);
        let tokens = scene.poll(&codes.device).expect("the person allowed it");
        assert_eq!(tokens["expires_in"], 77);
    }
}

mod rfc8628_5_1 {
    use super::*;

    #[test]
    fn after_ten_wrong_codes_the_right_one_is_refused_too() {
        let mut scene = Scene::new();
        let codes = scene.codes();
        let challenge = scene.page();
        for _ in 0..10 {
            assert_eq!(refused(scene.enter(&challenge, "AAAA-AAAA")), Fault::UserCodeUnknown);
        }
        assert_eq!(refused(scene.enter(&challenge, &codes.user)), Fault::UserCodeGuessed);
        let another = scene.page();
        assert!(scene.enter(&another, &codes.user).is_ok());
    }

    #[test]
    fn a_rotated_system_secret_does_not_lose_a_waiting_device() {
        let mut scene = Scene::new();
        let codes = scene.codes();
        scene.desk.secrets =
            crate::secrets::Secrets::derive(&["fedcba9876543210", "0123456789abcdef"]).expect("long enough");
        scene.approve(&codes.user);
        assert!(scene.poll(&codes.device).is_ok());
    }
}

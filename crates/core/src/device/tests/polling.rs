//! RFC 8628 §3.5 and §5.1: the device asks until there is an answer, and nobody guesses codes.

use super::*;

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
    fn a_device_waits_no_longer_because_the_clock_was_set_back() {
        let scene = Scene::new();
        let codes = scene.codes();
        assert_eq!(scene.poll(&codes.device), Err(Fault::DevicePending));
        scene.desk.rewind(Duration::from_secs(3600));
        assert_eq!(scene.poll(&codes.device), Err(Fault::DevicePending));
        assert_eq!(scene.poll(&codes.device), Err(Fault::DeviceTooFast));
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

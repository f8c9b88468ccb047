//! RFC 8628 §3.1 and §3.2: the device asks for its codes.

use super::*;

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

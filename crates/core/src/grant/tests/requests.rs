//! What every grant type shares: RFC 6749 §3.2 and §5, and the defects D5 and D16.

use super::*;
use crate::fault::Code;

mod rfc6749_5_1 {
    use super::*;

    #[test]
    fn the_members_come_in_the_order_of_hydra_and_empty_ones_not_at_all() {
        let scene = Scene::new();
        let body = |pairs: &[(&str, &str)]| {
            let params = form(&[pairs, &[("client_id", "app"), ("client_secret", "secret")]].concat());
            let credentials = Credentials {
                authorization: None,
                params: &params,
            };
            let response = now(run(&scene.desk.world(), &credentials)).unwrap_or_else(|failure| panic!("{failure}"));
            serde_json::to_string(&response).expect("an answer is JSON")
        };
        let names = |body: &str| -> Vec<String> {
            let members = body.split('"').skip(1).step_by(2);
            members
                .filter(|word| word.ends_with("_token") || ["expires_in", "scope", "token_type"].contains(word))
                .map(str::to_owned)
                .collect()
        };
        let own = body(&[("grant_type", "client_credentials"), ("scope", "profile")]);
        assert_eq!(names(&own), ["access_token", "expires_in", "scope", "token_type"]);
        assert!(
            own.ends_with(r#","expires_in":3600,"scope":"profile","token_type":"bearer"}"#),
            "{own}"
        );
        let code = scene.code("openid offline");
        let whole = body(&[
            ("grant_type", "authorization_code"),
            ("code", &code.text),
            ("redirect_uri", CALLBACK),
        ]);
        let all = [
            "access_token",
            "expires_in",
            "id_token",
            "refresh_token",
            "scope",
            "token_type",
        ];
        assert_eq!(names(&whole), all);
    }
}

mod rfc6749_5_2 {
    use super::*;

    fn error(answer: Answer) -> &'static str {
        refused(answer).code().as_str()
    }

    #[test]
    fn a_grant_that_shows_nothing_is_told_what_is_missing() {
        let scene = Scene::new();
        let missing = |grant_type| refused(scene.ask(&[("grant_type", grant_type)]));
        assert_eq!(missing("authorization_code"), Fault::CodeMissing);
        assert_eq!(missing("refresh_token"), Fault::RefreshTokenMissing);
        let code = scene.code("openid");
        let other = scene.redeem(&code.text, &[("resource", "https://other.example")]);
        assert_eq!(refused(other), Fault::ResourceNotGranted);
    }

    #[test]
    fn d16_a_request_without_a_grant_type_is_invalid() {
        let scene = Scene::new();
        assert_eq!(error(scene.ask(&[("code", "x")])), "invalid_request");
        assert_eq!(error(scene.ask(&[("grant_type", "")])), "invalid_request");
    }

    #[test]
    fn d16_a_grant_type_that_nobody_has_is_unsupported() {
        let scene = Scene::new();
        for name in [
            "password",
            "implicit",
            "Authorization_Code",
            "authorization_code refresh_token",
        ] {
            assert_eq!(
                error(scene.ask(&[("grant_type", name)])),
                "unsupported_grant_type",
                "{name}"
            );
        }
    }

    #[test]
    fn d16_a_grant_type_that_the_client_is_not_registered_for_is_unauthorized() {
        for name in crate::grant::supported() {
            let scene = Scene::with(|client| client.grant_types.retain(|registered| registered != name));
            assert_eq!(
                error(scene.ask(&[("grant_type", name)])),
                "unauthorized_client",
                "{name}"
            );
        }
    }

    #[test]
    fn d16_a_missing_code_or_refresh_token_is_an_invalid_request() {
        let scene = Scene::new();
        for (grant_type, name) in [("authorization_code", "code"), ("refresh_token", "refresh_token")] {
            let alone = [("grant_type", grant_type)];
            assert_eq!(error(scene.ask(&alone)), "invalid_request", "{name}");
            let empty = [("grant_type", grant_type), (name, "")];
            assert_eq!(error(scene.ask(&empty)), "invalid_request", "{name}");
        }
    }

    #[test]
    fn a_client_that_does_not_authenticate_learns_nothing_about_its_parameters() {
        let scene = Scene::new();
        let code = scene.code("openid");
        let wrong = ("client_secret", "wrong");
        assert_eq!(refused(scene.redeem("", &[wrong])), Fault::ClientUnknown);
        assert_eq!(refused(scene.redeem(&code.text, &[wrong])), Fault::ClientUnknown);
        assert_eq!(refused(scene.refresh("", &[wrong])), Fault::ClientUnknown);
        assert_eq!(
            refused(scene.for_itself(&[wrong, ("scope", "everything")])),
            Fault::ClientUnknown
        );
        assert!(scene.redeem(&code.text, &[]).is_ok(), "the code is as good as before");
    }

    #[test]
    fn garbage_is_refused_without_a_query_about_it() {
        let scene = Scene::new();
        scene.traffic();
        for garbage in ["x", "clv_ac_.", "clv_rt_nonsense.nonsense"] {
            assert_eq!(refused(scene.redeem(garbage, &[])), Fault::CodeInvalid);
            assert_eq!(refused(scene.refresh(garbage, &[])), Fault::RefreshTokenInvalid);
            assert_eq!(scene.traffic(), (2, 0), "the client was read each time");
        }
    }

    #[test]
    fn a_token_of_one_kind_is_none_of_another() {
        let scene = Scene::new();
        let code = scene.code("offline");
        let tokens = scene.tokens("offline");
        assert_eq!(refused(scene.refresh(&code.text, &[])), Fault::RefreshTokenInvalid);
        assert_eq!(
            refused(scene.refresh(&tokens.access_token, &[])),
            Fault::RefreshTokenInvalid
        );
        assert_eq!(refused(scene.redeem(tokens.refresh(), &[])), Fault::CodeInvalid);
    }
}

mod d5 {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_never_the_fault_of_the_client() {
        let scene = Scene::new();
        let code = scene.code("offline");
        let tokens = scene.tokens("offline");
        scene.desk.store.go_down();
        for answer in [
            scene.redeem(&code.text, &[]),
            scene.refresh(tokens.refresh(), &[]),
            scene.for_itself(&[]),
            scene.for_itself(&[("client_secret", "wrong")]),
        ] {
            let code = refused(answer).code();
            assert_eq!((code, code.status()), (Code::TemporarilyUnavailable, 503));
        }
    }
}

//! `authorization_code`: RFC 6749 §4.1.2 and §4.1.3.

use super::*;
use crate::port::{Change, Owner};

/// Another client with everything that the first one has, except its codes.
fn other(scene: &Scene) -> [(&'static str, &'static str); 1] {
    scene.desk.register(&scene.desk.draft("other"));
    [("client_id", "other")]
}

mod rfc6749_4_1_2 {
    use super::*;

    #[test]
    fn a_code_gives_what_the_person_granted() {
        let scene = Scene::new();
        let grant = scene.grant("profile offline");
        let code = scene.desk.code(&grant, None);
        let tokens = scene.redeem(&code.text, &[]).expect("the code is good");
        assert_eq!(
            (tokens.scope.as_str(), tokens.token_type.as_str()),
            ("profile offline", "bearer")
        );
        let owner = Owner::Grant {
            id: grant.id,
            scope: None,
            audience: None,
        };
        assert_eq!(scene.access(&tokens.access_token).owner, owner);
        assert_eq!(scene.refresh_record(tokens.refresh()).grant, grant.id);
        assert!(scene.lives(&tokens.access_token));
    }

    #[test]
    fn a_code_is_used_once_and_its_second_use_revokes_what_the_first_gave() {
        let scene = Scene::new();
        let code = scene.code("openid offline");
        let tokens = scene.redeem(&code.text, &[]).expect("the code is good");
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeUsed);
        assert!(!scene.lives(&tokens.access_token));
        assert_eq!(
            refused(scene.refresh(tokens.refresh(), &[])),
            Fault::RefreshTokenInvalid
        );
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeInvalid);
    }

    #[test]
    fn a_second_use_revokes_what_came_of_the_first_by_refreshing_too() {
        let scene = Scene::new();
        let code = scene.code("offline");
        let first = scene.redeem(&code.text, &[]).expect("the code is good");
        let newest = scene.refresh(first.refresh(), &[]).expect("the token is good");
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeUsed);
        assert!(!scene.lives(&newest.access_token));
        assert_eq!(
            refused(scene.refresh(newest.refresh(), &[])),
            Fault::RefreshTokenInvalid
        );
    }

    #[test]
    fn a_second_use_is_one_whatever_else_is_wrong_with_it() {
        for (name, value) in [
            ("redirect_uri", "https://app.example/other"),
            ("redirect_uri", ""),
            ("code_verifier", "x"),
        ] {
            let scene = Scene::new();
            let code = scene.code("offline");
            let tokens = scene.redeem(&code.text, &[]).expect("the code is good");
            scene.pass(601);
            assert_eq!(refused(scene.redeem(&code.text, &[(name, value)])), Fault::CodeUsed);
            assert!(!scene.lives(&tokens.access_token), "{name}={value}");
        }
    }

    #[test]
    fn a_second_use_leaves_other_grants_of_the_same_person_alone() {
        let scene = Scene::new();
        let others = scene.tokens("offline");
        let code = scene.code("offline");
        scene.redeem(&code.text, &[]).expect("the code is good");
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeUsed);
        assert!(scene.lives(&others.access_token));
        assert!(scene.refresh(others.refresh(), &[]).is_ok());
    }

    #[test]
    fn a_code_expires() {
        let scene = Scene::new();
        let (early, late) = (scene.code("openid"), scene.code("openid"));
        scene.pass(599);
        assert!(scene.redeem(&early.text, &[]).is_ok());
        scene.pass(1);
        assert_eq!(refused(scene.redeem(&late.text, &[])), Fault::CodeExpired);
    }
}

mod rfc6749_4_1_3 {
    use super::*;

    #[test]
    fn a_code_of_another_client_is_refused_and_harms_nothing() {
        let scene = Scene::new();
        let code = scene.code("offline");
        let stranger = other(&scene);
        assert_eq!(refused(scene.redeem(&code.text, &stranger)), Fault::CodeInvalid);
        let tokens = scene.redeem(&code.text, &[]).expect("the code is as good as before");
        assert_eq!(refused(scene.redeem(&code.text, &stranger)), Fault::CodeInvalid);
        assert!(scene.lives(&tokens.access_token));
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }

    #[test]
    fn a_code_that_nobody_was_given_is_refused_and_harms_nothing() {
        let scene = Scene::new();
        let code = scene.code("offline");
        let unknown = scene.desk.fresh(Kind::Code, scene.desk.cx().new_id());
        let forged = scene.desk.fresh(Kind::Code, code.id);
        assert_eq!(refused(scene.redeem(&unknown.text, &[])), Fault::CodeInvalid);
        assert_eq!(refused(scene.redeem(&forged.text, &[])), Fault::CodeInvalid);
        let tokens = scene.redeem(&code.text, &[]).expect("the code is as good as before");
        assert_eq!(refused(scene.redeem(&forged.text, &[])), Fault::CodeInvalid);
        assert!(scene.lives(&tokens.access_token));
    }

    #[test]
    fn a_code_whose_grant_was_revoked_gives_nothing() {
        let scene = Scene::new();
        let grant = scene.grant("openid");
        let code = scene.desk.code(&grant, None);
        scene.desk.apply(Change::RevokeGrant(grant.id));
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeInvalid);
    }

    #[test]
    fn the_redirect_uri_of_the_authorization_request_must_come_again() {
        let scene = Scene::new();
        let code = scene.code("openid");
        for uri in [
            "",
            "https://app.example/callback/",
            "https://app.example/callback?x=1",
            "https://APP.example/callback",
        ] {
            let answer = scene.redeem(&code.text, &[("redirect_uri", uri)]);
            assert_eq!(refused(answer), Fault::RedirectUriMismatch, "{uri}");
        }
        assert!(scene.redeem(&code.text, &[]).is_ok(), "the code is as good as before");
    }

    #[test]
    fn a_redirect_uri_that_was_not_sent_before_may_be_left_out_or_be_a_registered_one() {
        let scene = Scene::new();
        let without = || {
            let code = scene.code("openid");
            let mut state = scene.desk.store.state();
            state
                .codes
                .get_mut(&code.id)
                .expect("the code is stored")
                .0
                .redirect_uri = None;
            drop(state);
            code
        };
        assert!(scene.redeem(&without().text, &[("redirect_uri", "")]).is_ok());
        let code = without();
        let elsewhere = [("redirect_uri", "https://evil.example/")];
        assert_eq!(
            refused(scene.redeem(&code.text, &elsewhere)),
            Fault::RedirectUriMismatch
        );
        assert!(scene.redeem(&code.text, &[]).is_ok());
    }

    #[test]
    fn scope_and_audience_of_the_request_change_nothing() {
        let scene = Scene::new();
        let code = scene.code("profile offline");
        let wishes = [("scope", "openid"), ("audience", "https://other.example")];
        let tokens = scene.redeem(&code.text, &wishes).expect("the code is good");
        assert_eq!(tokens.scope, "profile offline");
        assert_eq!(tokens.id_token, None);
    }

    #[test]
    fn the_answer_is_complete_before_the_code_is_used_up() {
        let scene = Scene::new();
        let grant = scene.grant("openid");
        let code = scene.desk.code(&grant, None);
        let sealed = |bytes: Vec<u8>| {
            let mut state = scene.desk.store.state();
            state.grants.get_mut(&grant.id).expect("the grant is stored").sealed = bytes;
        };
        sealed(scene.damaged(grant.id));
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::Internal);
        sealed(grant.sealed.clone());
        assert!(scene.redeem(&code.text, &[]).is_ok());
    }
}

/// OpenID Connect Core §11, and Hydra's synonym.
mod refresh_tokens {
    use super::*;

    #[test]
    fn offline_and_offline_access_give_one() {
        let scene = Scene::with(|client| client.scope.push("offline_access".to_owned()));
        for scope in ["offline", "offline_access", "openid offline profile"] {
            assert!(scene.tokens(scope).refresh_token.is_some(), "{scope}");
        }
    }

    #[test]
    fn without_one_of_them_granted_there_is_none() {
        let more = ["offline.x", "Offline"].map(str::to_owned);
        let scene = Scene::with(|client| client.scope.extend(more));
        for scope in ["openid", "profile", "offline.x", "Offline"] {
            assert_eq!(scene.tokens(scope).refresh_token, None, "{scope}");
        }
        assert!(scene.desk.store.state().refreshes.is_empty());
    }

    #[test]
    fn a_client_without_the_grant_type_gets_none() {
        let scene = Scene::with(|client| client.grant_types.retain(|name| name != "refresh_token"));
        let tokens = scene.tokens("openid offline");
        assert_eq!((tokens.scope.as_str(), tokens.refresh_token), ("openid offline", None));
        assert!(scene.desk.store.state().refreshes.is_empty());
    }
}

/// What the client lost between consent and redemption is not given: RFC 6749 §3.3, RFC 9700 §2.1.
#[test]
fn a_code_gives_nothing_that_the_client_has_lost_since() {
    for change in [
        (|client: &mut Client| client.scope.retain(|scope| scope != "profile")) as fn(&mut Client),
        |client| client.audience.clear(),
        |client| client.redirect_uris = vec!["https://elsewhere.example/cb".to_owned()],
    ] {
        let scene = Scene::new();
        let code = scene.code("openid profile");
        let mut draft = scene.desk.draft("app");
        change(&mut draft);
        scene.desk.register(&draft);
        assert!(scene.redeem(&code.text, &[]).is_err());
        assert!(scene.desk.store.state().access.is_empty());
    }
}

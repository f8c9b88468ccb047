//! `refresh_token`: RFC 6749 §6 and the defect D19.

use super::*;
use crate::client::AuthMethod;
use crate::port::{Change, Owner};

/// The scope of the access token itself, if it is narrower than its grant's.
fn narrowed(scene: &Scene, tokens: &Tokens) -> Option<Vec<String>> {
    match scene.access(&tokens.access_token).owner {
        Owner::Grant { scope, .. } => scope,
        Owner::Client { .. } => panic!("the token of a person"),
    }
}

mod rfc6749_6 {
    use super::*;

    #[test]
    fn a_refresh_token_gives_the_next_pair_and_ends_the_previous_access_token() {
        let scene = Scene::new();
        let first = scene.tokens("profile offline");
        scene.pass(60);
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        assert_eq!((second.scope.as_str(), second.expires_in), ("profile offline", 3600));
        assert_ne!(first.access_token, second.access_token);
        assert_ne!(first.refresh_token, second.refresh_token);
        assert!(!scene.lives(&first.access_token) && scene.lives(&second.access_token));
        let third = scene.refresh(second.refresh(), &[]).expect("the next one too");
        assert!(!scene.lives(&second.access_token) && scene.lives(&third.access_token));
    }

    #[test]
    fn d19_a_narrower_scope_is_that_of_the_access_token_only() {
        let scene = Scene::new();
        let first = scene.tokens("openid profile offline");
        let narrow = scene
            .refresh(first.refresh(), &[("scope", "profile")])
            .expect("the scope was granted");
        assert_eq!((narrow.scope.as_str(), narrow.id_token.as_deref()), ("profile", None));
        assert_eq!(narrowed(&scene, &narrow), Some(vec!["profile".to_owned()]));
        let whole = scene.refresh(narrow.refresh(), &[]).expect("the token is good");
        assert_eq!(whole.scope, "openid profile offline");
        assert!(whole.id_token.is_some());
        assert_eq!(narrowed(&scene, &whole), None);
    }

    #[test]
    fn d19_a_narrowed_token_can_be_widened_again_up_to_the_grant() {
        let scene = Scene::new();
        let first = scene.tokens("openid profile offline");
        let narrow = scene
            .refresh(first.refresh(), &[("scope", "profile")])
            .expect("the scope was granted");
        let wider = scene
            .refresh(narrow.refresh(), &[("scope", "openid profile")])
            .expect("the scope was granted");
        assert_eq!(wider.scope, "openid profile");
    }

    #[test]
    fn d19_what_was_not_granted_is_refused_and_leaves_the_token() {
        let scene = Scene::new();
        let first = scene.tokens("profile offline");
        for scope in ["openid", "profile openid", "profile.x", "*", "Profile"] {
            let answer = scene.refresh(first.refresh(), &[("scope", scope)]);
            assert_eq!(refused(answer), Fault::ScopeTooWide, "{scope}");
        }
        assert!(scene.lives(&first.access_token));
        assert!(scene.refresh(first.refresh(), &[]).is_ok());
    }

    #[test]
    fn the_whole_scope_in_any_order_narrows_nothing() {
        let scene = Scene::new();
        let first = scene.tokens("openid offline");
        let second = scene
            .refresh(first.refresh(), &[("scope", "offline openid offline")])
            .expect("the scope was granted");
        assert_eq!(second.scope, "openid offline");
        assert_eq!(narrowed(&scene, &second), None);
    }

    #[test]
    fn a_scope_without_a_word_is_as_if_it_was_not_sent() {
        let scene = Scene::new();
        let mut tokens = scene.tokens("openid offline");
        for scope in ["", " ", "  "] {
            tokens = scene
                .refresh(tokens.refresh(), &[("scope", scope)])
                .expect("the token is good");
            assert_eq!(tokens.scope, "openid offline", "{scope:?}");
            assert_eq!(narrowed(&scene, &tokens), None);
        }
    }

    #[test]
    fn a_refresh_token_of_another_client_is_refused_and_harms_nothing() {
        let scene = Scene::new();
        scene.desk.register(&scene.desk.draft("other"));
        let tokens = scene.tokens("offline");
        let stranger = [("client_id", "other")];
        assert_eq!(
            refused(scene.refresh(tokens.refresh(), &stranger)),
            Fault::RefreshTokenInvalid
        );
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }

    #[test]
    fn a_refresh_token_that_nobody_was_given_is_refused_and_harms_nothing() {
        let scene = Scene::new();
        let tokens = scene.tokens("offline");
        let id = scene.id(Kind::Refresh, tokens.refresh());
        let unknown = scene.desk.fresh(Kind::Refresh, scene.desk.cx().new_id());
        let forged = scene.desk.fresh(Kind::Refresh, id);
        for token in [&unknown, &forged] {
            assert_eq!(refused(scene.refresh(&token.text, &[])), Fault::RefreshTokenInvalid);
        }
        scene
            .refresh(tokens.refresh(), &[])
            .expect("the token is as good as before");
        scene.pass(3600);
        assert_eq!(refused(scene.refresh(&forged.text, &[])), Fault::RefreshTokenInvalid);
        assert_eq!(scene.desk.store.state().grants.len(), 1);
    }

    #[test]
    fn a_refresh_token_expires() {
        let scene = Scene::new();
        let (early, late) = (scene.tokens("offline"), scene.tokens("offline"));
        scene.pass(720 * 3600 - 1);
        assert!(scene.refresh(early.refresh(), &[]).is_ok());
        scene.pass(1);
        assert_eq!(refused(scene.refresh(late.refresh(), &[])), Fault::RefreshTokenExpired);
    }

    #[test]
    fn a_refresh_token_whose_grant_was_revoked_gives_nothing() {
        let scene = Scene::new();
        let tokens = scene.tokens("offline");
        let grant = scene.refresh_record(tokens.refresh()).grant;
        scene.desk.apply(Change::RevokeGrant(grant));
        assert_eq!(
            refused(scene.refresh(tokens.refresh(), &[])),
            Fault::RefreshTokenInvalid
        );
    }

    #[test]
    fn a_public_client_refreshes_without_a_secret() {
        let mut scene = Scene::with(|client| client.auth_method = AuthMethod::None);
        scene.desk.policy.pkce_enforced_for_public_clients = false;
        let tokens = scene.tokens("offline");
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }

    #[test]
    fn the_answer_is_complete_before_the_token_is_used_up() {
        let mut scene = Scene::new();
        scene.desk.policy.rotation_grace = Duration::ZERO;
        let tokens = scene.tokens("openid offline");
        let id = scene.refresh_record(tokens.refresh()).grant;
        let swap = |sealed: Vec<u8>| {
            let mut state = scene.desk.store.state();
            let grant = state.grants.get_mut(&id).expect("the grant is stored");
            std::mem::replace(&mut grant.sealed, sealed)
        };
        let intact = swap(scene.damaged(id));
        assert_eq!(refused(scene.refresh(tokens.refresh(), &[])), Fault::Internal);
        swap(intact);
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }
}

/// A refresh renews nothing that the client is no longer registered for.
mod what_the_client_lost {
    use super::*;

    #[test]
    fn a_scope_is_refused_but_can_be_left_out_and_comes_back() {
        let mut scene = Scene::new();
        let first = scene.tokens("openid profile offline");
        scene.change(|client| client.scope.retain(|word| word != "profile"));
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::ScopeUnregistered);
        let narrow = scene
            .refresh(first.refresh(), &[("scope", "openid offline")])
            .expect("the client still has these");
        assert_eq!(narrow.scope, "openid offline");
        scene.change(|client| client.scope.push("profile".to_owned()));
        let whole = scene.refresh(narrow.refresh(), &[]).expect("the client has it again");
        assert_eq!(whole.scope, "openid profile offline");
    }

    #[test]
    fn an_audience_is_refused_and_leaves_the_token() {
        let mut scene = Scene::new();
        let tokens = scene.tokens("offline");
        scene.change(|client| client.audience.clear());
        let fault = refused(scene.refresh(tokens.refresh(), &[]));
        assert_eq!(
            (fault, fault.code().as_str()),
            (Fault::AudienceUnregistered, "invalid_request")
        );
        scene.change(|client| client.audience.push("https://api.example".to_owned()));
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }

    #[test]
    fn the_grant_type_is_refused_and_leaves_the_token() {
        let mut scene = Scene::new();
        let tokens = scene.tokens("offline");
        scene.change(|client| client.grant_types.retain(|name| name != "refresh_token"));
        assert_eq!(
            refused(scene.refresh(tokens.refresh(), &[])),
            Fault::GrantTypeUnregistered
        );
        scene.change(|client| client.grant_types.push("refresh_token".to_owned()));
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }
}

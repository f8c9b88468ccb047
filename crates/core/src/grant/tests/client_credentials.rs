//! `client_credentials`: RFC 6749 §4.4, with the scopes of §3.3.

use super::*;
use crate::client::AuthMethod;
use crate::context::ScopeStrategy;
use crate::port::Owner;

fn owner(scene: &Scene, tokens: &Tokens) -> (Vec<String>, Vec<String>) {
    match scene.access(&tokens.access_token).owner {
        Owner::Client {
            id, scope, audience, ..
        } => {
            assert_eq!(&*id, "app");
            (scope, audience)
        }
        Owner::Grant { .. } => panic!("the token of a client"),
    }
}

mod rfc6749_4_4 {
    use super::*;

    #[test]
    fn a_client_gets_an_access_token_for_itself() {
        let scene = Scene::new();
        let wishes = [("scope", "profile"), ("audience", "https://api.example")];
        let tokens = scene.for_itself(&wishes).expect("the client has both");
        assert_eq!(
            (tokens.scope.as_str(), tokens.expires_in, tokens.token_type.as_str()),
            ("profile", 3600, "bearer")
        );
        let (scope, audience) = owner(&scene, &tokens);
        assert_eq!(
            (scope, audience),
            (vec!["profile".into()], vec!["https://api.example".into()])
        );
        assert!(scene.lives(&tokens.access_token));
    }

    #[test]
    fn a_public_client_proves_nothing_and_is_refused() {
        let scene = Scene::with(|client| client.auth_method = AuthMethod::None);
        let fault = refused(scene.for_itself(&[]));
        assert_eq!(
            (fault, fault.code().as_str()),
            (Fault::ClientPublic, "unauthorized_client")
        );
        assert!(scene.desk.store.state().access.is_empty());
    }

    #[test]
    fn there_is_neither_a_refresh_token_nor_an_id_token() {
        let scene = Scene::new();
        let tokens = scene
            .for_itself(&[("scope", "openid offline")])
            .expect("the client has both");
        assert_eq!((tokens.id_token, tokens.refresh_token), (None, None));
        assert!(scene.desk.store.state().refreshes.is_empty());
    }
}

mod rfc6749_3_3 {
    use super::*;

    #[test]
    fn each_scope_is_granted_once_in_the_order_of_the_request() {
        let scene = Scene::new();
        let tokens = scene
            .for_itself(&[("scope", "profile  openid profile ")])
            .expect("the client has both");
        assert_eq!(tokens.scope, "profile openid");
        assert_eq!(owner(&scene, &tokens).0, ["profile", "openid"]);
    }

    #[test]
    fn a_scope_that_the_client_is_not_registered_for_is_refused_by_name() {
        let scene = Scene::new();
        for scope in ["everything", "profile everything", "profile.x", "\u{e4}", "a\"b"] {
            let failure = scene.for_itself(&[("scope", scope)]).expect_err("not registered");
            assert_eq!(failure.fault(), Fault::ScopeUnregistered, "{scope}");
        }
        let failure = scene
            .for_itself(&[("scope", "profile everything")])
            .expect_err("not registered");
        assert!(failure.description().ends_with(" It is 'everything'."), "{failure}");
    }

    #[test]
    fn patterns_count_by_the_strategy_of_the_operator() {
        let mut scene = Scene::with(|client| client.scope = vec!["files.*".to_owned()]);
        let read = [("scope", "files.read")];
        assert_eq!(scene.for_itself(&read).expect("it matches").scope, "files.read");
        scene.desk.policy.scope_strategy = ScopeStrategy::Exact;
        assert_eq!(refused(scene.for_itself(&read)), Fault::ScopeUnregistered);
    }

    #[test]
    fn who_asks_for_no_scope_gets_none() {
        let scene = Scene::new();
        for scope in ["", " "] {
            let tokens = scene.for_itself(&[("scope", scope)]).expect("none is needed");
            assert_eq!((tokens.scope.as_str(), owner(&scene, &tokens).0.len()), ("", 0));
        }
    }

    #[test]
    fn where_the_operator_says_so_who_asks_for_none_gets_all_and_who_asks_gets_that() {
        let mut scene = Scene::new();
        scene.desk.policy.default_grant_allowed_scope = true;
        let all = scene.for_itself(&[]).expect("the client is good");
        assert_eq!(all.scope, "openid offline profile");
        assert_eq!(owner(&scene, &all).0, scene.client.scope);
        let one = scene.for_itself(&[("scope", "profile")]).expect("the client has it");
        assert_eq!(one.scope, "profile");
    }
}

mod rfc8707_2 {
    use super::*;

    #[test]
    fn an_audience_is_one_that_is_registered_or_lies_below_it() {
        let scene = Scene::new();
        let wishes = [
            ("audience", "https://api.example/v1"),
            ("audience", "https://api.example"),
            ("audience", "https://api.example"),
        ];
        let tokens = scene.for_itself(&wishes).expect("the client has both");
        let (_, audience) = owner(&scene, &tokens);
        assert_eq!(audience, ["https://api.example/v1", "https://api.example"]);
    }

    #[test]
    fn another_audience_is_refused_by_name() {
        let scene = Scene::new();
        let failure = scene
            .for_itself(&[("audience", "https://api.example https://other.example")])
            .expect_err("not registered");
        assert_eq!(failure.fault(), Fault::AudienceUnregistered);
        assert!(
            failure.description().ends_with(" It is 'https://other.example'."),
            "{failure}"
        );
    }

    #[test]
    fn who_asks_for_no_audience_gets_none() {
        let scene = Scene::new();
        let tokens = scene.for_itself(&[]).expect("the client is good");
        assert!(owner(&scene, &tokens).1.is_empty());
    }
}

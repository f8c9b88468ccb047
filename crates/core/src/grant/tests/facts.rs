//! Decisions on remembered facts that the write proves, races, and what each grant type costs.

use super::*;
use crate::port::Change;
use crate::testing::{VERIFIER, challenge};

/// What each grant type says when the client asks for it with the best it has.
fn each(scene: &Scene, code: &Fresh, refresh: &str) -> [(&'static str, Answer); 3] {
    [
        ("authorization_code", scene.redeem(&code.text, &[])),
        ("refresh_token", scene.refresh(refresh, &[])),
        ("client_credentials", scene.for_itself(&[])),
    ]
}

mod stale_memory {
    use super::*;

    #[test]
    fn a_grant_type_that_was_taken_from_the_client_is_refused_at_once() {
        let mut scene = Scene::new();
        let (code, tokens) = (scene.code("offline"), scene.tokens("offline"));
        scene.desk.store.freeze_memory();
        scene.change(|client| client.grant_types.clear());
        for (name, answer) in each(&scene, &code, tokens.refresh()) {
            assert_eq!(refused(answer), Fault::GrantTypeUnregistered, "{name}");
        }
    }

    #[test]
    fn a_grant_type_that_the_client_gained_is_granted_at_once() {
        let mut scene = Scene::new();
        let (code, tokens) = (scene.code("offline"), scene.tokens("offline"));
        let all = scene.client.grant_types.clone();
        scene.change(|client| client.grant_types.clear());
        scene.desk.store.freeze_memory();
        scene.change(|client| client.grant_types = all);
        for (name, answer) in each(&scene, &code, tokens.refresh()) {
            assert!(answer.is_ok(), "{name}");
        }
    }

    #[test]
    fn a_removed_client_is_unknown_at_once() {
        let scene = Scene::new();
        let (code, tokens) = (scene.code("offline"), scene.tokens("offline"));
        scene.desk.store.freeze_memory();
        scene.desk.apply(Change::DeleteClient("app".to_owned()));
        for (name, answer) in each(&scene, &code, tokens.refresh()) {
            assert_eq!(refused(answer), Fault::ClientUnknown, "{name}");
        }
    }

    #[test]
    fn a_changed_secret_counts_at_once() {
        let mut scene = Scene::new();
        let (code, tokens) = (scene.code("offline"), scene.tokens("offline"));
        let before = scene.client.secrets.clone();
        let digest = crate::client_auth::secret::digest_generated(scene.desk.cx().entropy, "another");
        scene.desk.store.freeze_memory();
        scene.change(|client| client.secrets = vec![digest]);
        for (name, answer) in each(&scene, &code, tokens.refresh()) {
            assert_eq!(refused(answer), Fault::ClientUnknown, "{name}");
        }
        assert!(scene.redeem(&code.text, &[("client_secret", "another")]).is_ok());
        scene.change(|client| client.secrets = before);
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }

    #[test]
    fn a_scope_that_the_client_gained_is_granted_at_once() {
        let mut scene = Scene::new();
        let tokens = scene.tokens("profile offline");
        scene.change(|client| client.scope.retain(|word| word != "profile"));
        scene.desk.store.freeze_memory();
        scene.change(|client| client.scope.push("profile".to_owned()));
        assert!(scene.for_itself(&[("scope", "profile")]).is_ok());
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
    }

    #[test]
    fn a_scope_that_the_client_lost_is_refused_at_once() {
        let mut scene = Scene::new();
        let tokens = scene.tokens("profile offline");
        scene.desk.store.freeze_memory();
        scene.change(|client| client.scope.retain(|word| word != "profile"));
        assert_eq!(
            refused(scene.for_itself(&[("scope", "profile")])),
            Fault::ScopeUnregistered
        );
        assert_eq!(refused(scene.refresh(tokens.refresh(), &[])), Fault::ScopeUnregistered);
    }

    #[test]
    fn a_revoked_grant_gives_nothing_more() {
        let scene = Scene::new();
        let grant = scene.grant("offline");
        let code = scene.desk.code(&grant, None);
        let tokens = scene.tokens("offline");
        scene.desk.store.freeze_memory();
        scene.desk.apply(Change::RevokeGrant(grant.id));
        let other = scene.refresh_record(tokens.refresh()).grant;
        scene.desk.apply(Change::RevokeGrant(other));
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeInvalid);
        assert_eq!(
            refused(scene.refresh(tokens.refresh(), &[])),
            Fault::RefreshTokenInvalid
        );
    }

    #[test]
    fn tokens_have_the_lives_that_the_client_has_now() {
        let mut scene = Scene::new();
        let code = scene.code("offline");
        scene.desk.store.freeze_memory();
        scene.change(|client| client.lifespans.authorization_code_grant_access_token_lifespan = Some(5));
        let tokens = scene.redeem(&code.text, &[]).expect("the code is good");
        assert_eq!(tokens.expires_in, 5);
    }
}

/// Two requests that decide on the same facts: the second one's memory is from before the first one's change.
mod races {
    use super::*;

    #[test]
    fn d2_of_two_redemptions_one_wins_and_the_other_ends_the_grant() {
        let scene = Scene::new();
        let code = scene.code("offline");
        scene.desk.store.freeze_memory();
        let winner = scene.redeem(&code.text, &[]).expect("the first one wins");
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeUsed);
        assert!(!scene.lives(&winner.access_token));
        assert_eq!(
            scene.desk.store.state().access.len(),
            1,
            "only one pair was ever issued"
        );
    }

    #[test]
    fn d3_any_number_of_refreshes_get_one_pair() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        scene.desk.store.freeze_memory();
        let winner = scene.refresh(first.refresh(), &[]).expect("the first one wins");
        for _ in 0..3 {
            let loser = scene.refresh(first.refresh(), &[]).expect("the others get the same");
            assert_eq!(loser.pair(), winner.pair());
        }
        assert!(scene.lives(&winner.access_token));
        assert!(scene.refresh(winner.refresh(), &[]).is_ok());
    }

    #[test]
    fn d3_nothing_is_revoked_from_memory_alone() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        scene.desk.store.freeze_memory();
        scene.desk.store.state().grants.clear();
        scene.pass(60);
        scene.traffic();
        let answer = scene.refresh(first.refresh(), &[]);
        assert_eq!(refused(answer), Fault::RefreshTokenInvalid, "the grant is gone already");
        assert_eq!(scene.traffic().1, 0);
        assert!(!scene.lives(&second.access_token));
    }

    #[test]
    fn d3_nothing_is_repeated_from_memory_alone() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        scene.desk.store.freeze_memory();
        let grant = scene.refresh_record(second.refresh()).grant;
        scene.desk.apply(Change::RevokeGrant(grant));
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenInvalid);
    }

    #[test]
    fn d1_a_wrong_verifier_that_comes_second_does_not_burn_but_ends_the_grant() {
        let scene = Scene::new();
        let code = scene.desk.code(&scene.grant("offline"), Some(&challenge(VERIFIER)));
        scene.desk.store.freeze_memory();
        let winner = scene
            .redeem(&code.text, &[("code_verifier", VERIFIER)])
            .expect("the verifier is right");
        let wrong = [("code_verifier", "another-verifier-that-is-long-enough-to-be-one")];
        assert_eq!(refused(scene.redeem(&code.text, &wrong)), Fault::CodeUsed);
        assert!(!scene.lives(&winner.access_token));
    }

    #[test]
    fn a_lost_race_is_tried_again_and_in_the_end_given_up_as_our_fault() {
        for losses in 0..=4 {
            let scene = Scene::new();
            let (code, tokens) = (scene.code("offline"), scene.tokens("offline"));
            let asks: [(&str, &dyn Fn() -> Answer); 3] = [
                ("code", &|| scene.redeem(&code.text, &[])),
                ("refresh", &|| scene.refresh(tokens.refresh(), &[])),
                ("own", &|| scene.for_itself(&[])),
            ];
            for (name, ask) in asks {
                scene.traffic();
                scene.desk.store.lose_next(losses);
                match ask() {
                    Ok(_) => assert!(losses < 4, "{name}"),
                    Err(failure) => assert_eq!((failure.fault(), losses), (Fault::Unavailable, 4), "{name}"),
                }
                assert_eq!(scene.traffic().1, (losses + 1).min(4), "{name}");
                assert!(losses < 4 || ask().is_ok(), "{name}: nothing was used up");
            }
        }
    }

    #[test]
    fn a_revocation_that_loses_its_race_is_tried_again() {
        let scene = Scene::new();
        let code = scene.code("offline");
        let tokens = scene.redeem(&code.text, &[]).expect("the code is good");
        scene.desk.store.lose_next(2);
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeUsed);
        assert!(!scene.lives(&tokens.access_token));
    }
}

mod costs {
    use super::*;

    #[test]
    fn what_is_remembered_is_not_read_and_each_grant_writes_once() {
        let scene = Scene::new();
        let (code, tokens) = (scene.code("openid offline"), scene.tokens("openid offline"));
        scene.desk.store.freeze_memory();
        scene.traffic();
        assert!(scene.for_itself(&[("scope", "profile")]).is_ok());
        assert_eq!(scene.traffic(), (0, 1), "client_credentials");
        assert!(scene.redeem(&code.text, &[]).is_ok());
        assert_eq!(scene.traffic(), (0, 1), "authorization_code");
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
        assert_eq!(scene.traffic(), (0, 1), "refresh_token");
    }

    #[test]
    fn what_is_not_remembered_is_read_once() {
        let scene = Scene::new();
        let (code, tokens) = (scene.code("openid offline"), scene.tokens("openid offline"));
        scene.traffic();
        assert!(scene.for_itself(&[]).is_ok());
        assert_eq!(scene.traffic(), (1, 1), "the client");
        assert!(scene.redeem(&code.text, &[]).is_ok());
        assert_eq!(scene.traffic(), (2, 1), "the client and the code");
        assert!(scene.refresh(tokens.refresh(), &[]).is_ok());
        assert_eq!(scene.traffic(), (2, 1), "the client and the token");
    }

    #[test]
    fn a_refusal_writes_nothing_unless_something_must_end() {
        let scene = Scene::new();
        let (code, expired) = (scene.code("offline"), scene.tokens("offline"));
        let used = scene.code("offline");
        scene.redeem(&used.text, &[]).expect("the code is good");
        scene.pass(720 * 3600);
        scene.traffic();
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::CodeExpired);
        assert_eq!(
            refused(scene.refresh(expired.refresh(), &[])),
            Fault::RefreshTokenExpired
        );
        assert_eq!(
            refused(scene.for_itself(&[("scope", "everything")])),
            Fault::ScopeUnregistered
        );
        assert_eq!(scene.traffic().1, 0);
        assert_eq!(refused(scene.redeem(&used.text, &[])), Fault::CodeUsed);
        assert_eq!(scene.traffic().1, 1);
    }
}

//! The same refresh token presented again: RFC 9700 §4.14.2 and the defect D3.

use super::*;
use crate::port::Change;
use crate::secrets::Secrets;

/// Seconds for which a used token is answered again, by the policy of [`Desk`].
const GRACE: u64 = 10;

mod within_the_grace_period {
    use super::*;

    #[test]
    fn d3_the_same_token_gives_the_same_pair_to_the_byte() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        for _ in 1..GRACE {
            scene.pass(1);
            let again = scene.refresh(first.refresh(), &[]).expect("the answer may be lost");
            assert_eq!(again.pair(), second.pair());
            assert!(again.refresh_token.is_some() && scene.lives(&again.access_token));
        }
        let third = scene.refresh(second.refresh(), &[]).expect("nothing was revoked");
        assert_ne!(third.pair(), second.pair());
    }

    #[test]
    fn a_repeated_answer_writes_nothing_and_tells_the_time_that_is_left() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        scene.refresh(first.refresh(), &[]).expect("the token is good");
        scene.pass(7);
        scene.traffic();
        let again = scene.refresh(first.refresh(), &[]).expect("the answer may be lost");
        assert_eq!(again.expires_in, 3600 - 7);
        let (_, writes) = scene.traffic();
        assert_eq!(writes, 0);
    }

    #[test]
    fn a_repeated_answer_has_the_scope_of_the_first() {
        let scene = Scene::new();
        let first = scene.tokens("openid profile offline");
        let narrow = [("scope", "profile")];
        let second = scene.refresh(first.refresh(), &narrow).expect("the scope was granted");
        for changed in [&narrow[..], &[]] {
            let again = scene.refresh(first.refresh(), changed).expect("the answer may be lost");
            assert_eq!(again, second);
        }
    }

    #[test]
    fn the_pair_is_the_same_after_a_new_secret_was_put_in_front() {
        let mut scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        scene.desk.secrets =
            Secrets::derive(&["fedcba9876543210", "0123456789abcdef"]).expect("the secrets are long enough");
        let again = scene.refresh(first.refresh(), &[]).expect("the answer may be lost");
        assert_eq!(again.pair(), second.pair());
        assert!(scene.refresh(second.refresh(), &[]).is_ok());
    }

    #[test]
    fn once_the_successor_is_used_nothing_is_repeated_and_nothing_revoked() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        let third = scene.refresh(second.refresh(), &[]).expect("the token is good");
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
        assert!(scene.lives(&third.access_token));
        let again = scene
            .refresh(second.refresh(), &[])
            .expect("its own successor is unused");
        assert_eq!(again.pair(), third.pair());
    }

    #[test]
    fn once_the_new_access_token_is_revoked_nothing_is_repeated() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        let access = scene.id(Kind::Access, &second.access_token);
        scene.desk.apply(Change::RevokeAccess(access));
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
        assert!(scene.refresh(second.refresh(), &[]).is_ok());
    }

    #[test]
    fn another_client_gets_nothing_and_harms_nothing() {
        let scene = Scene::new();
        scene.desk.register(&scene.desk.draft("other"));
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        for wait in [0, GRACE] {
            scene.pass(wait);
            let stranger = [("client_id", "other")];
            assert_eq!(
                refused(scene.refresh(first.refresh(), &stranger)),
                Fault::RefreshTokenInvalid
            );
        }
        assert!(scene.refresh(second.refresh(), &[]).is_ok());
    }
}

mod after_the_grace_period {
    use super::*;

    fn assert_all_is_revoked(scene: &Scene, newest: &Tokens) {
        assert!(!scene.lives(&newest.access_token));
        assert_eq!(
            refused(scene.refresh(newest.refresh(), &[])),
            Fault::RefreshTokenInvalid
        );
    }

    #[test]
    fn d3_a_used_token_revokes_everything() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        scene.pass(GRACE);
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
        assert_all_is_revoked(&scene, &second);
    }

    #[test]
    fn d3_a_used_token_revokes_the_newest_however_many_lie_between() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let mut newest = scene.refresh(first.refresh(), &[]).expect("the token is good");
        for _ in 0..3 {
            scene.pass(GRACE);
            newest = scene.refresh(newest.refresh(), &[]).expect("the token is good");
        }
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
        assert_all_is_revoked(&scene, &newest);
    }

    #[test]
    fn repeating_does_not_move_the_end_of_the_grace_period() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        scene.pass(GRACE - 1);
        assert!(scene.refresh(first.refresh(), &[]).is_ok());
        scene.pass(1);
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
        assert_all_is_revoked(&scene, &second);
    }

    #[test]
    fn a_used_token_is_known_as_such_even_if_it_has_expired_since() {
        let scene = Scene::new();
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        scene.pass(720 * 3600 - 1);
        let newest = scene.refresh(second.refresh(), &[]).expect("the token is good");
        scene.pass(GRACE);
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
        assert_all_is_revoked(&scene, &newest);
    }

    #[test]
    fn a_grace_of_nothing_ends_at_once() {
        let mut scene = Scene::new();
        scene.desk.policy.rotation_grace = Duration::ZERO;
        let first = scene.tokens("offline");
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        assert_eq!(refused(scene.refresh(first.refresh(), &[])), Fault::RefreshTokenUsed);
        assert_all_is_revoked(&scene, &second);
    }
}

/// Any order of refreshes and pauses, against what is promised: one line of tokens, of which a used one gives its pair
/// again or ends them all.
mod sequences {
    use proptest::prelude::*;

    use super::*;

    /// A token of the line: when it was used, and what that gave.
    struct Link {
        refresh: String,
        used: Option<(u64, Tokens)>,
    }

    fn link(tokens: &Tokens) -> Link {
        Link {
            refresh: tokens.refresh().to_owned(),
            used: None,
        }
    }

    /// Presents one token of the line; whether the grant lives on.
    fn present(scene: &Scene, line: &mut Vec<Link>, at: usize, clock: u64) -> bool {
        let newest = line.len() - 1;
        let answer = scene.refresh(&line[at].refresh, &[]);
        match &line[at].used {
            None => {
                let tokens = answer.expect("the newest token is good");
                line.push(link(&tokens));
                line[at].used = Some((clock, tokens));
            }
            Some((used, _)) if clock >= used + GRACE => {
                assert_eq!(refused(answer), Fault::RefreshTokenUsed);
                return false;
            }
            Some((_, gave)) if at + 1 == newest => {
                assert_eq!(answer.expect("the successor is unused").pair(), gave.pair());
            }
            Some(_) => assert_eq!(refused(answer), Fault::RefreshTokenUsed),
        }
        true
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_line_of_tokens_never_forks(steps in prop::collection::vec((0..4_usize, 0..GRACE), 1..16)) {
            let scene = Scene::new();
            let mut line = vec![link(&scene.tokens("offline"))];
            let mut clock = 0;
            for (back, pause) in steps {
                scene.pass(pause);
                clock += pause;
                let at = (line.len() - 1).saturating_sub(back);
                if !present(&scene, &mut line, at, clock) {
                    for Link { refresh, .. } in &line {
                        prop_assert_eq!(refused(scene.refresh(refresh, &[])), Fault::RefreshTokenInvalid);
                    }
                    prop_assert!(scene.desk.store.state().grants.is_empty());
                    break;
                }
                prop_assert_eq!(scene.desk.store.state().access.len(), 1, "one access token lives");
            }
        }
    }
}

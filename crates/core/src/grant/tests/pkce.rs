//! RFC 7636 at the token endpoint, RFC 9700 §2.1.1 and the defect D1.

use super::*;
use crate::client::AuthMethod;
use crate::testing::{VERIFIER, challenge};

const OTHER: &str = "another-verifier-that-is-long-enough-to-be-one";

/// A code that is bound to a challenge.
fn bound(scene: &Scene, challenge: &str) -> Fresh {
    scene.desk.code(&scene.grant("offline"), Some(challenge))
}

fn redeem(scene: &Scene, code: &Fresh, verifier: &str) -> Answer {
    scene.redeem(&code.text, &[("code_verifier", verifier)])
}

mod rfc7636_4_6 {
    use super::*;

    #[test]
    fn the_verifier_of_the_challenge_gives_tokens() {
        let scene = Scene::new();
        let code = bound(&scene, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(redeem(&scene, &code, VERIFIER).is_ok());
    }

    #[test]
    fn d1_a_wrong_verifier_uses_the_code_up() {
        for retry in [VERIFIER, OTHER, ""] {
            let scene = Scene::new();
            let code = bound(&scene, &challenge(VERIFIER));
            assert_eq!(refused(redeem(&scene, &code, OTHER)), Fault::VerifierWrong);
            assert_eq!(refused(redeem(&scene, &code, retry)), Fault::CodeUsed, "{retry}");
            let state = scene.desk.store.state();
            assert!(state.access.is_empty() && state.refreshes.is_empty());
        }
    }

    #[test]
    fn d1_a_missing_verifier_gives_nothing_and_leaves_the_code() {
        let scene = Scene::new();
        let code = bound(&scene, &challenge(VERIFIER));
        for _ in 0..2 {
            assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::VerifierMissing);
            assert_eq!(refused(redeem(&scene, &code, "")), Fault::VerifierMissing);
        }
        assert!(redeem(&scene, &code, VERIFIER).is_ok());
    }

    #[test]
    fn a_verifier_in_the_hands_of_another_client_does_not_use_the_code_up() {
        let scene = Scene::new();
        scene.desk.register(&scene.desk.draft("other"));
        let code = bound(&scene, &challenge(VERIFIER));
        for verifier in [OTHER, VERIFIER] {
            let stranger = [("client_id", "other"), ("code_verifier", verifier)];
            assert_eq!(refused(scene.redeem(&code.text, &stranger)), Fault::CodeInvalid);
        }
        assert!(redeem(&scene, &code, VERIFIER).is_ok());
    }
}

mod rfc7636_4_1 {
    use super::*;

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters_whatever_its_digest() {
        let scene = Scene::new();
        let illegal = [
            "a".repeat(42),
            "a".repeat(129),
            format!("{}+", "a".repeat(43)),
            format!("{} ", "a".repeat(43)),
            format!("{}\u{e4}", "a".repeat(43)),
        ];
        for verifier in illegal {
            let code = bound(&scene, &challenge(&verifier));
            assert_eq!(
                refused(redeem(&scene, &code, &verifier)),
                Fault::VerifierWrong,
                "{verifier}"
            );
        }
        for verifier in ["a".repeat(43), "a".repeat(128), format!("-._~{}", "Z9".repeat(20))] {
            let code = bound(&scene, &challenge(&verifier));
            assert!(redeem(&scene, &code, &verifier).is_ok(), "{verifier}");
        }
    }

    #[test]
    fn a_challenge_is_no_verifier_of_itself() {
        let scene = Scene::new();
        let code = bound(&scene, OTHER);
        assert_eq!(refused(redeem(&scene, &code, OTHER)), Fault::VerifierWrong);
    }
}

mod rfc9700_2_1_1 {
    use super::*;

    #[test]
    fn a_verifier_for_a_code_without_a_challenge_is_refused_and_leaves_the_code() {
        let scene = Scene::new();
        let code = scene.code("openid");
        assert_eq!(refused(redeem(&scene, &code, VERIFIER)), Fault::VerifierUnexpected);
        assert!(scene.redeem(&code.text, &[]).is_ok());
    }

    #[test]
    fn a_code_from_before_pkce_was_enforced_gives_nothing() {
        let mut scene = Scene::new();
        scene.desk.policy.pkce_enforced = true;
        let code = scene.code("openid");
        assert_eq!(refused(scene.redeem(&code.text, &[])), Fault::ChallengeRequired);
        assert_eq!(refused(redeem(&scene, &code, VERIFIER)), Fault::VerifierUnexpected);
    }

    #[test]
    fn enforcement_for_public_clients_is_about_them_only() {
        let public = Scene::with(|client| client.auth_method = AuthMethod::None);
        let code = public.code("openid");
        assert_eq!(refused(public.redeem(&code.text, &[])), Fault::ChallengeRequired);
        let code = bound(&public, &challenge(VERIFIER));
        assert!(redeem(&public, &code, VERIFIER).is_ok());
        let confidential = Scene::new();
        assert!(confidential.desk.policy.pkce_enforced_for_public_clients);
        let code = confidential.code("openid");
        assert!(confidential.redeem(&code.text, &[]).is_ok());
    }

    #[test]
    fn where_it_is_not_enforced_a_public_client_may_do_without() {
        let mut scene = Scene::with(|client| client.auth_method = AuthMethod::None);
        scene.desk.policy.pkce_enforced_for_public_clients = false;
        let code = scene.code("openid");
        assert!(scene.redeem(&code.text, &[]).is_ok());
    }
}

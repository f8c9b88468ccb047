//! ID tokens as the token endpoint gives them: OpenID Connect Core §2, §3.1.3.3, §3.1.3.6 and §12.2.

use claviger_jose::{Alg, hash_half, verify_jws};
use serde_json::{Map, Value, json};

use super::*;
use crate::testing::START;
use crate::token::id_token::RESERVED;

fn consented() -> Consented {
    Consented {
        auth_time: START.0 - 90,
        acr: Some("2".to_owned()),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        ..Consented::default()
    }
}

/// The tokens of a grant with this session, and the grant.
fn tokens_of(scene: &Scene, scope: &str, consented: &Consented) -> (Tokens, GrantRecord) {
    let grant = scene.desk.consent(&scene.client, scope, consented);
    let code = scene.desk.code(&grant, None);
    (scene.redeem(&code.text, &[]).expect("the code is good"), grant)
}

fn claims(scene: &Scene, tokens: &Tokens) -> Map<String, Value> {
    let token = tokens.id_token.as_deref().expect("there is an ID token");
    let verified = verify_jws(token, &[scene.desk.keys.verifying()], &[Alg::ES256]).expect("our own signature");
    verified.claims().expect("claims are an object")
}

fn at_hash(tokens: &Tokens) -> Value {
    json!(hash_half(Alg::ES256, tokens.access_token.as_bytes()))
}

mod openid_connect_core_3_1_3_3 {
    use super::*;

    #[test]
    fn openid_gives_an_id_token_about_the_person_and_the_login() {
        let scene = Scene::new();
        let (tokens, grant) = tokens_of(&scene, "openid", &consented());
        let mut claims = claims(&scene, &tokens);
        assert!(claims.remove("jti").is_some());
        let expected = json!({
            "iss": "https://op.example/", "sub": "alice", "aud": ["app"],
            "iat": START.0, "exp": START.0 + 1800, "auth_time": START.0 - 90, "acr": "2", "amr": ["pwd", "otp"],
            "nonce": "n-0S6_WzA2Mj", "sid": grant.session_id.map(|id| id.to_string()), "at_hash": at_hash(&tokens),
        });
        assert_eq!(Value::from(claims), expected);
    }

    #[test]
    fn without_openid_granted_there_is_none() {
        let scene = Scene::new();
        let (tokens, _) = tokens_of(&scene, "profile offline", &consented());
        assert_eq!(tokens.id_token, None);
        let next = scene.refresh(tokens.refresh(), &[]).expect("the token is good");
        assert_eq!(next.id_token, None);
    }

    #[test]
    fn the_consent_app_adds_claims_and_takes_the_place_of_none() {
        let scene = Scene::new();
        let mut added: Map<String, Value> = RESERVED
            .iter()
            .map(|name| ((*name).to_owned(), json!("forged")))
            .collect();
        added.insert("email".to_owned(), json!("alice@example.com"));
        let session = Consented {
            nonce: None,
            acr: None,
            amr: Vec::new(),
            id_token: added,
            ..consented()
        };
        let (tokens, _) = tokens_of(&scene, "openid offline", &session);
        let next = scene.refresh(tokens.refresh(), &[]).expect("the token is good");
        for tokens in [tokens, next] {
            let claims = claims(&scene, &tokens);
            assert!(claims.values().all(|value| *value != json!("forged")), "{claims:?}");
            assert_eq!(
                (&claims["sub"], &claims["email"]),
                (&json!("alice"), &json!("alice@example.com"))
            );
            for name in ["rat", "nonce", "acr", "amr"] {
                assert!(!claims.contains_key(name), "{name}");
            }
        }
    }

    #[test]
    fn what_the_consent_app_set_for_other_tokens_stays_out() {
        let scene = Scene::new();
        let only = |name: &str| Map::from_iter([(name.to_owned(), json!(true))]);
        let session = Consented {
            access_token: only("for_access"),
            userinfo: Some(only("for_userinfo")),
            ..consented()
        };
        let (tokens, _) = tokens_of(&scene, "openid", &session);
        let claims = claims(&scene, &tokens);
        assert!(!claims.contains_key("for_access") && !claims.contains_key("for_userinfo"));
    }
}

mod openid_connect_core_12_2 {
    use super::*;

    #[test]
    fn after_a_refresh_the_login_is_the_original_one_and_the_token_new() {
        let scene = Scene::new();
        let (first, _) = tokens_of(&scene, "openid offline", &consented());
        scene.pass(100);
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        let (before, after) = (claims(&scene, &first), claims(&scene, &second));
        for name in ["iss", "sub", "aud", "auth_time", "nonce", "acr", "amr", "sid"] {
            assert_eq!(before[name], after[name], "{name}");
        }
        assert_eq!(
            (&after["iat"], &after["exp"], &after["at_hash"]),
            (&json!(START.0 + 100), &json!(START.0 + 1900), &at_hash(&second))
        );
        assert_ne!(before["jti"], after["jti"]);
    }

    #[test]
    fn a_repeated_answer_has_an_id_token_for_the_same_access_token() {
        let scene = Scene::new();
        let (first, _) = tokens_of(&scene, "openid offline", &consented());
        let second = scene.refresh(first.refresh(), &[]).expect("the token is good");
        let again = scene.refresh(first.refresh(), &[]).expect("the answer may be lost");
        assert_eq!(claims(&scene, &again)["at_hash"], at_hash(&second));
    }
}

//! What is given at the authorization endpoint itself: OAuth 2.0 Multiple Response Types, OpenID Connect Core §3.2 and §3.3.

use claviger_jose::{Alg, hash_half, verify_jws};
use serde_json::{Map, Value, json};

use super::*;
use crate::introspect::{Caller, Introspection, introspect};
use crate::testing::START;
use crate::userinfo::{UserInfo, userinfo};

const IMPLICIT: [&str; 3] = ["id_token", "id_token token", "token"];
const HYBRID: [&str; 3] = ["code id_token", "code id_token token", "code token"];

/// A client that is registered for every type.
fn walk() -> Walk {
    Walk::with(|client| {
        client.response_types = crate::authorize::response_type::ALL.map(str::to_owned).to_vec();
        client.grant_types.push("implicit".to_owned());
        client.lifespans.implicit_grant_access_token_lifespan = Some(300);
        client.lifespans.implicit_grant_id_token_lifespan = Some(120);
    })
}

fn text<'a>(place: &'a Place, name: &str) -> &'a str {
    place.told(name).unwrap_or_else(|| panic!("no {name} in {place:?}"))
}

fn id_token(walk: &Walk, place: &Place) -> Map<String, Value> {
    let keys = [walk.desk.keys.verifying()];
    let verified = verify_jws(text(place, "id_token"), &keys, &[Alg::ES256]).expect("our own signature");
    verified.claims().expect("claims are an object")
}

mod multiple_response_types_2_1 {
    use super::*;

    #[test]
    fn what_is_more_than_a_code_comes_in_the_fragment_or_by_post_but_never_in_the_query() {
        let mut walk = walk();
        for name in IMPLICIT.into_iter().chain(HYBRID) {
            let landed = walk.finish(&[("response_type", name)], false);
            assert!(matches!(landed, Place::Fragment(_)), "{landed:?}");
            let posted = walk.finish(&[("response_type", name), ("response_mode", "form_post")], false);
            assert!(matches!(posted, Place::Client(_)) && posted.told("error").is_none());
            let refused = walk.start(&[("response_type", name), ("response_mode", "query")]);
            assert!(matches!(refused, Place::Fragment(_)), "D23: {refused:?}");
            assert_eq!(refused.error(), "unsupported_response_mode");
        }
        let code = walk.finish(&[("response_mode", "fragment")], false);
        assert!(matches!(code, Place::Fragment(_)) && code.has_code());
    }

    #[test]
    fn d23_errors_of_these_types_come_in_the_fragment() {
        let mut walk = walk();
        let refused = walk.start(&[("response_type", "token"), ("scope", "everything")]);
        assert!(matches!(refused, Place::Fragment(_)), "{refused:?}");
        assert_eq!(
            (refused.error(), text(&refused, "iss")),
            ("invalid_scope", "https://op.example/")
        );
    }

    #[test]
    fn each_type_gives_what_it_names_and_nothing_else() {
        let mut walk = walk();
        for name in IMPLICIT.into_iter().chain(HYBRID).chain(["code"]) {
            let landed = walk.finish(&[("response_type", name)], false);
            let words: Vec<&str> = name.split(' ').collect();
            for (word, parameter) in [("code", "code"), ("id_token", "id_token"), ("token", "access_token")] {
                assert_eq!(
                    landed.told(parameter).is_some(),
                    words.contains(&word),
                    "{name}: {landed:?}"
                );
            }
            let has_scope = words.contains(&"token") || words == ["code"];
            assert_eq!(landed.told("scope").is_some(), has_scope, "{name}: {landed:?}");
            assert_eq!(landed.told("refresh_token"), None);
            assert_eq!(text(&landed, "state"), "state-1234567");
        }
    }
}

mod rfc6749_4_2 {
    use super::*;

    #[test]
    fn the_access_token_is_a_living_one_with_its_own_lifespan() {
        let mut walk = walk();
        let landed = walk.finish(&[("response_type", "token")], false);
        assert_eq!(
            (text(&landed, "expires_in"), text(&landed, "token_type")),
            ("300", "bearer")
        );
        assert_eq!(text(&landed, "scope"), "openid offline");
        let token = text(&landed, "access_token");
        let claims = now(userinfo(&walk.desk.world(), token)).expect("the person is known");
        assert!(matches!(claims, UserInfo::Plain(claims) if claims["sub"] == "alice"));
        walk.desk.advance(std::time::Duration::from_secs(300));
        let told = now(introspect(&walk.desk.world(), token, Caller::Admin { scope: None }));
        assert_eq!(told.expect("the store answers"), Introspection::Inactive);
    }

    #[test]
    fn d17_each_type_needs_its_grant_types_and_its_own_registration() {
        for (name, grants, is_served) in [
            ("token", "implicit", true),
            ("token", "authorization_code", false),
            ("id_token", "authorization_code", false),
            ("code id_token", "authorization_code", true),
            ("code id_token", "implicit", false),
            ("code token", "authorization_code", false),
            ("code id_token token", "authorization_code implicit", true),
        ] {
            let mut walk = Walk::with(|client| {
                client.response_types = vec![name.to_owned()];
                client.grant_types = grants.split(' ').map(str::to_owned).collect();
            });
            match walk.start(&[("response_type", name)]) {
                Place::Login(_) => assert!(is_served, "{name} with {grants}"),
                refused => assert_eq!((refused.error(), is_served), ("unauthorized_client", false), "{name}"),
            }
        }
        let mut walk = Walk::with(|client| client.grant_types.push("implicit".to_owned()));
        assert_eq!(walk.start(&[("response_type", "token")]).error(), "unauthorized_client");
    }
}

mod openid_connect_core_3_2_2 {
    use super::*;

    #[test]
    fn an_id_token_needs_a_nonce_and_the_scope_openid() {
        let mut walk = walk();
        for name in ["id_token", "id_token token", "code id_token"] {
            assert_eq!(
                walk.start(&[("response_type", name), ("nonce", "")]).error(),
                "invalid_request"
            );
            let without = walk.start(&[("response_type", name), ("scope", "offline")]);
            assert_eq!(without.error(), "unsupported_response_type");
        }
        for name in ["code", "code token", "token"] {
            walk.start(&[("response_type", name), ("nonce", "")]).login();
        }
    }

    #[test]
    fn without_the_scope_openid_granted_there_is_no_answer_that_the_client_asked_for() {
        let mut walk = walk();
        let challenge = walk.start(&[("response_type", "id_token token")]).login();
        let challenge = walk.log_in(&challenge, LoginAcceptance::default()).consent();
        let consent = ConsentAcceptance {
            grant_scope: Some(vec!["offline".to_owned()]),
            ..ConsentAcceptance::default()
        };
        let landed = walk.allow(&challenge, consent);
        assert_eq!(landed.error(), "unsupported_response_type");
        assert!(walk.desk.store.state().access.is_empty());
    }

    #[test]
    fn the_id_token_lives_as_long_as_the_client_was_given() {
        let mut walk = walk();
        let landed = walk.finish(&[("response_type", "id_token")], false);
        let claims = id_token(&walk, &landed);
        assert_eq!(
            (&claims["nonce"], &claims["sub"]),
            (&json!("nonce-1234567"), &json!("alice"))
        );
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(START.0), &json!(START.0 + 120))
        );
    }
}

mod openid_connect_core_3_3_2_11 {
    use super::*;

    #[test]
    fn the_id_token_vouches_for_all_that_comes_with_it() {
        let mut walk = walk();
        for name in ["id_token", "id_token token", "code id_token", "code id_token token"] {
            let landed = walk.finish(&[("response_type", name)], false);
            let claims = id_token(&walk, &landed);
            for (hash, parameter) in [("at_hash", "access_token"), ("c_hash", "code"), ("s_hash", "state")] {
                let expected = landed
                    .told(parameter)
                    .map(|text| hash_half(Alg::ES256, text.as_bytes()));
                assert_eq!(claims.get(hash), expected.map(Value::from).as_ref(), "{name} {hash}");
            }
        }
    }

    #[test]
    fn the_code_of_a_hybrid_answer_is_redeemed_as_any_other() {
        let mut walk = walk();
        let landed = walk.finish(&[("response_type", "code id_token token")], false);
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", text(&landed, "code")),
            ("redirect_uri", CALLBACK),
            ("client_id", "app"),
            ("client_secret", "secret"),
        ];
        let params = form(&pairs);
        let credentials = crate::client_auth::Credentials {
            authorization: None,
            params: &params,
        };
        let answer = now(crate::grant::run(&walk.desk.world(), &credentials)).expect("the code is good");
        let answer = serde_json::to_value(&answer).expect("an answer is JSON");
        let keys = [walk.desk.keys.verifying()];
        let redeemed = verify_jws(answer["id_token"].as_str().unwrap_or_default(), &keys, &[Alg::ES256]);
        let redeemed = redeemed.expect("our own signature").claims().expect("an object");
        let front = id_token(&walk, &landed);
        // "the iss and sub Claim Values MUST be identical in both ID Tokens" (§3.3.3.6).
        for name in ["iss", "sub", "auth_time", "nonce", "sid"] {
            assert_eq!(redeemed[name], front[name], "{name}");
        }
        assert_ne!(answer["access_token"], text(&landed, "access_token"));
    }

    #[test]
    fn pkce_is_asked_for_only_where_there_is_a_code() {
        let mut walk = Walk::with(|client| {
            client.auth_method = crate::client::AuthMethod::None;
            client.response_types = vec!["token".to_owned(), "code token".to_owned()];
            client.grant_types.push("implicit".to_owned());
        });
        walk.start(&[("response_type", "token")]).login();
        assert_eq!(
            walk.start(&[("response_type", "code token")]).error(),
            "invalid_request"
        );
    }
}

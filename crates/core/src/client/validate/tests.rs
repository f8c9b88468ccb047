use serde_json::json;

use super::*;
use crate::testing::Desk;

fn checked(members: Value) -> Result<Validated, Failure> {
    let metadata = serde_json::from_value(members).expect("the members have the right types");
    validate(metadata, &Desk::new().policy)
}

/// The fault and its text.
fn refusal(members: &Value) -> (Fault, String) {
    match checked(members.clone()) {
        Ok(_) => panic!("{members} is accepted"),
        Err(failure) => (failure.fault(), failure.description()),
    }
}

mod rfc7591_2 {
    use super::*;

    #[test]
    fn what_is_not_named_has_its_default() {
        let client = checked(json!({})).expect("a client needs nothing").client;
        assert_eq!(client.auth_method, AuthMethod::ClientSecretBasic);
        assert_eq!(
            (client.grant_types, client.response_types),
            (vec!["authorization_code".into()], vec!["code".into()])
        );
        assert_eq!(client.choices.sector, None);
    }

    #[test]
    fn a_client_without_scope_gets_the_operators_default() {
        let mut desk = Desk::new();
        desk.policy.default_client_scope = vec!["openid".into(), "offline".into()];
        let scope = |text: &str| {
            let metadata = Metadata {
                scope: text.into(),
                ..Metadata::default()
            };
            validate(metadata, &desk.policy)
                .expect("the scopes are valid")
                .client
                .scope
        };
        assert_eq!(scope(" "), ["openid", "offline"]);
        assert_eq!(scope("b  a b"), ["b", "a"]);
    }

    #[test]
    fn an_empty_text_and_an_empty_entry_stand_for_nothing() {
        let members = json!({
            "client_secret": "", "subject_type": "", "token_endpoint_auth_method": "", "jwks_uri": "", "jwks": {},
            "sector_identifier_uri": "", "userinfo_signed_response_alg": "", "request_object_signing_alg": "",
            "token_endpoint_auth_signing_alg": "", "access_token_strategy": "", "policy_uri": "",
            "backchannel_logout_uri": "", "grant_types": [""], "contacts": ["a", ""], "redirect_uris": [""],
        });
        let client = checked(members).expect("nothing is said").client;
        assert_eq!(client.grant_types, ["authorization_code"]);
        assert!(client.redirect_uris.is_empty());
        assert_eq!(client.display["contacts"], json!(["a"]));
    }

    #[test]
    fn the_words_of_a_response_type_have_one_order() {
        let client = checked(json!({"response_types": ["id_token code", "token  code id_token"]}));
        assert_eq!(
            client.expect("both exist").client.response_types,
            ["code id_token", "code id_token token"]
        );
    }

    #[test]
    fn a_public_client_has_no_secret() {
        let members = json!({"token_endpoint_auth_method": "none", "client_secret": "x"});
        assert!(checked(members).expect("the secret does not count").secret.is_empty());
    }
}

mod rfc7591_3_2_2 {
    use super::*;

    #[test]
    fn d33_what_makes_no_sense_is_refused_by_name() {
        let table = [
            ("client_name", json!("a\0b")),
            ("owner", json!("a\0b")),
            ("grant_types", json!(["password"])),
            ("grant_types", json!(["authorization_code", "foo"])),
            ("response_types", json!(["foo bar"])),
            ("response_types", json!(["code code"])),
            ("response_types", json!([" "])),
            ("scope", json!("openid a\"b")),
            ("scope", json!("openid ümlaut")),
            ("audience", json!(["a b"])),
            ("policy_uri", json!("ftp://x.example")),
            ("tos_uri", json!("x.example")),
            ("client_uri", json!("/here")),
            ("logo_uri", json!("data:x")),
            ("logo_uri", json!("https:x.example")),
            ("allowed_cors_origins", json!(["https://a.example/p"])),
            ("allowed_cors_origins", json!(["foo"])),
            ("allowed_cors_origins", json!(["*"])),
            ("allowed_cors_origins", json!(["https://user@a.example"])),
            ("allowed_cors_origins", json!(["https://a.example?q"])),
            ("subject_type", json!("foo")),
            ("subject_type", json!("pairwise")),
            ("sector_identifier_uri", json!("http://a.example/s")),
            ("jwks_uri", json!("foo")),
            ("jwks_uri", json!("https://a.example/#x")),
            ("token_endpoint_auth_method", json!("foo")),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
            ("userinfo_signed_response_alg", json!("HS256")),
            ("token_endpoint_auth_signing_alg", json!("none")),
            ("request_uris", json!(["foo"])),
            ("request_object_signing_alg", json!("foo")),
            ("userinfo_signed_response_alg", json!("foo")),
            ("id_token_signed_response_alg", json!("none")),
            ("id_token_signed_response_alg", json!("HS256")),
            ("default_acr_values", json!(["a b"])),
            ("frontchannel_logout_uri", json!("javascript:x")),
            ("backchannel_logout_uri", json!("foo")),
            ("backchannel_logout_uri", json!("https://a.example/#x")),
            ("initiate_login_uri", json!("http://a.example/login")),
            ("access_token_strategy", json!("foo")),
            ("client_secret", json!("12345")),
            ("jwks", json!({"keys": [{"kty": "EC"}]})),
            ("jwks", json!({"keys": 7})),
        ];
        for (member, value) in table {
            let (fault, told) = refusal(&json!({ member: value }));
            assert_eq!(fault, Fault::ClientMetadataInvalid, "{member}: {value}");
            assert!(told.contains(member), "{member}: {told}");
        }
    }

    /// OpenID Connect Core §8.1.
    #[test]
    fn a_client_with_identifiers_of_its_own_does_not_learn_the_others_as_a_resource_server() {
        let mut desk = Desk::new();
        desk.policy.pairwise_salt = Some(crate::subject::PairwiseSalt::new("a salt of some length".to_owned()));
        let members = |kind: &str, is_one: bool| {
            let members = json!({
                "redirect_uris": ["https://app.example/cb"], "subject_type": kind, "resource_server": is_one,
            });
            validate(
                serde_json::from_value(members).expect("the types are right"),
                &desk.policy,
            )
        };
        assert!(members("pairwise", false).is_ok() && members("public", true).is_ok());
        let refused = members("pairwise", true).map(|_| ()).expect_err("it would learn them");
        assert_eq!(refused.fault(), Fault::ClientMetadataInvalid);
        assert!(refused.description().contains("resource_server"), "{refused}");
    }

    #[test]
    fn a_client_that_signs_has_a_key_to_verify_with() {
        for jwks in [
            json!({"keys": []}),
            json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "enc",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}),
        ] {
            let (_, told) = refusal(&json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}));
            assert!(told.contains("jwks"), "{told}");
        }
    }

    #[test]
    fn an_algorithm_belongs_to_the_method_that_signs() {
        let keys = "https://a.example/jwks";
        for (method, algorithm, is_fit) in [
            ("private_key_jwt", "", true),
            ("private_key_jwt", "PS512", true),
            ("private_key_jwt", "EdDSA", true),
            ("private_key_jwt", "HS256", false),
            ("client_secret_jwt", "", true),
            ("client_secret_jwt", "HS512", true),
            ("client_secret_jwt", "RS256", false),
            ("client_secret_basic", "HS256", true),
        ] {
            let members = json!({"jwks_uri": keys, "token_endpoint_auth_method": method,
                "token_endpoint_auth_signing_alg": algorithm});
            if is_fit {
                assert!(checked(members).is_ok(), "{method} {algorithm}");
            } else {
                let (fault, told) = refusal(&members);
                assert_eq!(fault, Fault::ClientMetadataInvalid);
                assert!(told.contains("token_endpoint_auth_signing_alg"), "{told}");
            }
        }
    }

    #[test]
    fn what_makes_sense_is_accepted() {
        for members in [
            json!({"allowed_cors_origins": ["https://*.a.example", "http://localhost:3000/"]}),
            json!({"response_types": ["token", "code", "id_token"], "grant_types": ["client_credentials"]}),
            json!({"jwks_uri": "https://a.example/jwks.json"}),
            json!({"request_object_signing_alg": "none", "userinfo_signed_response_alg": "none"}),
            json!({"audience": ["api-1", "https://a.example/"]}),
            json!({"initiate_login_uri": "https://a.example/login"}),
            json!({"access_token_strategy": "jwt", "subject_type": "public"}),
            json!({"userinfo_signed_response_alg": "RS256", "id_token_signed_response_alg": "EdDSA"}),
            json!({"client_secret": "123456"}),
        ] {
            assert!(checked(members.clone()).is_ok(), "{members}");
        }
        let origins = checked(json!({"allowed_cors_origins": ["https://a.example/"]}))
            .expect("an origin")
            .client;
        assert_eq!(origins.display["allowed_cors_origins"], json!(["https://a.example"]));
    }

    #[test]
    fn d32_private_keys_are_refused_and_not_repeated() {
        let public = json!({
            "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        let mut private = public.clone();
        private["d"] = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI".into();
        let shared = json!({"kty": "oct", "k": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"});
        for secret in [private, shared] {
            let (fault, told) = refusal(&json!({"jwks": {"keys": [public.clone(), secret]}}));
            assert_eq!(fault, Fault::ClientMetadataInvalid);
            assert!(told.contains("Key 2 of 'jwks'") && !told.contains("jpsQ"), "{told}");
        }
        assert!(checked(json!({"jwks": {"keys": [public.clone()]}})).is_ok());
        let (_, told) = refusal(&json!({"jwks": {"keys": [public]}, "jwks_uri": "https://a.example/j"}));
        assert!(told.contains("jwks_uri"), "{told}");
    }

    #[test]
    fn a_long_value_is_not_repeated_whole() {
        let (_, told) = refusal(&json!({"policy_uri": "\u{e4}".repeat(5000)}));
        assert!(told.len() < 500, "{}", told.len());
    }

    #[test]
    fn what_is_nested_too_deep_to_be_read_again_is_refused() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(checked(json!({"metadata": nested(100)})).is_ok());
        let (fault, _) = refusal(&json!({"metadata": nested(101)}));
        assert_eq!(fault, Fault::ClientMetadataInvalid);
    }
}

mod rfc6749_3_1_2 {
    use super::*;

    #[test]
    fn redirect_uris_are_absolute_and_have_no_fragment() {
        for uri in [
            "https://a.example/#f",
            "https://a.example/cb#",
            "abc",
            "/abc",
            "//a.example/cb",
            "http://a b%",
            "https:a.example/cb",
            "https:///cb",
            "https://",
            "https://a.example\\@b.example/",
            "https://a.example/\ncb",
            " https://a.example/cb",
            "https://\u{e4}.example/",
            "javascript:alert(1)",
            "JavaScript://a.example/%0aalert(1)",
            "data:text/html,x",
        ] {
            let (fault, told) = refusal(&json!({"redirect_uris": ["https://a.example/", uri]}));
            assert_eq!(fault, Fault::RedirectUriInvalid, "{uri}");
            assert!(told.contains("redirect_uris"), "{told}");
        }
    }

    /// RFC 8252 §7: private-use schemes, claimed https, loopback.
    #[test]
    fn redirect_uris_of_native_apps_are_kept_to_the_letter() {
        let uris = json!([
            "com.ex:/x",
            "urn:ietf:wg:oauth:2.0:oob",
            "http://127.0.0.1/cb",
            "http://[::1]:8080/cb",
            "HTTPS://A.example:443/cb?q=%2f",
        ]);
        let client = checked(json!({"redirect_uris": uris.clone()}))
            .expect("all of them are URIs")
            .client;
        assert_eq!(json!(client.redirect_uris), uris);
    }

    #[test]
    fn a_post_logout_redirect_uri_needs_a_redirect_uri_at_its_place() {
        let ask = |uri: &str| {
            checked(json!({
                "redirect_uris": ["https://a.example/cb", "com.ex:/x"],
                "post_logout_redirect_uris": [uri],
            }))
        };
        for uri in ["https://a.example/bye", "https://a.example:443/", "com.ex:/bye"] {
            assert!(ask(uri).is_ok(), "{uri}");
        }
        for uri in [
            "https://b.example/",
            "https://a.example:8443/",
            "http://a.example/",
            "/bye",
        ] {
            let failure = ask(uri).expect_err(uri);
            assert_eq!(failure.fault(), Fault::ClientMetadataInvalid);
        }
    }
}

#[test]
fn an_id_is_anything_that_urls_and_databases_can_carry() {
    let longest = "\u{e4}".repeat(255);
    for id in ["a", "a b/c:%C3", "\u{fc}mlaut \u{2615}", &longest] {
        assert!(client_id(id).is_ok(), "{id}");
    }
    let longer = "a".repeat(256);
    for id in [".", "..", "a\0b", "a\nb", &longer] {
        let failure = client_id(id).expect_err(id);
        assert_eq!(failure.fault(), Fault::ClientMetadataInvalid);
    }
}

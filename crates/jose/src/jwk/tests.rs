mod rfc7517 {
    use serde_json::json;

    use super::super::*;
    use crate::vectors;

    fn without(mut key: Value, member: &str) -> Value {
        key.as_object_mut().expect("a key is an object").remove(member);
        key
    }

    fn with(mut key: Value, member: &str, value: impl Into<Value>) -> Value {
        key.as_object_mut()
            .expect("a key is an object")
            .insert(member.into(), value.into());
        key
    }

    fn message(key: Value) -> String {
        Jwk::parse(key).expect_err("the key is unusable").to_string()
    }

    #[test]
    fn every_member_is_kept() {
        let key = with(
            with(vectors::a2_rsa(), "x5c", json!(["MII"])),
            "custom",
            json!({"a": 1}),
        );
        let jwk = Jwk::parse(key.clone()).expect("the key is usable");
        assert_eq!(jwk.to_value(), key);
        assert_eq!(serde_json::from_slice::<Value>(&jwk.to_json()).expect("JSON"), key);
        assert_eq!(serde_json::to_value(&jwk).expect("JSON"), key);
    }

    #[test]
    fn the_public_half_has_no_private_member_and_the_same_thumbprint() {
        for key in [
            vectors::a2_rsa(),
            vectors::a3_ec(),
            vectors::a4_ec(),
            vectors::rfc8037_okp(),
        ] {
            let jwk = Jwk::parse(with(key, "kid", "k")).expect("the key is usable");
            let public = jwk.public().expect("an asymmetric key has a public half");
            assert!(jwk.is_private() && !public.is_private());
            let members = public.to_value();
            assert!(PRIVATE_MEMBERS.iter().all(|member| members.get(member).is_none()));
            assert_eq!((public.kid(), public.thumbprint()), (Some("k"), jwk.thumbprint()));
            assert!(Jwk::parse(members).is_ok());
        }
    }

    #[test]
    fn a_symmetric_key_is_private_and_has_no_public_half() {
        let jwk = Jwk::parse(vectors::a1_oct()).expect("the key is usable");
        assert!(jwk.is_private() && jwk.is_symmetric() && jwk.public().is_none());
    }

    #[test]
    fn a_private_member_of_another_key_type_still_counts_as_private() {
        let key = with(without(vectors::a3_ec(), "d"), "k", "c2VjcmV0");
        assert!(Jwk::parse(key).expect("the key is usable").is_private());
    }

    #[test]
    fn the_member_at_fault_is_named() {
        for member in ["kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"] {
            assert!(
                message(without(vectors::a2_rsa(), member)).contains(&format!("'{member}'")),
                "{member}"
            );
            assert!(
                message(with(vectors::a2_rsa(), member, 1)).contains(&format!("'{member}'")),
                "{member}"
            );
        }
        for member in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
            let key = with(vectors::a2_rsa(), member, "AQAB=");
            assert!(matches!(Jwk::parse(key), Err(JwkError::Base64 { member: found }) if found == member));
        }
        for member in ["crv", "x", "y"] {
            assert!(
                message(without(vectors::a3_ec(), member)).contains(&format!("'{member}'")),
                "{member}"
            );
        }
        for member in ["x", "d"] {
            let key = with(vectors::rfc8037_okp(), member, "AQAB");
            assert!(
                matches!(
                    Jwk::parse(key),
                    Err(JwkError::WrongSize {
                        found: 3,
                        expected: 32,
                        ..
                    })
                ),
                "{member}"
            );
        }
        for member in ["kid", "alg", "use"] {
            let key = with(vectors::a3_ec(), member, 7);
            assert!(matches!(Jwk::parse(key), Err(JwkError::NotAString { member: found }) if found == member));
        }
        assert!(matches!(
            Jwk::parse(with(vectors::a3_ec(), "key_ops", "sign")),
            Err(JwkError::NotKeyOperations)
        ));
        assert!(matches!(Jwk::parse(json!([])), Err(JwkError::NotAnObject)));
    }

    #[test]
    fn rsa_keys_below_2048_bits_are_refused() {
        let short = b64::encode([0xff; 128]);
        let key = with(without_private(vectors::a2_rsa()), "n", short);
        assert!(matches!(Jwk::parse(key), Err(JwkError::RsaSize { bits: 1024, .. })));
        let almost = b64::encode([&[0x7f][..], &[0xff; 255]].concat());
        let key = with(without_private(vectors::a2_rsa()), "n", almost);
        assert!(matches!(Jwk::parse(key), Err(JwkError::RsaSize { bits: 2047, .. })));
    }

    #[test]
    fn a_modulus_padded_with_zeros_is_refused() {
        let padded = b64::encode([&[0][..], &[0xff; 256]].concat());
        let key = with(without_private(vectors::a2_rsa()), "n", padded);
        assert!(matches!(Jwk::parse(key), Err(JwkError::LeadingZero { member: "n" })));
    }

    #[test]
    fn exponents_that_are_even_one_or_long_are_refused() {
        for e in ["AQ", "AAAC", "Ag", "AQAAAAE"] {
            assert!(
                Jwk::parse(with(without_private(vectors::a2_rsa()), "e", e)).is_err(),
                "{e}"
            );
        }
        assert!(Jwk::parse(with(without_private(vectors::a2_rsa()), "e", "Aw")).is_ok());
    }

    #[test]
    fn unknown_key_types_and_curves_are_named() {
        assert!(message(json!({"kty": "AKP"})).contains("AKP"));
        assert!(message(with(vectors::a3_ec(), "crv", "secp256k1")).contains("secp256k1"));
        assert!(message(with(vectors::rfc8037_okp(), "crv", "X25519")).contains("X25519"));
        assert!(matches!(
            Jwk::parse(with(vectors::a2_rsa(), "oth", json!([]))),
            Err(JwkError::MultiPrime)
        ));
    }

    #[test]
    fn alg_must_fit_the_key() {
        let misfits = [
            (vectors::a2_rsa(), "HS256"),
            (vectors::a3_ec(), "ES384"),
            (vectors::rfc8037_okp(), "ES256"),
            (vectors::a1_oct(), "RS256"),
        ];
        for (key, alg) in misfits {
            assert!(
                matches!(Jwk::parse(with(key, "alg", alg)), Err(JwkError::AlgMismatch { .. })),
                "{alg}"
            );
        }
        let other = Jwk::parse(with(vectors::a2_rsa(), "alg", "RSA-OAEP")).expect("a key for encryption is kept");
        assert_eq!((other.alg(), other.alg_name()), (None, Some("RSA-OAEP")));
    }

    #[test]
    fn a_member_named_twice_is_refused() {
        let text = br#"{"kty":"oct","k":"c2VjcmV0","kid":"a","kid":"b"}"#;
        assert!(matches!(Jwk::from_slice(text), Err(JwkError::Json(_))));
    }

    #[test]
    fn a_set_counts_to_the_key_at_fault() {
        let set = json!({"keys": [vectors::a1_oct(), vectors::a3_ec(), {"kty": "RSA"}]});
        let error = parse_jwk_set(set).expect_err("the third key is unusable").to_string();
        assert!(error.starts_with("Key 3") && error.contains("'n'"), "{error}");
        assert!(matches!(parse_jwk_set(json!({"keys": {}})), Err(JwkSetError::NoKeys)));
        assert_eq!(
            parse_jwk_set(json!({"keys": [vectors::a1_oct()]}))
                .expect("a set")
                .len(),
            1
        );
    }

    #[test]
    fn nothing_private_is_printed() {
        for key in [
            vectors::a1_oct(),
            vectors::a2_rsa(),
            vectors::a3_ec(),
            vectors::rfc8037_okp(),
        ] {
            let shown = format!("{:?}", Jwk::parse(key.clone()).expect("the key is usable"));
            for member in PRIVATE_MEMBERS {
                if let Some(secret) = key.get(member).and_then(Value::as_str) {
                    assert!(!shown.contains(secret), "{shown}");
                }
            }
        }
    }

    fn without_private(key: Value) -> Value {
        PRIVATE_MEMBERS.iter().fold(key, |key, member| without(key, member))
    }
}

mod rfc7638_3_1 {
    use super::super::*;
    use crate::vectors;

    #[test]
    fn the_thumbprint_of_the_example_is_reproduced() {
        let jwk = Jwk::parse(vectors::rfc7638_rsa()).expect("the key is usable");
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn rfc8037_a_3_is_reproduced() {
        let jwk = Jwk::parse(vectors::rfc8037_okp()).expect("the key is usable");
        assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}

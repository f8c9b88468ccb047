mod testing {
    use serde_json::Value;

    use super::super::*;
    use crate::{Jwk, SigningKey};

    pub(super) fn verifying(key: Value) -> VerifyingKey {
        let jwk = Jwk::parse(key).expect("the key is usable");
        VerifyingKey::from_jwk(&jwk).expect("the key verifies")
    }

    pub(super) fn signing(key: Value) -> SigningKey {
        SigningKey::from_jwk(&Jwk::parse(key).expect("the key is usable")).expect("the key signs")
    }

    /// A compact JWS with this header, signed by `key`.
    pub(super) fn signed(key: &SigningKey, header: &str, payload: &[u8]) -> String {
        let message = format!("{}.{}", b64::encode(header), b64::encode(payload));
        let signature = key.sign(message.as_bytes()).expect("signing works");
        format!("{message}.{}", b64::encode(signature))
    }

    pub(super) fn with_kid(mut key: Value, kid: &str) -> Value {
        key.as_object_mut()
            .expect("a key is an object")
            .insert("kid".into(), kid.into());
        key
    }
}

mod rfc7515_appendix_a {
    use super::super::*;
    use super::testing::*;
    use crate::vectors;

    const CLAIMS: &[u8] = b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

    #[test]
    fn the_signatures_of_the_examples_are_right() {
        let examples = [
            (vectors::a1_oct(), vectors::A1, Alg::HS256, CLAIMS),
            (vectors::a2_rsa(), vectors::A2, Alg::RS256, CLAIMS),
            (vectors::a3_ec(), vectors::A3, Alg::ES256, CLAIMS),
            (vectors::a4_ec(), vectors::A4, Alg::ES512, b"Payload"),
            (
                vectors::rfc8037_okp(),
                vectors::RFC8037_A4,
                Alg::EdDSA,
                b"Example of Ed25519 signing",
            ),
        ];
        for (key, jws, alg, payload) in examples {
            let verified = verify_jws(jws, &[verifying(key)], &Alg::ALL).expect("the example is right");
            assert_eq!((verified.alg, verified.payload.as_slice()), (alg, payload));
        }
    }

    #[test]
    fn the_claims_of_the_example_can_be_read() {
        let verified = verify_jws(vectors::A3, &[verifying(vectors::a3_ec())], &[Alg::ES256]).expect("right");
        let claims = verified.claims().expect("the payload is JSON");
        assert_eq!(claims.get("iss"), Some(&Value::from("joe")));
    }

    #[test]
    fn a_jws_without_signature_is_never_accepted() {
        for keys in [vec![], vec![verifying(vectors::a1_oct())]] {
            let error = verify_jws(vectors::A5, &keys, &Alg::ALL).expect_err("none is refused");
            assert!(matches!(error, VerifyError::AlgNotAllowed(alg) if alg == "none"));
        }
    }

    #[test]
    fn the_negative_example_of_appendix_e_is_refused() {
        assert!(verify_jws(vectors::E, &[verifying(vectors::a1_oct())], &Alg::ALL).is_err());
        assert!(
            decode_unverified(vectors::E)
                .expect("it can be read")
                .header
                .members
                .contains_key("crit")
        );
    }
}

mod rfc7515_5_2 {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::*;
    use super::testing::*;
    use crate::vectors;

    #[test]
    fn any_changed_character_is_noticed() {
        let key = [verifying(vectors::a3_ec())];
        for (index, old) in vectors::A3.char_indices() {
            let new = if old == 'A' { "B" } else { "A" };
            let mut changed = vectors::A3.to_owned();
            changed.replace_range(index..=index, new);
            assert!(verify_jws(&changed, &key, &Alg::ALL).is_err(), "character {index}");
        }
    }

    #[test]
    fn parts_that_are_missing_empty_or_too_many_are_refused() {
        let key = [verifying(vectors::a3_ec())];
        for text in [
            "",
            ".",
            "..",
            "a.b",
            &format!("{}.", vectors::A3),
            &format!(".{}", vectors::A3),
            "a.b.c.d.e",
        ] {
            let error = verify_jws(text, &key, &Alg::ALL).expect_err("the text is no JWS");
            assert!(matches!(error, VerifyError::Malformed(_)), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_empty_or_der_encoded_signature_is_refused() {
        let key = [verifying(vectors::a3_ec())];
        let (message, _) = vectors::A3.rsplit_once('.').expect("a JWS has dots");
        for signature in [vec![], vec![0; 64], vec![0x30, 6, 2, 1, 1, 2, 1, 1]] {
            let text = format!("{message}.{}", b64::encode(signature));
            assert!(matches!(
                verify_jws(&text, &key, &Alg::ALL),
                Err(VerifyError::BadSignature)
            ));
        }
    }

    #[test]
    fn a_public_rsa_key_does_not_verify_an_hmac_made_with_it() {
        let jwk = crate::Jwk::parse(vectors::a2_rsa())
            .expect("the key is usable")
            .public()
            .expect("it has a public half");
        let n = b64::decode(jwk.to_value().get("n").and_then(Value::as_str).expect("n")).expect("n is base64url");
        let secret = signing(json!({"kty": "oct", "k": b64::encode(n), "alg": "HS256"}));
        let forged = secret.sign_jws("JWT", b"{}").expect("signing works");
        let keys = [VerifyingKey::from_jwk(&jwk).expect("the key verifies")];
        assert!(matches!(
            verify_jws(&forged, &keys, &[Alg::RS256]),
            Err(VerifyError::AlgNotAllowed(_))
        ));
        assert!(matches!(
            verify_jws(&forged, &keys, &Alg::ALL),
            Err(VerifyError::NoKey(Alg::HS256))
        ));
    }

    #[test]
    fn only_allowed_algorithms_are_accepted() {
        let key = [verifying(vectors::a2_rsa())];
        let error = verify_jws(vectors::A2, &key, &[Alg::PS256, Alg::ES256]).expect_err("RS256 is not allowed");
        assert!(matches!(error, VerifyError::AlgNotAllowed(alg) if alg == "RS256"));
        assert!(verify_jws(vectors::A2, &key, &[]).is_err());
    }

    #[test]
    fn kid_selects_the_key() {
        let keys = [
            verifying(with_kid(vectors::rfc7638_rsa(), "other")),
            verifying(with_kid(vectors::a2_rsa(), "right")),
        ];
        let signed_by = |kid: &str| {
            signing(with_kid(vectors::a2_rsa(), kid))
                .sign_jws("JWT", b"{}")
                .expect("works")
        };
        assert!(verify_jws(&signed_by("right"), &keys, &[Alg::RS256]).is_ok());
        assert!(matches!(
            verify_jws(&signed_by("other"), &keys, &[Alg::RS256]),
            Err(VerifyError::BadSignature)
        ));
        let error = verify_jws(&signed_by("gone"), &keys, &[Alg::RS256]).expect_err("no key has this id");
        assert!(matches!(error, VerifyError::UnknownKid(kid) if kid == "gone"));
    }

    #[test]
    fn without_kid_every_fitting_key_is_tried() {
        let keys = [
            verifying(vectors::a3_ec()),
            verifying(with_kid(vectors::rfc7638_rsa(), "first")),
            verifying(with_kid(vectors::a2_rsa(), "second")),
        ];
        assert!(verify_jws(vectors::A2, &keys, &[Alg::RS256]).is_ok());
        assert!(matches!(
            verify_jws(vectors::A1, &keys, &[Alg::HS256]),
            Err(VerifyError::NoKey(Alg::HS256))
        ));
    }

    #[test]
    fn extensions_that_must_be_understood_are_refused() {
        let (signer, key) = (signing(vectors::a3_ec()), [verifying(vectors::a3_ec())]);
        let critical = signed(&signer, r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, b"{}");
        assert!(matches!(
            verify_jws(&critical, &key, &Alg::ALL),
            Err(VerifyError::Critical)
        ));
        let unencoded = signed(&signer, r#"{"alg":"ES256","b64":false}"#, b"{}");
        assert!(matches!(
            verify_jws(&unencoded, &key, &Alg::ALL),
            Err(VerifyError::Unencoded)
        ));
    }

    #[test]
    fn headers_with_duplicate_or_mistyped_members_are_refused() {
        let (signer, key) = (signing(vectors::a3_ec()), [verifying(vectors::a3_ec())]);
        for header in [
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"typ":"JWT"}"#,
            r#"["ES256"]"#,
            r#"{"alg":"ES256""#,
        ] {
            let error = verify_jws(&signed(&signer, header, b"{}"), &key, &Alg::ALL).expect_err("a bad header");
            assert!(matches!(error, VerifyError::Malformed(_)), "{header}: {error}");
        }
    }

    #[test]
    fn claims_named_twice_are_refused() {
        let signer = signing(vectors::a3_ec());
        let text = signed(&signer, r#"{"alg":"ES256"}"#, br#"{"sub":"a","sub":"b"}"#);
        let verified = verify_jws(&text, &[verifying(vectors::a3_ec())], &Alg::ALL).expect("the signature is right");
        assert!(verified.claims().is_err());
    }

    #[test]
    fn a_key_in_the_header_is_not_believed() {
        let attacker = crate::Jwk::generate(Alg::ES256, "evil", "sig", crate::RsaSize::Bits2048).expect("a key");
        let public = attacker.public().expect("it has a public half").to_value();
        let header = json!({"alg": "ES256", "jwk": public}).to_string();
        let signer = crate::SigningKey::from_jwk(&attacker).expect("the key signs");
        let forged = signed(&signer, &header, b"{}");
        assert!(matches!(
            verify_jws(&forged, &[verifying(vectors::a3_ec())], &Alg::ALL),
            Err(VerifyError::BadSignature)
        ));
    }

    #[test]
    fn a_key_without_kid_signs_a_header_without_kid() {
        let text = signing(vectors::a3_ec())
            .sign_jws("at+jwt", b"{}")
            .expect("signing works");
        let header = decode_unverified(&text).expect("it can be read").header;
        assert_eq!(
            (header.alg.as_str(), header.kid, header.typ.as_deref()),
            ("ES256", None, Some("at+jwt"))
        );
        assert_eq!(header.members.len(), 2);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*", dotted in "[A-Za-z0-9_.-]{0,64}") {
            let key = [verifying(vectors::a1_oct())];
            prop_assert!(verify_jws(&text, &key, &Alg::ALL).is_err());
            prop_assert!(verify_jws(&dotted, &key, &Alg::ALL).is_err());
        }

        #[test]
        fn any_payload_survives(payload: Vec<u8>, kid in "\\PC{0,20}") {
            let key = with_kid(vectors::a1_oct(), &kid);
            let text = signing(key.clone()).sign_jws("JWT", &payload).expect("signing works");
            let verified = verify_jws(&text, &[verifying(key)], &[Alg::HS256]).expect("the signature is right");
            prop_assert_eq!((verified.payload, verified.header.kid), (payload, Some(kid)));
        }
    }
}

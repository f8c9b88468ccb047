use claviger_jose::{Jwk, RsaSize, SigningKey};
use serde_json::json;

use super::*;
use crate::testing::{Desk, START, form, now};

const URI: &str = "https://app.example/request.jwt";

struct Table {
    desk: Desk,
    key: SigningKey,
}

impl Table {
    /// A client whose registration names the public half of a key, and more.
    fn with(more: &[(&str, Value)]) -> Self {
        let key = Jwk::generate(Alg::ES256, "k1", "sig", RsaSize::Bits2048).expect("a key can be generated");
        let desk = Desk::new();
        let mut draft = desk.draft("app");
        draft.display.insert(
            "jwks".to_owned(),
            json!({"keys": [key.public().expect("a public half")]}),
        );
        for (name, value) in more {
            draft.display.insert((*name).to_owned(), value.clone());
        }
        desk.register(&draft);
        let key = SigningKey::from_jwk(&key).expect("the key signs");
        Self { desk, key }
    }

    fn signed(&self, typ: &str, claims: &Value) -> String {
        self.key.sign_jws(typ, claims.to_string().as_bytes()).expect("it signs")
    }

    fn resolve(&self, pairs: &[(&str, &str)]) -> Result<Params, Refused> {
        now(resolve(&self.desk.world(), form(pairs)))
    }

    fn resolved(&self, pairs: &[(&str, &str)]) -> Params {
        self.resolve(pairs).unwrap_or_else(|_| panic!("refused"))
    }

    fn refused(&self, pairs: &[(&str, &str)]) -> Fault {
        match self.resolve(pairs) {
            Err(Refused::Here(Failure::Refused(fault, _)) | Refused::There(_, Failure::Refused(fault, _))) => fault,
            _ => panic!("not refused"),
        }
    }

    /// The fault of an object with these claims and `client_id`.
    fn judged(&self, claims: &Value) -> Fault {
        self.refused(&[("client_id", "app"), ("request", &self.signed("JWT", claims))])
    }
}

mod rfc9101_6 {
    use super::*;

    #[test]
    fn the_object_supersedes_what_stands_beside_it() {
        let table = Table::with(&[]);
        let claims = json!({
            "client_id": "app", "scope": "openid", "state": "inner", "max_age": 60, "aud": "https://op.example/",
            "claims": {"id_token": {"acr": null}}, "resource": ["https://a.example", "https://b.example"],
            "exp": START.0 + 60,
        });
        let request = table.signed("JWT", &claims);
        let outer = [
            ("client_id", "app"),
            ("state", "outer"),
            ("prompt", "login"),
            ("request", &request),
        ];
        let params = table.resolved(&outer);
        assert_eq!(
            (params.get("state"), params.get("prompt")),
            (Some("inner"), Some("login"))
        );
        assert_eq!((params.get("max_age"), params.get("exp")), (Some("60"), None));
        assert_eq!(params.get("claims"), Some(r#"{"id_token":{"acr":null}}"#));
        assert_eq!(params.audience(), ["https://a.example", "https://b.example"]);
        assert!(!params.has("request"));
    }

    #[test]
    fn by_the_media_type_of_rfc_9101_nothing_beside_it_counts() {
        let table = Table::with(&[]);
        let request = table.signed("oauth-authz-req+jwt", &json!({"client_id": "app", "scope": "openid"}));
        let params = table.resolved(&[("client_id", "app"), ("prompt", "login"), ("request", &request)]);
        assert_eq!((params.get("prompt"), params.get("client_id")), (None, Some("app")));
    }

    #[test]
    fn an_object_of_another_client_or_for_another_server_is_refused() {
        let table = Table::with(&[]);
        for claims in [
            json!({"client_id": "other"}),
            json!({"iss": "other"}),
            json!({"aud": "https://elsewhere.example"}),
            json!({"aud": ["https://elsewhere.example"]}),
            json!({"sub": "app"}),
            json!({"request_uri": URI}),
            json!({"scope": ["openid"]}),
        ] {
            assert_eq!(table.judged(&claims), Fault::RequestObjectInvalid, "{claims}");
        }
    }

    #[test]
    fn d6_an_object_out_of_its_time_is_an_invalid_object() {
        let table = Table::with(&[]);
        for claims in [
            json!({"exp": START.0}),
            json!({"exp": "soon"}),
            json!({"nbf": START.0 + 120}),
            json!({"iat": START.0 + 120}),
        ] {
            assert_eq!(table.judged(&claims), Fault::RequestObjectInvalid, "{claims}");
        }
    }

    #[test]
    fn a_signature_that_no_registered_key_verifies_is_refused() {
        let (table, other) = (Table::with(&[]), Table::with(&[]));
        let forged = other.signed("JWT", &json!({"scope": "openid"}));
        for text in [
            forged.as_str(),
            "e30.e30.",
            "no jwt",
            &table.signed("at+jwt", &json!({})),
        ] {
            let fault = table.refused(&[("client_id", "app"), ("request", text)]);
            assert_eq!(fault, Fault::RequestObjectInvalid, "{text}");
        }
    }
}

mod openid_connect_core_6 {
    use super::*;

    /// The header is `{"alg":"none"}`, the payload `{"state":"inner"}`.
    const UNSIGNED: &str = "eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6ImlubmVyIn0.";

    #[test]
    fn an_unsigned_object_is_taken_only_from_who_is_registered_for_it() {
        let asked = [("client_id", "app"), ("request", UNSIGNED)];
        assert_eq!(Table::with(&[]).refused(&asked), Fault::RequestObjectInvalid);
        let none = Table::with(&[("request_object_signing_alg", json!("none"))]);
        assert_eq!(none.resolved(&asked).get("state"), Some("inner"));
        let signed = none.signed("JWT", &json!({"state": "inner"}));
        let asked = [("client_id", "app"), ("request", signed.as_str())];
        assert_eq!(none.refused(&asked), Fault::RequestObjectInvalid);
    }

    #[test]
    fn a_registered_algorithm_is_the_only_one() {
        let table = Table::with(&[("request_object_signing_alg", json!("RS256"))]);
        assert_eq!(table.judged(&json!({})), Fault::RequestObjectInvalid);
    }

    #[test]
    fn a_reference_is_registered_to_the_letter_and_fetched() {
        let table = Table::with(&[("request_uris", json!([URI]))]);
        let asked = |uri| [("client_id", "app"), ("request_uri", uri)];
        let other = "https://app.example/request.jwt?";
        assert_eq!(table.refused(&asked(other)), Fault::RequestUriUnregistered);
        assert_eq!(table.desk.network.asked().len(), 0);
        assert_eq!(table.refused(&asked(URI)), Fault::RequestUriUnanswered);
        let signed = table.signed("JWT", &json!({"state": "inner"}));
        table.desk.network.publish(URI, 404, &signed);
        assert_eq!(table.refused(&asked(URI)), Fault::RequestUriUnanswered);
        table.desk.network.publish(URI, 200, &signed);
        assert_eq!(table.resolved(&asked(URI)).get("state"), Some("inner"));
    }

    #[test]
    fn both_at_once_are_refused() {
        let table = Table::with(&[]);
        let both = [("client_id", "app"), ("request", UNSIGNED), ("request_uri", URI)];
        assert_eq!(table.refused(&both), Fault::RequestTwice);
    }
}

mod rfc9101_4 {
    use proptest::prelude::*;

    use super::*;

    static TABLE: std::sync::LazyLock<Table> = std::sync::LazyLock::new(|| Table::with(&[]));

    proptest! {
        /// A signature makes nothing out of claims that no query could have.
        #[test]
        fn claims_of_any_shape_become_parameters_or_are_refused(
            name in "[a-z_]{1,12}", text in any::<String>(), number: i64, kind in 0..5_u8, typ in "(JWT|oauth-authz-req\\+jwt)",
        ) {
            let value = match kind {
                0 => json!(text),
                1 => json!(number),
                2 => json!([text]),
                3 => json!({ "id_token": text }),
                _ => Value::Null,
            };
            let table = &*TABLE;
            let object = table.signed(&typ, &json!({ &name: value, "client_id": "app" }));
            if let Ok(params) = table.resolve(&[("client_id", "app"), ("request", &object)]) {
                prop_assert!(params.pairs().iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0')));
                prop_assert_eq!(params.get("client_id"), Some("app"));
            }
        }
    }

    #[test]
    fn a_nul_is_refused_as_in_a_query() {
        let table = Table::with(&[]);
        assert_eq!(table.judged(&json!({"state": "a\0b"})), Fault::RequestObjectInvalid);
    }
}

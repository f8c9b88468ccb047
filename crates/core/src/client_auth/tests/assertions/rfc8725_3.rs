use super::*;

#[test]
fn a_key_of_somebody_else_and_a_changed_payload_are_refused() {
    let (desk, right) = with_key();
    let forged = signed(&key(Alg::ES256, "k"), &claims("1"));
    assert_eq!(refused(&desk, &forged), Fault::ClientAssertion);
    let assertion = signed(&right, &claims("1"));
    let parts: Vec<_> = assertion.split('.').collect();
    let changed = format!("{}.{}.{}", parts[0], encode(&claims("2")), parts[2]);
    assert_eq!(refused(&desk, &changed), Fault::ClientAssertion);
}

#[test]
fn none_is_no_algorithm() {
    let (desk, _) = with_key();
    for alg in ["none", "None", "", "XX1"] {
        let unsigned = format!("{}.{}.", encode(&json!({"alg": alg})), encode(&claims("1")));
        assert_eq!(refused(&desk, &unsigned), Fault::ClientAssertion, "{alg}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let (desk, right) = with_key();
    let public = right.public().expect("a public half");
    let shared = Jwk::parse(json!({"kty": "oct", "kid": "k", "alg": "HS256", "k": encode(&public.to_value())}));
    let shared = shared.expect("a shared key");
    assert_eq!(refused(&desk, &signed(&shared, &claims("1"))), Fault::ClientAssertion);
}

#[test]
fn keys_that_the_assertion_brings_along_are_not_looked_at() {
    let desk = Desk::new();
    signing(&desk, json!({"jwks_uri": JWKS_URI}));
    desk.network.publish(JWKS_URI, 200, &json!({"keys": []}).to_string());
    let own = key(Alg::ES256, "mine");
    let public = own.public().expect("a public half");
    let evil = "https://evil.example/jwks";
    desk.network.publish(evil, 200, &set(&[&own]).to_string());
    let signer = SigningKey::from_jwk(&own).expect("the key signs");
    for header in [
        json!({"alg": "ES256", "jwk": public}),
        json!({"alg": "ES256", "jku": evil, "kid": "mine"}),
        json!({"alg": "ES256", "x5u": evil}),
    ] {
        let signed = format!("{}.{}", encode(&header), encode(&claims("1")));
        let signature = signer.sign(signed.as_bytes()).expect("it signs");
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let assertion = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(refused(&desk, &assertion), Fault::ClientAssertion, "{header}");
    }
    assert!(desk.network.asked().iter().all(|request| request.url == JWKS_URI));
}

#[test]
fn only_the_registered_algorithm_is_accepted() {
    let desk = Desk::new();
    let (rsa, ec) = (key(Alg::RS256, "rsa"), key(Alg::ES256, "ec"));
    let keys = set(&[&rsa, &ec]);
    signing(&desk, json!({"jwks": keys, "token_endpoint_auth_signing_alg": ""}));
    assert!(send(&desk, &signed(&rsa, &claims("1"))).is_ok(), "RS256 is the default");
    assert_eq!(refused(&desk, &signed(&ec, &claims("2"))), Fault::ClientAssertion);
    signing(&desk, json!({"jwks": keys}));
    assert!(send(&desk, &signed(&ec, &claims("3"))).is_ok());
    assert_eq!(refused(&desk, &signed(&rsa, &claims("4"))), Fault::ClientAssertion);
}

#[test]
fn a_token_of_another_kind_is_no_assertion() {
    let (desk, key) = with_key();
    let signer = SigningKey::from_jwk(&key).expect("the key signs");
    let typed = |typ: &str, id: &str| {
        signer
            .sign_jws(typ, claims(id).to_string().as_bytes())
            .expect("it signs")
    };
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "application/at+jwt"] {
        assert_eq!(refused(&desk, &typed(typ, "x")), Fault::ClientAssertion, "{typ}");
    }
    for typ in [
        "JWT",
        "jwt",
        "client-authentication+jwt",
        "application/client-authentication+jwt",
    ] {
        assert!(send(&desk, &typed(typ, typ)).is_ok(), "{typ}");
    }
}

#[test]
fn what_is_no_jwt_is_refused() {
    let (desk, key) = with_key();
    let twice = r#"{"iss":"app","sub":"app","sub":"other"}"#;
    let signer = SigningKey::from_jwk(&key).expect("the key signs");
    let twice = signer.sign_jws("JWT", twice.as_bytes()).expect("it signs");
    let list = signer.sign_jws("JWT", b"[]").expect("it signs");
    for text in [
        "a",
        "a.b",
        "a.b.c",
        "....",
        "e30.e30.",
        "\u{e4}.\u{f6}.\u{fc}",
        &twice,
        &list,
    ] {
        assert_eq!(refused(&desk, text), Fault::ClientAssertion, "{text}");
    }
}

use super::*;

#[test]
fn issuer_and_subject_are_the_client() {
    let (desk, key) = with_key();
    for member in ["iss", "sub"] {
        for claims in [
            with("1", member, json!("other")),
            with("1", member, json!(1)),
            without("1", member),
        ] {
            assert_eq!(
                refused(&desk, &signed(&key, &claims)),
                Fault::ClientAssertion,
                "{claims}"
            );
        }
    }
}

#[test]
fn d37_the_audience_is_this_server_and_nobody_else() {
    let (desk, key) = with_key();
    let ours = json!(["https://op.example/", "https://op.example/oauth2/token"]);
    for (id, audience) in [&ours[0], &ours[1], &json!([ours[0]]), &ours].into_iter().enumerate() {
        let claims = with(&id.to_string(), "aud", audience.clone());
        assert!(send(&desk, &signed(&key, &claims)).is_ok(), "{audience}");
    }
    for audience in [
        json!("https://other.example/"),
        json!("https://op.example/oauth2/revoke"),
        json!("https://op.example"),
        json!(["https://op.example/", "https://other.example/"]),
        json!([]),
        json!(["https://op.example/", 1]),
        json!({"0": "https://op.example/"}),
        Value::Null,
    ] {
        let assertion = signed(&key, &with("x", "aud", audience.clone()));
        assert_eq!(refused(&desk, &assertion), Fault::ClientAssertion, "{audience}");
    }
    assert_eq!(
        refused(&desk, &signed(&key, &without("x", "aud"))),
        Fault::ClientAssertion
    );
}

#[test]
fn d6_an_assertion_out_of_its_time_is_an_unauthenticated_client() {
    let (desk, key) = with_key();
    let now = START.0;
    for (member, value) in [
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(now + 25 * 3600)),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", json!("1800000000")),
        ("nbf", json!(now + 120)),
        ("iat", json!(now + 120)),
        ("iat", json!("now")),
    ] {
        let assertion = signed(&key, &with("x", member, value.clone()));
        let refusal = refused(&desk, &assertion);
        assert_eq!(
            (refusal, refusal.code().status()),
            (Fault::ClientAssertion, 401),
            "{member} {value}"
        );
    }
    assert_eq!(
        refused(&desk, &signed(&key, &without("x", "exp"))),
        Fault::ClientAssertion
    );
    let fraction = with("1", "exp", json!(START.0 as f64 + 0.5));
    assert!(send(&desk, &signed(&key, &fraction)).is_ok());
    let ahead = with("2", "iat", json!(now + 30));
    assert!(send(&desk, &signed(&key, &ahead)).is_ok(), "clocks differ a little");
}

#[test]
fn an_assertion_is_used_once() {
    let (desk, key) = with_key();
    let assertion = signed(&key, &claims("1"));
    assert!(send(&desk, &assertion).is_ok());
    let again = send(&desk, &assertion).expect_err("it was used");
    assert_eq!(
        (again.fault(), again.fault().code().status()),
        (Fault::ClientAssertionUsed, 401)
    );
    let same_id = signed(&key, &with("1", "exp", json!(START.0 + 90)));
    assert_eq!(fault(send(&desk, &same_id)), Fault::ClientAssertionUsed);
    assert!(send(&desk, &signed(&key, &claims("2"))).is_ok());
}

#[test]
fn an_id_belongs_to_its_client() {
    let (desk, first) = with_key();
    assert!(send(&desk, &signed(&first, &claims("1"))).is_ok());
    let mut other = signing(&desk, json!({"jwks": set(&[&first])}));
    other.id = "other".into();
    desk.register(&other);
    let mut claims = claims("1");
    claims["iss"] = "other".into();
    claims["sub"] = "other".into();
    assert!(send(&desk, &signed(&first, &claims)).is_ok());
}

#[test]
fn an_assertion_needs_an_id_that_can_be_kept() {
    let (desk, key) = with_key();
    for claims in [
        without("1", "jti"),
        claims(""),
        with("1", "jti", json!(1)),
        claims(&"x".repeat(2000)),
    ] {
        assert_eq!(
            refused(&desk, &signed(&key, &claims)),
            Fault::ClientAssertion,
            "{claims}"
        );
    }
}

#[test]
fn one_request_uses_its_assertion_once_however_often_it_is_judged() {
    let (desk, key) = with_key();
    let assertion = signed(&key, &claims("1"));
    let params = form(&[("client_assertion_type", TYPE), ("client_assertion", &assertion)]);
    let credentials = Credentials {
        authorization: None,
        params: &params,
    };
    let (world, authentication) = (desk.world(), Authentication::of(&credentials));
    for freshness in [Freshness::ProvedByWrite, Freshness::Latest, Freshness::Latest] {
        assert!(now(authentication.client(&world, freshness)).is_ok());
    }
    assert_eq!(fault(send(&desk, &assertion)), Fault::ClientAssertionUsed);
}

#[test]
fn a_database_that_is_away_is_no_failure_of_the_client() {
    let (desk, key) = with_key();
    desk.store.go_down();
    assert_eq!(fault(send(&desk, &signed(&key, &claims("1")))), Fault::Unavailable);
}

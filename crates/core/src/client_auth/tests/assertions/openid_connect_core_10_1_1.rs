use super::*;

fn published() -> (Desk, Jwk) {
    let desk = Desk::new();
    let key = key(Alg::ES256, "one");
    signing(&desk, json!({"jwks_uri": JWKS_URI}));
    desk.network.publish(JWKS_URI, 200, &set(&[&key]).to_string());
    (desk, key)
}

#[test]
fn keys_are_fetched_once_and_kept() {
    let (desk, key) = published();
    for id in ["1", "2", "3"] {
        assert!(send(&desk, &signed(&key, &claims(id))).is_ok());
    }
    assert_eq!(desk.network.asked().len(), 1);
}

#[test]
fn an_unknown_kid_is_looked_up_again_but_not_without_end() {
    let (desk, old) = published();
    assert!(send(&desk, &signed(&old, &claims("1"))).is_ok());
    let new = key(Alg::ES256, "two");
    desk.network.publish(JWKS_URI, 200, &set(&[&new]).to_string());
    desk.advance(std::time::Duration::from_secs(31));
    let fresh = |id: &str| with(id, "exp", json!(START.0 + 600));
    desk.network.asked();
    assert!(send(&desk, &signed(&new, &fresh("2"))).is_ok());
    assert_eq!(fault(send(&desk, &signed(&old, &fresh("3")))), Fault::ClientAssertion);
    for attempt in 0..20 {
        let forged = signed(&key(Alg::ES256, "three"), &fresh(&attempt.to_string()));
        assert_eq!(refused(&desk, &forged), Fault::ClientAssertion);
    }
    assert_eq!(desk.network.asked().len(), 1);
}

#[test]
fn keys_that_cannot_be_fetched_are_no_failure_of_ours() {
    let (desk, right) = published();
    for (status, body) in [
        (404, "{}"),
        (200, "nonsense"),
        (200, "{}"),
        (200, r#"{"keys":{}}"#),
        (500, ""),
    ] {
        desk.advance(std::time::Duration::from_secs(60));
        desk.network.publish(JWKS_URI, status, body);
        let refusal = send(&desk, &signed(&right, &with("1", "exp", json!(START.0 + 3600))));
        let refusal = refusal.expect_err("no key is known");
        assert_eq!(refusal.fault(), Fault::ClientAssertion, "{status} {body}");
        assert!(!refusal.description().contains("nonsense"));
    }
}

#[test]
fn known_keys_outlive_a_short_absence_of_who_publishes_them() {
    let (desk, key) = published();
    assert!(send(&desk, &signed(&key, &claims("1"))).is_ok());
    desk.network.publish(JWKS_URI, 503, "");
    desk.advance(std::time::Duration::from_secs(3600));
    let later = |id: &str, hours: i64| with(id, "exp", json!(START.0 + hours * 3600));
    assert!(send(&desk, &signed(&key, &later("2", 2))).is_ok());
    desk.advance(std::time::Duration::from_secs(24 * 3600));
    let outcome = send(&desk, &signed(&key, &later("3", 26)));
    assert_eq!(fault(outcome), Fault::ClientAssertion);
}

#[test]
fn keys_for_encryption_and_of_kinds_to_come_stand_beside_the_others() {
    let (desk, right) = published();
    let mut keys = set(&[&right]);
    let list = keys["keys"].as_array_mut().expect("a list");
    list.insert(0, json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}));
    list.insert(0, json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}));
    desk.network.publish(JWKS_URI, 200, &keys.to_string());
    assert!(send(&desk, &signed(&right, &claims("1"))).is_ok());
}

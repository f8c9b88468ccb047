use super::*;

fn shared(alg: &str) -> Jwk {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let k = URL_SAFE_NO_PAD.encode(SECRET);
    Jwk::parse(json!({"kty": "oct", "alg": alg, "k": k})).expect("a shared key")
}

fn sealed() -> Desk {
    let desk = Desk::new();
    desk.register(&Client {
        auth_method: AuthMethod::ClientSecretJwt,
        secrets: vec![seal_signing(&desk.cx(), "app", SECRET)],
        ..desk.draft("app")
    });
    desk
}

#[test]
fn a_mac_under_the_secret_authenticates_once() {
    let desk = sealed();
    let assertion = signed(&shared("HS256"), &claims("1"));
    assert_eq!(&*send(&desk, &assertion).expect("the client").id, "app");
    assert_eq!(fault(send(&desk, &assertion)), Fault::ClientAssertionUsed);
}

#[test]
fn the_wrong_secret_and_another_algorithm_are_refused() {
    let desk = sealed();
    let wrong = Jwk::parse(json!({"kty": "oct", "alg": "HS256", "k": encode(&json!({"wrong": SECRET}))}));
    let wrong = wrong.expect("a shared key");
    assert_eq!(refused(&desk, &signed(&wrong, &claims("1"))), Fault::ClientAssertion);
    assert_eq!(
        refused(&desk, &signed(&key(Alg::ES256, "k"), &claims("1"))),
        Fault::ClientAssertion
    );
    assert_eq!(fault(post(&desk, "app", SECRET)), Fault::ClientMethodUnregistered);
}

#[test]
fn a_sealed_secret_opens_for_its_client_only_and_cannot_be_read() {
    let desk = sealed();
    let stored = seal_signing(&desk.cx(), "app", SECRET);
    assert!(!stored.contains(SECRET));
    assert!(crate::client_auth::secret::open(&desk.secrets, "other", &stored).is_none());
    desk.register(&Client {
        auth_method: AuthMethod::ClientSecretPost,
        secrets: vec![stored],
        ..desk.draft("app")
    });
    assert!(
        post(&desk, "app", SECRET).is_ok(),
        "the method may change and the secret stay"
    );
    assert_eq!(fault(post(&desk, "app", "guess")), Fault::ClientUnknown);
}

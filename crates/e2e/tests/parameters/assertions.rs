//! Assertions at the token endpoint, as a grant and as the proof of a client: RFC 7523 §3 and §3.2.

use claviger_e2e::signer::{Key, now};
use serde_json::json;

use crate::stage::{API, ASSERTION_TYPE, JWT_BEARER, Stage, forged, stages};
use crate::table::{Endpoint, Good, check, line};
use crate::token::{
    BAD_CLIENT, BAD_GRANT, BAD_REQUEST, BAD_SCOPE, BAD_TARGET, CLIENT_ID, CLIENT_SECRET, GRANT_TYPE, by_secret,
    clients, endpoint, form,
};

const ASSERTION: Endpoint = endpoint(
    "jwt-bearer",
    &[
        GRANT_TYPE,
        CLIENT_ID,
        CLIENT_SECRET,
        line(
            "assertion",
            [BAD_REQUEST, BAD_REQUEST, BAD_GRANT],
            &[
                ("a.b.c", BAD_GRANT),
                ("$forged", BAD_GRANT),
                ("$replayed", BAD_GRANT),
                ("$expired", BAD_GRANT),
                ("$too far off", BAD_GRANT),
                ("$early", BAD_GRANT),
                ("$for another server", BAD_GRANT),
                ("$nameless", BAD_GRANT),
                ("$of a stranger", BAD_GRANT),
                ("$with another key", BAD_GRANT),
                ("$NUL issuer", BAD_GRANT),
                ("$NUL subject", BAD_GRANT),
                ("$long issuer", BAD_GRANT),
                ("$long subject", BAD_GRANT),
                ("$unsigned", BAD_GRANT),
                ("$symmetric", BAD_GRANT),
            ],
        ),
        line(
            "scope",
            ["200", "200", BAD_SCOPE],
            &[("admin", BAD_SCOPE), ("profile openid", BAD_SCOPE)],
        ),
        line(
            "audience",
            ["200", "200", BAD_REQUEST],
            &[("https://other.example", BAD_REQUEST)],
        ),
        line(
            "resource",
            ["200", "200", BAD_TARGET],
            &[("api", BAD_TARGET), ("https://other.example", BAD_TARGET)],
        ),
    ],
);

const BY_KEY: Endpoint = endpoint(
    "private_key_jwt",
    &[
        line(
            "client_assertion_type",
            [BAD_REQUEST; 3],
            &[("urn:ietf:params:oauth:client-assertion-type:saml2-bearer", BAD_REQUEST)],
        ),
        line(
            "client_assertion",
            [BAD_REQUEST, BAD_REQUEST, BAD_CLIENT],
            &[
                ("a.b.c", BAD_CLIENT),
                ("$forged", BAD_CLIENT),
                ("$replayed", BAD_CLIENT),
                ("$expired", BAD_CLIENT),
                ("$too far off", BAD_CLIENT),
                ("$early", BAD_CLIENT),
                ("$for another server", BAD_CLIENT),
                ("$nameless", BAD_CLIENT),
                ("$of a stranger", BAD_CLIENT),
                ("$with another key", BAD_CLIENT),
                ("$NUL issuer", BAD_CLIENT),
                ("$NUL subject", BAD_CLIENT),
                ("$long issuer", BAD_CLIENT),
                ("$long subject", BAD_CLIENT),
                ("$unsigned", BAD_CLIENT),
                ("$symmetric", BAD_CLIENT),
                ("$embedded key", BAD_CLIENT),
                ("$jku", BAD_CLIENT),
                ("$x5u", BAD_CLIENT),
                ("$critical", BAD_CLIENT),
            ],
        ),
        // Whoever names another client must prove to be that one.
        line(
            "client_id",
            ["200", "200", BAD_CLIENT],
            &[("other", BAD_CLIENT), ("signer", "200")],
        ),
        line("client_secret", ["200", "200", BAD_REQUEST], &[]),
    ],
);

/// What somebody could try who signs with `key` for `issuer` about `subject`.
fn knowing_assertions(stage: &Stage, good: Good, key: &Key, (issuer, subject): (&str, &str)) -> Good {
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = stage.claims(issuer, subject);
        claims[name] = value;
        key.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = stage.claims(issuer, subject);
        claims.as_object_mut().unwrap().remove(name);
        key.sign(&claims)
    };
    let claims = stage.claims(issuer, subject);
    let signed_as = |header: serde_json::Value| key.sign_as(&header, &claims);
    let [unsigned, long] = [signed_as(json!({"alg": "none"})), crate::table::long()];
    let stranger = Key::new(&key.kid);
    // Who signs for itself says so twice.
    let both = |name: &str| key.sign(&stage.claims(name, if issuer == subject { name } else { subject }));
    good.knowing("forged", &forged(&key.sign(&claims)))
        .knowing("expired", &with("exp", json!(now() - 1)))
        .knowing("too far off", &with("exp", json!(now() + 400 * 24 * 3600)))
        .knowing("early", &with("nbf", json!(now() + 3600)))
        .knowing("for another server", &with("aud", json!("https://other.example")))
        .knowing("nameless", &without("jti"))
        .knowing("of a stranger", &both("https://stranger.example"))
        .knowing("with another key", &stranger.sign(&claims))
        .knowing("NUL issuer", &both("a\0b"))
        .knowing("NUL subject", &with("sub", json!("a\0b")))
        .knowing("long issuer", &both(&long))
        .knowing("long subject", &with("sub", json!(long)))
        .knowing("unsigned", &unsigned[..=unsigned.rfind('.').unwrap()])
        .knowing("symmetric", &signed_as(json!({"alg": "HS256", "kid": key.kid})))
        .knowing(
            "embedded key",
            &stranger.sign_as(&json!({"alg": "ES256", "jwk": stranger.public()}), &claims),
        )
        .knowing(
            "jku",
            &stranger.sign_as(&json!({"alg": "ES256", "jku": "http://127.0.0.1:1/"}), &claims),
        )
        .knowing(
            "x5u",
            &stranger.sign_as(&json!({"alg": "ES256", "x5u": "http://127.0.0.1:1/"}), &claims),
        )
        .knowing(
            "critical",
            &signed_as(json!({"alg": "ES256", "kid": key.kid, "crit": ["exp"]})),
        )
}

#[tokio::test]
async fn assertions() {
    for stage in stages().await {
        clients(&stage).await;
        let (key, issuer) = (Key::new("own"), "https://idp.example");
        stage.trust(issuer, &key).await;
        let used = key.sign(&stage.claims(issuer, "foo"));
        let fields = [("grant_type", JWT_BEARER), ("assertion", &*used), ("scope", "profile")];
        let first = claviger_e2e::Request::post(&stage.server.public("/oauth2/token")).form(&fields);
        let first = claviger_e2e::Http::new()
            .send(first.basic("app", "correct-horse"))
            .await;
        assert_eq!(first.status, 200, "{}", first.text());
        check(&ASSERTION, async || {
            let assertion = key.sign(&stage.claims(issuer, "foo"));
            let fields = [
                ("grant_type", JWT_BEARER),
                ("assertion", &*assertion),
                ("scope", "profile"),
                ("audience", API),
            ];
            let good = by_secret(form(&stage, &fields)).knowing("replayed", &used);
            knowing_assertions(&stage, good, &key, (issuer, "foo"))
        })
        .await;

        let own = Key::new("own");
        let by_key = json!({"token_endpoint_auth_method": "private_key_jwt", "client_secret": null,
            "token_endpoint_auth_signing_alg": "ES256", "jwks": own.set()});
        stage.client_with("signer", by_key).await;
        let used = own.sign(&stage.claims("signer", "signer"));
        let request = |assertion: &str| {
            form(
                &stage,
                &[
                    ("grant_type", "client_credentials"),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", assertion),
                ],
            )
        };
        assert_eq!(crate::table::told(&request(&used).send(&[]).await), "200");
        check(&BY_KEY, async || {
            let good = request(&own.sign(&stage.claims("signer", "signer"))).knowing("replayed", &used);
            knowing_assertions(&stage, good, &own, ("signer", "signer"))
        })
        .await;
    }
}

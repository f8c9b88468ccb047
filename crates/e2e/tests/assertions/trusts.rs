//! The grant of RFC 7523 §2.1, and who is trusted to sign for it.

use claviger_e2e::flow::text;
use claviger_e2e::signer::Key;
use claviger_e2e::{Answer, Http, Request, Server};
use serde_json::{Value, json};

use super::{JWT_BEARER, claims, servers};

const ISSUERS: &str = "/admin/trust/grants/jwt-bearer/issuers";

/// A client for the grant, and a trust in `key`.
async fn trusting(server: &Server, key: &Key, subject: &str, expires_at: &str) -> Value {
    server
        .create_client(
            &json!({"client_id": "app", "client_secret": "some-secret", "scope": "read write",
            "token_endpoint_auth_method": "client_secret_post", "grant_types": [JWT_BEARER]}),
        )
        .await;
    let trust = json!({"issuer": "https://idp.example", "subject": subject, "allow_any_subject": subject.is_empty(),
        "scope": ["read", "admin"], "jwk": key.public(), "expires_at": expires_at});
    let answer = Http::new()
        .send(Request::post(&server.admin(ISSUERS)).json(&trust))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

async fn granted(server: &Server, assertion: &str, scope: &str) -> Answer {
    let form = [
        ("grant_type", JWT_BEARER),
        ("assertion", assertion),
        ("scope", scope),
        ("client_id", "app"),
        ("client_secret", "some-secret"),
    ];
    let request = Request::post(&server.public("/oauth2/token")).form(&form);
    Http::new().send(request).await
}

#[tokio::test]
async fn an_assertion_of_a_trusted_issuer_becomes_a_token_of_its_subject() {
    for (_database, server) in servers().await {
        let key = Key::new("k");
        let trust = trusting(&server, &key, "carol", "2090-01-01T00:00:00Z").await;
        let assertion = key.sign(&claims(&server, "https://idp.example", "carol").await);
        let answer = granted(&server, &assertion, "read").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json().get("refresh_token").is_none());
        let token = text(&answer.json(), "access_token");
        let told = server.introspect(&token).await;
        assert_eq!(
            (&told["sub"], &told["scope"], &told["client_id"]),
            (&json!("carol"), &json!("read"), &json!("app"))
        );

        let again = granted(&server, &assertion, "read").await;
        assert_eq!((again.status, again.error().as_str()), (400, "invalid_grant"));
        // The one is not the client's, the other not the trust's.
        for scope in ["admin", "write"] {
            let assertion = key.sign(&claims(&server, "https://idp.example", "carol").await);
            let wide = granted(&server, &assertion, scope).await;
            assert_eq!((wide.status, wide.error().as_str()), (400, "invalid_scope"), "{scope}");
        }
        let stranger = key.sign(&claims(&server, "https://idp.example", "dave").await);
        assert_eq!(granted(&server, &stranger, "read").await.error(), "invalid_grant");

        let url = server.admin(&format!("{ISSUERS}/{}", text(&trust, "id")));
        assert_eq!(Http::new().send(Request::delete(&url)).await.status, 204);
        let assertion = key.sign(&claims(&server, "https://idp.example", "carol").await);
        assert_eq!(granted(&server, &assertion, "read").await.error(), "invalid_grant");
    }
}

#[tokio::test]
async fn d8_an_expired_trust_is_none() {
    let (_database, server) = servers().await.pop().expect("a server");
    let key = Key::new("k");
    trusting(&server, &key, "", "2001-01-01T00:00:00Z").await;
    let assertion = key.sign(&claims(&server, "https://idp.example", "carol").await);
    let answer = granted(&server, &assertion, "read").await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"));
}

#[tokio::test]
async fn of_32_uses_of_one_grant_one_succeeds() {
    for (_database, server) in servers().await {
        let key = Key::new("k");
        trusting(&server, &key, "", "2090-01-01T00:00:00Z").await;
        let assertion = key.sign(&claims(&server, "https://idp.example", "carol").await);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let (url, assertion) = (server.public("/oauth2/token"), assertion.clone());
            tasks.spawn(async move {
                let form = [
                    ("grant_type", JWT_BEARER),
                    ("assertion", &assertion),
                    ("client_id", "app"),
                    ("client_secret", "some-secret"),
                ];
                Http::new().send(Request::post(&url).form(&form)).await
            });
        }
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        let refused = answers.iter().filter(|answer| answer.status != 200);
        for answer in refused {
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (400, "invalid_grant"),
                "{}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn trusts_are_listed_shown_and_removed_in_hydras_shapes() {
    for (_database, server) in servers().await {
        let key = Key::new("k");
        let trust = trusting(&server, &key, "carol", "2090-01-01T00:00:00Z").await;
        let id = text(&trust, "id");
        assert_eq!(trust["public_key"], json!({"set": "https://idp.example", "kid": "k"}));
        assert_eq!(trust["allow_any_subject"], false);
        // Paths without /admin are those of version 1.
        for path in [ISSUERS, ISSUERS.trim_start_matches("/admin")] {
            let shown = Http::new().get(&server.admin(&format!("{path}/{id}"))).await;
            assert_eq!((shown.status, shown.json()), (200, trust.clone()));
            let list = Http::new().get(&server.admin(path)).await;
            assert_eq!(list.json(), json!([trust]));
            let none = Http::new().get(&server.admin(&format!("{path}?issuer=none"))).await;
            assert_eq!((none.status, none.json()), (200, json!([])));
        }
        for (path, status) in [("nope", 400), ("58264539-579b-4ad1-b0db-6fa3d7c0d5a5", 404)] {
            let url = server.admin(&format!("{ISSUERS}/{path}"));
            assert_eq!(Http::new().get(&url).await.status, status);
            assert_eq!(Http::new().send(Request::delete(&url)).await.status, status);
        }
        let mut body = json!({"issuer": "https://idp.example", "subject": "carol", "jwk": key.public(),
            "expires_at": "2090-01-01T00:00:00Z"});
        let twice = Http::new()
            .send(Request::post(&server.admin(ISSUERS)).json(&body))
            .await;
        assert_eq!(twice.status, 409);
        body["allow_any_subject"] = json!(true);
        let both = Http::new()
            .send(Request::post(&server.admin(ISSUERS)).json(&body))
            .await;
        assert_eq!(
            (both.status, both.error().as_str()),
            (400, "missing_required_parameter")
        );
    }
}

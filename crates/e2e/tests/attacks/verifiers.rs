//! What comes back with a verifier and was changed on the way.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, SUBJECT, text, web_client};
use claviger_e2e::{Database, Flow, Server};
use serde_json::json;
use url::Url;

/// Hydra 1.11: a consent verifier that comes with another client's id gives that client a code.
#[tokio::test]
async fn what_the_browser_repeats_beside_a_verifier_means_nothing() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let mut other = web_client();
    other["redirect_uris"] = json!(["http://127.0.0.1:9011/callback"]);
    let other = text(&server.create_client(&other).await, "client_id");
    let mut flow = Flow::new(&server).await;
    let consent = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
    let granted = json!({"grant_scope": ["openid"]});
    let next = flow.decided("consent", "accept", &consent, &granted).await;
    let verifier = parameter(&Url::parse(&next).unwrap(), "consent_verifier").unwrap();
    let mut forged = form_urlencoded::Serializer::new(String::new());
    forged.extend_pairs([
        ("client_id", &*other),
        ("redirect_uri", "http://127.0.0.1:9011/callback"),
        ("response_type", "code"),
        ("scope", "openid offline profile"),
        ("state", "state-of-the-attacker"),
        ("consent_verifier", &verifier),
    ]);
    let address = server.public(&format!("/oauth2/auth?{}", forged.finish()));
    let landed = flow.http.get(&address).await.location();
    assert!(landed.as_str().starts_with(REDIRECT_URI), "{landed}");
    assert_eq!(parameter(&landed, "state").as_deref(), Some("state-1234567890"));
    let tokens = flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
    let told = server.introspect(&text(&tokens, "access_token")).await;
    assert_eq!(
        (&told["client_id"], &told["scope"]),
        (&json!(flow.client_id), &json!("openid"))
    );
}

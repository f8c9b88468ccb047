//! Logout and its hints.

use claviger_e2e::flow::{SUBJECT, text};
use claviger_e2e::logout::{GOODBYE, Visit, decide, question, server, told};
use claviger_e2e::tokens::{claims, header};
use claviger_e2e::{Callback, Http, Request};
use serde_json::json;

/// Back-Channel Logout §2.4: `sub` or `sid`, `exp`, and a `typ` that no ID token has.
#[tokio::test]
async fn d27_a_logout_token_has_a_subject_an_end_and_its_own_type() {
    let (_database, server) = server().await;
    let client = Callback::listen();
    let mut visit = Visit::begin(&server, &json!({"backchannel_logout_uri": client.url()})).await;
    let hint = visit.id_token.clone();
    let challenge = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
    visit.agree(&server, &challenge).await;
    let token = told(&client, 1).await.remove(0);
    let (head, body) = (header(&token), claims(&token));
    assert_eq!(
        (&head["typ"], &head["alg"]),
        (&json!("logout+jwt"), &header(&hint)["alg"])
    );
    assert_eq!(body["iss"], server.public("/"));
    assert_eq!(body["sub"], SUBJECT);
    assert_eq!(body["aud"], json!([visit.flow.client_id]));
    assert_eq!(text(&body, "sid"), visit.sid());
    let (issued, expires) = (body["iat"].as_i64().unwrap(), body["exp"].as_i64().unwrap());
    assert!(expires > issued && expires <= issued + 120, "{body}");
    assert!(!text(&body, "jti").is_empty());
    assert_eq!(
        body["events"],
        json!({"http://schemas.openid.net/event/backchannel-logout": {}})
    );
    assert!(body.get("nonce").is_none(), "{body}");
}

/// RP-Initiated Logout §2: a key that is still published still proves who signed.
#[tokio::test]
async fn d28_a_hint_by_the_previous_key_logs_out() {
    let (_database, server) = server().await;
    let mut visit = Visit::begin(&server, &json!({})).await;
    let keys = server.admin("/admin/keys/hydra.openid.id-token");
    let rotated = Http::new()
        .send(Request::post(&keys).json(&json!({"alg": "RS256", "use": "sig", "kid": "next"})))
        .await;
    assert_eq!(rotated.status, 201, "{}", rotated.text());
    let hint = visit.id_token.clone();
    let challenge = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
    visit.agree(&server, &challenge).await;
    assert!(!visit.is_logged_in().await);
}

/// RP-Initiated Logout §2: `client_id` may stand in for the hint.
#[tokio::test]
async fn d29_a_client_that_only_names_itself_may_ask_for_a_logout() {
    let (_database, server) = server().await;
    let mut visit = Visit::begin(&server, &json!({})).await;
    let id = visit.flow.client_id.clone();
    let parameters = [
        ("client_id", id.as_str()),
        ("post_logout_redirect_uri", GOODBYE),
        ("state", "mine"),
    ];
    let challenge = visit.challenge(&server, &parameters).await;
    let asked = question(&server, &challenge).await.json();
    assert_eq!(
        (&asked["rp_initiated"], &asked["client"]["client_id"]),
        (&json!(true), &json!(id))
    );
    let goodbye = format!("{GOODBYE}?state=mine");
    let answer = visit.agree(&server, &challenge).await;
    assert_eq!(answer.header("location"), goodbye);
    assert!(!visit.is_logged_in().await);
    // Nobody is left to be asked.
    let answer = visit.ask(&server, &parameters).await;
    assert_eq!(answer.header("location"), goodbye);
}

/// An answer of no is final, a used challenge leads on, and what is unknown is so in one shape.
#[tokio::test]
async fn d30_a_rejected_logout_stays_rejected_and_a_used_one_leads_to_an_absolute_address() {
    let (_database, server) = server().await;
    let mut visit = Visit::begin(&server, &json!({})).await;
    let hint = visit.id_token.clone();
    let rejected = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
    let early = text(&decide(&server, "accept", &rejected).await.json(), "redirect_to");
    assert_eq!(decide(&server, "reject", &rejected).await.status, 204);
    for answer in [
        question(&server, &rejected).await,
        decide(&server, "accept", &rejected).await,
    ] {
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert_eq!(answer.error(), "Unable to locate the resource");
    }
    let location = visit.flow.http.get(&early).await.location();
    assert_eq!(location.path(), "/oauth2/fallbacks/error");
    assert!(visit.is_logged_in().await);

    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE)];
    let used = visit.challenge(&server, &parameters).await;
    visit.agree(&server, &used).await;
    for answer in [question(&server, &used).await, decide(&server, "accept", &used).await] {
        assert_eq!(answer.status, 410, "{}", answer.text());
        let again = text(&answer.json(), "redirect_to");
        assert!(again.starts_with(&server.public("/oauth2/sessions/logout?")), "{again}");
        assert_eq!(visit.flow.http.get(&again).await.header("location"), GOODBYE);
    }
    assert_eq!(decide(&server, "reject", &used).await.status, 204);
}

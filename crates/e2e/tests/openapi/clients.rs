//! What clients ask directly.

use claviger_e2e::flow::{text, web_client};
use claviger_e2e::{Flow, Request, Server};
use serde_json::json;

use super::ask;

/// What strangers must show who want to register.
pub const INITIAL_TOKEN: &str = "what-the-operator-gave-them";

pub async fn tokens(server: &Server) {
    let mut flow = Flow::new(server).await;
    let tokens = flow.tokens().await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        flow.post(path, &[("token", &access), ("token_type_hint", "access_token")])
            .await;
        flow.post(path, &[("token", "nonsense")]).await;
        flow.post(path, &[]).await;
        let wrong = Request::post(&server.public(path)).form(&[("token", &access)]);
        ask(wrong.basic(&flow.client_id, "wrong")).await;
    }
    flow.refresh(&refresh).await;
    flow.refresh("nonsense").await;
    flow.token(&[("grant_type", "client_credentials")]).await;
    let wrong = Request::post(&server.public("/oauth2/token")).form(&[("grant_type", "client_credentials")]);
    ask(wrong.basic("nobody", "wrong")).await;
    let too_large = vec![b'x'; 200_000];
    ask(Request::post(&server.public("/oauth2/token")).body("application/x-www-form-urlencoded", too_large)).await;
}

pub async fn userinfo(server: &Server) {
    let url = server.public("/userinfo");
    let mut flow = Flow::new(server).await;
    let plain = text(&flow.tokens().await, "access_token");
    let own = flow.token(&[("grant_type", "client_credentials")]).await.json();
    let mut metadata = web_client();
    metadata["userinfo_signed_response_alg"] = json!("RS256");
    let client = server.create_client(&metadata).await;
    let signed = text(&Flow::of(server, &client).tokens().await, "access_token");
    for token in [&plain, &signed, &text(&own, "access_token"), "nonsense"] {
        ask(Request::get(&url).bearer(token)).await;
        ask(Request::post(&url).form(&[("access_token", token)])).await;
    }
    ask(Request::get(&url)).await;
    ask(Request::post(&url).form(&[("access_token", &plain)]).bearer(&plain)).await;
}

pub async fn registration(server: &Server) {
    let all = server.public("/oauth2/register");
    let metadata = json!({"client_name": "Stranger", "redirect_uris": ["https://stranger.example/callback"]});
    ask(Request::post(&all).json(&metadata)).await;
    let register = |body| Request::post(&all).json(body).bearer(INITIAL_TOKEN);
    let created = ask(register(&metadata)).await.json();
    let forbidden = json!({"skip_consent": true});
    ask(register(&forbidden)).await;
    let url = text(&created, "registration_client_uri");
    let token = text(&created, "registration_access_token");
    ask(Request::get(&url).bearer(&token)).await;
    ask(Request::put(&url).json(&forbidden).bearer(&token)).await;
    let mut known = metadata.clone();
    known["client_id"] = created["client_id"].clone();
    let replaced = ask(Request::put(&url).json(&known).bearer(&token)).await.json();
    for request in [
        Request::get(&url),
        Request::put(&url).json(&known),
        Request::delete(&url),
    ] {
        ask(request.bearer("wrong")).await;
    }
    let token = text(&replaced, "registration_access_token");
    ask(Request::delete(&url).bearer(&token)).await;
}

pub async fn discovery(server: &Server) {
    for path in [
        "health/alive",
        "health/ready",
        ".well-known/openapi.json",
        ".well-known/jwks.json",
        ".well-known/openid-configuration",
        ".well-known/oauth-authorization-server",
        ".well-known/oauth-authorization-server/tenant",
        ".well-known/oauth-authorization-server/other",
    ] {
        ask(Request::get(&server.public(&format!("/{path}")))).await;
    }
}

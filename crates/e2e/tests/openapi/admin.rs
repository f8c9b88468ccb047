//! Clients, keys, trusted issuers, and the rest of the admin port.

use claviger_e2e::flow::{text, web_client};
use claviger_e2e::{Flow, Request, Server};
use serde_json::{Value, json};

use super::ask;

pub async fn clients(server: &Server) {
    let all = server.admin("/admin/clients");
    let mut full = web_client();
    full["client_id"] = json!("full");
    full["audience"] = json!(["https://api.example.com"]);
    full["owner"] = json!("somebody");
    full["metadata"] = json!({"a": [1]});
    full["default_max_age"] = json!(60);
    full["default_acr_values"] = json!(["2"]);
    full["require_auth_time"] = json!(true);
    full["skip_logout_consent"] = json!(true);
    full["resource_server"] = json!(true);
    full["userinfo_signed_response_alg"] = json!("none");
    full["access_token_strategy"] = json!("jwt");
    full["jwt_bearer_grant_access_token_lifespan"] = json!("1h30m");
    full["frontchannel_logout_uri"] = json!("http://127.0.0.1:9010/front");
    full["post_logout_redirect_uris"] = json!(["http://127.0.0.1:9010/goodbye"]);
    full["initiate_login_uri"] = json!("https://shop.example.com/login");
    let open = json!({"client_id": "open", "token_endpoint_auth_method": "none"});
    let wrong = json!({"redirect_uris": ["javascript:alert(1)"]});
    for client in [&full, &full, &open, &wrong] {
        ask(Request::post(&all).json(client)).await;
    }
    for query in [
        "",
        "?page_size=1",
        "?limit=1&offset=0",
        "?owner=nobody",
        "?page_size=many",
    ] {
        ask(Request::get(&format!("{all}{query}"))).await;
    }
    let patch = |path: &str| json!([{"op": "replace", "path": path, "value": "New"}]);
    let lifespans = json!({"client_credentials_grant_access_token_lifespan": "5m"});
    for id in ["full", "nobody"] {
        let one = format!("{all}/{id}");
        ask(Request::get(&one)).await;
        for body in [&full, &wrong] {
            ask(Request::put(&one).json(body)).await;
        }
        for body in [&patch("/client_name"), &json!([{"op": "eat", "path": "/client_name"}])] {
            ask(Request::patch(&one).json(body)).await;
        }
        for body in [&lifespans, &json!({"implicit_grant_id_token_lifespan": "soon"})] {
            ask(Request::put(&format!("{one}/lifespans")).json(body)).await;
        }
        ask(Request::post(&format!("{one}/secrets/rotate"))).await;
        ask(Request::delete(&format!("{one}/secrets/rotate"))).await;
        ask(Request::delete(&one)).await;
    }
    ask(Request::post(&format!("{all}/open/secrets/rotate"))).await;
    let too_large = vec![b' '; 3 * 1024 * 1024];
    ask(Request::post(&all).body("application/json", too_large)).await;
}

pub async fn keys(server: &Server) {
    let set = server.admin("/admin/keys/documented");
    let wanted = json!({"alg": "ES256", "use": "sig", "kid": "k"});
    for body in [&wanted, &wanted, &json!({"alg": "none"})] {
        ask(Request::post(&set).json(body)).await;
    }
    let keys = ask(Request::get(&set)).await.json();
    let key = keys["keys"][0].clone();
    ask(Request::get(&format!("{set}/k"))).await;
    ask(Request::get(&format!("{set}/other"))).await;
    for body in [&key, &json!({"kty": "EC"})] {
        ask(Request::put(&format!("{set}/k")).json(body)).await;
        ask(Request::put(&set).json(&json!({ "keys": [body] }))).await;
    }
    ask(Request::delete(&format!("{set}/k"))).await;
    ask(Request::delete(&set)).await;
    ask(Request::get(&set)).await;
}

pub async fn trusts(server: &Server) {
    let all = server.admin("/admin/trust/grants/jwt-bearer/issuers");
    // RFC 7515, appendix A.3.1.
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let trust = json!({
        "issuer": "https://issuer.example.com", "subject": "alice", "scope": ["openid"], "jwk": jwk,
        "expires_at": "2099-01-01T00:00:00Z",
    });
    let created = ask(Request::post(&all).json(&trust)).await.json();
    ask(Request::post(&all).json(&trust)).await;
    ask(Request::post(&all).json(&json!({"issuer": "x"}))).await;
    ask(Request::get(&format!("{all}?page_size=1"))).await;
    ask(Request::get(&format!("{all}?page_size=x"))).await;
    let known = text(&created, "id");
    for id in [known.as_str(), "no-uuid", "00000000-0000-7000-8000-000000000000"] {
        ask(Request::get(&format!("{all}/{id}"))).await;
        ask(Request::delete(&format!("{all}/{id}"))).await;
    }
}

pub async fn others(server: &Server) {
    for path in [
        "health/alive",
        "health/ready",
        "version",
        "metrics/prometheus",
        "openapi.json",
    ] {
        ask(Request::get(&server.admin(&format!("/admin/{path}")))).await;
    }
    let mut flow = Flow::new(server).await;
    let tokens: Value = flow.tokens().await;
    let introspect = Request::post(&server.admin("/admin/oauth2/introspect"));
    for token in [
        text(&tokens, "access_token"),
        text(&tokens, "refresh_token"),
        "nonsense".to_owned(),
    ] {
        ask(introspect.clone().form(&[("token", &token)])).await;
    }
    ask(introspect).await;
    let tokens = server.admin("/admin/oauth2/tokens");
    ask(Request::delete(&format!("{tokens}?client_id=nobody"))).await;
    ask(Request::delete(&tokens)).await;
    let flush = server.admin("/admin/oauth2/flush");
    ask(Request::post(&flush).json(&json!({"notAfter": "2020-01-01T00:00:00Z"}))).await;
    ask(Request::post(&flush).json(&json!({"notAfter": "yesterday"}))).await;
}

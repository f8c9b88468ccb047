//! A relying party written with the crate `openidconnect`, which checks every answer against OpenID Connect Core.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, SUBJECT, text};
use claviger_e2e::{Database, Flow, Http, Request, ServerOptions};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};
use serde_json::json;

#[derive(Debug)]
struct Away(String);

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Away {}

/// The library brings no client of its own: this is the tests'.
async fn send(request: HttpRequest) -> Result<HttpResponse, Away> {
    let (head, body) = request.into_parts();
    let mut sent = Request::new(head.method, &head.uri.to_string());
    for (name, value) in &head.headers {
        let name = ["accept", "authorization", "content-type"]
            .into_iter()
            .find(|known| name == known);
        if let Some(name) = name {
            sent = sent.adding_header(name, value.as_bytes());
        }
    }
    let answer = Http::new().try_send(sent.with_bytes(body)).await.map_err(Away)?;
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(answer.body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_crate_discovers_logs_in_verifies_renews_and_reads_userinfo() {
    for database in [Database::sqlite(), Database::postgres()] {
        claviger_e2e::server::migrate(&database);
        let options = ServerOptions::new(&database).with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true");
        let server = options.start().await;
        let registration = json!({"redirect_uris": [REDIRECT_URI], "scope": "openid offline_access",
            "grant_types": ["authorization_code", "refresh_token"]});
        let registered = Request::post(&server.public("/oauth2/register")).json(&registration);
        let registered = Http::new().send(registered).await;
        assert_eq!(registered.status, 201, "{}", registered.text());
        let registered = registered.json();

        let issuer = IssuerUrl::new(server.public("/")).unwrap();
        let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.unwrap();
        let id = ClientId::new(text(&registered, "client_id"));
        let secret = ClientSecret::new(text(&registered, "client_secret"));
        let client = CoreClient::from_provider_metadata(metadata, id, Some(secret))
            .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scope(Scope::new("offline_access".to_owned()))
            .set_pkce_challenge(challenge)
            .url();

        let landed = log_in(&Flow::of(&server, &registered), url.as_str()).await;
        assert_eq!(parameter(&landed, "state").as_ref(), Some(state.secret()));
        let code = AuthorizationCode::new(parameter(&landed, "code").unwrap());
        let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(verifier);
        let tokens = tokens.request_async(&send).await.unwrap();
        let id_token = tokens.id_token().expect("an ID token");
        let check = client.id_token_verifier();
        let claims = id_token
            .claims(&check, &nonce)
            .expect("signature, issuer, audience, times and nonce are right");
        assert_eq!(claims.subject().as_str(), SUBJECT);
        let hash = AccessTokenHash::from_token(
            tokens.access_token(),
            id_token.signing_alg().unwrap(),
            id_token.signing_key(&check).unwrap(),
        );
        assert!(claims.access_token_hash() == Some(&hash.unwrap()));

        let asked = client
            .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))
            .unwrap();
        let told: CoreUserInfoClaims = asked.request_async(&send).await.unwrap();
        assert_eq!(told.subject().as_str(), SUBJECT);
        let refresh = tokens.refresh_token().expect("offline access was granted");
        let renewed = client
            .exchange_refresh_token(refresh)
            .unwrap()
            .request_async(&send)
            .await
            .unwrap();
        assert_ne!(renewed.access_token().secret(), tokens.access_token().secret());
        let renewed = renewed.id_token().expect("an ID token");
        renewed
            .claims(&check, |_: Option<&Nonce>| Ok(()))
            .expect("it verifies too");
    }
}

/// The person agrees to everything, starting at the library's own URL.
async fn log_in(flow: &Flow, url: &str) -> url::Url {
    let mut browser = Http::new();
    let login = claviger_e2e::flow::challenge(&browser.get(url).await, "login_challenge");
    let onward = flow
        .decided("login", "accept", &login, &json!({"subject": SUBJECT}))
        .await;
    let consent = claviger_e2e::flow::challenge(&browser.get(&onward).await, "consent_challenge");
    let granted = json!({"grant_scope": ["openid", "offline_access"]});
    let onward = flow.decided("consent", "accept", &consent, &granted).await;
    browser.get(&onward).await.location()
}

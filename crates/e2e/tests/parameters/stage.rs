//! Servers, clients and everything live that a request can show.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, challenge, text};
use claviger_e2e::signer::{Key, now};
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(crate) const API: &str = "https://api.example";
pub(crate) const GOODBYE: &str = "http://127.0.0.1:9010/goodbye";

/// A server and its database.
pub(crate) struct Stage {
    pub(crate) server: Server,
    _database: Database,
}

/// Every table holds on every database.
pub(crate) async fn stages() -> Vec<Stage> {
    let mut stages = Vec::new();
    for database in [Database::sqlite(), Database::postgres(), Database::mariadb()] {
        claviger_e2e::server::migrate(&database);
        let options = ServerOptions::new(&database).with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true");
        stages.push(Stage {
            server: options.start().await,
            _database: database,
        });
    }
    stages
}

/// Metadata of a client that may do everything, with this id and a secret.
pub(crate) fn everything(id: &str) -> Value {
    json!({
        "client_id": id, "client_secret": "correct-horse", "scope": "openid offline profile",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials", "implicit", JWT_BEARER, DEVICE_CODE],
        "response_types": ["code", "token", "id_token", "code id_token"], "audience": [API],
        "redirect_uris": [REDIRECT_URI, "https://app.example/callback"],
        "post_logout_redirect_uris": [GOODBYE],
        "request_uris": ["https://app.example/request"],
    })
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

impl Stage {
    /// A client that may do everything.
    pub(crate) async fn client(&self, id: &str) -> Flow {
        self.client_with(id, json!({})).await
    }

    /// The same with other metadata.
    pub(crate) async fn client_with(&self, id: &str, more: Value) -> Flow {
        let mut metadata = everything(id);
        for (name, value) in more.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        Flow::of(&self.server, &self.server.create_client(&metadata).await)
    }

    /// A device code that its person approved.
    pub(crate) async fn approved_device(&self, client: &Flow) -> String {
        let codes = client
            .post("/oauth2/device/auth", &[("scope", "openid offline")])
            .await
            .json();
        let mut browser = Http::new();
        let page = browser.get(&text(&codes, "verification_uri_complete")).await.location();
        let decided = async |browser: &mut Http, kind: &str, challenge: &str, body: Value| {
            let path = format!("/admin/oauth2/auth/requests/{kind}/accept?{kind}_challenge={challenge}");
            let answer = Http::new()
                .send(Request::put(&self.server.admin(&path)).json(&body))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            browser.get(&text(&answer.json(), "redirect_to")).await
        };
        let entered = parameter(&page, "device_challenge").unwrap();
        let code = json!({"user_code": parameter(&page, "user_code").unwrap()});
        let login = challenge(
            &decided(&mut browser, "device", &entered, code).await,
            "login_challenge",
        );
        let answer = decided(&mut browser, "login", &login, json!({"subject": "foo@bar.com"})).await;
        let consent = challenge(&answer, "consent_challenge");
        let granted = json!({"grant_scope": ["openid", "offline"]});
        decided(&mut browser, "consent", &consent, granted).await;
        text(&codes, "device_code")
    }

    /// Lets the issuer's key vouch for anybody.
    pub(crate) async fn trust(&self, issuer: &str, key: &Key) {
        let trust = json!({"issuer": issuer, "allow_any_subject": true, "scope": ["profile"], "jwk": key.public(),
            "expires_at": "2100-01-01T00:00:00Z"});
        let url = self.server.admin("/admin/trust/grants/jwt-bearer/issuers");
        let answer = Http::new().send(Request::post(&url).json(&trust)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// The claims of an assertion, good for a minute.
    pub(crate) fn claims(&self, issuer: &str, subject: &str) -> Value {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        json!({"iss": issuer, "sub": subject, "aud": self.server.public("/"), "iat": now(), "exp": now() + 60,
            "jti": id.to_string()})
    }
}

/// A text with one character in the middle of its last part changed: the right form, and nobody made it.
pub(crate) fn forged(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = letters.len() - 12;
    letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
    letters.into_iter().collect()
}

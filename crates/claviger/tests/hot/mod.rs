//! The requests that decide how fast a server is, in process: routers over a database in memory, without sockets.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "equipment of tests"
)]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger::config::{self, Purpose, Sources};
use claviger::keys::KeyRing;
use claviger::provider::Provider;
use claviger::server::routes;
use claviger_core::secrets::Secrets;
use claviger_store::{Options, open_sqlite};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower_service::Service as _;

/// `secrets.system` of the tests.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

const CALLBACK: &str = "https://client.example/callback";

/// What a person's browser asks for first.
const AUTHORIZATION_REQUEST: &str = "/oauth2/auth?client_id={client}&response_type=code\
     &redirect_uri=https%3A%2F%2Fclient.example%2Fcallback&scope=openid+offline&state=0123456789abcdef\
     &nonce=0123456789abcdef&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// One of the hot requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hot {
    /// A token of the client itself, opaque: nothing is signed.
    Token,
    Introspect,
    /// The authorization request that a browser brings.
    Authorize,
    /// With an ID token.
    Refresh,
}

/// A server in process with one client, and a person who has consented.
pub(crate) struct Stage {
    public: Router,
    admin: Router,
    client: String,
    basic: String,
    access: String,
    refresh: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let env = [
            ("URLS_SELF_ISSUER", "http://op.example"),
            ("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256"),
            ("URLS_LOGIN", "http://apps.example/login"),
            ("URLS_CONSENT", "http://apps.example/consent"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = config::load(Sources {
            env: env.into(),
            purpose: Purpose::Show,
            ..Sources::default()
        });
        let settings = settings.expect("the settings are valid");
        let database = open_sqlite(None, Options::default()).await.expect("memory opens");
        database.migrate(&|_| ()).await.expect("a new database can be migrated");
        let policy = config::policy(&settings);
        let ring = KeyRing::new(database.store(), policy.id_token_alg, &[]);
        let secrets = Secrets::derive(&[SECRET]).expect("the secret is long enough");
        let provider = Arc::new(Provider::new(database.store(), ring, policy, secrets, &settings));
        let mut stage = Self {
            public: routes::public(&provider, true),
            admin: routes::admin(&provider, true, true, None),
            client: String::new(),
            basic: String::new(),
            access: String::new(),
            refresh: String::new(),
        };
        stage.register().await;
        stage.consent().await;
        stage
    }

    /// The request, ready to be sent.
    pub(crate) fn request(&self, hot: Hot) -> Request<Body> {
        match hot {
            Hot::Token => self.token_request("grant_type=client_credentials"),
            Hot::Introspect => form("/admin/oauth2/introspect", &format!("token={}", self.access))
                .body(Body::from(format!("token={}", self.access)))
                .expect("a request"),
            Hot::Authorize => self.authorization_request(),
            Hot::Refresh => {
                let body = format!("grant_type=refresh_token&refresh_token={}", self.refresh);
                self.token_request(&body)
            }
        }
    }

    /// Sends it and reads the answer to its end: status and body.
    pub(crate) async fn send(&mut self, hot: Hot, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        let router = match hot {
            Hot::Introspect => &mut self.admin,
            Hot::Token | Hot::Authorize | Hot::Refresh => &mut self.public,
        };
        let Ok(response) = router.call(request).await;
        let status = response.status();
        (status, read(response).await)
    }

    /// Checks the answer, and keeps what the next request needs of it.
    pub(crate) fn check(&mut self, hot: Hot, (status, body): &(StatusCode, Vec<u8>)) {
        let text = String::from_utf8_lossy(body);
        let expected = match hot {
            Hot::Authorize => StatusCode::FOUND,
            Hot::Token | Hot::Introspect | Hot::Refresh => StatusCode::OK,
        };
        assert_eq!(*status, expected, "{hot:?}: {text}");
        match hot {
            Hot::Authorize => {}
            Hot::Token => assert!(text.contains("access_token"), "{text}"),
            Hot::Introspect => assert!(text.contains("\"active\":true"), "{text}"),
            Hot::Refresh => {
                let answer: Value = serde_json::from_slice(body).expect("an answer is JSON");
                assert!(answer["id_token"].is_string(), "{text}");
                answer["refresh_token"]
                    .as_str()
                    .expect("it is rotated")
                    .clone_into(&mut self.refresh);
            }
        }
    }

    fn token_request(&self, body: &str) -> Request<Body> {
        form("/oauth2/token", body)
            .header(AUTHORIZATION, &self.basic)
            .body(Body::from(body.to_owned()))
            .expect("a request")
    }

    fn authorization_request(&self) -> Request<Body> {
        let uri = AUTHORIZATION_REQUEST.replace("{client}", &self.client);
        Request::get(uri).body(Body::empty()).expect("a request")
    }

    async fn register(&mut self) {
        let client = json!({
            "grant_types": ["client_credentials", "authorization_code", "refresh_token"],
            "redirect_uris": [CALLBACK], "response_types": ["code"], "scope": "openid offline",
        });
        let registered = self.admin("POST", "/admin/clients", &client).await;
        let text = |name: &str| registered[name].as_str().expect("a new client has it").to_owned();
        self.client = text("client_id");
        let credentials = STANDARD.encode(format!("{}:{}", self.client, text("client_secret")));
        self.basic = format!("Basic {credentials}");
    }

    /// A whole code flow.
    async fn consent(&mut self) {
        let mut jar = Vec::new();
        let request = self.authorization_request();
        let location = self.browse(request, &mut jar).await;
        let next = self.accept("login", &location, &json!({ "subject": "alice" })).await;
        let location = self.visit(&next, &mut jar).await;
        let granted = json!({ "grant_scope": ["openid", "offline"] });
        let next = self.accept("consent", &location, &granted).await;
        let location = self.visit(&next, &mut jar).await;
        let code = parameter(&location, "code");
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let callback: String = form_urlencoded::byte_serialize(CALLBACK.as_bytes()).collect();
        let body =
            format!("grant_type=authorization_code&code={code}&redirect_uri={callback}&code_verifier={verifier}");
        let request = self.token_request(&body);
        let (status, body) = self.send(Hot::Token, request).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let tokens: Value = serde_json::from_slice(&body).expect("an answer is JSON");
        let text = |name: &str| tokens[name].as_str().expect("it was granted").to_owned();
        (self.access, self.refresh) = (text("access_token"), text("refresh_token"));
    }

    async fn accept(&mut self, kind: &str, location: &str, answer: &Value) -> String {
        let challenge = parameter(location, &format!("{kind}_challenge"));
        let path = format!("/admin/oauth2/auth/requests/{kind}/accept?{kind}_challenge={challenge}");
        let completed = self.admin("PUT", &path, answer).await;
        completed["redirect_to"].as_str().expect("it was accepted").to_owned()
    }

    async fn admin(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        let Ok(response) = self.admin.call(request.expect("a request")).await;
        let status = response.status();
        let body = read(response).await;
        assert!(status.is_success(), "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("an answer is JSON")
    }

    async fn visit(&mut self, url: &str, jar: &mut Vec<(String, String)>) -> String {
        let path = url
            .strip_prefix("http://op.example")
            .expect("the server sends to itself");
        let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::get(path)
            .header(COOKIE, cookies.join("; "))
            .body(Body::empty());
        self.browse(request.expect("a request"), jar).await
    }

    async fn browse(&mut self, request: Request<Body>, jar: &mut Vec<(String, String)>) -> String {
        let Ok(response) = self.public.call(request).await;
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().expect("ASCII").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            jar.retain(|(known, _)| known != name);
            jar.push((name.to_owned(), value.to_owned()));
        }
        let location = response.headers().get(LOCATION).expect("a redirect");
        location.to_str().expect("ASCII").to_owned()
    }
}

fn form(path: &str, body: &str) -> http::request::Builder {
    Request::post(path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(http::header::CONTENT_LENGTH, body.len())
}

async fn read(response: Response) -> Vec<u8> {
    let body = response.into_body().collect().await.expect("the body is whole");
    body.to_bytes().to_vec()
}

/// A query parameter as it stands there.
fn parameter(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').expect("a query");
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {url}")).to_owned()
}

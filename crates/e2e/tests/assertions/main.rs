//! Assertions, as clients and trusted issuers make them: RFC 7521, RFC 7523, OpenID Connect Core §9.

mod trusts;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, text, web_client};
use claviger_e2e::process::PATIENCE;
use claviger_e2e::signer::{Key, encode, now};
use claviger_e2e::{Answer, Database, Flow, Http, Request, Server, ServerOptions, dump};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn sign_with_secret(secret: &str, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(&json!({"alg": "HS256"})), encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The claims of `who` about `subject`, for the issuer, with a `jti` of their own.
async fn claims(server: &Server, who: &str, subject: &str) -> Value {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let issuer = discovery(server).await["issuer"].clone();
    json!({"iss": who, "sub": subject, "aud": issuer, "iat": now(), "exp": now() + 60, "jti": id.to_string()})
}

async fn discovery(server: &Server) -> Value {
    let url = server.public("/.well-known/openid-configuration");
    Http::new().get(&url).await.json()
}

/// A request with an assertion in place of a secret.
async fn authenticated(server: &Server, path: &str, assertion: &str, form: &[(&str, &str)]) -> Answer {
    let credentials = [
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    let form = [&credentials, form].concat();
    Http::new().send(Request::post(&server.public(path)).form(&form)).await
}

async fn for_itself(server: &Server, assertion: &str) -> Answer {
    let form = [("grant_type", "client_credentials")];
    authenticated(server, "/oauth2/token", assertion, &form).await
}

fn assert_refused(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (401, "invalid_client"),
        "{}",
        answer.text()
    );
}

/// Publishes a document on loopback, a key set mostly, and notes how often it was asked for.
struct Publisher {
    address: SocketAddr,
    document: Arc<Mutex<String>>,
    asked: Arc<Mutex<usize>>,
    task: tokio::task::JoinHandle<()>,
}

impl Publisher {
    async fn of(set: &Value) -> Self {
        Self::of_text(set.to_string()).await
    }

    async fn of_text(document: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let document = Arc::new(Mutex::new(document));
        let asked = Arc::new(Mutex::new(0));
        let (shown, count) = (document.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                *count.lock().expect("no panic") += 1;
                let body = shown.lock().expect("no panic").clone();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        Self {
            address,
            document,
            asked,
            task,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    fn publish(&self, set: &Value) {
        *self.document.lock().expect("no panic") = set.to_string();
    }

    fn asked(&self) -> usize {
        *self.asked.lock().expect("no panic")
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn signing_client(id: &str, keys: (&str, Value)) -> Value {
    let mut client = json!({"client_id": id, "grant_types": ["client_credentials"], "scope": "read",
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"});
    client[keys.0] = keys.1;
    client
}

/// Every rule holds on every database.
async fn servers() -> Vec<(Database, Server)> {
    let mut servers = Vec::new();
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        servers.push((database, server));
    }
    servers
}

/// A server with one setting about outgoing requests.
async fn fetching(database: &Database, name: &str, value: &str) -> Server {
    claviger_e2e::server::migrate(database);
    ServerOptions::new(database).with(name, value).start().await
}

#[tokio::test]
async fn a_client_signs_with_a_key_of_its_own_and_has_no_secret() {
    for (_database, server) in servers().await {
        let key = Key::new("k");
        let created = server.create_client(&signing_client("app", ("jwks", key.set()))).await;
        assert!(created.get("client_secret").is_none(), "{created}");
        let answer = for_itself(&server, &key.sign(&claims(&server, "app", "app").await)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = text(&answer.json(), "access_token");
        assert_eq!(server.introspect(&token).await["client_id"], "app");

        let assertion = key.sign(&claims(&server, "app", "app").await);
        let told = authenticated(&server, "/oauth2/introspect", &assertion, &[("token", &token)]).await;
        assert_eq!(told.json()["active"], true, "{}", told.text());
        let assertion = key.sign(&claims(&server, "app", "app").await);
        let revoked = authenticated(&server, "/oauth2/revoke", &assertion, &[("token", &token)]).await;
        assert_eq!(revoked.status, 200, "{}", revoked.text());
        assert!(!server.is_active(&token).await);
    }
}

#[tokio::test]
async fn of_64_uses_of_one_assertion_at_two_servers_one_succeeds() {
    let database = Database::postgres();
    let first = Server::on(&database).await;
    // The same issuer at another address, as behind a load balancer.
    let issuer = text(&discovery(&first).await, "issuer");
    let second = ServerOptions::new(&database)
        .with("URLS_SELF_ISSUER", &issuer)
        .start()
        .await;
    let key = Key::new("k");
    first.create_client(&signing_client("app", ("jwks", key.set()))).await;
    let assertion = key.sign(&claims(&first, "app", "app").await);
    let mut tasks = tokio::task::JoinSet::new();
    for server in [&first, &second].into_iter().cycle().take(64) {
        let url = server.public("/oauth2/token");
        let assertion = assertion.clone();
        tasks.spawn(async move {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", &assertion),
            ];
            Http::new().send(Request::post(&url).form(&form)).await
        });
    }
    let answers = tasks.join_all().await;
    let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((granted.len(), refused.len()), (1, 63));
    refused.into_iter().for_each(assert_refused);
}

/// D6, D37 and RFC 8725: what is wrong is refused as the client's failure, with a challenge, and never as ours.
#[tokio::test]
async fn d6_d37_assertions_out_of_line_are_refused() {
    let (_database, server) = servers().await.pop().expect("a server");
    let key = Key::new("k");
    server.create_client(&signing_client("app", ("jwks", key.set()))).await;
    let right = claims(&server, "app", "app").await;
    for (member, value) in [
        ("exp", json!(now() - 10)),
        ("exp", json!(now() + 1_000_000)),
        ("nbf", json!(now() + 1000)),
        ("iat", json!(now() + 1000)),
        ("iss", json!("other")),
        ("sub", json!("other")),
        ("jti", json!("")),
        ("aud", json!("https://other.example/")),
        ("aud", json!([right["aud"], "https://other.example/"])),
    ] {
        let mut wrong = right.clone();
        wrong[member] = value;
        assert_refused(&for_itself(&server, &key.sign(&wrong)).await);
    }
    let forged = Key::new("k").sign(&right);
    let unsigned = format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&right));
    let shared = sign_with_secret(&key.public().to_string(), &right);
    for wrong in [&forged, &unsigned, &shared] {
        assert_refused(&for_itself(&server, wrong).await);
    }
    let mut to_token_endpoint = right.clone();
    to_token_endpoint["aud"] = discovery(&server).await["token_endpoint"].clone();
    assert_eq!(for_itself(&server, &key.sign(&to_token_endpoint)).await.status, 200);
}

#[tokio::test]
async fn a_generated_secret_signs_and_rests_sealed() {
    for (database, server) in servers().await {
        let created = server
            .create_client(&json!({"client_id": "app", "grant_types": ["client_credentials"],
                "token_endpoint_auth_method": "client_secret_jwt"}))
            .await;
        let secret = text(&created, "client_secret");
        assert_eq!(secret.len(), 43);
        let assertion = sign_with_secret(&secret, &claims(&server, "app", "app").await);
        assert_eq!(for_itself(&server, &assertion).await.status, 200);
        assert_refused(&for_itself(&server, &assertion).await);
        let wrong = sign_with_secret("wrong", &claims(&server, "app", "app").await);
        assert_refused(&for_itself(&server, &wrong).await);
        assert!(!dump::text(&database).contains(&secret));
    }
}

#[tokio::test]
async fn published_keys_are_fetched_kept_and_looked_up_again() {
    let database = Database::sqlite();
    let (old, new) = (Key::new("old"), Key::new("new"));
    let publisher = Publisher::of(&old.set()).await;
    let server = fetching(&database, "CLIENTS_HTTP_PRIVATE_IP_EXCEPTION_URLS", &publisher.url()).await;
    let client = signing_client("app", ("jwks_uri", json!(publisher.url())));
    server.create_client(&client).await;
    let mut assertions = Vec::new();
    for _ in 0..16 {
        assertions.push(old.sign(&claims(&server, "app", "app").await));
    }
    let answers = futures_util::future::join_all(assertions.iter().map(|assertion| for_itself(&server, assertion)));
    for answer in answers.await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(publisher.asked(), 1);
    publisher.publish(&new.set());
    for _ in 0..20 {
        let unknown = Key::new("unknown").sign(&claims(&server, "app", "app").await);
        assert_refused(&for_itself(&server, &unknown).await);
    }
    assert!(publisher.asked() <= 3, "the server was used to flood the publisher");
    // The publisher is asked once in half a minute at most: then the new key is known.
    let deadline = Instant::now() + PATIENCE.max(Duration::from_secs(60));
    loop {
        let answer = for_itself(&server, &new.sign(&claims(&server, "app", "app").await)).await;
        if answer.status == 200 {
            break;
        }
        assert_refused(&answer);
        assert!(Instant::now() < deadline, "the key was never looked up again");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_refused(&for_itself(&server, &old.sign(&claims(&server, "app", "app").await)).await);
}

#[tokio::test]
async fn keys_at_a_private_address_are_not_fetched() {
    let database = Database::sqlite();
    let key = Key::new("k");
    let publisher = Publisher::of(&key.set()).await;
    let server = fetching(&database, "CLIENTS_HTTP_DISALLOW_PRIVATE_IP_RANGES", "true").await;
    let client = signing_client("app", ("jwks_uri", json!(publisher.url())));
    server.create_client(&client).await;
    assert_refused(&for_itself(&server, &key.sign(&claims(&server, "app", "app").await)).await);
    assert_eq!(publisher.asked(), 0);
}

#[tokio::test]
async fn discovery_lists_the_methods_and_the_grant() {
    let (_database, server) = servers().await.pop().expect("a server");
    let document = discovery(&server).await;
    let lists = |member: &str, value: &str| {
        let list = document[member]
            .as_array()
            .unwrap_or_else(|| panic!("{member} is a list"));
        list.iter().any(|entry| entry == value)
    };
    for endpoint in ["token", "revocation", "introspection"] {
        for method in ["private_key_jwt", "client_secret_jwt"] {
            assert!(lists(&format!("{endpoint}_endpoint_auth_methods_supported"), method));
        }
        for algorithm in ["ES256", "HS256", "EdDSA"] {
            assert!(lists(
                &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"),
                algorithm
            ));
        }
        assert!(!lists(
            &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"),
            "none"
        ));
    }
    assert!(lists("grant_types_supported", JWT_BEARER));
}

/// RFC 9101: what the object says is what the login app and the client see; somebody else's object is not taken.
#[tokio::test]
async fn a_signed_request_object_supersedes_the_parameters() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let (own, foreign) = (Key::new("own"), Key::new("own"));
    let mut metadata = web_client();
    metadata["jwks"] = json!({"keys": [own.public()]});
    metadata["request_object_signing_alg"] = json!("ES256");
    let flow = Flow::of(&server, &server.create_client(&metadata).await);
    let claims = json!({
        "iss": flow.client_id, "client_id": flow.client_id, "state": "state-of-the-object", "login_hint": "alice",
    });
    let mut forged = flow.clone().with("request", &foreign.sign(&claims));
    let landed = forged.start().await.location();
    assert_eq!(parameter(&landed, "error").as_deref(), Some("invalid_request_object"));
    let mut flow = flow.with("request", &own.sign(&claims));
    let challenge = flow.login_challenge().await;
    let context = &flow.request("login", &challenge).await["oidc_context"];
    assert_eq!(context["login_hint"], "alice");
    let landed = flow.finish().await;
    assert_eq!(parameter(&landed, "state").as_deref(), Some("state-of-the-object"));
}

/// RFC 9101 §5.2: the object is fetched where it is registered, once the operator allows that address.
#[tokio::test]
async fn a_request_object_is_fetched_from_its_registered_address() {
    let database = Database::sqlite();
    let own = Key::new("own");
    let object = json!({"iss": "app", "client_id": "app", "response_type": "code", "scope": "openid",
        "redirect_uri": REDIRECT_URI, "state": "state-of-the-object", "nonce": "nonce-of-the-object"});
    let header = json!({"alg": "ES256", "typ": "oauth-authz-req+jwt", "kid": "own"});
    let publisher = Publisher::of_text(own.sign_as(&header, &object)).await;
    let address = publisher.url();
    let server = fetching(&database, "CLIENTS_HTTP_PRIVATE_IP_EXCEPTION_URLS", &address).await;
    let mut metadata = web_client();
    metadata["client_id"] = json!("app");
    metadata["jwks"] = own.set();
    metadata["request_uris"] = json!([address, format!("{address}#other")]);
    let flow = Flow::of(&server, &server.create_client(&metadata).await);
    let by_reference = |uri: &str| {
        let bare = ["response_type", "redirect_uri", "state", "nonce"];
        bare.iter()
            .fold(flow.clone(), |flow, name| flow.without(name))
            .with("request_uri", uri)
    };
    let landed = by_reference(&address)
        .finish_with(&json!({"subject": "foo"}), &json!({"grant_scope": ["openid"]}))
        .await;
    assert!(landed.as_str().starts_with(REDIRECT_URI), "{landed}");
    assert_eq!(parameter(&landed, "state").as_deref(), Some("state-of-the-object"));
    let code = parameter(&landed, "code").unwrap();
    assert_eq!(flow.redeem(&code).await.status, 200);
    assert_eq!(publisher.asked(), 1);
    // Another address is not even asked.
    let elsewhere = by_reference(&format!("{address}?x"))
        .with("redirect_uri", REDIRECT_URI)
        .start()
        .await
        .location();
    assert_eq!(
        parameter(&elsewhere, "error").as_deref(),
        Some("invalid_request_uri"),
        "{elsewhere}"
    );
    assert_eq!(publisher.asked(), 1);
}

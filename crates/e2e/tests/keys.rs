//! Key sets from outside: who signs with what, what is published, and how keys take over from each other.
//!
//! RFC 7517 §5, OpenID Connect Core §10.1.1.

use std::time::{Duration, Instant};

use claviger_e2e::flow::{text, web_client};
use claviger_e2e::tokens::header;
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

const ID_TOKENS: &str = "hydra.openid.id-token";
const ACCESS_TOKENS: &str = "hydra.jwt.access-token";
/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two servers with one issuer and these settings.
async fn two(settings: &[(&str, &str)]) -> (Database, [Server; 2]) {
    let database = Database::postgres();
    claviger_e2e::server::migrate(&database);
    let options = || {
        let set = |options: ServerOptions, (name, value): &(&str, &str)| options.with(name, value);
        settings.iter().fold(ServerOptions::new(&database), set)
    };
    let one = options().start().await;
    let other = options().with("URLS_SELF_ISSUER", &one.public("/")).start().await;
    (database, [one, other])
}

async fn published(server: &Server) -> Vec<Value> {
    let jwks = Http::new().get(&server.public("/.well-known/jwks.json")).await.json();
    jwks["keys"].as_array().unwrap().clone()
}

fn kids(keys: &[Value]) -> Vec<String> {
    keys.iter().map(|key| text(key, "kid")).collect()
}

async fn set(server: &Server, name: &str) -> Vec<Value> {
    let answer = Http::new().get(&server.admin(&format!("/admin/keys/{name}"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["keys"].as_array().unwrap().clone()
}

async fn create(server: &Server, set: &str, alg: &str, kid: &str) -> Value {
    let url = server.admin(&format!("/admin/keys/{set}"));
    let body = json!({"alg": alg, "use": "sig", "kid": kid});
    let answer = Http::new().send(Request::post(&url).json(&body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["keys"][0].clone()
}

/// A client of [`web_client`] with more metadata.
async fn client(server: &Server, more: Value) -> Flow {
    let mut metadata = web_client();
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    Flow::of(server, &server.create_client(&metadata).await)
}

/// Hydra makes a key for each of the requests.
#[tokio::test]
async fn of_64_first_requests_at_two_servers_one_makes_the_key() {
    let (_database, servers) = two(&[]).await;
    let metadata = json!({"access_token_strategy": "jwt", "id_token_signed_response_alg": "EdDSA"});
    let flow = client(&servers[0], metadata).await;
    let requests = (0..64).map(|number| {
        let request = Request::post(&servers[number % 2].public("/oauth2/token"))
            .basic(&flow.client_id, &flow.client_secret)
            .form(&[("grant_type", "client_credentials")]);
        tokio::spawn(async move { Http::new().send(request).await })
    });
    let requests: Vec<_> = requests.collect();
    let mut signers = Vec::new();
    for request in requests {
        let answer = request.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let header = header(&text(&answer.json(), "access_token"));
        assert_eq!(header["alg"], "EdDSA");
        signers.push(text(&header, "kid"));
    }
    signers.dedup();
    assert_eq!(signers.len(), 1, "{signers:?}");
    assert_eq!(kids(&set(&servers[1], ACCESS_TOKENS).await), signers);
}

#[tokio::test]
async fn keys_of_every_algorithm_are_made_replaced_and_removed_and_shared_ones_never_published() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let algs = [
        "RS256", "RS384", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
    ];
    for alg in algs {
        let key = create(&server, ID_TOKENS, alg, alg).await;
        assert_eq!((&key["alg"], &key["kid"]), (&json!(alg), &json!(alg)));
        let private = if alg.starts_with("HS") { "k" } else { "d" };
        assert!(key[private].is_string(), "{key}");
    }
    let shown = published(&server).await;
    for alg in algs {
        let key = shown.iter().find(|key| key["kid"] == alg);
        assert_eq!(key.is_some(), !alg.starts_with("HS"), "{alg}");
        assert!(
            key.is_none_or(|key| key.get("d").is_none() && key.get("k").is_none()),
            "{alg}"
        );
    }
    let document = Http::new()
        .get(&server.public("/.well-known/openid-configuration"))
        .await
        .json();
    let listed = document["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(
        algs.iter()
            .all(|alg| listed.contains(&json!(alg)) != alg.starts_with("HS")),
        "{listed:?}"
    );
    // Replaced by the keys of another set, in their order; then one by one, then removed.
    let keys = set(&server, ID_TOKENS).await;
    let url = server.admin("/admin/keys/another");
    let body = json!({"keys": [keys[0], keys[3]]});
    assert_eq!(Http::new().send(Request::put(&url).json(&body)).await.json(), body);
    assert_eq!(set(&server, "another").await, [keys[0].clone(), keys[3].clone()]);
    let one = format!("{url}/{}", text(&keys[4], "kid"));
    assert_eq!(
        Http::new().send(Request::put(&one).json(&keys[4])).await.json(),
        keys[4]
    );
    assert_eq!(Http::new().get(&one).await.json()["keys"][0], keys[4]);
    assert_eq!(Http::new().send(Request::delete(&one)).await.status, 204);
    assert_eq!(Http::new().get(&one).await.status, 404);
    assert_eq!(Http::new().send(Request::delete(&url)).await.status, 204);
    assert_eq!(Http::new().get(&url).await.status, 404);
}

#[tokio::test]
async fn a_key_that_the_operator_adds_signs_at_once_and_the_one_before_stays_published() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let mut flow = client(&server, json!({})).await;
    let mut other = client(&server, json!({"id_token_signed_response_alg": "ES512"})).await;
    let before = text(&flow.tokens().await, "id_token");
    create(&server, ID_TOKENS, "RS256", "newest").await;
    let after = header(&text(&flow.tokens().await, "id_token"));
    assert_eq!(after["kid"], "newest");
    assert!(kids(&published(&server).await).contains(&text(&header(&before), "kid")));
    // A client with another algorithm has its own key in the same set.
    let chosen = header(&text(&other.tokens().await, "id_token"));
    assert_eq!(chosen["alg"], "ES512");
    assert!(kids(&set(&server, ID_TOKENS).await).contains(&text(&chosen, "kid")));
    // D28: the earlier token is still a hint.
    let mut hinted = client(&server, json!({})).await.adding("id_token_hint", &before);
    hinted.login_challenge().await;
}

/// Rotation by policy, within a few seconds: whoever reads the published keys before it gets a token can verify it, at whatever server.
#[tokio::test]
async fn keys_take_over_from_each_other_and_are_published_before() {
    let settings = [
        ("KEYS_ROTATION_INTERVAL", "14s"),
        ("KEYS_ROTATION_PUBLISH_AHEAD", "12s"),
        ("STRATEGIES_ACCESS_TOKEN", "jwt"),
        ("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256"),
    ];
    let (_database, servers) = two(&settings).await;
    let flow = client(&servers[0], json!({})).await;
    let elsewhere = Flow::of(
        &servers[1],
        &json!({"client_id": flow.client_id, "client_secret": flow.client_secret}),
    );
    let began = Instant::now();
    let mut signers: Vec<String> = Vec::new();
    while signers.len() < 2 {
        assert!(began.elapsed() < PATIENCE, "no key took over: {signers:?}");
        let known = kids(&published(&servers[0]).await);
        let answer = elsewhere.token(&[("grant_type", "client_credentials")]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let kid = text(&header(&text(&answer.json(), "access_token")), "kid");
        assert!(known.contains(&kid), "{kid} is not among {known:?}");
        if !signers.contains(&kid) {
            signers.push(kid);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Two servers, and each key was made once; the first one has tokens that live.
    let made = kids(&set(&servers[0], ACCESS_TOKENS).await);
    assert!(signers.iter().all(|kid| made.contains(kid)), "{signers:?} {made:?}");
    for kid in made.iter().filter(|kid| **kid != signers[0]) {
        let said = servers.iter().map(Server::log);
        let said: usize = said.map(|log| log.matches(kid.as_str()).count()).sum();
        assert_eq!(said, 1, "the log of one server tells of {kid}");
    }
}

//! The admin API: clients, bodies, methods.

use claviger_e2e::flow::{SUBJECT, web_client};
use claviger_e2e::{Database, Flow, Http, Request, Server};
use http::Method;
use serde_json::{Value, json};

async fn server() -> (Database, Server) {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    (database, server)
}

/// RFC 7591 §2: `jwks` holds public keys.
#[tokio::test]
async fn d32_private_keys_in_client_metadata_are_refused() {
    let (_database, server) = server().await;
    let mut metadata = web_client();
    metadata["jwks"] = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "mine", "use": "sig", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]});
    let answer = Http::new()
        .send(Request::post(&server.admin("/admin/clients")).json(&metadata))
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(!answer.text().contains("jpsQnnGQmL"), "the key is echoed");
}

/// Bodies have a bound, on both ports.
#[tokio::test]
async fn d34_json_bodies_are_bounded() {
    let (_database, server) = server().await;
    let huge = format!("{{\"client_name\":\"{}\"}}", "x".repeat(8 << 20));
    let request = Request::post(&server.admin("/admin/clients")).body("application/json", huge);
    // A server may close the connection on whoever keeps sending.
    if let Ok(answer) = Http::new().try_send(request).await {
        assert_eq!(answer.status, 413, "{}", answer.text());
    }
    assert_eq!(Http::new().get(&server.admin("/health/alive")).await.status, 200);
}

/// RFC 5789 §2.2: a patch that cannot be applied is the client's mistake.
#[tokio::test]
async fn d35_a_malformed_patch_is_a_bad_request_and_changes_nothing() {
    let (_database, server) = server().await;
    let client = server.create_client(&web_client()).await;
    let url = server.admin(&format!("/admin/clients/{}", client["client_id"].as_str().unwrap()));
    let bodies = [
        "not json",
        "{}",
        "[1]",
        r#"[{"op":"explode","path":"/client_name"}]"#,
        r#"[{"op":"replace","path":"no-slash","value":1}]"#,
        r#"[{"op":"replace","path":"/client_name"}]"#,
        r#"[{"op":"remove","path":"/no_such_member"}]"#,
        r#"[{"op":"replace","path":"/redirect_uris","value":42}]"#,
        r#"[{"op":"test","path":"/client_name","value":"another"}]"#,
        r#"[{"op":"replace","path":"/client_id","value":"somebody-elses"}]"#,
    ];
    for body in bodies {
        let answer = Http::new()
            .send(Request::patch(&url).body("application/json", body))
            .await;
        assert!(
            (400..500).contains(&answer.status),
            "{body}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(answer.json()["error"].is_string(), "{body}: {}", answer.text());
    }
    let mut after = Http::new().get(&url).await.json();
    let mut before = client;
    for value in [&mut before, &mut after] {
        value.as_object_mut().unwrap().remove("client_secret");
    }
    assert_eq!(after, before);
    let rename = r#"[{"op":"replace","path":"/client_name","value":"Another name"}]"#;
    let answer = Http::new()
        .send(Request::patch(&url).body("application/json-patch+json", rename))
        .await;
    assert_eq!(
        (answer.status, &answer.json()["client_name"]),
        (200, &"Another name".into())
    );
}

/// The code for a body of the consent app that is no JSON object.
#[tokio::test]
async fn d35_a_malformed_answer_of_an_app_is_an_invalid_request() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let challenge = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
    for verb in ["accept", "reject"] {
        let url = server.admin(&format!(
            "/admin/oauth2/auth/requests/consent/{verb}?consent_challenge={challenge}"
        ));
        for body in ["{", "[]", "", "{\"grant_scope\": 7}", "{\"error\": 7}"] {
            let answer = Http::new()
                .send(Request::put(&url).body("application/json", body))
                .await;
            // Members of the other verb are ignored.
            if answer.status != 200 {
                assert_eq!(
                    (answer.status, answer.error().as_str()),
                    (400, "invalid_request"),
                    "{verb} {body}"
                );
            } else {
                assert!(body.starts_with("{\""), "{verb} {body:?} was accepted");
            }
        }
    }
}

/// RFC 9110 §15.5.6: a wrong method is 405 and names the right ones, the same on both ports.
#[tokio::test]
async fn d40_wrong_methods_and_unknown_paths_are_told_apart_on_both_ports() {
    let (_database, server) = server().await;
    let cases = [
        (Method::GET, server.public("/oauth2/token"), 405),
        (Method::DELETE, server.public("/oauth2/auth"), 405),
        (Method::PUT, server.public("/userinfo"), 405),
        (Method::POST, server.public("/.well-known/openid-configuration"), 405),
        (Method::PATCH, server.admin("/admin/clients"), 405),
        (Method::POST, server.admin("/admin/oauth2/auth/requests/login"), 405),
        (Method::GET, server.admin("/admin/oauth2/introspect"), 405),
        (Method::GET, server.public("/no/such/path"), 404),
        (Method::GET, server.admin("/no/such/path"), 404),
        (Method::GET, server.public("/admin/clients"), 404),
    ];
    for (method, url, status) in cases {
        let answer = Http::new().send(Request::new(method.clone(), &url)).await;
        assert_eq!(answer.status, status, "{method} {url}: {}", answer.text());
        assert_eq!(
            answer.headers.contains_key("allow"),
            status == 405,
            "{method} {url}: {:?}",
            answer.headers
        );
    }
}

/// RFC 9110 §10.2.2: where the new client is.
#[tokio::test]
async fn d13_the_location_of_a_new_client_leads_to_it() {
    let (_database, server) = server().await;
    for id in ["plain", "with space/and%20more", "ümlaut"] {
        let mut metadata = web_client();
        metadata["client_id"] = Value::from(id);
        let answer = Http::new()
            .send(Request::post(&server.admin("/admin/clients")).json(&metadata))
            .await;
        if answer.status != 201 {
            assert_eq!(answer.status, 400, "{id}: {}", answer.text());
            continue;
        }
        let location = answer.header("location").to_owned();
        let url = if location.starts_with('/') {
            server.admin(&location)
        } else {
            location
        };
        let found = Http::new().get(&url).await;
        assert_eq!((found.status, &found.json()["client_id"]), (200, &id.into()), "{url}");
    }
}

/// Pages of clients: each client once, however many there are; and the paths of version 1.
#[tokio::test]
async fn clients_are_listed_page_by_page() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        for number in 0..7 {
            let mut metadata = web_client();
            metadata["client_id"] = Value::from(format!("client-{number}"));
            server.create_client(&metadata).await;
        }
        let mut url = server.admin("/admin/clients?page_size=3");
        let mut seen = Vec::new();
        for page in 0.. {
            assert!(page < 5, "the pages do not end");
            let answer = Http::new().get(&url).await;
            let clients = answer.json();
            seen.extend(
                clients
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|client| client["client_id"].to_string()),
            );
            let link = answer.header("link").to_owned();
            let Some(next) = link.split(',').find(|part| part.contains("rel=\"next\"")) else {
                break;
            };
            let target = next.split(['<', '>']).nth(1).unwrap();
            let query = target.split_once('?').unwrap().1;
            url = server.admin(&format!("/admin/clients?{query}"));
        }
        seen.sort();
        let all: Vec<String> = (0..7).map(|number| format!("\"client-{number}\"")).collect();
        assert_eq!(seen, all);
        assert_eq!(
            Http::new().get(&server.admin("/clients/client-1")).await.status,
            200,
            "version 1 path"
        );
    }
}

/// A secret is exchanged without an interruption: both work until the older one is ended, and then it is dead at once.
#[tokio::test]
async fn a_client_has_two_secrets_while_one_takes_over_from_the_other() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let mut flow = Flow::new(&server).await;
        let own = [("grant_type", "client_credentials")];
        let url = server.admin(&format!("/admin/clients/{}/secrets/rotate", flow.client_id));
        let rotated = Http::new().send(Request::post(&url)).await;
        assert_eq!(rotated.status, 200, "{}", rotated.text());
        let (old, new) = (flow.client_secret.clone(), rotated.json()["client_secret"].clone());
        let new = new.as_str().unwrap().to_owned();
        assert!(new.len() >= 26 && new != old);
        for (secret, before, after) in [(&old, 200, 401), (&new, 200, 200)] {
            flow.client_secret.clone_from(secret);
            assert_eq!(flow.token(&own).await.status, before);
            if secret == &old {
                let dump = claviger_e2e::dump::text(&database);
                assert!(!dump.contains(&new), "a secret is stored as it is");
                continue;
            }
            let ended = Http::new().send(Request::delete(&url)).await;
            assert_eq!((ended.status, ended.json().get("client_secret")), (200, None));
            assert_eq!(flow.token(&own).await.status, after);
        }
        flow.client_secret = old;
        assert_eq!(flow.token(&own).await.status, 401, "the older secret is dead");
        let unknown = server.admin("/admin/clients/unknown/secrets/rotate");
        assert_eq!(Http::new().send(Request::post(&unknown)).await.status, 404);
        let public = json!({"token_endpoint_auth_method": "none", "redirect_uris": ["https://a.example/cb"]});
        let public = server.create_client(&public).await;
        let url = server.admin(&format!(
            "/admin/clients/{}/secrets/rotate",
            public["client_id"].as_str().unwrap()
        ));
        assert_eq!(Http::new().send(Request::post(&url)).await.status, 400);
    }
}

/// RFC 7591 §3.2.1: a secret works until its time.
#[tokio::test]
async fn an_expired_secret_does_not_authenticate() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    for (expires_at, status) in [(0, 200), (1, 401), (4_000_000_000_i64, 200)] {
        let mut metadata = claviger_e2e::flow::web_client();
        metadata["client_secret_expires_at"] = json!(expires_at);
        let client = server.create_client(&metadata).await;
        assert_eq!(client["client_secret_expires_at"], expires_at);
        let flow = Flow::of(&server, &client);
        let answer = flow.token(&[("grant_type", "client_credentials")]).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

/// Every operation of Hydra 1, at the path where its clients look for it; one setting takes them all away.
#[tokio::test]
async fn the_paths_of_version_1_answer_as_those_of_version_2() {
    let paths = [
        ("GET", "/clients"),
        ("POST", "/clients"),
        ("GET", "/clients/nobody"),
        ("PUT", "/clients/nobody"),
        ("PATCH", "/clients/nobody"),
        ("DELETE", "/clients/nobody"),
        ("GET", "/keys/nothing"),
        ("POST", "/keys/nothing"),
        ("PUT", "/keys/nothing"),
        ("DELETE", "/keys/nothing"),
        ("GET", "/keys/nothing/k"),
        ("PUT", "/keys/nothing/k"),
        ("DELETE", "/keys/nothing/k"),
        ("GET", "/oauth2/auth/requests/login?login_challenge=x"),
        ("PUT", "/oauth2/auth/requests/login/accept?login_challenge=x"),
        ("PUT", "/oauth2/auth/requests/login/reject?login_challenge=x"),
        ("GET", "/oauth2/auth/requests/consent?consent_challenge=x"),
        ("PUT", "/oauth2/auth/requests/consent/accept?consent_challenge=x"),
        ("PUT", "/oauth2/auth/requests/consent/reject?consent_challenge=x"),
        ("GET", "/oauth2/auth/requests/logout?logout_challenge=x"),
        ("PUT", "/oauth2/auth/requests/logout/accept?logout_challenge=x"),
        ("PUT", "/oauth2/auth/requests/logout/reject?logout_challenge=x"),
        ("GET", "/oauth2/auth/sessions/consent?subject=nobody"),
        ("DELETE", "/oauth2/auth/sessions/consent?subject=nobody&all=true"),
        ("DELETE", "/oauth2/auth/sessions/login?subject=nobody"),
        ("POST", "/oauth2/introspect"),
        ("DELETE", "/oauth2/tokens?client_id=nobody"),
        ("POST", "/oauth2/flush"),
        ("GET", "/trust/grants/jwt-bearer/issuers"),
        ("POST", "/trust/grants/jwt-bearer/issuers"),
        (
            "GET",
            "/trust/grants/jwt-bearer/issuers/00000000-0000-4000-8000-000000000000",
        ),
        (
            "DELETE",
            "/trust/grants/jwt-bearer/issuers/00000000-0000-4000-8000-000000000000",
        ),
    ];
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = claviger_e2e::ServerOptions::new(&database);
    let server = options.start().await;
    let ask = async |server: &Server, method: &str, path: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::new(method, &server.admin(path)).json(&json!({}));
        Http::new().send(request).await
    };
    let why = |answer: &claviger_e2e::Answer| answer.json()["error_description"].clone();
    let unrouted = why(&ask(&server, "GET", "/no/such/path").await);
    for (method, path) in paths {
        let newer = ask(&server, method, &format!("/admin{path}")).await;
        let older = ask(&server, method, path).await;
        assert_eq!(older.status, newer.status, "{method} {path}");
        assert_ne!(older.status, 405, "{method} {path}");
        assert!(
            older.status != 404 || why(&older) != unrouted,
            "{method} {path}: {}",
            older.text()
        );
    }
    for id in ["one", "two"] {
        server.create_client(&json!({"client_id": id})).await;
    }
    let counted = async |server: &Server| {
        let list = Http::new()
            .get(&server.admin("/admin/clients?limit=1&offset=1"))
            .await
            .json();
        list.as_array().unwrap().len()
    };
    assert_eq!(counted(&server).await, 1);
    drop(server);
    let options = claviger_e2e::ServerOptions::new(&database).with("SERVE_ADMIN_V1_PATHS", "false");
    let server = options.start().await;
    for (method, path) in paths {
        let path = path.split('?').next().unwrap();
        assert_eq!(ask(&server, method, path).await.status, 404, "{method} {path}");
    }
    assert_eq!(ask(&server, "POST", "/admin/oauth2/flush").await.status, 404);
    let whole = Http::new().get(&server.admin("/admin/clients")).await.json();
    let whole = whole.as_array().unwrap().len();
    assert!(whole > 1);
    assert_eq!(counted(&server).await, whole, "the parameters of Hydra 2 alone count");
    for path in ["/health/alive", "/health/ready", "/version", "/metrics/prometheus"] {
        assert_eq!(Http::new().get(&server.admin(path)).await.status, 200, "{path}");
    }
}

mod pages;

use axum::Router;
use axum::body::Body;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower_service::Service as _;

use super::*;
use crate::testing::Stage;

const MALFORMED: &str = "The request was malformed or contained invalid parameters";
const MISSING: &str = "Unable to locate the resource";

/// The admin port over a database in memory.
struct Port {
    router: Router,
    stage: Stage,
}

/// What came over the wire.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Port {
    async fn new() -> Self {
        let stage = Stage::new(&[]).await;
        let table = routes(Routes::admin(&stage.provider.metrics, true));
        Self {
            router: table.finish(stage.provider.clone()),
            stage,
        }
    }

    async fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(path).body(body.into());
        self.ask(request.expect("a request")).await
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let Ok(response) = self.router.clone().call(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the body is whole").to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Body::empty()).await
    }

    async fn post(&self, client: Value) -> Answer {
        self.send("POST", "/admin/clients", client.to_string()).await
    }
}

impl Answer {
    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().expect("ASCII"));
        value.unwrap_or_default()
    }

    /// Status and title of a refusal.
    fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }

    fn ids(&self) -> Vec<&str> {
        let clients = self.body.as_array().expect("a list");
        clients
            .iter()
            .filter_map(|client| client["client_id"].as_str())
            .collect()
    }

    /// The target of a link.
    fn link(&self, rel: &str) -> Option<String> {
        let end = format!(">; rel=\"{rel}\"");
        let links = self.header(LINK).split(',');
        links
            .filter_map(|link| link.strip_prefix('<')?.strip_suffix(&end))
            .map(str::to_owned)
            .next()
    }
}

#[tokio::test]
async fn a_client_is_created_read_listed_replaced_patched_and_deleted() {
    let port = Port::new().await;
    let created = port
        .post(json!({"client_id": "app", "client_name": "App", "metadata": {"k": [1]}}))
        .await;
    assert_eq!((created.status, created.header(LOCATION)), (201, "/admin/clients/app"));
    assert_eq!(created.header(CONTENT_TYPE), "application/json; charset=utf-8");
    assert_eq!(created.body["client_secret"].as_str().map(str::len), Some(26));

    let read = port.get("/admin/clients/app").await;
    let mut expected = created.body.clone();
    expected.as_object_mut().expect("an object").remove("client_secret");
    assert_eq!((read.status, &read.body), (200, &expected));

    let listed = port.get("/admin/clients").await;
    assert_eq!((listed.status, listed.body), (200, json!([expected])));

    let replaced = port
        .send("PUT", "/admin/clients/app", r#"{"client_id":"other","owner":"o"}"#)
        .await;
    assert_eq!(replaced.status, 200);
    let members = ["client_id", "client_name", "owner"].map(|name| replaced.body[name].as_str().expect("a text"));
    assert_eq!(members, ["app", "", "o"]);
    assert_eq!(replaced.body.get("client_secret"), None);

    let patch = r#"[{"op":"replace","path":"/client_name","value":"Patched"}]"#;
    let patched = port.send("PATCH", "/admin/clients/app", patch).await;
    assert_eq!((patched.status, &patched.body["client_name"]), (200, &json!("Patched")));
    assert_eq!(patched.body["owner"], "o");

    let lifespans = r#"{"client_credentials_grant_access_token_lifespan":"90m"}"#;
    let set = port.send("PUT", "/admin/clients/app/lifespans", lifespans).await;
    let lifespan = "client_credentials_grant_access_token_lifespan";
    assert_eq!((set.status, &set.body[lifespan]), (200, &json!("1h30m0s")));
    let reset = port.send("PUT", "/admin/clients/app/lifespans", "{}").await;
    assert_eq!((reset.status, &reset.body[lifespan]), (200, &json!(null)));

    let deleted = port.send("DELETE", "/admin/clients/app", Body::empty()).await;
    assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    let again = port.send("DELETE", "/admin/clients/app", Body::empty()).await;
    assert_eq!(again.refusal(), (404, MISSING));
}

#[tokio::test]
async fn what_is_not_there_is_told_in_hydras_words() {
    let port = Port::new().await;
    for (method, path, body) in [
        ("GET", "/admin/clients/nope", ""),
        ("PUT", "/admin/clients/nope", "{}"),
        ("PATCH", "/admin/clients/nope", "[]"),
        ("DELETE", "/admin/clients/nope", ""),
        ("PUT", "/admin/clients/nope/lifespans", "{}"),
    ] {
        let answer = port.send(method, path, body).await;
        assert_eq!(answer.refusal(), (404, MISSING), "{method} {path}");
        let text = answer.body["error_description"].as_str().unwrap();
        assert!(text.contains("create the client"), "{text}");
    }
}

#[tokio::test]
async fn bodies_are_read_as_clients_of_hydra_write_them() {
    let port = Port::new().await;
    for body in [
        "null",
        "{}",
        r#"{"client_name":"t"} xx"#,
        r#"{"foo":1,"client_name":"t"}"#,
        r#"{"CLIENT_NAME":"up"}"#,
        r#"{"redirect_uris":null,"client_name":null,"metadata":null,"jwks":null}"#,
        r#"{"grant_types":[null],"contacts":["a",null]}"#,
        r#"{"skip_logout_consent":false,"request_object_signing_alg":"RS256","subject_type":"public","metadata":{}}"#,
        r#"{"metadata":"s"}"#,
    ] {
        let request = Request::post("/admin/clients")
            .header(CONTENT_TYPE, "text/plain")
            .body(body.into());
        let answer = port.ask(request.expect("a request")).await;
        assert_eq!(answer.status, 201, "{body}: {}", answer.body);
    }
    for body in [
        "{",
        "",
        "[]",
        "client_name=x",
        r#"{"redirect_uris":"x"}"#,
        r#"{"scope":["a"]}"#,
        r#"{"authorization_code_grant_access_token_lifespan":"foo"}"#,
        r#"{"authorization_code_grant_access_token_lifespan":5}"#,
    ] {
        let answer = port.send("POST", "/admin/clients", body).await;
        assert_eq!(answer.refusal(), (400, MALFORMED), "{body}");
    }
    port.post(json!({"client_id": "a"})).await;
    for body in ["{", "", r#"{"implicit_grant_id_token_lifespan":"x"}"#] {
        let answer = port.send("PUT", "/admin/clients/a/lifespans", body).await;
        assert_eq!(answer.refusal(), (400, MALFORMED), "{body}");
    }
}

#[tokio::test]
async fn d33_metadata_that_makes_no_sense_has_the_codes_of_rfc_7591() {
    let port = Port::new().await;
    port.post(json!({"client_id": "a"})).await;
    for (client, code) in [
        (
            json!({"redirect_uris": ["https://a.example/#f"]}),
            "invalid_redirect_uri",
        ),
        (json!({"redirect_uris": ["abc"]}), "invalid_redirect_uri"),
        (json!({"policy_uri": "ftp://x"}), "invalid_client_metadata"),
        (json!({"client_secret": "12345"}), "invalid_client_metadata"),
        (json!({"token_endpoint_auth_method": "foo"}), "invalid_client_metadata"),
    ] {
        assert_eq!(port.post(client.clone()).await.refusal(), (400, code), "{client}");
        let replaced = port.send("PUT", "/admin/clients/a", client.to_string()).await;
        assert_eq!(replaced.refusal(), (400, code), "{client}");
    }
}

#[tokio::test]
async fn d32_private_keys_are_refused_and_not_repeated() {
    let port = Port::new().await;
    let private = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]});
    let refused = port.post(json!({"jwks": private.clone()})).await;
    assert_eq!(refused.refusal(), (400, "invalid_client_metadata"));
    assert!(!refused.body.to_string().contains("jpsQ"), "{}", refused.body);
    port.post(json!({"client_id": "a"})).await;
    let patch = json!([{"op": "add", "path": "/jwks", "value": private}]);
    let refused = port.send("PATCH", "/admin/clients/a", patch.to_string()).await;
    assert_eq!(refused.refusal(), (400, "invalid_client_metadata"));
}

#[tokio::test]
async fn an_id_belongs_to_one_client() {
    let port = Port::new().await;
    port.post(json!({"client_id": "a"})).await;
    port.post(json!({"client_id": "b", "client_name": "B"})).await;
    let title = "Unable to insert or update resource because a resource with that value exists already";
    let taken = port.post(json!({"client_id": "a"})).await;
    assert_eq!(taken.refusal(), (409, title));
    let text = taken.body["error_description"].as_str().unwrap();
    assert!(text.contains("Choose another id"), "{text}");
    let before = port.get("/admin/clients/b").await.body;
    let patch = r#"[{"op":"replace","path":"/client_id","value":"b"}]"#;
    let refused = port.send("PATCH", "/admin/clients/a", patch).await;
    assert_eq!(refused.refusal(), (400, MALFORMED));
    assert_eq!(port.get("/admin/clients/b").await.body, before);
}

#[tokio::test]
async fn d35_a_patch_that_makes_no_sense_is_a_bad_request() {
    let port = Port::new().await;
    let created = port
        .post(json!({"client_id": "a", "token_endpoint_auth_method": "none"}))
        .await;
    for patch in [
        "[",
        "",
        "null",
        r#"{"op":"replace","path":"/owner","value":"zz"}"#,
        r#"[{"op":"remove","path":"/nope"}]"#,
        r#"[{"op":"test","path":"/owner","value":"zz"}]"#,
        r#"[{"op":"replace","path":"/id","value":"x"}]"#,
        r#"[{"op":"foo","path":"/owner","value":"zz"}]"#,
        r#"[{"op":"replace","path":"owner","value":"zz"}]"#,
        r#"[{"op":"replace","path":"/redirect_uris","value":5}]"#,
        r#"[{"op":"replace","path":"/owner","value":"zz"},{"op":"remove","path":"/nope"}]"#,
    ] {
        let answer = port.send("PATCH", "/admin/clients/a", patch).await;
        assert_eq!(answer.refusal(), (400, MALFORMED), "{patch}");
    }
    assert_eq!(port.get("/admin/clients/a").await.body, created.body);
}

#[tokio::test]
async fn d13_the_location_is_escaped_once_and_leads_to_the_client() {
    let port = Port::new().await;
    for id in [
        "a b/c:%C3",
        "\u{fc}mlaut \u{2615}",
        "with space/and%20more",
        "a?b#c",
        "-._~",
    ] {
        let created = port.post(json!({"client_id": id})).await;
        assert_eq!(created.status, 201, "{id}");
        let location = created.header(LOCATION);
        let read = port.get(location).await;
        assert_eq!((read.status, &read.body["client_id"]), (200, &json!(id)), "{location}");
        let deleted = port.send("DELETE", location, Body::empty()).await;
        assert_eq!(deleted.status, 204, "{location}");
    }
    let older = port.send("POST", "/clients", r#"{"client_id":"a b"}"#).await;
    assert_eq!(older.header(LOCATION), "/clients/a%20b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_that_arrive_together_lose_nothing() {
    let port = std::sync::Arc::new(Port::new().await);
    port.post(json!({"client_id": "a"})).await;
    let patches: Vec<_> = (0..32)
        .map(|number| {
            let port = port.clone();
            let patch = json!([{"op": "add", "path": "/contacts/-", "value": format!("{number:02}")}]);
            tokio::spawn(async move { port.send("PATCH", "/admin/clients/a", patch.to_string()).await.status })
        })
        .collect();
    for patch in patches {
        assert_eq!(patch.await.expect("no task panics"), 200);
    }
    let client = port.get("/admin/clients/a").await.body;
    let mut contacts: Vec<&str> = client["contacts"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    contacts.sort_unstable();
    let all: Vec<String> = (0..32).map(|number| format!("{number:02}")).collect();
    assert_eq!(contacts, all);
}

#[tokio::test]
async fn d5_a_database_that_is_away_is_503() {
    let port = Port::new().await;
    port.stage.go_down().await;
    for (method, path) in [
        ("GET", "/admin/clients"),
        ("GET", "/admin/clients/a"),
        ("POST", "/admin/clients"),
    ] {
        let answer = port.send(method, path, "{}").await;
        assert_eq!(answer.refusal(), (503, "temporarily_unavailable"), "{method} {path}");
    }
}

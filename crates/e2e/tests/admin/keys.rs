//! Keys of the admin port (RFC 6750).

use claviger_e2e::{Database, Http, Request, Server, ServerOptions, binary, dump};
use futures_util::future::join_all;
use http::Method;
use ory_hydra_client::apis::configuration::Configuration;
use ory_hydra_client::apis::o_auth2_api;
use ory_hydra_client::models::OAuth2Client;
use serde_json::{Value, json};

use crate::{guarded, key, metric, revoke, server};

async fn ask(server: &Server, method: &Method, path: &str, key: &str) -> claviger_e2e::Answer {
    let request = Request::new(method.clone(), &server.admin(path)).bearer(key);
    Http::new().send(request).await
}

/// The routes of the admin port, as the description of it names them: method and path.
pub(crate) fn routes() -> Vec<(String, String)> {
    let described = std::fs::read_to_string(binary::root().join("docs/openapi/admin.json")).unwrap();
    let described: Value = serde_json::from_str(&described).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys();
        let methods = methods.filter(|name| ["get", "post", "put", "patch", "delete"].contains(&&***name));
        routes.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
    }
    assert!(routes.len() > 30, "{routes:?}");
    routes
}

#[tokio::test]
async fn every_route_but_health_asks_for_a_key() {
    let database = Database::sqlite();
    let server = server(&database, guarded(&database)).await;
    let all = key(&database, "ops", "all");
    for (method, route) in routes() {
        let path = route.replace(['{', '}'], "x");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let is_open = path.starts_with("/admin/health");
        for path in [path.as_str(), path.strip_prefix("/admin").unwrap()] {
            let answer = Http::new()
                .send(Request::new(method.clone(), &server.admin(path)))
                .await;
            if is_open {
                assert_eq!(answer.status, 200, "{path}");
                continue;
            }
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
            let wrong = ask(&server, &method, path, "clv_ak_AAAAAAAAAAAAAAAAAAAAAA.wrong").await;
            assert_eq!(wrong.status, 401, "{method} {path}");
            assert_eq!(wrong.header("www-authenticate"), "Bearer error=\"invalid_token\"");
            let passed = ask(&server, &method, path, &all).await.status;
            assert!(![401, 403].contains(&passed), "{method} {path}: {passed}");
        }
    }
}

#[tokio::test]
async fn a_key_opens_what_it_is_for_and_nothing_else() {
    let database = Database::sqlite();
    let server = server(&database, guarded(&database)).await;
    // One request for each area, and the scopes that open it.
    let probes = [
        (Method::GET, "/admin/clients", &["read", "clients"][..]),
        (Method::POST, "/admin/clients", &["clients"]),
        (Method::DELETE, "/admin/clients/none", &["clients"]),
        (
            Method::GET,
            "/admin/oauth2/auth/requests/login?login_challenge=x",
            &["flows"],
        ),
        (
            Method::PUT,
            "/admin/oauth2/auth/requests/consent/accept?consent_challenge=x",
            &["flows"],
        ),
        (
            Method::GET,
            "/admin/oauth2/auth/sessions/consent?subject=x",
            &["read", "flows"],
        ),
        (
            Method::DELETE,
            "/admin/oauth2/auth/sessions/login?subject=x",
            &["flows"],
        ),
        (Method::GET, "/admin/keys/hydra.openid.id-token", &["keys"]),
        (Method::DELETE, "/admin/keys/none", &["keys"]),
        (Method::GET, "/admin/trust/grants/jwt-bearer/issuers", &["read", "keys"]),
        (Method::POST, "/admin/oauth2/introspect", &["introspect"]),
        (Method::GET, "/admin/metrics/prometheus", &["read", "metrics"]),
    ];
    for scope in ["read", "clients", "flows", "keys", "introspect", "metrics", "all"] {
        let key = key(&database, scope, scope);
        for (method, path, opened_by) in &probes {
            let answer = ask(&server, method, path, &key).await;
            let is_open = scope == "all" || opened_by.contains(&scope);
            assert_eq!(
                answer.status != 403,
                is_open,
                "{method} {path} with {scope}: {}",
                answer.text()
            );
            assert_ne!(answer.status, 401);
            if !is_open {
                let wanted = opened_by.last().unwrap();
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{wanted}\"");
                assert_eq!(answer.header("www-authenticate"), challenge, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_was_revoked_anywhere_is_refused_everywhere_at_once() {
    for database in [Database::postgres(), Database::sqlite()] {
        let one = server(&database, guarded(&database)).await;
        let other = guarded(&database).start().await;
        for round in 0..5 {
            let name = format!("gateway {round}");
            let key = key(&database, &name, "introspect,read");
            for server in [&one, &other] {
                assert_eq!(ask(server, &Method::GET, "/admin/clients", &key).await.status, 200);
            }
            revoke(&database, &name);
            for server in [&one, &other] {
                assert_eq!(ask(server, &Method::GET, "/admin/clients", &key).await.status, 401);
            }
        }
        let dsn = database.dsn();
        let words = [
            "create",
            "api-key",
            "short",
            "--scope",
            "read",
            "--expires-in",
            "1s",
            "-q",
            "--database-url",
            &dsn,
        ];
        let short = binary::run(&words).success();
        // It ends by itself within the second, whatever the machine is busy with.
        let deadline = std::time::Instant::now() + claviger_e2e::process::PATIENCE;
        while ask(&one, &Method::GET, "/admin/clients", short.trim()).await.status != 401 {
            assert!(std::time::Instant::now() < deadline, "the key never ended");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn introspection_with_a_key_costs_one_reading_more_which_those_at_work_share() {
    let database = Database::postgres();
    let server = server(&database, guarded(&database)).await;
    let all = key(&database, "ops", "all");
    let readings = || async {
        (
            metric(&server, "sql_statements_total", &["kind=\"api_key\""], Some(&all)).await,
            metric(&server, "store_operations_total", &["kind=\"access\""], Some(&all)).await,
        )
    };
    // A token of ours, so that it is looked up.
    let created = ask_json(&server, &all).await;
    let (id, secret) = (
        created["client_id"].as_str().unwrap(),
        created["client_secret"].as_str().unwrap(),
    );
    let request = Request::post(&server.public("/oauth2/token")).basic(id, secret);
    let token = Http::new()
        .send(request.form(&[("grant_type", "client_credentials")]))
        .await
        .json();
    let token = token["access_token"].as_str().unwrap().to_owned();
    let (keys_before, tokens_before) = readings().await;
    let ask = |_| async {
        let request = Request::post(&server.admin("/admin/oauth2/introspect")).bearer(&all);
        let answer = Http::new().send(request.form(&[("token", &token)])).await;
        assert_eq!(answer.json()["active"], true, "{}", answer.text());
    };
    ask(0).await;
    let (keys, tokens) = readings().await;
    // One of its own, and one of each of the two looks at the metrics that lie between.
    assert_eq!((keys - keys_before, tokens - tokens_before), (3.0, 1.0));
    join_all((0..200).map(ask)).await;
    let (later, tokens_later) = readings().await;
    assert_eq!(tokens_later - tokens, 200.0);
    assert!(
        later - keys <= 202.0,
        "no more readings than requests: {}",
        later - keys
    );
}

async fn ask_json(server: &Server, key: &str) -> serde_json::Value {
    let metadata = json!({"grant_types": ["client_credentials"], "scope": "a"});
    let request = Request::post(&server.admin("/admin/clients"))
        .bearer(key)
        .json(&metadata);
    Http::new().send(request).await.json()
}

#[tokio::test]
async fn the_sdk_made_for_hydra_sends_a_key_unmodified() {
    let database = Database::sqlite();
    let server = server(&database, guarded(&database)).await;
    let mut configuration = Configuration {
        base_path: server.admin(""),
        ..Configuration::default()
    };
    let client = || OAuth2Client {
        client_name: Some("Crate".to_owned()),
        ..OAuth2Client::default()
    };
    assert!(
        o_auth2_api::create_o_auth2_client(&configuration, client())
            .await
            .is_err()
    );
    // As with a proxy before Hydra: the SDK takes an HTTP client of the program's own.
    let authorization = format!("Bearer {}", key(&database, "app", "clients")).parse().unwrap();
    let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, authorization)]);
    configuration.client = reqwest::Client::builder().default_headers(headers).build().unwrap();
    let created = o_auth2_api::create_o_auth2_client(&configuration, client())
        .await
        .unwrap();
    assert_eq!(created.client_name.as_deref(), Some("Crate"));
}

#[tokio::test]
async fn both_command_lines_send_a_key() {
    let database = Database::sqlite();
    let server = server(&database, guarded(&database)).await;
    let key = key(&database, "ops", "clients");
    let endpoint = server.admin("");
    let newer = ["list", "clients", "--endpoint", &endpoint];
    assert_ne!(binary::run(&newer).code, Some(0));
    binary::run_with(&newer, &[("CLAVIGER_API_KEY", &key)]).success();
    let header = format!("Authorization: Bearer {key}");
    binary::run(&[&newer[..], &["-H", &header]].concat()).success();
    let older = ["clients", "list", "--endpoint", &endpoint];
    assert_ne!(binary::run(&older).code, Some(0));
    binary::run(&[&older[..], &["--access-token", &key]].concat()).success();
    binary::run_with(&older, &[("OAUTH2_ACCESS_TOKEN", &key)]).success();
}

#[tokio::test]
async fn the_port_opens_to_other_machines_with_keys_and_only_digests_are_stored() {
    for database in [Database::postgres(), Database::sqlite()] {
        claviger_e2e::server::migrate(&database);
        let open = ServerOptions::new(&database).with("SERVE_ADMIN_HOST", "0.0.0.0");
        let mut refused = open.clone().spawn();
        assert!(!refused.wait().success());
        assert!(
            refused.output().contains("serve.admin.require_api_key"),
            "{}",
            refused.output()
        );

        let server = open.with("SERVE_ADMIN_REQUIRE_API_KEY", "true").start().await;
        let key = key(&database, "ops", "all");
        assert_eq!(ask(&server, &Method::GET, "/admin/clients", &key).await.status, 200);
        // Sorted in the order in which the columns are, whatever a dump calls them.
        let (half, dumped) = (key.rsplit_once('.').unwrap().1, dump::text(&database));
        assert!(dumped.contains("ops") && !dumped.contains(&key) && !dumped.contains(half));
        let listed = binary::run(&["list", "api-keys", "--database-url", &database.dsn()]).success();
        assert!(listed.contains("ops") && !listed.contains(half), "{listed}");
    }
}

//! Introspection, userinfo and discovery.

use claviger_e2e::flow::{SUBJECT, text};
use claviger_e2e::{Database, Flow, Http, Request, Server, tokens};
use serde_json::{Value, json};

async fn server() -> (Database, Server) {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    (database, server)
}

async fn machine_token(flow: &Flow) -> String {
    let answer = flow
        .token(&[("grant_type", "client_credentials"), ("scope", "profile")])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    text(&answer.json(), "access_token")
}

/// Active or not, the answer is not to be kept.
#[tokio::test]
async fn d24_introspection_is_never_cached() {
    let (_database, server) = server().await;
    let flow = Flow::new(&server).await;
    let token = machine_token(&flow).await;
    let url = server.admin("/admin/oauth2/introspect");
    for token in [token.as_str(), "nonsense"] {
        let answer = Http::new().send(Request::post(&url).form(&[("token", token)])).await;
        assert!(
            answer.header("cache-control").contains("no-store"),
            "{:?}",
            answer.headers
        );
    }
    assert_eq!(server.introspect("nonsense").await, json!({"active": false}));
}

/// RFC 7662 §2.1. The operator alone says who is a resource server, and may take it back.
#[tokio::test]
async fn a_resource_server_introspects_access_tokens_of_others_on_the_public_port() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let granted = flow.tokens().await;
    let api = json!({"client_id": "api", "client_secret": "secret-of-the-api", "grant_types": ["client_credentials"]});
    server.create_client(&api).await;
    let told = async |token: &str| {
        let request = Request::post(&server.public("/oauth2/introspect"));
        let form = [("token", token)];
        let answer = Http::new()
            .send(request.basic("api", "secret-of-the-api").form(&form))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let (access, refresh) = (text(&granted, "access_token"), text(&granted, "refresh_token"));
    let inactive = json!({"active": false});
    assert_eq!(told(&access).await, inactive);
    for is_one in [true, false] {
        let patch = json!([{"op": "add", "path": "/resource_server", "value": is_one}]);
        let url = server.admin("/admin/clients/api");
        let patched = Http::new().send(Request::patch(&url).json(&patch)).await;
        assert_eq!(patched.status, 200, "{}", patched.text());
        let expected = if is_one {
            server.introspect(&access).await
        } else {
            inactive.clone()
        };
        assert_eq!(told(&access).await, expected);
        assert_eq!(told(&refresh).await, inactive);
    }
    let public = json!({"token_endpoint_auth_method": "none", "resource_server": true});
    let refused = Http::new()
        .send(Request::post(&server.admin("/admin/clients")).json(&public))
        .await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (400, "invalid_client_metadata")
    );
}

/// OpenID Connect Core §5.3.2 and RFC 6750 §3.1.
#[tokio::test]
async fn d25_userinfo_needs_openid_and_says_what_is_wrong_as_rfc_6750_does() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let granted = flow.tokens().await;
    let url = server.public("/userinfo");
    let mut http = Http::new();
    let person = http
        .send(Request::get(&url).bearer(&text(&granted, "access_token")))
        .await;
    assert_eq!(
        (person.status, &person.json()["sub"]),
        (200, &SUBJECT.into()),
        "{}",
        person.text()
    );
    let machine = http.send(Request::get(&url).bearer(&machine_token(&flow).await)).await;
    assert_eq!(
        (machine.status, machine.error().as_str()),
        (403, "insufficient_scope"),
        "{}",
        machine.text()
    );
    let unknown = http.send(Request::get(&url).bearer("nonsense")).await;
    assert_eq!((unknown.status, unknown.error().as_str()), (401, "invalid_token"));
    assert!(
        unknown.header("www-authenticate").contains("error=\"invalid_token\""),
        "{:?}",
        unknown.headers
    );
    let refresh = http
        .send(Request::get(&url).bearer(&text(&granted, "refresh_token")))
        .await;
    assert_eq!((refresh.status, refresh.error().as_str()), (401, "invalid_token"));
    let nothing = http.get(&url).await;
    assert_eq!(nothing.status, 401);
    let challenge = nothing.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer") && !challenge.contains("error="),
        "{challenge}"
    );
}

/// RFC 8414 §2: what is listed works, and what works is listed.
#[tokio::test]
async fn d31_discovery_lists_exactly_what_works() {
    let (_database, server) = server().await;
    let mut http = Http::new();
    let document = http
        .get(&server.public("/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(
        http.get(&server.public("/.well-known/oauth-authorization-server"))
            .await
            .json(),
        document
    );
    assert_eq!(document["issuer"], server.public("/"));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    let endpoints: Vec<(&str, &Value)> = document
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    for needed in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "revocation_endpoint",
        "jwks_uri",
    ] {
        assert!(
            endpoints.iter().any(|(name, _)| *name == needed),
            "{needed} is missing in {document}"
        );
    }
    for (name, url) in endpoints {
        let url = url.as_str().unwrap();
        assert!(url.starts_with(&server.public("/")), "{name}: {url}");
        let answer = http.get(url).await;
        assert_ne!(answer.status, 404, "{name}: nothing is at {url}");
    }
    let flow = Flow::new(&server).await;
    let grants = document["grant_types_supported"].as_array().unwrap();
    // That one never comes to the token endpoint.
    for grant in grants.iter().filter(|grant| **grant != "implicit") {
        let answer = flow.token(&[("grant_type", grant.as_str().unwrap())]).await;
        let error = if answer.status == 200 {
            String::new()
        } else {
            answer.error()
        };
        assert_ne!(error, "unsupported_grant_type", "{grant}");
    }
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
}

/// What the app put into the session comes out where it belongs.
#[tokio::test]
async fn claims_of_the_consent_app_reach_introspection_id_token_and_userinfo() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let mut flow = Flow::new(&server).await;
        let consent = json!({
            "grant_scope": ["openid", "offline"],
            "session": {"access_token": {"plan": "gold"}, "id_token": {"given_name": "Ada", "sub": "not-this"}},
        });
        let login = json!({"subject": SUBJECT, "acr": "2", "amr": ["pwd", "otp"]});
        let landed = flow.finish_with(&login, &consent).await;
        let code = claviger_e2e::client::parameter(&landed, "code").unwrap();
        let mut granted = flow.redeem(&code).await.json();
        for _ in 0..2 {
            let access = text(&granted, "access_token");
            let told = server.introspect(&access).await;
            assert_eq!(told["ext"], json!({"plan": "gold"}), "{told}");
            let claims = tokens::claims(&text(&granted, "id_token"));
            assert_eq!(
                (&claims["given_name"], &claims["sub"]),
                (&"Ada".into(), &SUBJECT.into()),
                "{claims}"
            );
            assert_eq!(
                (&claims["acr"], &claims["amr"]),
                (&"2".into(), &json!(["pwd", "otp"])),
                "{claims}"
            );
            assert!(claims.get("rat").is_none() && claims["at_hash"].is_string(), "{claims}");
            let user = Http::new()
                .send(Request::get(&server.public("/userinfo")).bearer(&access))
                .await
                .json();
            assert_eq!(
                (&user["given_name"], &user["sub"]),
                (&"Ada".into(), &SUBJECT.into()),
                "{user}"
            );
            granted = flow.refresh(&text(&granted, "refresh_token")).await.json();
        }
    }
}

/// Tokens have the shape that is promised.
#[tokio::test]
async fn tokens_are_opaque_with_a_prefix_and_one_dot() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let code = flow.code().await;
    let granted = flow.redeem(&code).await.json();
    let (access, refresh) = (text(&granted, "access_token"), text(&granted, "refresh_token"));
    for (token, prefix) in [(&code, "clv_ac_"), (&access, "clv_at_"), (&refresh, "clv_rt_")] {
        assert!(token.starts_with(prefix), "{token}");
        assert_eq!(token.matches('.').count(), 1, "{token}");
    }
    assert_eq!(granted["token_type"], "bearer");
}

/// The signature of an ID token verifies with the published key.
#[tokio::test]
async fn id_tokens_are_signed_with_a_published_key() {
    let (_database, server) = server().await;
    let mut flow = Flow::new(&server).await;
    let token = text(&flow.tokens().await, "id_token");
    let header = tokens::header(&token);
    assert_eq!(header["alg"], "RS256");
    let keys = Http::new().get(&server.public("/.well-known/jwks.json")).await.json();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == header["kid"])
        .unwrap();
    assert!(key.get("d").is_none(), "a private key is published");
    let bytes = |name: &str| tokens::decode(key[name].as_str().unwrap());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let public = aws_lc_rs::signature::RsaPublicKeyComponents {
        n: bytes("n"),
        e: bytes("e"),
    };
    let algorithm = &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
    public
        .verify(algorithm, signed.as_bytes(), &tokens::decode(signature))
        .unwrap();
}

/// RFC 7518 §3.4: the operator chooses ES256 for all ID tokens, and discovery says so.
#[tokio::test]
async fn id_tokens_are_signed_with_es256_where_the_operator_says_so() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = claviger_e2e::ServerOptions::new(&database);
    let server = options
        .with("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256")
        .start()
        .await;
    let mut flow = Flow::new(&server).await;
    let token = text(&flow.tokens().await, "id_token");
    let header = tokens::header(&token);
    assert_eq!(header["alg"], "ES256");
    let http = || Http::new();
    let discovery = http()
        .get(&server.public("/.well-known/openid-configuration"))
        .await
        .json();
    // A client may still choose RS256.
    assert_eq!(
        discovery["id_token_signing_alg_values_supported"],
        json!(["ES256", "RS256"])
    );
    let keys = http().get(&server.public("/.well-known/jwks.json")).await.json();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == header["kid"])
        .unwrap();
    let coordinate = |name: &str| tokens::decode(key[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), &tokens::decode(signature))
        .unwrap();
}

/// Fetch §3.2: what says nothing about anybody may be read by every page; what carries credentials by none that is not listed.
#[tokio::test]
async fn a_page_may_read_the_metadata_and_keys_and_nothing_else() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    for (path, allowed) in [
        ("/.well-known/openid-configuration", "*"),
        ("/.well-known/oauth-authorization-server", "*"),
        ("/.well-known/jwks.json", "*"),
        ("/userinfo", ""),
        ("/oauth2/auth", ""),
        ("/oauth2/sessions/logout", ""),
    ] {
        let request = Request::get(&server.public(path)).header("origin", "https://page.example");
        let answer = Http::new().send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{path}");
    }
}

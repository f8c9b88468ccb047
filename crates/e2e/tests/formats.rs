//! The forms that tokens and answers take: JWT access tokens, response types, signed userinfo, pairwise subjects.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, text, web_client};
use claviger_e2e::tokens::{claims, header};
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};
use url::Url;

/// A server with these settings.
async fn server(database: &Database, settings: &[(&str, &str)]) -> Server {
    claviger_e2e::server::migrate(database);
    let options = ServerOptions::new(database);
    let set = |options: ServerOptions, (name, value): &(&str, &str)| options.with(name, value);
    settings.iter().fold(options, set).start().await
}

/// A client of [`web_client`] with more metadata.
async fn client(server: &Server, more: Value) -> Flow {
    let mut metadata = web_client();
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    Flow::of(server, &server.create_client(&metadata).await)
}

async fn introspected(server: &Server, token: &str) -> Value {
    let request = Request::post(&server.admin("/admin/oauth2/introspect")).form(&[("token", token)]);
    Http::new().send(request).await.json()
}

/// Whether a key with this id is published.
async fn is_published(server: &Server, kid: &Value) -> bool {
    let jwks = Http::new().get(&server.public("/.well-known/jwks.json")).await.json();
    jwks["keys"].as_array().unwrap().iter().any(|key| key["kid"] == *kid)
}

/// RFC 9068: a JWT that the published keys verify, with a row behind it.
#[tokio::test]
async fn jwt_access_tokens_are_published_introspectable_and_revocable() {
    for database in [Database::postgres(), Database::sqlite()] {
        let settings = [
            ("STRATEGIES_ACCESS_TOKEN", "jwt"),
            ("STRATEGIES_JWT_SCOPE_CLAIM", "both"),
            ("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256"),
            ("OAUTH2_ALLOWED_TOP_LEVEL_CLAIMS", "tenant"),
        ];
        let server = server(&database, &settings).await;
        let mut flow = client(&server, json!({})).await;
        let consent = json!({
            "grant_scope": ["openid", "offline"], "session": {"access_token": {"tenant": "acme", "plan": "gold"}},
        });
        let landed = flow.finish_with(&json!({"subject": SUBJECT}), &consent).await;
        let answer = flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
        let token = text(&answer, "access_token");
        assert_eq!(header(&token)["typ"], "at+jwt");
        assert!(is_published(&server, &header(&token)["kid"]).await);
        assert_ne!(header(&token)["kid"], header(&text(&answer, "id_token"))["kid"]);
        let said = claims(&token);
        assert_eq!(
            (&said["sub"], &said["client_id"]),
            (&json!(SUBJECT), &json!(flow.client_id))
        );
        assert_eq!(
            (&said["scp"], &said["scope"]),
            (&json!(["openid", "offline"]), &json!("openid offline"))
        );
        assert_eq!(
            (&said["tenant"], &said["ext"]["plan"]),
            (&json!("acme"), &json!("gold"))
        );
        assert_eq!(introspected(&server, &token).await["active"], true);
        let request = Request::get(&server.public("/userinfo")).header("authorization", &format!("Bearer {token}"));
        assert_eq!(Http::new().send(request).await.json()["sub"], SUBJECT);
        let refreshed = flow.refresh(&text(&answer, "refresh_token")).await.json();
        let newer = text(&refreshed, "access_token");
        assert_eq!(introspected(&server, &token).await, json!({"active": false}));
        assert_eq!(flow.post("/oauth2/revoke", &[("token", &newer)]).await.status, 200);
        assert_eq!(introspected(&server, &newer).await, json!({"active": false}));
    }
}

#[tokio::test]
async fn a_client_chooses_the_form_of_its_access_tokens() {
    let database = Database::sqlite();
    let server = server(&database, &[]).await;
    let form = [("grant_type", "client_credentials")];
    let flow = client(&server, json!({"access_token_strategy": "jwt"})).await;
    let token = text(&flow.token(&form).await.json(), "access_token");
    assert_eq!(
        (header(&token)["typ"].as_str(), claims(&token)["sub"].as_str()),
        (Some("at+jwt"), Some(&*flow.client_id))
    );
    let flow = client(&server, json!({})).await;
    assert!(text(&flow.token(&form).await.json(), "access_token").starts_with("clv_at_"));
}

/// The parameters of a fragment.
fn fragment(landed: &Url) -> Value {
    assert_eq!(landed.query(), None, "{landed}");
    let fragment = landed.fragment().unwrap_or_else(|| panic!("no fragment in {landed}"));
    let pairs = form_urlencoded::parse(fragment.as_bytes());
    Value::Object(pairs.map(|(name, value)| (name.into_owned(), json!(value))).collect())
}

/// OpenID Connect Core §3.2 and §3.3.
#[tokio::test]
async fn implicit_and_hybrid_types_answer_in_the_fragment() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = server(&database, &[]).await;
        let document = Http::new()
            .get(&server.public("/.well-known/openid-configuration"))
            .await
            .json();
        let types = document["response_types_supported"].as_array().unwrap().clone();
        assert_eq!(types.len(), 7, "{types:?}");
        let grants = ["authorization_code", "implicit", "refresh_token"];
        let metadata = json!({"response_types": types, "grant_types": grants});
        for name in types
            .iter()
            .map(|name| name.as_str().unwrap())
            .filter(|name| *name != "code")
        {
            let mut flow = client(&server, metadata.clone()).await.with("response_type", name);
            let answer = fragment(&flow.finish().await);
            for (word, member) in [("code", "code"), ("token", "access_token"), ("id_token", "id_token")] {
                let is_wanted = name.split(' ').any(|other| other == word);
                assert_eq!(answer.get(member).is_some(), is_wanted, "{name}: {answer}");
            }
            if let Some(token) = answer["access_token"].as_str() {
                assert_eq!(introspected(&server, token).await["sub"], SUBJECT);
            }
            if let Some(token) = answer["id_token"].as_str() {
                assert_eq!(claims(token)["nonce"], "nonce-1234567890");
                assert_eq!(claims(token).get("c_hash").is_some(), answer.get("code").is_some());
            }
            if let Some(code) = answer["code"].as_str() {
                assert_eq!(flow.redeem(code).await.status, 200);
            }
        }
    }
}

/// D17, D22, D23.
#[tokio::test]
async fn a_type_that_a_client_is_not_registered_for_is_refused_before_anybody_logs_in() {
    let database = Database::sqlite();
    let server = server(&database, &[]).await;
    let mut flow = client(&server, json!({})).await.with("response_type", "token");
    let refused = fragment(&flow.start().await.location());
    assert_eq!(
        (&refused["error"], &refused["state"]),
        (&json!("unauthorized_client"), &json!("state-1234567890"))
    );
    let metadata = json!({"response_types": ["token"], "grant_types": ["implicit"]});
    let mut flow = client(&server, metadata).await.with("response_type", "token");
    flow = flow.with("response_mode", "query");
    assert_eq!(
        fragment(&flow.start().await.location())["error"],
        "unsupported_response_mode"
    );
    assert!(
        flow.with("response_mode", "fragment")
            .start()
            .await
            .location()
            .as_str()
            .contains("login_challenge")
    );
}

/// OpenID Connect Core §5.3.2.
#[tokio::test]
async fn userinfo_is_signed_by_the_algorithm_that_the_client_chose() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = server(&database, &[("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256")]).await;
        for alg in ["ES256", "EdDSA"] {
            let mut flow = client(&server, json!({"userinfo_signed_response_alg": alg})).await;
            let consent = json!({"grant_scope": ["openid"], "session": {"userinfo": {"email": "foo@bar.com"}}});
            let landed = flow.finish_with(&json!({"subject": SUBJECT}), &consent).await;
            let answer = flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
            assert_eq!(claims(&text(&answer, "id_token")).get("email"), None);
            let bearer = format!("Bearer {}", text(&answer, "access_token"));
            let request = Request::get(&server.public("/userinfo")).header("authorization", &bearer);
            let told = Http::new().send(request).await;
            assert_eq!((told.status, told.header("content-type")), (200, "application/jwt"));
            let token = told.text();
            assert_eq!(header(&token)["alg"], alg);
            assert!(is_published(&server, &header(&token)["kid"]).await);
            let said = claims(&token);
            assert_eq!((&said["sub"], &said["email"]), (&json!(SUBJECT), &json!("foo@bar.com")));
            assert_eq!(
                (&said["aud"], &said["iss"]),
                (&json!([flow.client_id]), &json!(server.public("/")))
            );
        }
        let document = Http::new()
            .get(&server.public("/.well-known/openid-configuration"))
            .await
            .json();
        let listed = document["userinfo_signing_alg_values_supported"].as_array().unwrap();
        assert!(
            ["none", "ES256", "EdDSA"]
                .iter()
                .all(|alg| listed.contains(&json!(alg))),
            "{listed:?}"
        );
    }
}

/// RFC 8707: what was granted for several servers gives tokens for each of them alone.
#[tokio::test]
async fn a_resource_narrows_a_token_to_one_server() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = server(&database, &[("STRATEGIES_ACCESS_TOKEN", "jwt")]).await;
        let (one, two) = ("https://one.example", "https://two.example");
        let flow = client(&server, json!({"audience": [one, two]})).await;
        let mut flow = flow.adding("resource", one).adding("resource", two);
        let challenge = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
        let asked = flow.request("consent", &challenge).await;
        assert_eq!(asked["requested_access_token_audience"], json!([one, two]));
        let consent = json!({"grant_scope": ["openid", "offline"], "grant_access_token_audience": [one, two]});
        let onward = flow.decided("consent", "accept", &challenge, &consent).await;
        let landed = flow.http.get(&onward).await.location();
        let code = parameter(&landed, "code").unwrap();
        let redeem = |resource: &'static str| {
            vec![
                ("grant_type", "authorization_code".to_owned()),
                ("code", code.clone()),
                ("redirect_uri", claviger_e2e::flow::REDIRECT_URI.to_owned()),
                ("resource", resource.to_owned()),
            ]
        };
        let send = |form: Vec<(&'static str, String)>| {
            let flow = &flow;
            async move {
                let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
                flow.token(&form).await
            }
        };
        let refused = send(redeem("https://three.example")).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_target"));
        let answer = send(redeem("https://two.example")).await.json();
        assert_eq!(claims(&text(&answer, "access_token"))["aud"], json!([two]));
        let token = text(&answer, "refresh_token");
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &token),
            ("resource", one),
        ];
        let renewed = flow.token(&refresh).await.json();
        let access = text(&renewed, "access_token");
        assert_eq!(claims(&access)["aud"], json!([one]));
        assert_eq!(introspected(&server, &access).await["aud"], json!([one]));
        let own = [
            ("grant_type", "client_credentials"),
            ("resource", "https://three.example"),
        ];
        assert_eq!(flow.token(&own).await.error(), "invalid_target");
        let own = [("grant_type", "client_credentials"), ("resource", two)];
        let answer = flow.token(&own).await.json();
        assert_eq!(claims(&text(&answer, "access_token"))["aud"], json!([two]));
        let whole = flow.refresh(&text(&renewed, "refresh_token")).await.json();
        assert_eq!(claims(&text(&whole, "access_token"))["aud"], json!([one, two]));
    }
}

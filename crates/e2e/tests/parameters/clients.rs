//! Every member of a client's metadata: RFC 7591 §2, OpenID Connect Dynamic Client Registration §2, and Hydra's additions.

use claviger_e2e::flow::text;
use claviger_e2e::{Http, Request};
use serde_json::{Value, json};

use crate::documents::Kind::{Flag, Free, List, Number, Object, Text};
use crate::documents::{Document, Member, check, member};
use crate::stage::stages;

const OK: &str = "201";
const BAD: &str = "400 invalid_client_metadata";
const BAD_URI: &str = "400 invalid_redirect_uri";
/// What the title of a malformed admin request comes to.
const MALFORMED: &str = "400";

/// Addresses that lead to no application, or elsewhere than they say. In lists and alone.
macro_rules! bad_addresses {
    ($($open:literal, $close:literal, $answer:expr);*) => {
        &[$(
            (concat!($open, "\"javascript:alert(1)\"", $close), $answer),
            (concat!($open, "\"data:text/html,x\"", $close), $answer),
            (concat!($open, "\"/callback\"", $close), $answer),
            (concat!($open, "\"//app.example/callback\"", $close), $answer),
            (concat!($open, "\"app.example\"", $close), $answer),
            (concat!($open, "\"https:app.example\"", $close), $answer),
            (concat!($open, "\"https://\"", $close), $answer),
            (concat!($open, "\"https://user@app.example/\"", $close), $answer),
            (concat!($open, "\"https://user:word@app.example/\"", $close), $answer),
            (concat!($open, "\"https://app.example:99999/\"", $close), $answer),
            (concat!($open, "\"https://app.example\\\\@evil.example/\"", $close), $answer),
            (concat!($open, "\"https:\\\\\\\\app.example/\"", $close), $answer),
            (concat!($open, "\" https://app.example/\"", $close), $answer),
            (concat!($open, "\"https://app.example/\\n\"", $close), $answer),
            (concat!($open, "\"https://app.example/\\u00e4\"", $close), $answer)
        ),*]
    };
}
const BAD_ADDRESS: &[(&str, &str)] = bad_addresses!("", "", BAD);
const BAD_ADDRESSES: &[(&str, &str)] = bad_addresses!("[", "]", BAD);
const BAD_REDIRECTS: &[(&str, &str)] = bad_addresses!("[", "]", BAD_URI);

const ADDRESS: [&str; 4] = [OK, OK, BAD, BAD];
const CHOICE: [&str; 4] = [OK, OK, BAD, BAD];
const FLAG: [&str; 4] = [OK, OK, MALFORMED, MALFORMED];
const LIFESPAN: [&str; 4] = [OK, OK, MALFORMED, MALFORMED];
const LIFESPANS: &[(&str, &str)] = &[
    ("\"soon\"", MALFORMED),
    ("\"-1h\"", MALFORMED),
    ("\"99999999999h\"", MALFORMED),
    ("\"1h\"", OK),
];

const MEMBERS: &[Member] = &[
    member(
        "client_id",
        Text,
        [OK, OK, BAD, BAD],
        &[("\".\"", BAD), ("\"..\"", BAD), ("\"a\\nb\"", BAD)],
    ),
    member("client_name", Text, [OK, OK, OK, BAD], &[]),
    member("client_secret", Text, [OK, OK, OK, BAD], &[("\"short\"", BAD)]),
    member("redirect_uris", List, [BAD, BAD, BAD_URI, BAD_URI], BAD_REDIRECTS),
    member("grant_types", List, CHOICE, &[("[\"password\"]", BAD)]),
    member(
        "response_types",
        List,
        CHOICE,
        &[("[\"code code\"]", BAD), ("[\"none\"]", BAD)],
    ),
    member(
        "scope",
        Text,
        [OK, OK, OK, BAD],
        &[("\"a \\\"\"", BAD), ("\"\\u007f\"", BAD)],
    ),
    member("audience", List, [OK, OK, OK, BAD], &[("[\"a b\"]", BAD)]),
    member("owner", Text, [OK, OK, OK, BAD], &[]),
    member("policy_uri", Text, ADDRESS, BAD_ADDRESS),
    member("tos_uri", Text, ADDRESS, BAD_ADDRESS),
    member("client_uri", Text, ADDRESS, BAD_ADDRESS),
    member("logo_uri", Text, ADDRESS, BAD_ADDRESS),
    member("allowed_cors_origins", List, ADDRESS, BAD_ADDRESSES),
    member("contacts", List, [OK, OK, OK, BAD], &[]),
    member("client_secret_expires_at", Number, FLAG, &[]),
    member("subject_type", Text, CHOICE, &[("\"bogus\"", BAD)]),
    member(
        "application_type",
        Text,
        CHOICE,
        &[("\"bogus\"", BAD), ("\"web\"", OK), ("\"native\"", OK)],
    ),
    member(
        "id_token_encrypted_response_alg",
        Text,
        CHOICE,
        &[("\"RSA-OAEP\"", BAD)],
    ),
    member("id_token_encrypted_response_enc", Text, CHOICE, &[("\"A256GCM\"", BAD)]),
    member(
        "userinfo_encrypted_response_alg",
        Text,
        CHOICE,
        &[("\"RSA-OAEP\"", BAD)],
    ),
    member("userinfo_encrypted_response_enc", Text, CHOICE, &[("\"A256GCM\"", BAD)]),
    member("request_object_encryption_alg", Text, CHOICE, &[("\"RSA-OAEP\"", BAD)]),
    member("request_object_encryption_enc", Text, CHOICE, &[("\"A256GCM\"", BAD)]),
    member("sector_identifier_uri", Text, ADDRESS, BAD_ADDRESS),
    member("jwks_uri", Text, ADDRESS, BAD_ADDRESS),
    member(
        "jwks",
        Object,
        [OK, OK, BAD, BAD],
        &[
            ("{\"keys\":7}", BAD),
            ("{\"keys\":[{}]}", BAD),
            ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", BAD),
        ],
    ),
    member(
        "token_endpoint_auth_method",
        Text,
        CHOICE,
        &[("\"bogus\"", BAD), ("\"private_key_jwt\"", BAD)],
    ),
    member("token_endpoint_auth_signing_alg", Text, CHOICE, &[("\"none\"", BAD)]),
    member("request_uris", List, ADDRESS, BAD_ADDRESSES),
    member("request_object_signing_alg", Text, CHOICE, &[("\"bogus\"", BAD)]),
    member("userinfo_signed_response_alg", Text, CHOICE, &[("\"HS256\"", BAD)]),
    member(
        "id_token_signed_response_alg",
        Text,
        CHOICE,
        &[("\"none\"", BAD), ("\"HS256\"", BAD)],
    ),
    member("frontchannel_logout_uri", Text, ADDRESS, BAD_ADDRESS),
    member("frontchannel_logout_session_required", Flag, FLAG, &[]),
    member("post_logout_redirect_uris", List, ADDRESS, BAD_ADDRESSES),
    member("backchannel_logout_uri", Text, ADDRESS, BAD_ADDRESS),
    member("backchannel_logout_session_required", Flag, FLAG, &[]),
    member("initiate_login_uri", Text, ADDRESS, BAD_ADDRESS),
    member("default_max_age", Number, FLAG, &[("-1", MALFORMED)]),
    member("require_auth_time", Flag, FLAG, &[]),
    member("default_acr_values", List, [OK, OK, OK, BAD], &[("[\"a b\"]", BAD)]),
    member("metadata", Free, [OK, OK, OK, OK], &[]),
    member("access_token_strategy", Text, CHOICE, &[("\"bogus\"", BAD)]),
    member("skip_consent", Flag, FLAG, &[]),
    member("skip_logout_consent", Flag, FLAG, &[]),
    member("resource_server", Flag, FLAG, &[]),
    member(
        "authorization_code_grant_access_token_lifespan",
        Text,
        LIFESPAN,
        LIFESPANS,
    ),
    member("authorization_code_grant_id_token_lifespan", Text, LIFESPAN, LIFESPANS),
    member(
        "authorization_code_grant_refresh_token_lifespan",
        Text,
        LIFESPAN,
        LIFESPANS,
    ),
    member(
        "client_credentials_grant_access_token_lifespan",
        Text,
        LIFESPAN,
        LIFESPANS,
    ),
    member("implicit_grant_access_token_lifespan", Text, LIFESPAN, LIFESPANS),
    member("implicit_grant_id_token_lifespan", Text, LIFESPAN, LIFESPANS),
    member("jwt_bearer_grant_access_token_lifespan", Text, LIFESPAN, LIFESPANS),
    member("refresh_token_grant_id_token_lifespan", Text, LIFESPAN, LIFESPANS),
    member("refresh_token_grant_access_token_lifespan", Text, LIFESPAN, LIFESPANS),
    member("refresh_token_grant_refresh_token_lifespan", Text, LIFESPAN, LIFESPANS),
    member(
        "device_authorization_grant_id_token_lifespan",
        Text,
        LIFESPAN,
        LIFESPANS,
    ),
    member(
        "device_authorization_grant_access_token_lifespan",
        Text,
        LIFESPAN,
        LIFESPANS,
    ),
    member(
        "device_authorization_grant_refresh_token_lifespan",
        Text,
        LIFESPAN,
        LIFESPANS,
    ),
];

fn good() -> Value {
    json!({
        "client_name": "Shop",
        "redirect_uris": ["https://app.example/callback", "com.example.app:/callback"],
        "post_logout_redirect_uris": ["https://app.example/goodbye"],
    })
}

#[tokio::test]
async fn metadata_of_the_operator() {
    for stage in stages().await {
        let url = stage.server.admin("/admin/clients");
        let create = Document {
            name: "POST /admin/clients",
            good: OK,
            malformed: MALFORMED,
            members: MEMBERS,
        };
        check(&create, || Request::post(&url), &good()).await;
    }
}

/// What a stranger sends is judged by the same rules, and told in the words of RFC 7591 §3.2.2.
#[tokio::test]
async fn metadata_of_a_stranger() {
    const FREE: &[Member] = &[
        member("redirect_uris", List, [BAD, BAD, BAD_URI, BAD_URI], BAD_REDIRECTS),
        member("client_name", Text, [OK, OK, OK, BAD], &[]),
        member("client_secret", Text, [OK, OK, BAD, BAD], &[("\"correct-horse\"", BAD)]),
        member("client_id", Text, [OK; 4], &[]),
        member("scope", Text, [OK, OK, BAD, BAD], &[("\"openid admin\"", BAD)]),
        member(
            "grant_types",
            List,
            CHOICE,
            &[("[\"client_credentials\"]", BAD), ("[\"implicit\"]", BAD)],
        ),
        member(
            "jwks",
            Object,
            [OK, OK, BAD, BAD],
            &[("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", BAD)],
        ),
        member("jwks_uri", Text, ADDRESS, BAD_ADDRESS),
        member(
            "id_token_encrypted_response_alg",
            Text,
            CHOICE,
            &[("\"RSA-OAEP\"", BAD)],
        ),
        member(
            "application_type",
            Text,
            [OK, OK, BAD, BAD],
            &[("\"bogus\"", BAD), ("\"native\"", OK), ("\"web\"", OK)],
        ),
        member(
            "frontchannel_logout_uri",
            Text,
            ADDRESS,
            &[("\"https://app.example/out\"", OK), ("\"https://evil.example/\"", BAD)],
        ),
        member("owner", Text, [OK, OK, BAD, BAD], &[("\"me\"", BAD)]),
        member("skip_consent", Flag, [OK, OK, BAD, BAD], &[("true", BAD)]),
        member("resource_server", Flag, [OK, OK, BAD, BAD], &[("true", BAD)]),
        member("metadata", Free, [OK, OK, BAD, BAD], &[]),
    ];
    for stage in stages().await {
        let url = stage.server.public("/oauth2/register");
        let register = Document {
            name: "POST /oauth2/register",
            good: OK,
            malformed: BAD,
            members: FREE,
        };
        let mut web = good();
        web["redirect_uris"] = json!(["https://app.example/callback"]);
        check(&register, || Request::post(&url), &web).await;
    }
}

/// What a registered client may have is what a new one may have, and its id is not among what changes.
#[tokio::test]
async fn a_client_keeps_its_id_and_what_was_refused_changes_nothing() {
    for stage in stages().await {
        let mut metadata = good();
        metadata["client_id"] = json!("a");
        stage.server.create_client(&metadata).await;
        metadata["client_id"] = json!("b");
        let other = stage.server.create_client(&metadata).await;
        let url = stage.server.admin("/admin/clients/a");
        let before = Http::new().get(&url).await.json();
        let send = async |request: Request| Http::new().send(request).await;
        for patch in [
            json!([{"op": "replace", "path": "/client_id", "value": "b"}]),
            json!([{"op": "add", "path": "/client_id", "value": "c"}]),
            json!([{"op": "remove", "path": "/client_id"}]),
            json!([{"op": "copy", "from": "/client_name", "path": "/client_id"}]),
            json!([{"op": "move", "from": "/client_name", "path": "/client_id"}]),
            json!([{"op": "replace", "path": "", "value": {"client_id": "b"}}]),
            json!([{"op": "replace", "path": "/client_name", "value": "New"}, {"op": "test", "path": "/owner", "value": "x"}]),
            json!([{"op": "replace", "path": "/client_name", "value": "text\0text"}]),
            json!([{"op": "replace", "path": "/redirect_uris/7", "value": "https://app.example/"}]),
            json!([{"op": "replace", "path": "/redirect_uris/0", "value": "javascript:alert(1)"}]),
            json!([{"op": "add", "path": "/redirect_uris/-", "value": "https://user@app.example/"}]),
            json!([{"op": "replace", "path": "client_name", "value": "New"}]),
            json!([{"op": "replace", "path": "/client_name~2", "value": "New"}]),
            json!([{"op": "bogus", "path": "/client_name", "value": "New"}]),
            json!([{"op": "replace", "path": "/client_name"}]),
            json!({"op": "replace", "path": "/client_name", "value": "New"}),
        ] {
            let answer = send(Request::patch(&url).json(&patch)).await;
            assert_eq!(answer.status, 400, "{patch}: {}", answer.text());
        }
        let mut renamed = good();
        renamed["client_id"] = json!("b");
        renamed["client_name"] = json!("New");
        let put = send(Request::put(&url).json(&renamed)).await;
        // The path says which client it is, as in Hydra.
        assert!([200, 400].contains(&put.status), "{}", put.text());
        let kept = Http::new().get(&stage.server.admin("/admin/clients/b")).await.json();
        assert_eq!(kept["client_name"], other["client_name"]);
        let after = Http::new().get(&url).await.json();
        assert_eq!(text(&after, "client_id"), "a");
        if put.status == 400 {
            assert_eq!(after, before);
        }
    }
}

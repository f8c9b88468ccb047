//! The documents are complete, well formed, and checked in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::document::{About, Entry, Listing, document};
use super::{admin, markdown, public};
use crate::edge::router::Routes;
use crate::provider::Shared;
use crate::server::routes::{admin_table, public_table};
use crate::testing::Stage;

const REGISTRATION: (&str, &str) = ("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true");
const ISSUER: (&str, &str) = ("URLS_SELF_ISSUER", "https://auth.example.com/");

fn complete(table: &Routes<'_, Shared>, about: &About) -> (Vec<Entry>, Value) {
    let mut entries = table.entries().to_vec();
    entries.push(Entry::of_document(about));
    let (document, twice) = document(about, &entries);
    assert_eq!(
        twice,
        Vec::<String>::new(),
        "these types have two schemas under one name"
    );
    (entries, document)
}

async fn of_public(env: &[(&str, &str)]) -> (Vec<Entry>, Value) {
    let stage = Stage::new(env).await;
    let about = public::about(&stage.provider.policy.public_url);
    complete(&public_table(&stage.provider, false), &about)
}

async fn of_admin() -> (Vec<Entry>, Value) {
    let stage = Stage::new(&[]).await;
    complete(&admin_table(&stage.provider, false, true, None), &admin::about())
}

/// Every `METHOD path` of a document, with its operation.
fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let mut all = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.insert(format!("{} {path}", method.to_uppercase()), operation);
        }
    }
    all
}

/// With `CLAVIGER_BLESS=1` in the environment the files are written anew.
#[tokio::test]
async fn the_checked_in_reference_is_the_route_tables() {
    let (_, public) = of_public(&[ISSUER, REGISTRATION]).await;
    let (_, admin) = of_admin().await;
    let pretty = |document: &Value| serde_json::to_string_pretty(document).unwrap() + "\n";
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, text) in [
        ("openapi/public.json", pretty(&public)),
        ("openapi/admin.json", pretty(&admin)),
        ("http.md", markdown::reference(&public, &admin)),
    ] {
        let path = docs.join(name);
        if std::env::var_os("CLAVIGER_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let file = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == text,
            "docs/{name} is out of date; run: CLAVIGER_BLESS=1 cargo test -p claviger --lib reference"
        );
    }
}

#[tokio::test]
async fn every_route_is_described_or_another_address_of_one_that_is() {
    for (entries, document) in [
        of_public(&[REGISTRATION]).await,
        of_public(&[("DEV", "true")]).await,
        of_admin().await,
    ] {
        let operations = operations(&document);
        let mut described = BTreeSet::new();
        for entry in &entries {
            let name = |path: &str| format!("{} {}", entry.method, path.replace("{*", "{"));
            match entry.listing {
                Listing::Described(_) => assert!(described.insert(name(entry.pattern)), "{entry:?} is there twice"),
                Listing::AlsoOf(other) => {
                    let described = &operations[&name(other)];
                    let text = described["description"].as_str().unwrap();
                    assert!(text.contains(entry.pattern), "{entry:?}");
                }
                Listing::Closed => assert!(!operations.contains_key(&name(entry.pattern)), "{entry:?}"),
            }
        }
        assert_eq!(described, operations.keys().cloned().collect());
    }
}

#[tokio::test]
async fn every_operation_says_all_that_must_be_said() {
    for (_, document) in [
        of_public(&[REGISTRATION]).await,
        of_public(&[("DEV", "true")]).await,
        of_admin().await,
    ] {
        let tags: Vec<&Value> = document["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| &tag["name"])
            .collect();
        let mut ids = BTreeSet::new();
        for (name, operation) in operations(&document) {
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{name}"
            );
            assert!(tags.contains(&&operation["tags"][0]), "{name}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{name}");
            let in_path: BTreeSet<&str> = name
                .split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap())
                .collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let described: BTreeSet<&str> = parameters
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(in_path, described, "{name}");
        }
    }
}

#[tokio::test]
async fn what_the_settings_close_is_not_listed() {
    let (_, closed) = of_public(&[]).await;
    let (_, open) = of_public(&[REGISTRATION]).await;
    let (_, dev) = of_public(&[("DEV", "true")]).await;
    let register = "POST /oauth2/register";
    assert!(!operations(&closed).contains_key(register));
    assert!(operations(&open).contains_key(register));
    assert!(closed["components"]["schemas"]["registeredOAuth2Client"].is_null());
    let sample = "POST /oauth2/fallbacks/login";
    assert!(!operations(&open).contains_key(sample));
    assert!(operations(&dev).contains_key(sample));
}

/// SDKs are made from the names: those of Hydra 2 mean the same here.
#[tokio::test]
async fn endpoints_of_hydra_have_the_names_that_hydra_gave_them() {
    let (_, public) = of_public(&[REGISTRATION]).await;
    let (_, admin) = of_admin().await;
    let named = |document: &Value, id: &str| {
        let all = operations(document);
        let found = all.iter().find(|(_, operation)| operation["operationId"] == id);
        found.map(|(name, _)| name.clone())
    };
    for (id, name) in [
        ("oAuth2Authorize", "GET /oauth2/auth"),
        ("oauth2TokenExchange", "POST /oauth2/token"),
        ("revokeOAuth2Token", "POST /oauth2/revoke"),
        ("oAuth2DeviceFlow", "POST /oauth2/device/auth"),
        ("performOAuth2DeviceVerificationFlow", "GET /oauth2/device/verify"),
        ("getOidcUserInfo", "GET /userinfo"),
        ("revokeOidcSession", "GET /oauth2/sessions/logout"),
        ("discoverOidcConfiguration", "GET /.well-known/openid-configuration"),
        ("discoverJsonWebKeys", "GET /.well-known/jwks.json"),
        ("createOidcDynamicClient", "POST /oauth2/register"),
        ("getOidcDynamicClient", "GET /oauth2/register/{id}"),
        ("setOidcDynamicClient", "PUT /oauth2/register/{id}"),
        ("deleteOidcDynamicClient", "DELETE /oauth2/register/{id}"),
    ] {
        assert_eq!(named(&public, id).as_deref(), Some(name));
    }
    for (id, name) in [
        ("listOAuth2Clients", "GET /admin/clients"),
        ("createOAuth2Client", "POST /admin/clients"),
        ("getOAuth2Client", "GET /admin/clients/{id}"),
        ("setOAuth2Client", "PUT /admin/clients/{id}"),
        ("patchOAuth2Client", "PATCH /admin/clients/{id}"),
        ("deleteOAuth2Client", "DELETE /admin/clients/{id}"),
        ("setOAuth2ClientLifespans", "PUT /admin/clients/{id}/lifespans"),
        ("getJsonWebKeySet", "GET /admin/keys/{set}"),
        ("createJsonWebKeySet", "POST /admin/keys/{set}"),
        ("setJsonWebKeySet", "PUT /admin/keys/{set}"),
        ("deleteJsonWebKeySet", "DELETE /admin/keys/{set}"),
        ("getJsonWebKey", "GET /admin/keys/{set}/{kid}"),
        ("setJsonWebKey", "PUT /admin/keys/{set}/{kid}"),
        ("deleteJsonWebKey", "DELETE /admin/keys/{set}/{kid}"),
        ("getOAuth2LoginRequest", "GET /admin/oauth2/auth/requests/login"),
        (
            "acceptOAuth2LoginRequest",
            "PUT /admin/oauth2/auth/requests/login/accept",
        ),
        (
            "rejectOAuth2LoginRequest",
            "PUT /admin/oauth2/auth/requests/login/reject",
        ),
        ("getOAuth2ConsentRequest", "GET /admin/oauth2/auth/requests/consent"),
        (
            "acceptOAuth2ConsentRequest",
            "PUT /admin/oauth2/auth/requests/consent/accept",
        ),
        (
            "rejectOAuth2ConsentRequest",
            "PUT /admin/oauth2/auth/requests/consent/reject",
        ),
        ("getOAuth2LogoutRequest", "GET /admin/oauth2/auth/requests/logout"),
        (
            "acceptOAuth2LogoutRequest",
            "PUT /admin/oauth2/auth/requests/logout/accept",
        ),
        (
            "rejectOAuth2LogoutRequest",
            "PUT /admin/oauth2/auth/requests/logout/reject",
        ),
        ("acceptUserCodeRequest", "PUT /admin/oauth2/auth/requests/device/accept"),
        ("listOAuth2ConsentSessions", "GET /admin/oauth2/auth/sessions/consent"),
        (
            "revokeOAuth2ConsentSessions",
            "DELETE /admin/oauth2/auth/sessions/consent",
        ),
        ("revokeOAuth2LoginSessions", "DELETE /admin/oauth2/auth/sessions/login"),
        ("introspectOAuth2Token", "POST /admin/oauth2/introspect"),
        ("deleteOAuth2Token", "DELETE /admin/oauth2/tokens"),
        (
            "listTrustedOAuth2JwtGrantIssuers",
            "GET /admin/trust/grants/jwt-bearer/issuers",
        ),
        (
            "trustOAuth2JwtGrantIssuer",
            "POST /admin/trust/grants/jwt-bearer/issuers",
        ),
        (
            "getTrustedOAuth2JwtGrantIssuer",
            "GET /admin/trust/grants/jwt-bearer/issuers/{id}",
        ),
        (
            "deleteTrustedOAuth2JwtGrantIssuer",
            "DELETE /admin/trust/grants/jwt-bearer/issuers/{id}",
        ),
        ("getVersion", "GET /admin/version"),
        ("isAlive", "GET /admin/health/alive"),
        ("isReady", "GET /admin/health/ready"),
    ] {
        assert_eq!(named(&admin, id).as_deref(), Some(name));
    }
}

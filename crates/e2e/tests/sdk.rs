//! Programs that use the SDKs made for Hydra: the Rust crate `ory-hydra-client` and the npm package `@ory/hydra-client`.

use std::process::Command;

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{REDIRECT_URI, SUBJECT, challenge, text};
use claviger_e2e::logout::Visit;
use claviger_e2e::{Database, Flow, Server, reference_app};
use ory_hydra_client::apis::configuration::Configuration;
use ory_hydra_client::apis::{Error, jwk_api, metadata_api, o_auth2_api as api, oidc_api};
use ory_hydra_client::models::{
    AcceptOAuth2ConsentRequest, AcceptOAuth2ConsentRequestSession, AcceptOAuth2LoginRequest, CreateJsonWebKeySet,
    JsonPatch, OAuth2Client, RejectOAuth2Request,
};
use serde_json::json;

#[tokio::test]
async fn the_npm_package_drives_everything() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let packages = reference_app::packages();
        let mut command = Command::new("node");
        command
            .arg(packages.join("sdk.mjs"))
            .args([server.public(""), server.admin("")]);
        let output = command.output().unwrap();
        let (printed, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{printed}{errors}\n{}", server.log());
        assert_eq!(printed.trim(), "as expected");
    }
}

fn configuration(base: &str) -> Configuration {
    Configuration {
        base_path: base.to_owned(),
        ..Configuration::default()
    }
}

fn metadata() -> OAuth2Client {
    let list = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect());
    OAuth2Client {
        client_name: Some("Crate".to_owned()),
        client_secret: Some("secret-of-the-crate".to_owned()),
        grant_types: list(&["authorization_code", "refresh_token", "client_credentials"]),
        redirect_uris: list(&[REDIRECT_URI]),
        scope: Some("openid offline".to_owned()),
        token_endpoint_auth_method: Some("client_secret_basic".to_owned()),
        ..OAuth2Client::default()
    }
}

fn status<T>(error: Error<T>) -> u16 {
    match error {
        Error::ResponseError(response) => response.status.as_u16(),
        _ => panic!("the server did not answer"),
    }
}

#[tokio::test]
async fn the_crate_manages_clients() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let admin = configuration(&server.admin(""));
    let created = api::create_o_auth2_client(&admin, metadata()).await.unwrap();
    let id = created.client_id.unwrap();
    let read = api::get_o_auth2_client(&admin, &id).await.unwrap();
    assert_eq!((read.client_name.as_deref(), read.client_secret), (Some("Crate"), None));
    let listed = api::list_o_auth2_clients(&admin, Some(10), None, None, None)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    let renamed = OAuth2Client {
        client_name: Some("Updated".to_owned()),
        ..metadata()
    };
    let updated = api::set_o_auth2_client(&admin, &id, renamed).await.unwrap();
    assert_eq!(updated.client_name.as_deref(), Some("Updated"));
    let mut patch = JsonPatch::new("replace".to_owned(), "/client_name".to_owned());
    patch.value = Some(Some(json!("Patched")));
    let patched = api::patch_o_auth2_client(&admin, &id, vec![patch]).await.unwrap();
    assert_eq!(patched.client_name.as_deref(), Some("Patched"));
    api::delete_o_auth2_client(&admin, &id).await.unwrap();
    assert_eq!(status(api::get_o_auth2_client(&admin, &id).await.unwrap_err()), 404);
}

#[tokio::test]
async fn the_crate_is_the_login_and_consent_app() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let admin = configuration(&server.admin(""));
    let mut flow = Flow::new(&server).await;
    let login = flow.login_challenge().await;
    let asked = api::get_o_auth2_login_request(&admin, &login).await.unwrap();
    assert_eq!(
        (asked.skip, asked.client.client_id.as_deref()),
        (false, Some(flow.client_id.as_str()))
    );
    let accept = AcceptOAuth2LoginRequest::new("ada".to_owned());
    let next = api::accept_o_auth2_login_request(&admin, &login, Some(accept))
        .await
        .unwrap()
        .redirect_to;
    let consent = challenge(&flow.http.get(&next).await, "consent_challenge");
    let asked = api::get_o_auth2_consent_request(&admin, &consent).await.unwrap();
    assert_eq!(asked.subject.as_deref(), Some("ada"));
    let mut session = AcceptOAuth2ConsentRequestSession::new();
    session.access_token = Some(Some(json!({"plan": "gold"})));
    let accept = AcceptOAuth2ConsentRequest {
        grant_scope: asked.requested_scope,
        session: Some(Box::new(session)),
        ..AcceptOAuth2ConsentRequest::new()
    };
    let next = api::accept_o_auth2_consent_request(&admin, &consent, Some(accept))
        .await
        .unwrap()
        .redirect_to;
    let landed = flow.http.get(&next).await.location();
    let tokens = flow.redeem(&parameter(&landed, "code").unwrap()).await.json();
    let access = text(&tokens, "access_token");
    let told = api::introspect_o_auth2_token(&admin, &access, None).await.unwrap();
    assert_eq!((told.active, told.sub.as_deref()), (true, Some("ada")));
    assert_eq!(told.ext.unwrap()["plan"], "gold");
    let mut person = configuration(&server.public(""));
    person.oauth_access_token = Some(access.clone());
    assert_eq!(
        oidc_api::get_oidc_user_info(&person).await.unwrap().sub.as_deref(),
        Some("ada")
    );
    let mut client = configuration(&server.public(""));
    client.basic_auth = Some((flow.client_id.clone(), Some(flow.client_secret.clone())));
    api::revoke_o_auth2_token(&client, &access, None, None).await.unwrap();
    assert!(
        !api::introspect_o_auth2_token(&admin, &access, None)
            .await
            .unwrap()
            .active
    );
}

#[tokio::test]
async fn the_crate_can_say_no() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let admin = configuration(&server.admin(""));
    let mut flow = Flow::new(&server).await;
    let login = flow.login_challenge().await;
    let no = RejectOAuth2Request {
        error: Some("access_denied".to_owned()),
        error_description: Some("not today".to_owned()),
        ..RejectOAuth2Request::new()
    };
    let next = api::reject_o_auth2_login_request(&admin, &login, Some(no))
        .await
        .unwrap()
        .redirect_to;
    let landed = flow.http.get(&next).await.location();
    assert_eq!(parameter(&landed, "error").as_deref(), Some("access_denied"));
    let unknown = api::get_o_auth2_consent_request(&admin, "nonsense").await.unwrap_err();
    assert_eq!(status(unknown), 404);
}

#[tokio::test]
async fn the_crate_manages_keys_and_reads_health() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let admin = configuration(&server.admin(""));
    let key = CreateJsonWebKeySet::new("ES256".to_owned(), "crate-key".to_owned(), "sig".to_owned());
    let created = jwk_api::create_json_web_key_set(&admin, "crate-set", key)
        .await
        .unwrap();
    assert_eq!(created.keys.unwrap()[0].kid, "crate-key");
    jwk_api::delete_json_web_key_set(&admin, "crate-set").await.unwrap();
    assert_eq!(
        status(jwk_api::get_json_web_key_set(&admin, "crate-set").await.unwrap_err()),
        404
    );
    assert_eq!(
        metadata_api::is_alive(&admin).await.unwrap().status,
        Some("ok".to_owned())
    );
}

#[tokio::test]
async fn the_crate_is_the_logout_app_and_ends_sessions() {
    let (_database, server) = claviger_e2e::logout::server().await;
    let admin = configuration(&server.admin(""));
    let mut visit = Visit::begin(&server, &json!({})).await;
    let given = api::list_o_auth2_consent_sessions(&admin, SUBJECT, Some(10), None, None).await;
    let given = given.unwrap().remove(0);
    assert_eq!(given.remember, Some(true));
    let asked = given.consent_request.unwrap();
    assert_eq!(
        asked.client.unwrap().client_id.as_deref(),
        Some(visit.flow.client_id.as_str())
    );

    let hint = visit.id_token.clone();
    let rejected = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
    api::reject_o_auth2_logout_request(&admin, &rejected).await.unwrap();
    let unknown = api::get_o_auth2_logout_request(&admin, &rejected).await.unwrap_err();
    assert_eq!(status(unknown), 404);
    let challenge = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
    let asked = api::get_o_auth2_logout_request(&admin, &challenge).await.unwrap();
    assert_eq!(
        (asked.subject.as_deref(), asked.rp_initiated),
        (Some(SUBJECT), Some(true))
    );
    assert_eq!(asked.sid, Some(visit.sid()));
    let accepted = api::accept_o_auth2_logout_request(&admin, &challenge).await.unwrap();
    visit.flow.http.get(&accepted.redirect_to).await;
    assert!(!visit.is_logged_in().await);

    let (sid, all) = (visit.sid(), Some(true));
    api::revoke_o_auth2_login_sessions(&admin, None, Some(&sid))
        .await
        .unwrap();
    api::revoke_o_auth2_login_sessions(&admin, Some(SUBJECT), None)
        .await
        .unwrap();
    api::revoke_o_auth2_consent_sessions(&admin, Some(SUBJECT), None, None, all)
        .await
        .unwrap();
    let none = api::list_o_auth2_consent_sessions(&admin, SUBJECT, None, None, None).await;
    assert!(none.unwrap().is_empty());
}

#[tokio::test]
async fn the_crate_reads_discovery() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let public = configuration(&server.public(""));
    let document = oidc_api::discover_oidc_configuration(&public).await.unwrap();
    assert_eq!(document.issuer, server.public("/"));
    let device = server.public("/oauth2/device/auth");
    assert_eq!(document.device_authorization_endpoint, device);
}

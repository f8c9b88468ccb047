//! What clients call a person (OpenID Connect Core §8).

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, text, web_client};
use claviger_e2e::logout::{GOODBYE, Visit, told};
use claviger_e2e::tokens::claims;
use claviger_e2e::{Callback, Database, Flow, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

async fn server(database: &Database) -> Server {
    claviger_e2e::server::migrate(database);
    let options = ServerOptions::new(database)
        .with("OIDC_SUBJECT_IDENTIFIERS_SUPPORTED_TYPES", "public,pairwise")
        .with("OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT", "a salt of this test")
        .with("CLIENTS_HTTP_DISALLOW_PRIVATE_IP_RANGES", "false");
    options.start().await
}

async fn client(server: &Server, more: Value) -> Flow {
    let mut metadata = web_client();
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let created = server.create_client(&metadata).await;
    let uri = metadata["redirect_uris"][0].as_str().unwrap().to_owned();
    Flow::of(server, &created).with("redirect_uri", &uri)
}

async fn tokens(flow: &mut Flow, login: &Value) -> Value {
    let consent = json!({"grant_scope": ["openid", "offline"]});
    let landed = flow.finish_with(login, &consent).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &parameter(&landed, "code").unwrap()),
        ("redirect_uri", landed.as_str().split('?').next().unwrap()),
    ];
    flow.token(&form).await.json()
}

fn subject(token: &str) -> String {
    text(&claims(token), "sub")
}

#[tokio::test]
async fn each_sector_knows_a_person_by_another_identifier() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = server(&database).await;
        let discovery = Http::new()
            .get(&server.public("/.well-known/openid-configuration"))
            .await
            .json();
        assert_eq!(discovery["subject_types_supported"], json!(["public", "pairwise"]));
        let login = json!({"subject": SUBJECT});
        let pairwise = |host: &str| json!({"subject_type": "pairwise", "redirect_uris": [format!("https://{host}/callback")], "access_token_strategy": "jwt"});
        let mut first = client(&server, pairwise("one.example")).await;
        let mut same = client(&server, pairwise("one.example")).await;
        let mut other = client(&server, pairwise("two.example")).await;
        let mut public = client(&server, json!({})).await;
        let answer = tokens(&mut first, &login).await;
        let known = subject(&text(&answer, "id_token"));
        assert!(known.len() == 64 && known != SUBJECT, "{known}");
        assert_eq!(subject(&text(&tokens(&mut same, &login).await, "id_token")), known);
        assert_ne!(subject(&text(&tokens(&mut other, &login).await, "id_token")), known);
        assert_eq!(subject(&text(&tokens(&mut public, &login).await, "id_token")), SUBJECT);

        // Every way by which the client hears of the person.
        let access = text(&answer, "access_token");
        assert_eq!(subject(&access), known);
        let userinfo = Request::get(&server.public("/userinfo")).bearer(&access);
        assert_eq!(Http::new().send(userinfo).await.json()["sub"], known.as_str());
        let told = first.post("/oauth2/introspect", &[("token", &access)]).await.json();
        assert_eq!((&told["sub"], told.get("obfuscated_subject")), (&json!(known), None));
        let admin = Request::post(&server.admin("/admin/oauth2/introspect")).form(&[("token", &access)]);
        let told = Http::new().send(admin).await.json();
        assert_eq!(
            (&told["sub"], &told["obfuscated_subject"]),
            (&json!(SUBJECT), &json!(known))
        );
        let renewed = first.refresh(&text(&answer, "refresh_token")).await.json();
        assert_eq!(subject(&text(&renewed, "id_token")), known);
    }
}

#[tokio::test]
async fn the_login_app_may_choose_the_identifier_and_a_hint_with_it_is_known() {
    let database = Database::sqlite();
    let server = server(&database).await;
    let mut flow = client(&server, json!({"subject_type": "pairwise"})).await;
    let login = json!({"subject": SUBJECT, "remember": true, "force_subject_identifier": "chosen-1"});
    let id_token = text(&tokens(&mut flow, &login).await, "id_token");
    assert_eq!(subject(&id_token), "chosen-1");
    let mut again = flow.with("id_token_hint", &id_token);
    let challenge = again.login_challenge().await;
    assert_eq!(again.request("login", &challenge).await["skip"], true);
}

#[tokio::test]
async fn news_of_a_logout_name_the_session_and_nobody() {
    let database = Database::sqlite();
    let server = server(&database).await;
    let (app, other) = (Callback::listen(), Callback::listen());
    let metadata = |app: &Callback, kind: &str| json!({"backchannel_logout_uri": app.url(), "subject_type": kind});
    let login = json!({"subject": SUBJECT, "remember": true});
    let mut visit = Visit::begin_with(&server, &metadata(&app, "pairwise"), &login).await;
    let mut metadata = web_client();
    metadata["backchannel_logout_uri"] = json!(other.url());
    let created = server.create_client(&metadata).await;
    let mut second = Flow::of(&server, &created);
    second.http = std::mem::replace(&mut visit.flow.http, Http::new());
    tokens(&mut second, &login).await;
    visit.flow.http = std::mem::replace(&mut second.http, Http::new());
    let hint = visit.id_token.clone();
    let asked = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE)];
    let challenge = visit.challenge(&server, &asked).await;
    visit.agree(&server, &challenge).await;
    for (listener, sub) in [(&app, None), (&other, Some(SUBJECT))] {
        let news = told(listener, 1).await.remove(0);
        let said = claims(&news);
        assert_eq!(said.get("sub").and_then(Value::as_str), sub);
        assert_eq!(said["sid"], visit.sid());
    }
}

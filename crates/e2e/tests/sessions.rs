//! Consents and login sessions on the admin API: what is listed, what ends, and what ends with it.

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, text, web_client};
use claviger_e2e::{Answer, Database, Flow, Http, Request, Server};
use serde_json::{Value, json};

const CONSENTS: &str = "/admin/oauth2/auth/sessions/consent";
const LOGINS: &str = "/admin/oauth2/auth/sessions/login";

/// What is listed and what ends is the same on every database.
async fn servers() -> Vec<(Database, Server)> {
    let mut servers = Vec::new();
    for database in [Database::sqlite(), Database::mariadb()] {
        let server = Server::on(&database).await;
        servers.push((database, server));
    }
    servers
}

fn remembered_login() -> Value {
    json!({"subject": SUBJECT, "remember": true, "remember_for": 3600, "context": {"from": "login"}})
}

fn remembered_consent() -> Value {
    json!({"grant_scope": ["openid", "offline"], "remember": true, "remember_for": 600, "context": {"mine": 1},
        "session": {"id_token": {"email": "foo@bar.com"}}})
}

/// Goes the whole way and returns the tokens.
async fn granted(flow: &mut Flow, consent: &Value) -> Value {
    let landed = flow.finish_with(&remembered_login(), consent).await;
    let code = parameter(&landed, "code").unwrap_or_else(|| panic!("no code in {landed}"));
    let answer = flow.redeem(&code).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn listed(server: &Server, query: &str) -> (Value, Answer) {
    let answer = Http::new().get(&server.admin(&format!("{CONSENTS}{query}"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer.json(), answer)
}

async fn delete(server: &Server, path: &str, query: &str) -> u16 {
    let answer = Http::new()
        .send(Request::delete(&server.admin(&format!("{path}{query}"))))
        .await;
    answer.status
}

#[tokio::test]
async fn a_consent_is_listed_with_what_was_asked_and_granted() {
    for (_database, server) in servers().await {
        let mut flow = Flow::new(&server).await.with("scope", "openid offline profile");
        granted(&mut flow, &remembered_consent()).await;
        let (list, _) = listed(&server, &format!("?subject={SUBJECT}")).await;
        let [consent] = list.as_array().unwrap().as_slice() else {
            panic!("{list}")
        };
        assert_eq!(consent["grant_scope"], json!(["openid", "offline"]));
        assert_eq!(
            consent["session"],
            json!({"access_token": {}, "id_token": {"email": "foo@bar.com"}})
        );
        assert_eq!(
            (&consent["remember"], &consent["remember_for"]),
            (&json!(true), &json!(600))
        );
        assert_eq!(consent["context"], json!({"mine": 1}));
        let request = &consent["consent_request"];
        assert_eq!(request["challenge"], "");
        assert_eq!(request["consent_request_id"], consent["consent_request_id"]);
        assert_eq!(request["requested_scope"], json!(["openid", "offline", "profile"]));
        assert_eq!(
            (&request["subject"], &request["skip"]),
            (&json!(SUBJECT), &json!(false))
        );
        assert_eq!(request["context"], json!({"from": "login"}));
        assert_eq!(request["client"]["client_id"], flow.client_id.as_str());
        assert!(request["client"].get("client_secret").is_none());
        assert!(text(request, "request_url").starts_with(&server.public("/oauth2/auth?")));
        assert_eq!(listed(&server, "?subject=nobody").await.0, json!([]));
        let session = text(request, "login_session_id");
        let of_session = |id: &str| format!("?subject={SUBJECT}&login_session_id={id}");
        assert_eq!(
            listed(&server, &of_session(&session)).await.0.as_array().unwrap().len(),
            1
        );
        assert_eq!(listed(&server, &of_session("other")).await.0, json!([]));
        let answer = Http::new().get(&server.admin(CONSENTS)).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
    }
}

#[tokio::test]
async fn a_consent_that_was_skipped_is_not_listed_again() {
    for (_database, server) in servers().await {
        let mut flow = Flow::new(&server).await;
        granted(&mut flow, &remembered_consent()).await;
        let challenge = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
        let request = flow.request("consent", &challenge).await;
        assert_eq!(request["skip"], true);
        let next = flow
            .decided("consent", "accept", &challenge, &json!({"grant_scope": ["openid"]}))
            .await;
        assert!(parameter(&flow.http.get(&next).await.location(), "code").is_some());
        let (list, _) = listed(&server, &format!("?subject={SUBJECT}")).await;
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    }
}

/// A list is read page by page, and a token of one list is not one of another.
#[tokio::test]
async fn d39_consents_are_listed_in_pages_whose_tokens_are_good_for_no_other_list() {
    for (_database, server) in servers().await {
        for _ in 0..3 {
            granted(&mut Flow::new(&server).await, &remembered_consent()).await;
        }
        let mut query = format!("?subject={SUBJECT}&page_size=2");
        let mut seen = Vec::new();
        for expected in [2, 1] {
            let (list, answer) = listed(&server, &query).await;
            let list = list.as_array().unwrap();
            assert_eq!(list.len(), expected);
            seen.extend(list.iter().map(|consent| text(consent, "consent_request_id")));
            let next = answer
                .header("link")
                .split(',')
                .find(|link| link.contains("rel=\"next\""));
            assert_eq!(next.is_some(), expected == 2);
            if let Some(next) = next {
                query = next.split(['<', '>']).nth(1).unwrap().replace(CONSENTS, "");
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 3);
        let token = query
            .split('&')
            .find_map(|pair| pair.split_once("page_token="))
            .unwrap()
            .1;
        let answer = Http::new()
            .get(&server.admin(&format!("/admin/clients?page_token={token}")))
            .await;
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn the_end_of_a_consent_ends_its_tokens_and_no_others() {
    for (_database, server) in servers().await {
        let mut flows = Vec::new();
        let mut tokens = Vec::new();
        for _ in 0..3 {
            let mut flow = Flow::new(&server).await;
            tokens.push(granted(&mut flow, &remembered_consent()).await);
            flows.push(flow);
        }
        let alive = async || {
            let mut alive = Vec::new();
            for token in &tokens {
                let access = server.is_active(&text(token, "access_token")).await;
                assert_eq!(access, server.is_active(&text(token, "refresh_token")).await);
                alive.push(access);
            }
            alive
        };
        for slip in [
            "",
            "?all=true",
            &format!("?subject={SUBJECT}"),
            &format!("?client={}", flows[0].client_id),
        ] {
            assert_eq!(delete(&server, CONSENTS, slip).await, 400, "{slip}");
        }
        let both = format!("?subject={SUBJECT}&client={}&all=true", flows[0].client_id);
        assert_eq!(delete(&server, CONSENTS, &both).await, 400);
        assert_eq!(alive().await, [true, true, true]);
        let of_client = format!("?subject={SUBJECT}&client={}", flows[0].client_id);
        assert_eq!(delete(&server, CONSENTS, &of_client).await, 204);
        assert_eq!(alive().await, [false, true, true]);
        let (list, _) = listed(&server, &format!("?subject={SUBJECT}")).await;
        let id = list.as_array().unwrap().iter().find_map(|consent| {
            let is_second = consent["consent_request"]["client"]["client_id"] == flows[1].client_id.as_str();
            is_second.then(|| text(consent, "consent_request_id"))
        });
        let one = format!("?consent_request_id={}", id.unwrap());
        assert_eq!(delete(&server, CONSENTS, &one).await, 204);
        assert_eq!(delete(&server, CONSENTS, &one).await, 204);
        assert_eq!(alive().await, [false, false, true]);
        assert_eq!(delete(&server, CONSENTS, "?subject=nobody&all=true").await, 204);
        assert_eq!(
            delete(&server, CONSENTS, &format!("?subject={SUBJECT}&all=true")).await,
            204
        );
        assert_eq!(alive().await, [false, false, false]);
        let challenge = flows[2].consent_challenge(&json!({"subject": SUBJECT})).await;
        assert_eq!(flows[2].request("consent", &challenge).await["skip"], false);
    }
}

/// The end of tokens is not the end of a consent.
#[tokio::test]
async fn a_consent_stays_remembered_when_its_tokens_are_revoked() {
    for (_database, server) in servers().await {
        let mut flow = Flow::new(&server).await;
        let tokens = granted(&mut flow, &remembered_consent()).await;
        let refresh = text(&tokens, "refresh_token");
        assert_eq!(flow.post("/oauth2/revoke", &[("token", &refresh)]).await.status, 200);
        assert!(!server.is_active(&refresh).await);
        assert!(!server.is_active(&text(&tokens, "access_token")).await);
        let (list, _) = listed(&server, &format!("?subject={SUBJECT}")).await;
        assert_eq!(list.as_array().unwrap().len(), 1);
        let challenge = flow.consent_challenge(&json!({"subject": SUBJECT})).await;
        assert_eq!(flow.request("consent", &challenge).await["skip"], true);
    }
}

#[tokio::test]
async fn the_end_of_a_login_asks_again_and_leaves_tokens_alone() {
    for (_database, server) in servers().await {
        for by_sid in [false, true] {
            let mut flow = Flow::of(&server, &server.create_client(&web_client()).await);
            let tokens = granted(&mut flow, &remembered_consent()).await;
            let challenge = flow.login_challenge().await;
            let request = flow.request("login", &challenge).await;
            assert_eq!(request["skip"], true);
            let query = match by_sid {
                true => format!("?sid={}", text(&request, "session_id")),
                false => format!("?subject={SUBJECT}"),
            };
            assert_eq!(delete(&server, LOGINS, &query).await, 204);
            assert_eq!(delete(&server, LOGINS, &query).await, 204);
            let challenge = flow.login_challenge().await;
            assert_eq!(flow.request("login", &challenge).await["skip"], false);
            assert!(server.is_active(&text(&tokens, "access_token")).await);
        }
        assert_eq!(delete(&server, LOGINS, "").await, 400);
        assert_eq!(delete(&server, LOGINS, "?sid=unknown").await, 204);
        assert_eq!(delete(&server, LOGINS, "?subject=nobody").await, 204);
    }
}

//! Logout without a browser page: the test is the browser, the logout app, and the clients that are told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::parameter;
use crate::flow::{SUBJECT, challenge, text, web_client};
use crate::process::PATIENCE;
use crate::tokens::claims;
use crate::{Answer, Callback, Database, Flow, Http, Request, Server, ServerOptions};

/// Where the clients of these tests send people after a logout.
pub const GOODBYE: &str = "http://127.0.0.1:9010/goodbye";
/// The public path.
pub const PATH: &str = "/oauth2/sessions/logout";

/// A server that may tell clients on this machine.
pub async fn server() -> (Database, Server) {
    let database = Database::sqlite();
    crate::server::migrate(&database);
    let server = options(&database).start().await;
    (database, server)
}

/// The same on a database of another kind too, which writes what a logout does in a way of its own.
pub async fn servers() -> Vec<(Database, Server)> {
    let database = Database::mariadb();
    crate::server::migrate(&database);
    let other = options(&database).start().await;
    vec![server().await, (database, other)]
}

/// How such a server is started.
#[must_use]
pub fn options(database: &Database) -> ServerOptions {
    ServerOptions::new(database).with("CLIENTS_HTTP_DISALLOW_PRIVATE_IP_RANGES", "false")
}

/// A person who is logged in to a client, in a browser.
pub struct Visit {
    pub flow: Flow,
    pub id_token: String,
    pub tokens: Value,
}

impl Visit {
    /// Logs in to a new client with this metadata besides the usual; the login is remembered.
    pub async fn begin(server: &Server, more: &Value) -> Self {
        Self::begin_with(server, more, &json!({"subject": SUBJECT, "remember": true})).await
    }

    /// The same with this answer of the login app.
    pub async fn begin_with(server: &Server, more: &Value, login: &Value) -> Self {
        let mut metadata = web_client();
        metadata["post_logout_redirect_uris"] = json!([GOODBYE]);
        for (name, value) in more.as_object().unwrap() {
            metadata[name.as_str()] = value.clone();
        }
        let mut flow = Flow::of(server, &server.create_client(&metadata).await);
        let consent = json!({"grant_scope": ["openid", "offline"], "remember": true});
        let landed = flow.finish_with(login, &consent).await;
        let code = parameter(&landed, "code").unwrap_or_else(|| panic!("no code in {landed}"));
        let tokens = flow.redeem(&code).await.json();
        let id_token = text(&tokens, "id_token");
        Self { flow, id_token, tokens }
    }

    /// The session of the login.
    #[must_use]
    pub fn sid(&self) -> String {
        text(&claims(&self.id_token), "sid")
    }

    /// The browser asks to log out.
    pub async fn ask(&mut self, server: &Server, parameters: &[(&str, &str)]) -> Answer {
        self.flow.http.get(&url(server, parameters)).await
    }

    /// The browser asks to log out and is sent to the logout app.
    pub async fn challenge(&mut self, server: &Server, parameters: &[(&str, &str)]) -> String {
        let answer = self.ask(server, parameters).await;
        challenge(&answer, "logout_challenge")
    }

    /// The logout app agrees, and the browser comes back.
    pub async fn agree(&mut self, server: &Server, challenge: &str) -> Answer {
        let accepted = decide(server, "accept", challenge).await;
        assert_eq!(accepted.status, 200, "{}", accepted.text());
        self.flow.http.get(&text(&accepted.json(), "redirect_to")).await
    }

    /// Whether the browser is still logged in.
    pub async fn is_logged_in(&mut self) -> bool {
        let challenge = self.flow.login_challenge().await;
        self.flow.request("login", &challenge).await["skip"] == true
    }
}

/// The whole way of a browser that leaves, and lands where the application said.
pub async fn log_out(server: &Server, visit: &mut Visit) {
    let hint = visit.id_token.clone();
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE)];
    let challenge = visit.challenge(server, &parameters).await;
    let answer = visit.agree(server, &challenge).await;
    assert_eq!((answer.status, answer.header("location")), (302, GOODBYE));
}

/// A logout request.
#[must_use]
pub fn url(server: &Server, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    server.public(&format!("{PATH}?{}", query.finish()))
}

/// What the logout app is told.
pub async fn question(server: &Server, challenge: &str) -> Answer {
    Http::new().get(&app_url(server, "", challenge)).await
}

/// The logout app's answer, `accept` or `reject`.
pub async fn decide(server: &Server, verb: &str, challenge: &str) -> Answer {
    let url = app_url(server, &format!("/{verb}"), challenge);
    Http::new().send(Request::put(&url)).await
}

fn app_url(server: &Server, verb: &str, challenge: &str) -> String {
    server.admin(&format!(
        "/admin/oauth2/auth/requests/logout{verb}?logout_challenge={challenge}"
    ))
}

/// Waits until a client was told so often, and returns the logout tokens.
pub async fn told(client: &Callback, times: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let forms = client.forms();
        if forms.len() >= times {
            let token = |form: &String| form.strip_prefix("logout_token=").unwrap().to_owned();
            return forms.iter().map(token).collect();
        }
        assert!(Instant::now() < deadline, "told {} times, not {times}", forms.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

//! The authorization code flow without a browser: the test is the browser, and the login and consent app as well.

use serde_json::{Value, json};
use url::Url;

use crate::client::parameter;
use crate::{Answer, Http, Request, Server};

/// The redirect URI of every client that [`Flow`] makes. Nothing listens there.
pub const REDIRECT_URI: &str = "http://127.0.0.1:9010/callback";
/// The person who logs in.
pub const SUBJECT: &str = "foo@bar.com";

/// A client and a browser, with the authorization request that they are about to make.
#[derive(Clone, Debug)]
pub struct Flow {
    pub http: Http,
    pub client_id: String,
    pub client_secret: String,
    public: String,
    admin: String,
    parameters: Vec<(String, String)>,
}

/// Metadata of a confidential client that may do everything the flow can.
#[must_use]
pub fn web_client() -> Value {
    json!({
        "client_name": "Web shop",
        "client_secret": "correct-horse-battery-staple",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types": ["code"],
        "scope": "openid offline offline_access profile email",
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "client_secret_basic",
    })
}

impl Flow {
    /// A new confidential client.
    pub async fn new(server: &Server) -> Self {
        let client = server.create_client(&web_client()).await;
        Self::of(server, &client)
    }

    /// A client as the admin API answered when it was created.
    #[must_use]
    pub fn of(server: &Server, client: &Value) -> Self {
        let text = |name: &str| client[name].as_str().unwrap_or_default().to_owned();
        let flow = Self {
            http: Http::new(),
            client_id: text("client_id"),
            client_secret: text("client_secret"),
            public: server.public(""),
            admin: server.admin(""),
            parameters: Vec::new(),
        };
        let id = flow.client_id.clone();
        flow.with("client_id", &id)
            .with("response_type", "code")
            .with("redirect_uri", REDIRECT_URI)
            .with("scope", "openid offline")
            .with("state", "state-1234567890")
            .with("nonce", "nonce-1234567890")
    }

    /// Sets a parameter of the authorization request.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        let mut flow = self.without(name);
        flow.parameters.push((name.to_owned(), value.to_owned()));
        flow
    }

    /// Leaves a parameter of the authorization request out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(other, _)| other != name);
        self
    }

    /// Adds a parameter even if it is there already.
    #[must_use]
    pub fn adding(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The authorization request.
    #[must_use]
    pub fn url(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.parameters);
        format!("{}/oauth2/auth?{}", self.public, query.finish())
    }

    /// The parameters of the authorization request.
    #[must_use]
    pub fn fields(&self) -> Vec<(&str, &str)> {
        self.parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Sends the authorization request.
    pub async fn start(&mut self) -> Answer {
        let url = self.url();
        self.http.get(&url).await
    }

    /// Sends the authorization request, which leads to the login app, and returns the challenge.
    pub async fn login_challenge(&mut self) -> String {
        challenge(&self.start().await, "login_challenge")
    }

    /// What the login or consent app is told: `kind` is `login` or `consent`.
    pub async fn request(&self, kind: &str, challenge: &str) -> Value {
        let answer = Http::new().get(&self.admin_url(kind, "", challenge)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The app's answer (`accept` or `reject`) as sent, whatever comes back.
    pub async fn decide(&self, kind: &str, verb: &str, challenge: &str, body: &Value) -> Answer {
        let url = self.admin_url(kind, &format!("/{verb}"), challenge);
        Http::new().send(Request::put(&url).json(body)).await
    }

    /// The app's answer, and where it is told to send the browser.
    pub async fn decided(&self, kind: &str, verb: &str, challenge: &str, body: &Value) -> String {
        let answer = self.decide(kind, verb, challenge, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["redirect_to"].as_str().unwrap().to_owned()
    }

    fn admin_url(&self, kind: &str, verb: &str, challenge: &str) -> String {
        let challenge: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
        format!(
            "{}/admin/oauth2/auth/requests/{kind}{verb}?{kind}_challenge={challenge}",
            self.admin
        )
    }

    /// Logs in, and returns the consent challenge that the browser gets.
    pub async fn consent_challenge(&mut self, login: &Value) -> String {
        let login_challenge = self.login_challenge().await;
        let next = self.decided("login", "accept", &login_challenge, login).await;
        challenge(&self.http.get(&next).await, "consent_challenge")
    }

    /// Logs in and agrees, with these answers of the app, and returns where the browser lands.
    pub async fn finish_with(&mut self, login: &Value, consent: &Value) -> Url {
        let consent_challenge = self.consent_challenge(login).await;
        let next = self.decided("consent", "accept", &consent_challenge, consent).await;
        self.http.get(&next).await.location()
    }

    /// The whole way to the callback, every requested scope granted.
    pub async fn finish(&mut self) -> Url {
        let scope = self.parameter("scope");
        let scopes: Vec<&str> = scope.split(' ').collect();
        self.finish_with(&json!({"subject": SUBJECT}), &json!({"grant_scope": scopes}))
            .await
    }

    /// The whole way to a code.
    pub async fn code(&mut self) -> String {
        let landed = self.finish().await;
        parameter(&landed, "code").unwrap_or_else(|| panic!("no code in {landed}"))
    }

    /// The whole way to tokens.
    pub async fn tokens(&mut self) -> Value {
        let code = self.code().await;
        let answer = self.redeem(&code).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Redeems a code.
    pub async fn redeem(&self, code: &str) -> Answer {
        let redirect = self.parameter("redirect_uri");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
        ];
        self.token(&form).await
    }

    /// Presents a refresh token.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    /// A token request with the client's secret.
    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post("/oauth2/token", form).await
    }

    /// A request to the public port with the client's secret.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = Request::post(&format!("{}{path}", self.public)).form(form);
        Http::new()
            .send(request.basic(&self.client_id, &self.client_secret))
            .await
    }

    fn parameter(&self, name: &str) -> String {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// The challenge that a redirect carries.
#[must_use]
pub fn challenge(answer: &Answer, name: &str) -> String {
    let location = answer.location();
    parameter(&location, name).unwrap_or_else(|| panic!("no {name} in {location}"))
}

/// A text member of an answer.
#[must_use]
pub fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

//! A login, consent and logout app for Claviger or Ory Hydra, on axum.
//!
//!     PORT=3000 HYDRA_ADMIN_URL=http://127.0.0.1:4445 cargo run
use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{Html, IntoResponse};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// Your users go here. The id is what applications see as `sub`: it never changes and is never given to somebody else.
const PEOPLE: &[Person] = &[Person { id: "user-1", email: "alice@example.com", password: "wonderland", name: "Alice" }];

struct Person {
    id: &'static str,
    email: &'static str,
    password: &'static str,
    name: &'static str,
}

/// What ends the handling of a request: the browser is sent on, or the person is told what does not work.
enum End {
    Onward(String),
    Refusal(u16, String),
}

impl<E: std::error::Error> From<E> for End {
    fn from(error: E) -> Self {
        eprintln!("{error}");
        Self::Refusal(502, "The login service cannot be reached.".into())
    }
}

type Fields = HashMap<String, Vec<String>>;

/// The admin API of the server.
struct Admin(String, Client<HttpConnector, Full<axum::body::Bytes>>);

impl Admin {
    /// Reads a request of the kind `login`, `consent` or `logout`, or answers it with the verb `/accept` or `/reject`. Wherever
    /// the server names an address, the browser goes there: after an answer, and when a request was answered before or is
    /// too old.
    async fn ask(&self, kind: &str, verb: &str, challenge: &str, body: &Value) -> Result<Value, End> {
        let challenge: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
        let uri = format!("{}/admin/oauth2/auth/requests/{kind}{verb}?{kind}_challenge={challenge}", self.0);
        let request = Request::builder().method(if verb.is_empty() { "GET" } else { "PUT" }).uri(uri);
        let request = request.header("content-type", "application/json").body(body.to_string().into())?;
        let answer = self.1.request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let told: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
        match told["redirect_to"].as_str() {
            Some(to) => Err(End::Onward(to.into())),
            None if status.is_success() => Ok(told),
            None => Err(End::Refusal(status.as_u16(), text(&told["error_description"]).into())),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn first<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(|values| values.first()).map_or("", String::as_str)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What asks the person.
fn question(kind: &str, request: &Value) -> String {
    match kind {
        "login" => r#"<p><label>E-mail <input type="email" name="email" required autofocus></label></p>
            <p><label>Password <input type="password" name="password" required></label></p>
            <p><label><input type="checkbox" name="remember" value="yes"> Remember me here for an hour</label></p>"#
            .into(),
        "consent" => {
            let names = [text(&request["client"]["client_name"]), text(&request["client"]["client_id"])];
            let who = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            let scopes = request["requested_scope"].as_array().into_iter().flatten().map(|scope| escape(text(scope)));
            let boxes = scopes.map(|scope| {
                format!(r#"<p><label><input type="checkbox" name="scope" value="{scope}" checked> {scope}</label></p>"#)
            });
            format!("<p>{} asks for:</p>{}", escape(who), boxes.collect::<String>())
        }
        _ => "<p>Do you want to log out?</p>".into(),
    }
}

/// The answer to the server if the person says yes; none if the person did not log in.
fn acceptance(kind: &str, request: &Value, fields: &Fields) -> Option<Value> {
    let skip = request["skip"] == true;
    match kind {
        // This browser is logged in already, so nobody was asked.
        "login" if skip => Some(json!({"subject": request["subject"]})),
        "login" => {
            // In your app: a slow password hash, a limit on tries, a second factor.
            let given = (first(fields, "email"), first(fields, "password"));
            let person = PEOPLE.iter().find(|person| (person.email, person.password) == given)?;
            let remember = fields.contains_key("remember");
            Some(json!({"subject": person.id, "remember": remember, "remember_for": 3600, "amr": ["pwd"]}))
        }
        "consent" => {
            let scopes = if skip {
                request["requested_scope"].clone()
            } else {
                json!(fields.get("scope").cloned().unwrap_or_default())
            };
            let has = |name: &str| scopes.as_array().is_some_and(|scopes| scopes.iter().any(|scope| scope == name));
            let person = PEOPLE.iter().find(|person| request["subject"] == person.id);
            let claims = json!({
                "name": person.filter(|_| has("profile")).map(|person| person.name),
                "email": person.filter(|_| has("email")).map(|person| person.email),
            });
            let audience = &request["requested_access_token_audience"];
            Some(
                json!({"grant_scope": scopes, "grant_access_token_audience": audience, "session": {"id_token": claims}}),
            )
        }
        _ => Some(json!({})),
    }
}

/// One visit of /login, /consent or /logout: by GET for the page, by POST with the person's answer.
async fn visit(
    admin: &Admin,
    kind: &str,
    form: &str,
    is_post: bool,
    cookie: Option<&str>,
    csrf: &str,
) -> Result<String, End> {
    let title = match kind {
        "login" => "Log in",
        "consent" => "Allow access",
        "logout" => "Log out",
        _ => return Err(End::Refusal(404, "There is nothing here.".into())),
    };
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(form.as_bytes()).into_owned() {
        fields.entry(name).or_default().push(value);
    }
    // The form must come from a page that this app gave to this browser.
    if is_post && cookie != Some(first(&fields, "csrf")) {
        return Err(End::Refusal(403, "The form did not come from this browser. Allow cookies and try again.".into()));
    }
    let challenge = first(&fields, &format!("{kind}_challenge"));
    if is_post && first(&fields, "answer") != "yes" {
        let why = json!({"error": "access_denied", "error_description": "The person said no."});
        admin.ask(kind, "/reject", challenge, &why).await?;
        // Only a logout goes nowhere from here.
        return Ok(page(title, "<p>You are still logged in.</p>"));
    }
    let request = admin.ask(kind, "", challenge, &Value::Null).await?;
    let mut message = "";
    if is_post || request["skip"] == true {
        if let Some(accepted) = acceptance(kind, &request, &fields) {
            admin.ask(kind, "/accept", challenge, &accepted).await?;
        }
        message = "E-mail or password is wrong.";
    }
    let (challenge, question) = (escape(challenge), question(kind, &request));
    Ok(page(
        title,
        &format!(
            r#"<form method="post" action="/{kind}"><p>{message}</p>
        <input type="hidden" name="csrf" value="{csrf}">
        <input type="hidden" name="{kind}_challenge" value="{challenge}">{question}
        <button name="answer" value="yes">Yes</button> <button name="answer" value="no" formnovalidate>No</button></form>"#
        ),
    ))
}

fn page(title: &str, html: &str) -> String {
    format!("<!doctype html><title>{title}</title><h1>{title}</h1>{html}")
}

async fn serve(admin: Arc<Admin>, method: Method, uri: Uri, headers: HeaderMap, body: String) -> impl IntoResponse {
    let cookies = headers.get("cookie").and_then(|header| header.to_str().ok()).unwrap_or_default();
    let cookie = cookies.split("; ").find_map(|pair| pair.strip_prefix("app_csrf="));
    let ours = cookie.filter(|value| value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let csrf = ours.map_or_else(random, str::to_owned);
    let is_post = method == Method::POST;
    let form = if is_post { &body } else { uri.query().unwrap_or_default() };
    let mut to = None;
    let (status, html) = match visit(&admin, uri.path().trim_start_matches('/'), form, is_post, ours, &csrf).await {
        Ok(html) => (StatusCode::OK, html),
        Err(End::Onward(there)) => (StatusCode::SEE_OTHER, to.insert(there).clone()),
        Err(End::Refusal(status, told)) => {
            (StatusCode::from_u16(status).unwrap_or_default(), page("Sorry", &format!("<p>{}</p>", escape(&told))))
        }
    };
    let headers = [
        // With https, add `; Secure`.
        ("set-cookie", format!("app_csrf={csrf}; Path=/; HttpOnly; SameSite=Lax")),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'".into()),
        ("cache-control", "no-store".into()),
    ];
    (status, headers, to.map(|to| [("location", to)]), Html(html))
}

fn random() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives no random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let variable = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.into());
    let url = variable("HYDRA_ADMIN_URL", "http://127.0.0.1:4445").trim_end_matches('/').to_owned();
    let admin = Arc::new(Admin(url, Client::builder(TokioExecutor::new()).build_http()));
    let app = Router::new().fallback(move |method, uri, headers, body| serve(admin, method, uri, headers, body));
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", variable("PORT", "3000"))).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.layer(DefaultBodyLimit::max(65536))).await
}

//! A login, consent and logout app for Claviger or Ory Hydra, on axum.
//!
//!     PORT=3000 HYDRA_ADMIN_URL=http://127.0.0.1:4445 cargo run
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::{Router, body::Bytes, response::Html, response::IntoResponse};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

/// Your users go here. The id is what applications see as `sub`: it never changes and is never given to somebody else.
const PEOPLE: &[Person] = &[Person { id: "user-1", email: "alice@example.com", password: "wonderland", name: "Alice" }];

#[rustfmt::skip]
struct Person { id: &'static str, email: &'static str, password: &'static str, name: &'static str }

/// What ends the handling of a request: the browser is sent on, or the person is told what does not work.
enum End {
    Onward(String),
    Refusal(StatusCode, String),
}

impl<E: std::error::Error> From<E> for End {
    fn from(error: E) -> Self {
        eprintln!("{error}");
        Self::Refusal(StatusCode::BAD_GATEWAY, "The login service cannot be reached.".into())
    }
}

/// Reads a request of the kind `login`, `consent` or `logout`, or answers it with the verb `/accept` or `/reject`. Wherever
/// the server names an address, the browser goes there: after an answer, and when a request was answered before or is too old.
async fn ask(kind: &str, verb: &str, challenge: &str, body: &Value) -> Result<Value, End> {
    let challenge: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
    let admin = variable("HYDRA_ADMIN_URL", "http://127.0.0.1:4445");
    let admin = admin.trim_end_matches('/');
    let uri = format!("{admin}/admin/oauth2/auth/requests/{kind}{verb}?{kind}_challenge={challenge}");
    let request = Request::builder().method(if verb.is_empty() { "GET" } else { "PUT" }).uri(uri);
    let request = request.header("content-type", "application/json").body(Full::<Bytes>::from(body.to_string()))?;
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    let told: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    match told["redirect_to"].as_str() {
        Some(to) => Err(End::Onward(to.into())),
        None if status.is_success() => Ok(told),
        None => Err(End::Refusal(status, text(&told["error_description"]).into())),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

type Fields = Vec<(String, String)>;

/// All values of a field.
fn all<'a>(fields: &'a Fields, name: &str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What asks the person.
fn question(kind: &str, request: &Value) -> String {
    if kind == "login" {
        return r#"<p><label>E-mail <input type="email" name="email" required autofocus></label></p>
            <p><label>Password <input type="password" name="password" required></label></p>
            <p><label><input type="checkbox" name="remember" value="yes"> Remember me here for an hour</label></p>"#
            .into();
    } else if kind == "logout" {
        return "<p>Do you want to log out?</p>".into();
    }
    let names = [text(&request["client"]["client_name"]), text(&request["client"]["client_id"])];
    let who = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let scopes = request["requested_scope"].as_array().into_iter().flatten().map(|scope| escape(text(scope)));
    let boxes = scopes.map(|scope| {
        format!(r#"<p><label><input type="checkbox" name="scope" value="{scope}" checked> {scope}</label></p>"#)
    });
    format!("<p>{} asks for:</p>{}", escape(who), boxes.collect::<String>())
}

/// The answer to the server if the person says yes; none if the person did not log in.
fn acceptance(kind: &str, request: &Value, fields: &Fields) -> Option<Value> {
    let skip = request["skip"] == true;
    if kind == "logout" {
        return Some(json!({}));
    } else if kind == "login" && skip {
        // This browser is logged in already, so nobody was asked.
        return Some(json!({"subject": request["subject"]}));
    } else if kind == "login" {
        // In your app: a slow password hash, a limit on tries, a second factor.
        let given = (all(fields, "email").next()?, all(fields, "password").next()?);
        let person = PEOPLE.iter().find(|person| (person.email, person.password) == given)?;
        let remember = all(fields, "remember").next().is_some();
        return Some(json!({"subject": person.id, "remember": remember, "remember_for": 3600, "amr": ["pwd"]}));
    }
    let ticked = || json!(all(fields, "scope").collect::<Vec<_>>());
    let scopes = if skip { request["requested_scope"].clone() } else { ticked() };
    let has = |name: &str| scopes.as_array().is_some_and(|scopes| scopes.iter().any(|scope| scope == name));
    let person = PEOPLE.iter().find(|person| request["subject"] == person.id);
    let claims = json!({
        "name": person.filter(|_| has("profile")).map(|person| person.name),
        "email": person.filter(|_| has("email")).map(|person| person.email),
    });
    let audience = &request["requested_access_token_audience"];
    Some(json!({"grant_scope": scopes, "grant_access_token_audience": audience, "session": {"id_token": claims}}))
}

/// One visit of /login, /consent or /logout: by GET for the page, by POST with the person's answer. The title and the page.
async fn visit(kind: &str, fields: &Fields, is_post: bool, csrf: &str) -> Result<(&'static str, String), End> {
    let title = match kind {
        "login" => "Log in",
        "consent" => "Allow access",
        "logout" => "Log out",
        _ => return Err(End::Refusal(StatusCode::NOT_FOUND, "There is nothing here.".into())),
    };
    let challenge = all(fields, &format!("{kind}_challenge")).next().unwrap_or_default();
    if is_post && all(fields, "answer").next() != Some("yes") {
        let why = json!({"error": "access_denied", "error_description": "The person said no."});
        ask(kind, "/reject", challenge, &why).await?;
        // Only a logout goes nowhere from here.
        return Ok((title, "<p>You are still logged in.</p>".into()));
    }
    let request = ask(kind, "", challenge, &Value::Null).await?;
    let mut message = "";
    if is_post || request["skip"] == true {
        if let Some(accepted) = acceptance(kind, &request, fields) {
            ask(kind, "/accept", challenge, &accepted).await?;
        }
        message = "E-mail or password is wrong.";
    }
    let (challenge, question) = (escape(challenge), question(kind, &request));
    let form = format!(
        r#"<form method="post" action="/{kind}"><p>{message}</p><input type="hidden" name="csrf" value="{csrf}">
        <input type="hidden" name="{kind}_challenge" value="{challenge}">{question}
        <button name="answer" value="yes">Yes</button> <button name="answer" value="no" formnovalidate>No</button></form>"#
    );
    Ok((title, form))
}

async fn serve(method: Method, uri: Uri, headers: HeaderMap, body: String) -> impl IntoResponse {
    let cookies = headers.get("cookie").and_then(|header| header.to_str().ok()).unwrap_or_default();
    let cookie = cookies.split("; ").find_map(|pair| pair.strip_prefix("app_csrf="));
    let ours = cookie.filter(|value| value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let random = || (0..4).map(|_| format!("{:016x}", getrandom::u64().expect("there are random numbers"))).collect();
    let csrf: String = ours.map_or_else(random, str::to_owned);
    let is_post = method == Method::POST;
    let form = if is_post { &body } else { uri.query().unwrap_or_default() };
    let fields: Fields = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    // The form must come from a page that this app gave to this browser.
    let end = if is_post && (ours.is_none() || ours != all(&fields, "csrf").next()) {
        let told = "The form did not come from this browser. Allow cookies and try again.";
        Err(End::Refusal(StatusCode::FORBIDDEN, told.into()))
    } else {
        visit(uri.path().trim_start_matches('/'), &fields, is_post, &csrf).await
    };
    let (status, title, html, to) = match end {
        Ok((title, html)) => (StatusCode::OK, title, html, None),
        Err(End::Onward(to)) => (StatusCode::SEE_OTHER, "Onward", String::new(), Some([("location", to)])),
        Err(End::Refusal(status, told)) => (status, "Sorry", format!("<p>{}</p>", escape(&told)), None),
    };
    let headers = [
        ("set-cookie", format!("app_csrf={csrf}; Path=/; HttpOnly; SameSite=Lax")), // With https, add `; Secure`.
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'".into()),
        ("cache-control", "no-store".into()),
    ];
    (status, headers, to, Html(format!("<!doctype html><title>{title}</title><h1>{title}</h1>{html}")))
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.into())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", variable("PORT", "3000"))).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().fallback(serve).layer(DefaultBodyLimit::max(65536))).await
}

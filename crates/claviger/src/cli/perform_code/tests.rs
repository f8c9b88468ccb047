//! The whole flow: this program as the client, a provider and a browser in the test.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cli::terminal::testing::terminal_with_browser;

/// What the browser is sent back with; `{state}` stands for the state that the flow sent.
struct Answer {
    query: &'static str,
    by_post: bool,
    /// In the ID token, if it is not the flow's own.
    nonce: Option<&'static str>,
    announces_issuer: bool,
}

const APPROVED: Answer = Answer {
    query: "code=the-code&state={state}",
    by_post: false,
    nonce: None,
    announces_issuer: false,
};

/// The outcome as person and provider saw it.
struct Run {
    status: ExitCode,
    stdout: String,
    stderr: String,
    start_page: String,
    last_page: String,
    authorization: HashMap<String, String>,
    token_request: Option<HashMap<String, String>>,
}

#[derive(Default)]
struct Seen {
    start_page: String,
    last_page: String,
    authorization: HashMap<String, String>,
    token_request: Option<HashMap<String, String>>,
}

fn run(command: &[&str], flags: &[&str], answer: Answer) -> Run {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let answer = Arc::new(answer);
    let provider = Provider::start(Arc::clone(&seen), Arc::clone(&answer));
    let browsed = Arc::clone(&seen);
    let browser = Arc::new(Mutex::new(None));
    let running = Arc::clone(&browser);
    let (mut terminal, output, errors) = terminal_with_browser(move |url| {
        let (url, seen, answer) = (url.to_owned(), Arc::clone(&browsed), Arc::clone(&answer));
        *running.lock().unwrap() = Some(std::thread::spawn(move || browse(&url, &seen, &answer)));
    });
    let endpoint = format!("http://{}", provider.address);
    let fixed = [
        "--endpoint",
        &endpoint,
        "--client-id",
        "me",
        "--client-secret",
        "s3cret",
        "--port",
        "0",
    ];
    let arguments = [&["claviger"], command, &fixed, flags].concat();
    let status = crate::cli::run(arguments.into_iter().map(OsString::from), &mut terminal);
    if let Some(browser) = browser.lock().unwrap().take() {
        browser.join().unwrap();
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let Seen {
        start_page,
        last_page,
        authorization,
        token_request,
    } = seen;
    Run {
        status,
        stdout: output.text(),
        stderr: errors.text(),
        start_page,
        last_page,
        authorization,
        token_request,
    }
}

/// Loads the first page, follows its link as far as the provider's address, and comes back with the answer.
fn browse(home: &str, seen: &Mutex<Seen>, answer: &Answer) {
    let page = fetch("GET", home, "");
    let link = page
        .split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&");
    let authorization: HashMap<String, String> = url::Url::parse(&link).unwrap().query_pairs().into_owned().collect();
    let query = answer.query.replace("{state}", &authorization["state"]);
    let redirect = authorization["redirect_uri"].clone();
    {
        let mut seen = seen.lock().unwrap();
        (seen.start_page, seen.authorization) = (page, authorization);
    }
    let last = if answer.by_post {
        fetch("POST", &redirect, &query)
    } else {
        fetch("GET", &format!("{redirect}?{query}"), "")
    };
    seen.lock().unwrap().last_page = last;
}

fn fetch(method: &str, url: &str, body: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let target = url
        .query()
        .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

struct Provider {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    fn start(seen: Arc<Mutex<Seen>>, answer: Arc<Answer>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                let service = service_fn(move |request| {
                    let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                    async move { Ok::<_, Infallible>(provide(request, &seen, &answer).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

async fn provide(request: Request<Incoming>, seen: &Mutex<Seen>, answer: &Answer) -> Response<Full<Bytes>> {
    let reply = if request.uri().path() == "/.well-known/openid-configuration" {
        json!({ "issuer": "https://issuer.example/",
            "authorization_response_iss_parameter_supported": answer.announces_issuer })
    } else {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut seen = seen.lock().unwrap();
        let nonce = answer.nonce.unwrap_or(&seen.authorization["nonce"]);
        let claims = URL_SAFE_NO_PAD.encode(json!({ "nonce": nonce }).to_string());
        let tokens = json!({ "access_token": "an-access-token", "token_type": "bearer", "expires_in": 3600,
            "refresh_token": "a-refresh-token", "id_token": format!("e30.{claims}.c2ln") });
        seen.token_request = Some(form_urlencoded::parse(&body).into_owned().collect());
        tokens
    };
    Response::new(Full::from(reply.to_string()))
}

#[test]
fn the_older_command_shows_all_tokens_on_page_and_terminal_and_ends_well() {
    let run = run(&["token", "user"], &["--scope", "openid,offline"], APPROVED);
    assert_eq!(run.status, ExitCode::SUCCESS, "{}", run.stderr);
    assert!(run.start_page.contains("Authorize application"), "{}", run.start_page);
    assert!(
        run.stdout.contains("Setting up home route on http://127.0.0.1:"),
        "{}",
        run.stdout
    );
    for block in [
        "Access Token:\n\tan-access-token\nRefresh Token:\n\ta-refresh-token\nExpires in:\n\t",
        "\nID Token:\n\te30.",
    ] {
        assert!(run.stdout.contains(block), "{}", run.stdout);
    }
    for shown in [
        "an-access-token",
        "a-refresh-token",
        "e30.",
        "no-store",
        "default-src 'none'",
    ] {
        assert!(run.last_page.contains(shown), "{}", run.last_page);
    }
}

#[test]
fn the_newer_command_prints_nothing_but_the_tokens() {
    let run = run(&["perform", "authorization-code"], &["--format", "json"], APPROVED);
    assert_eq!(run.status, ExitCode::SUCCESS, "{}", run.stderr);
    let printed: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(printed["access_token"], "an-access-token");
    assert_eq!(printed["expires_in"], 3600);
    assert!(run.stderr.contains("Setting up callback listener"), "{}", run.stderr);
}

#[test]
fn rfc_7636_the_verifier_of_the_challenge_comes_with_the_code() {
    let run = run(&["token", "user"], &[], APPROVED);
    let form = run.token_request.unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    assert_eq!(run.authorization["code_challenge"], URL_SAFE_NO_PAD.encode(digest));
    assert_eq!(run.authorization["code_challenge_method"], "S256");
    assert_eq!(form["code"], "the-code");
    assert_eq!(form["redirect_uri"], run.authorization["redirect_uri"]);
}

#[test]
fn state_and_nonce_are_24_letters_and_new_each_time() {
    let runs = [
        run(&["token", "user"], &[], APPROVED),
        run(&["token", "user"], &[], APPROVED),
    ];
    for name in ["state", "nonce"] {
        let [first, second] = runs.each_ref().map(|run| &run.authorization[name]);
        assert!(
            first.len() == 24 && first.chars().all(|letter| letter.is_ascii_lowercase()),
            "{first}"
        );
        assert_ne!(first, second);
    }
}

#[test]
fn what_was_not_asked_for_is_not_sent() {
    let plain = run(&["token", "user"], &[], APPROVED);
    for name in ["audience", "prompt", "max_age", "response_mode"] {
        assert!(!plain.authorization.contains_key(name), "{name}");
    }
    let flags = ["--audience", "a,b", "--prompt", "login,consent", "--max-age", "0"];
    let asked = run(&["token", "user"], &flags, APPROVED).authorization;
    assert_eq!(
        (&*asked["audience"], &*asked["prompt"], &*asked["max_age"]),
        ("a b", "login consent", "0")
    );
    let newer = run(
        &["perform", "authorization-code"],
        &["--max-age", "-1", "--state", "my-own-state"],
        APPROVED,
    );
    assert!(!newer.authorization.contains_key("max_age"));
    assert_eq!(newer.authorization["state"], "my-own-state");
}

#[test]
fn an_answer_by_form_post_is_taken() {
    let answer = Answer {
        by_post: true,
        ..APPROVED
    };
    let run = run(
        &["perform", "authorization-code"],
        &["--response-mode", "form_post"],
        answer,
    );
    assert_eq!(run.status, ExitCode::SUCCESS, "{}", run.stderr);
    assert_eq!(run.authorization["response_mode"], "form_post");
}

/// No token request may follow, and person and page are told why.
fn assert_refused(answer: Answer, told: &str) {
    let run = run(&["token", "user"], &[], answer);
    assert_eq!(run.status, ExitCode::FAILURE);
    assert!(run.token_request.is_none());
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert!(run.last_page.contains("did not give tokens"), "{}", run.last_page);
    assert!(!run.stdout.contains("Access Token"), "{}", run.stdout);
}

#[test]
fn a_denial_is_told_and_ends_with_status_1() {
    let query = "error=access_denied&error_description=No+%3Cthanks%3E&state={state}";
    assert_refused(Answer { query, ..APPROVED }, "access_denied: No <thanks>");
}

#[test]
fn rfc_6749_10_12_a_code_with_another_state_is_not_redeemed() {
    assert_refused(
        Answer {
            query: "code=the-code&state=wrong",
            ..APPROVED
        },
        "state",
    );
    assert_refused(
        Answer {
            query: "code=the-code",
            ..APPROVED
        },
        "state",
    );
    assert_refused(
        Answer {
            query: "code=the-code&state={state}&state={state}",
            ..APPROVED
        },
        "state",
    );
}

#[test]
fn rfc_9207_2_4_a_code_of_another_issuer_is_not_redeemed() {
    let query = "code=the-code&state={state}&iss=https%3A%2F%2Fother.example%2F";
    assert_refused(Answer { query, ..APPROVED }, "https://other.example/");
}

#[test]
fn rfc_9207_2_4_an_announced_issuer_must_not_be_missing() {
    assert_refused(
        Answer {
            announces_issuer: true,
            ..APPROVED
        },
        "RFC 9207",
    );
    let query = "code=the-code&state={state}&iss=https%3A%2F%2Fissuer.example%2F";
    let named = run(
        &["token", "user"],
        &[],
        Answer {
            query,
            announces_issuer: true,
            ..APPROVED
        },
    );
    assert_eq!(named.status, ExitCode::SUCCESS, "{}", named.stderr);
}

#[test]
fn oidc_core_3_1_3_7_an_id_token_with_another_nonce_is_discarded() {
    let run = run(
        &["token", "user"],
        &[],
        Answer {
            nonce: Some("replayed"),
            ..APPROVED
        },
    );
    assert_eq!(run.status, ExitCode::FAILURE);
    assert!(
        run.stderr.contains("nonce") && !run.stdout.contains("an-access-token"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_port_in_use_is_told_with_the_way_out() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = run(&["token", "user"], &["--port", &port], APPROVED);
    assert_eq!(run.status, ExitCode::FAILURE);
    assert!(
        run.stderr.contains(&port) && run.stderr.contains("--port"),
        "{}",
        run.stderr
    );
}

#[test]
fn https_is_refused_rather_than_ignored() {
    let run = run(&["token", "user"], &["--https"], APPROVED);
    assert_eq!(run.status, ExitCode::FAILURE);
    assert!(run.stderr.contains("--https is not supported"), "{}", run.stderr);
}

//! A public client that lives in a page: oidc-client-ts, in Chromium, with the reference app for login and consent.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Instant;
use std::{fs, thread};

use claviger_e2e::flow::SUBJECT;
use claviger_e2e::process::PATIENCE;
use claviger_e2e::{Browser, Database, ReferenceApp, ServerOptions, ports, reference_app};
use serde_json::json;

/// Serves the page at every address, and the library; returns the origin.
fn serve() -> String {
    let port = ports::free();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let packages = reference_app::packages();
    let page = fs::read_to_string(packages.join("spa.html")).unwrap();
    let library = packages.join("node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js");
    let library = fs::read_to_string(library).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (page, library) = (page.clone(), library.clone());
            // Browsers open connections that they never use: each waits in a thread of its own.
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().ok()?);
                let mut first = String::new();
                reader.read_line(&mut first).ok()?;
                let mut line = String::from("-");
                while !line.trim_end().is_empty() {
                    line.clear();
                    reader.read_line(&mut line).ok()?;
                }
                let (kind, body) = if first.contains("oidc-client-ts.js") {
                    ("text/javascript", library)
                } else {
                    ("text/html", page)
                };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length:");
                let mut stream = stream;
                write!(stream, "{head} {}\r\n\r\n{body}", body.len()).ok()
            });
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// Waits until the page says this.
async fn says(browser: &Browser, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = browser.element("#state").await.text().await.unwrap_or_default();
        if text.contains(wanted) {
            return;
        }
        assert!(
            !text.contains("failed") && Instant::now() < deadline,
            "the page says {text:?} and not {wanted:?}"
        );
    }
}

#[tokio::test]
async fn oidc_client_ts_logs_a_person_in_renews_and_logs_out() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let mut app = ReferenceApp::reserve();
    let options = ServerOptions::new(&database).with_app(&app.url());
    let server = options.with("SERVE_PUBLIC_CORS_ENABLED", "true").start().await;
    app.start(&server);
    let origin = serve();
    let client = server
        .create_client(&json!({
            "client_name": "Page", "token_endpoint_auth_method": "none", "scope": "openid offline",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "redirect_uris": [format!("{origin}/callback")], "allowed_cors_origins": [origin],
            "post_logout_redirect_uris": [format!("{origin}/goodbye")],
        }))
        .await;
    let browser = Browser::start().await;
    let id = client["client_id"].as_str().unwrap();
    browser
        .open(&format!("{origin}/?authority={}&client_id={id}", server.public("/")))
        .await;
    says(&browser, "ready").await;
    browser.click("#login").await;
    browser.wait_for(&format!("{}/login", app.url())).await;
    browser.fill("#email", SUBJECT).await;
    browser.fill("#password", "foobar").await;
    browser.click("#remember").await;
    browser.click("#accept").await;
    browser.wait_for(&format!("{}/consent", app.url())).await;
    for scope in ["openid", "offline"] {
        browser.click(&format!("input[name=grant_scope][value={scope}]")).await;
    }
    browser.click("#accept").await;
    browser.wait_for(&format!("{origin}/callback")).await;
    says(&browser, &format!("logged in as {SUBJECT}")).await;
    browser.click("#renew").await;
    says(&browser, &format!("renewed for {SUBJECT}")).await;
    browser.click("#logout").await;
    browser.wait_for(&format!("{}/logout", app.url())).await;
    browser.click("#accept").await;
    browser.wait_for(&format!("{origin}/goodbye")).await;
    says(&browser, "logged out").await;
}

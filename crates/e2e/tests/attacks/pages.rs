//! What pages of other people can do with ours: not frame them, and read nothing that carries credentials.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use claviger_e2e::flow::text;
use claviger_e2e::{Browser, Database, Flow, Http, Request, ServerOptions, ports};
use http::Method;
use serde_json::json;

/// Every page that this server shows.
const PAGES: [&str; 9] = [
    "/oauth2/fallbacks/error?error=x",
    "/oauth2/fallbacks/login",
    "/oauth2/fallbacks/consent",
    "/oauth2/fallbacks/logout",
    "/oauth2/fallbacks/logout/callback",
    "/oauth2/fallbacks/device",
    "/oauth2/fallbacks/device/done",
    "/no/such/page",
    "/oauth2/token",
];

/// A page of another site that frames this address.
fn framing(address: &str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = format!("<title>Evil</title><p>Evil<iframe id=victim src=\"{address}\"></iframe>");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let page = page.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().ok()?);
                let mut line = String::from("-");
                while !line.trim_end().is_empty() {
                    line.clear();
                    reader.read_line(&mut line).ok()?;
                }
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
                let mut stream = stream;
                write!(stream, "{head} {}\r\n\r\n{page}", page.len()).ok()
            });
        }
    });
    format!("http://localhost:{port}/")
}

/// RFC 9700 §4.16: clickjacking.
#[tokio::test]
async fn no_page_can_be_framed() {
    let database = Database::sqlite();
    let server = claviger_e2e::Server::on(&database).await;
    for path in PAGES {
        let request = Request::get(&server.public(path)).header("accept", "text/html");
        let page = Http::new().send(request).await;
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{path}: {}",
            page.text()
        );
        assert!(
            page.header("content-security-policy")
                .contains("frame-ancestors 'none'"),
            "{path}: {:?}",
            page.headers
        );
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
    }
    // What the header says, a browser does.
    let browser = Browser::start().await;
    browser.open(&framing(&server.public(PAGES[0]))).await;
    let frame = browser.element("#victim").await;
    frame.enter_frame().await.unwrap();
    assert!(
        !browser.text().await.contains("Request id"),
        "the page is shown in the frame"
    );
    let shown = browser.script("return location.href").await;
    assert!(!shown.as_str().unwrap_or_default().contains("/oauth2/"), "{shown}");
    // Alone, it is shown.
    let alone = Browser::start().await;
    alone.open(&server.public(PAGES[0])).await;
    assert!(!alone.text().await.is_empty());
}

/// Fetch §3.2: with and without CORS, no page that nobody listed reads an answer that carries credentials.
#[tokio::test]
async fn pages_of_strangers_read_nothing_that_carries_credentials() {
    for enabled in ["false", "true"] {
        let database = Database::sqlite();
        claviger_e2e::server::migrate(&database);
        let options = ServerOptions::new(&database)
            .with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true")
            .with("SERVE_PUBLIC_CORS_ENABLED", enabled)
            .with("SERVE_PUBLIC_CORS_ALLOWED_ORIGINS", "https://friend.example")
            .with("SERVE_ADMIN_CORS_ENABLED", enabled)
            .with("SERVE_ADMIN_CORS_ALLOWED_ORIGINS", "https://friend.example");
        let server = options.start().await;
        let mut flow = Flow::new(&server).await;
        let tokens = flow.tokens().await;
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        let authorize = flow.url();
        let basic = |request: Request| request.basic(&flow.client_id, &flow.client_secret);
        let public = |path: &str| server.public(path);
        let introspected = Request::post(&public("/oauth2/introspect")).form(&[("token", &access)]);
        let refreshed = Request::post(&public("/oauth2/token"))
            .form(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]);
        let requests = [
            Request::get(&public("/userinfo")).bearer(&access),
            Request::get(&authorize).header("cookie", &flow.http.cookie_header()),
            Request::get(&public("/oauth2/sessions/logout")).header("cookie", &flow.http.cookie_header()),
            basic(introspected),
            basic(refreshed),
            basic(Request::post(&public("/oauth2/revoke")).form(&[("token", "x")])),
            basic(Request::post(&public("/oauth2/device/auth")).form(&[("scope", "openid")])),
            Request::get(&public("/oauth2/register/x")).bearer("x"),
            Request::get(&server.admin("/admin/clients")),
            Request::get(&server.admin("/admin/keys/hydra.openid.id-token")),
            Request::post(&server.admin("/admin/oauth2/introspect")).form(&[("token", &access)]),
        ];
        for request in requests {
            for origin in [
                "https://evil.example",
                "null",
                "https://friend.example.evil.example",
                "http://friend.example",
            ] {
                let what = format!("{request:?} from {origin}, CORS {enabled}");
                let answer = Http::new().send(request.clone().header("origin", origin)).await;
                assert_eq!(answer.header("access-control-allow-origin"), "", "{what}");
                assert_eq!(answer.header("access-control-allow-credentials"), "", "{what}");
            }
        }
        for path in ["/userinfo", "/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            let preflight = Request::new(Method::OPTIONS, &public(path))
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization");
            let answer = Http::new().send(preflight).await;
            // Which client asks is not known yet, so a preflight may pass; the answer itself never does.
            assert_ne!(answer.header("access-control-allow-origin"), "*", "{path}");
            assert_ne!(
                answer.header("access-control-allow-credentials"),
                "true",
                "{path}: {:?}",
                answer.headers
            );
        }
    }
}

/// A challenge that nobody made is told so on the sample pages too.
#[tokio::test]
async fn the_sample_pages_know_no_challenge_of_strangers() {
    let directory = tempfile::tempdir().unwrap();
    let [public, admin] = [ports::free(), ports::free()];
    let mut command = claviger_e2e::binary::command();
    command.current_dir(directory.path()).args(["serve", "all", "--dev"]);
    command
        .env("SERVE_PUBLIC_PORT", public.to_string())
        .env("SERVE_ADMIN_PORT", admin.to_string())
        .env("LOG_LEVEL", "debug");
    let mut process = claviger_e2e::process::Process::start("claviger --dev", &mut command);
    let deadline = std::time::Instant::now() + claviger_e2e::process::PATIENCE;
    let ready = format!("http://127.0.0.1:{admin}/health/ready");
    while Http::new().try_send(Request::get(&ready)).await.is_err() {
        assert!(
            process.is_running() && std::time::Instant::now() < deadline,
            "{}",
            process.output()
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for path in ["login?login_challenge=nonsense", "consent?consent_challenge=nonsense"] {
        let answer = Http::new()
            .get(&format!("http://127.0.0.1:{public}/oauth2/fallbacks/{path}"))
            .await;
        assert_eq!(answer.location().path(), "/oauth2/fallbacks/error", "{path}");
    }
    process.wait_for_output("ChallengeUnknown");
}

/// A page that calls the admin port is refused in the form of every answer, whatever it asks for, and nothing is done.
#[tokio::test]
async fn the_admin_port_refuses_pages() {
    let database = Database::sqlite();
    let server = claviger_e2e::Server::on(&database).await;
    let url = server.admin("/admin/clients");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        // A name of a stranger's that leads to this machine.
        ("host", "evil.example:4445"),
    ] {
        let made = json!({"client_id": "evil"});
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let is_head = method == Method::HEAD;
            let request = Request::new(method, &url).json(&made).header(name, value);
            let what = format!("{request:?}");
            let answer = Http::new().send(request).await;
            assert_eq!(answer.status, 403, "{what}: {}", answer.text());
            assert_eq!(answer.text().is_empty(), is_head, "{what}: {}", answer.text());
            let id = answer.header("x-request-id");
            assert!(
                id.len() == 20 && server.log().contains(id),
                "{what}: {:?}",
                answer.headers
            );
        }
    }
    assert_eq!(Http::new().get(&url).await.json(), json!([]));
}

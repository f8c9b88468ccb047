//! Strangers who send anything but what is expected: a clear answer or a closed connection, never a failure of ours.

use std::time::Duration;

use claviger_e2e::{Database, Flow, Http, Request, Server};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Every endpoint, with whether it is public.
const ENDPOINTS: [(&str, Method, bool); 30] = [
    ("/oauth2/auth", Method::GET, true),
    ("/oauth2/auth", Method::POST, true),
    ("/oauth2/token", Method::POST, true),
    ("/oauth2/revoke", Method::POST, true),
    ("/oauth2/device/auth", Method::POST, true),
    ("/oauth2/device/verify", Method::GET, true),
    ("/oauth2/register", Method::POST, true),
    ("/oauth2/register/some-client", Method::PUT, true),
    ("/userinfo", Method::GET, true),
    ("/userinfo", Method::POST, true),
    ("/.well-known/openid-configuration", Method::GET, true),
    ("/.well-known/oauth-authorization-server", Method::GET, true),
    ("/.well-known/jwks.json", Method::GET, true),
    ("/health/alive", Method::GET, true),
    ("/oauth2/fallbacks/error", Method::GET, true),
    ("/no/such/path", Method::POST, true),
    ("/admin/clients", Method::GET, false),
    ("/admin/clients", Method::POST, false),
    ("/admin/clients/some-client", Method::PUT, false),
    ("/admin/clients/some-client", Method::PATCH, false),
    ("/admin/clients/some-client", Method::DELETE, false),
    ("/admin/keys/some-set", Method::POST, false),
    ("/admin/keys/some-set", Method::PUT, false),
    ("/admin/keys/some-set/some-key", Method::PUT, false),
    ("/admin/oauth2/introspect", Method::POST, false),
    ("/admin/oauth2/auth/requests/login", Method::GET, false),
    ("/admin/oauth2/auth/requests/login/accept", Method::PUT, false),
    ("/admin/oauth2/auth/requests/consent/accept", Method::PUT, false),
    ("/admin/oauth2/auth/requests/device/accept", Method::PUT, false),
    ("/admin/oauth2/auth/requests/consent/reject", Method::PUT, false),
];

struct Attacked {
    server: Server,
    _database: Database,
}

impl Attacked {
    async fn start() -> Self {
        let database = Database::sqlite();
        let server = Server::on(&database).await;
        Self {
            server,
            _database: database,
        }
    }

    fn urls(&self) -> Vec<(Method, String)> {
        let url = |path: &str, public| {
            if public {
                self.server.public(path)
            } else {
                self.server.admin(path)
            }
        };
        ENDPOINTS
            .iter()
            .map(|(path, method, public)| (method.clone(), url(path, *public)))
            .collect()
    }

    /// Sends a request that must not be answered with a failure of ours.
    async fn send(&self, http: &mut Http, request: Request, what: &str) -> Option<u16> {
        let answer = http.try_send(request).await.ok()?;
        // The page that shows an error has its status, as apps for Hydra expect.
        let is_error_page = what.contains("/oauth2/fallbacks/error") && answer.status == 500;
        assert!(
            answer.status < 500 || is_error_page,
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        let body = answer.text();
        if answer.status >= 400 && answer.header("content-type").starts_with("application/json") {
            assert!(answer.json()["error"].is_string(), "{what}: {} {body}", answer.status);
        }
        Some(answer.status)
    }

    /// The server still serves, and nothing in it broke.
    async fn assert_unharmed(mut self) {
        for url in [self.server.public("/health/alive"), self.server.admin("/health/ready")] {
            assert_eq!(Http::new().get(&url).await.status, 200);
        }
        let flow = Flow::new(&self.server).await;
        assert_eq!(flow.token(&[("grant_type", "client_credentials")]).await.status, 200);
        assert!(self.server.process.is_running());
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    vec![
        (form, b"%%%".to_vec()),
        (form, b"grant_type=%ff%fe&code=%00".to_vec()),
        (form, b"\xff\xfe\xfd".to_vec()),
        (form, b"=&=&=".to_vec()),
        (form, b"token=".to_vec()),
        (form, "a=b&".repeat(20_000).into_bytes()),
        (form, b"client_id=a&client_id=b&grant_type=c&grant_type=d".to_vec()),
        (
            form,
            b"grant_type=client_credentials&client_id=%F0%9F%92%A9&client_secret=x".to_vec(),
        ),
        (
            form,
            b"grant_type=refresh_token&refresh_token=clv_rt_!!!!.????&client_id=x".to_vec(),
        ),
        (
            form,
            b"grant_type=authorization_code&code=clv_ac_AAAA.AAAA&client_id=x".to_vec(),
        ),
        (form, b"token=clv_at_.&token_type_hint=&scope=".to_vec()),
        (json, Vec::new()),
        (json, b"{".to_vec()),
        (json, b"null".to_vec()),
        (json, b"[[[[".to_vec()),
        (json, b"\"text\"".to_vec()),
        (json, b"1e999999".to_vec()),
        (json, b"{\"client_id\": \"\\ud800\"}".to_vec()),
        (json, b"{\"client_id\": \"a\\u0000b\", \"client_name\": 7}".to_vec()),
        (json, b"{\"a\":1,\"a\":2}".to_vec()),
        (json, b"\xef\xbb\xbf{}".to_vec()),
        (json, b"{\"client_id\":\"\xff\"}".to_vec()),
        (
            json,
            b"{\"redirect_uris\":[\"\"],\"scope\":\"\\n\",\"jwks\":{\"keys\":[{}]}}".to_vec(),
        ),
        (
            json,
            b"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\",\"kid\":\"k\",\"use\":\"sig\"}]}".to_vec(),
        ),
        (
            json,
            b"{\"subject\":\"\\u0000\",\"remember_for\":9223372036854775808}".to_vec(),
        ),
        (json, b"{\"alg\":\"none\",\"use\":\"sig\",\"kid\":\"\"}".to_vec()),
        (json, deep.into_bytes()),
        (json, nested.into_bytes()),
        ("text/plain; charset=\"ü", b"hello".to_vec()),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--".to_vec()),
    ]
}

#[tokio::test]
async fn malformed_bodies_are_refused_everywhere() {
    let attacked = Attacked::start().await;
    let mut http = Http::new();
    for (method, url) in attacked.urls() {
        for (content_type, body) in bodies() {
            let what = format!("{method} {url} with {} bytes of {content_type}", body.len());
            let request = Request::new(method.clone(), &url).body(content_type, body);
            attacked.send(&mut http, request, &what).await;
        }
    }
    attacked.assert_unharmed().await;
}

#[tokio::test]
async fn malformed_queries_cookies_and_credentials_are_refused_everywhere() {
    let attacked = Attacked::start().await;
    let mut http = Http::new();
    let queries = [
        "?%",
        "?%zz=%",
        "?a=%ff%fe",
        "?login_challenge=%00",
        "?login_challenge=AAAA&login_challenge=BBBB",
        "?login_verifier=clv%20nonsense",
        "?consent_verifier=%F0%28%8C%28",
        "?client_id=%00&redirect_uri=%0d%0aX:y",
        "?page_size=-1&page_token=%%%",
        "?page_size=99999999999999999999",
        "?consent_challenge=🙂",
        "?error=<script>",
    ];
    let credentials = [
        "Basic",
        "Basic !!!",
        "Basic Og==",
        "Basic //79",
        "Basic YTpi YTpi",
        "Bearer",
        "Bearer \u{a0}",
        "Bearer a b",
        "Basic JWZmOiVmZg==",
        "Digest username=\"a\"",
        "bEaReR clv_at_x.y",
        "Bearer clv_at_AAAA.AAAA.AAAA",
    ];
    let cookies = [
        "=",
        ";;;;",
        "ory_hydra_session=",
        "ory_hydra_session=%00%ff",
        "a=b; a=c; a=d",
        "ory_hydra_login_csrf_dev=\"",
        "ory_hydra_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; ory_hydra_session=B",
    ];
    for (method, url) in attacked.urls() {
        for query in queries {
            let encoded: String = query
                .chars()
                .map(|c| if c.is_ascii() { c.to_string() } else { "%F0".to_owned() })
                .collect();
            let encoded = encoded.replace(['<', '>'], "%3C");
            let request = Request::new(method.clone(), &format!("{url}{encoded}"));
            attacked
                .send(&mut http, request, &format!("{method} {url}{query}"))
                .await;
        }
        for value in credentials {
            let request = Request::new(method.clone(), &url).header("authorization", value);
            attacked
                .send(&mut http, request, &format!("{method} {url} as {value}"))
                .await;
        }
        for value in cookies {
            let request = Request::new(method.clone(), &url).header("cookie", value);
            attacked
                .send(&mut http, request, &format!("{method} {url} with cookie {value}"))
                .await;
        }
    }
    attacked.assert_unharmed().await;
}

#[tokio::test]
async fn huge_headers_and_bodies_cost_no_memory() {
    let attacked = Attacked::start().await;
    // The peak before: tokens are issued, keys are loaded, every path is warm.
    let flow = Flow::new(&attacked.server).await;
    flow.token(&[("grant_type", "client_credentials")]).await;
    let before = attacked.server.process.peak_memory();
    for (method, url) in attacked.urls() {
        let head = format!("{method} {} HTTP/1.1\r\nHost: localhost\r\n", path(&url));
        let header = format!("{head}X-Long: {}\r\n\r\n", "x".repeat(1 << 20));
        assert_refused(
            &pour(&url, header.as_bytes(), 0).await,
            &format!("{method} {url}, 1 MB of header"),
        );
        let many = format!("{head}{}\r\n", "X: y\r\n".repeat(200_000));
        assert_refused(
            &pour(&url, many.as_bytes(), 0).await,
            &format!("{method} {url}, 200 000 headers"),
        );
    }
    for path in ["/oauth2/token", "/oauth2/auth", "/oauth2/revoke"] {
        pour_bodies(&attacked.server.public(path)).await;
    }
    for path in ["/admin/clients", "/admin/oauth2/introspect", "/admin/keys/some-set"] {
        pour_bodies(&attacked.server.admin(path)).await;
    }
    let grown = attacked.server.process.peak_memory().saturating_sub(before);
    assert!(grown < 40 << 20, "memory grew by {} MB", grown >> 20);
    attacked.assert_unharmed().await;
}

fn path(url: &str) -> String {
    url::Url::parse(url).unwrap().path().to_owned()
}

async fn pour_bodies(url: &str) {
    const SIZE: usize = 100 << 20;
    for content_type in ["application/x-www-form-urlencoded", "application/json"] {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n",
            path(url)
        );
        let announced = format!("{head}Content-Length: {SIZE}\r\n\r\n");
        assert_refused(
            &pour(url, announced.as_bytes(), SIZE).await,
            &format!("{url}, announced"),
        );
        // One chunk after another, each of 64 KiB.
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        assert_refused(&pour(url, chunked.as_bytes(), SIZE).await, &format!("{url}, in chunks"));
    }
}

/// Sends a head and `size` bytes of body, as far as the server takes them, and returns what it answers.
async fn pour(url: &str, head: &[u8], size: usize) -> String {
    let address = url::Url::parse(url).unwrap().socket_addrs(|| None).unwrap()[0];
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let is_chunked = head.ends_with(b"chunked\r\n\r\n");
    let sending = async {
        let block = vec![b'a'; 64 << 10];
        writer.write_all(head).await?;
        for _ in 0..size / block.len() {
            if is_chunked {
                writer.write_all(b"10000\r\n").await?;
            }
            writer.write_all(&block).await?;
            if is_chunked {
                writer.write_all(b"\r\n").await?;
            }
        }
        std::io::Result::Ok(())
    };
    let reading = async {
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..read]);
            if answer.windows(4).any(|end| end == b"\r\n\r\n") {
                break;
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    // The answer may come while the body is still on its way.
    let both = async {
        tokio::pin!(sending, reading);
        tokio::select! {
            answer = &mut reading => answer,
            sent = &mut sending => { drop(sent); reading.await }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), both)
        .await
        .expect("neither an answer nor an end")
}

/// A 4xx, or the end of the connection.
fn assert_refused(answer: &str, what: &str) {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let is_refusal = answer.is_empty() || status.is_some_and(|status| status.starts_with('4'));
    assert!(is_refusal, "{what}: {answer}");
}

/// Clients that send a byte now and then hold no place that others need.
#[tokio::test]
async fn slow_clients_keep_nobody_waiting() {
    let attacked = Attacked::start().await;
    let mut slow = Vec::new();
    for (method, url) in attacked.urls() {
        let address = url::Url::parse(&url).unwrap().socket_addrs(|| None).unwrap()[0];
        for sent in [
            format!("{method} {}", path(&url)),
            format!(
                "{method} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nx",
                path(&url)
            ),
        ] {
            for _ in 0..4 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(sent.as_bytes()).await.unwrap();
                slow.push(stream);
            }
        }
    }
    let flow = Flow::new(&attacked.server).await;
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(flow.token(&[("grant_type", "client_credentials")]).await.status, 200);
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "20 tokens took {:?}",
        began.elapsed()
    );
    drop(slow);
    attacked.assert_unharmed().await;
}

/// Bytes that are no HTTP at all.
#[tokio::test]
async fn what_is_not_http_is_not_served() {
    let attacked = Attacked::start().await;
    let garbage: [&[u8]; 7] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"POST /oauth2/token HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /oauth2/token HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /oauth2/token HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n",
        b"\0\0\0\0\r\n\r\n",
    ];
    for url in [attacked.server.public("/"), attacked.server.admin("/")] {
        let address = url::Url::parse(&url).unwrap().socket_addrs(|| None).unwrap()[0];
        for bytes in garbage {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(read.is_ok(), "{bytes:?} keeps the connection: {answer}");
            assert!(
                !answer.starts_with("HTTP/1.1 5") && !answer.starts_with("HTTP/1.1 2"),
                "{bytes:?}: {answer}"
            );
        }
    }
    attacked.assert_unharmed().await;
}

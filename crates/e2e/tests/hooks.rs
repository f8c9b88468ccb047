//! The operator's hooks are asked before tokens are issued.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use claviger_e2e::flow::text;
use claviger_e2e::tokens::claims;
use claviger_e2e::{Database, Flow, Http, Request, Server, ServerOptions, ports};
use serde_json::{Value, json};

/// A service that answers every request with what it was told to, and remembers heads and bodies.
#[derive(Clone)]
struct Service {
    port: u16,
    answer: Arc<Mutex<(u16, String)>>,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Service {
    fn listen() -> Self {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let service = Self {
            port,
            answer: Arc::new(Mutex::new((204, String::new()))),
            heard: Arc::default(),
        };
        let own = service.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or_default() == 0 || line.trim_end().is_empty() {
                        break;
                    }
                    if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
                        length = value.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                own.heard.lock().unwrap().push((head.to_ascii_lowercase(), body));
                let (status, text) = own.answer.lock().unwrap().clone();
                let length = text.len();
                let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(format!("{head}{text}").as_bytes());
            }
        });
        service
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    fn says(&self, status: u16, body: &Value) {
        *self.answer.lock().unwrap() = (status, body.to_string());
    }

    fn heard(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

async fn server(database: &Database, hooks: &[(&str, String)]) -> Server {
    claviger_e2e::server::migrate(database);
    let options = ServerOptions::new(database);
    let set = |options: ServerOptions, (name, value): &(&str, String)| options.with(name, value);
    hooks.iter().fold(options, set).start().await
}

async fn extra(server: &Server, token: &str) -> Value {
    let request = Request::post(&server.admin("/admin/oauth2/introspect")).form(&[("token", token)]);
    Http::new().send(request).await.json()["ext"].clone()
}

#[tokio::test]
async fn claims_of_the_hook_are_in_every_token_of_every_grant() {
    for database in [Database::postgres(), Database::sqlite()] {
        let service = Service::listen();
        let hook = json!({"url": service.url(), "auth": {"type": "api_key", "config": {
            "in": "header", "name": "X-Api-Key", "value": "key-of-the-hook"}}});
        let server = server(&database, &[("OAUTH2_TOKEN_HOOK", hook.to_string())]).await;
        service.says(
            200,
            &json!({"session": {"access_token": {"tenant": "acme"}, "id_token": {"role": "admin", "sub": "evil"}}}),
        );
        let mut flow = Flow::new(&server).await;
        let answer = flow.tokens().await;
        assert_eq!(
            extra(&server, &text(&answer, "access_token")).await,
            json!({"tenant": "acme"})
        );
        let said = claims(&text(&answer, "id_token"));
        assert_eq!((said["role"].as_str(), said["sub"] == "evil"), (Some("admin"), false));
        let (head, body) = service.heard().remove(0);
        assert!(head.contains("x-api-key: key-of-the-hook"), "{head}");
        assert_eq!(body["request"]["grant_types"], json!(["authorization_code"]));
        assert!(
            !body.to_string().contains("clv_"),
            "no token and no code goes to the hook: {body}"
        );

        service.says(200, &json!({"session": {"access_token": {"tenant": "other"}}}));
        let renewed = flow.refresh(&text(&answer, "refresh_token")).await.json();
        assert_eq!(
            extra(&server, &text(&renewed, "access_token")).await,
            json!({"tenant": "other"})
        );
        assert_eq!(claims(&text(&renewed, "id_token"))["role"], "admin");

        let own = flow.token(&[("grant_type", "client_credentials")]).await.json();
        assert_eq!(
            extra(&server, &text(&own, "access_token")).await,
            json!({"tenant": "other"})
        );
    }
}

#[tokio::test]
async fn a_hook_that_refuses_or_fails_uses_nothing_up() {
    for database in [Database::postgres(), Database::sqlite()] {
        refuse_and_fail(&database).await;
    }
}

async fn refuse_and_fail(database: &Database) {
    let service = Service::listen();
    let server = server(database, &[("OAUTH2_TOKEN_HOOK", service.url())]).await;
    let mut flow = Flow::new(&server).await;
    let code = flow.code().await;
    service.says(403, &Value::Null);
    let refused = flow.redeem(&code).await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "access_denied"));
    assert_eq!(service.heard().len(), 1, "a decision is asked for once");
    service.says(500, &Value::Null);
    let failed = flow.redeem(&code).await;
    assert_eq!((failed.status, failed.error().as_str()), (500, "server_error"));
    assert_eq!(service.heard().len(), 1, "an answer is an answer");
    service.says(200, &json!("no object"));
    assert_eq!(flow.redeem(&code).await.status, 500);
    service.heard();
    let wrong = flow
        .token(&[("grant_type", "client_credentials"), ("scope", "unregistered")])
        .await;
    assert_eq!(
        (wrong.status, service.heard().len()),
        (400, 0),
        "what is refused anyway is not asked"
    );
    service.says(204, &Value::Null);
    let answer = flow.redeem(&code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let refresh = text(&answer.json(), "refresh_token");
    service.says(403, &Value::Null);
    assert_eq!(flow.refresh(&refresh).await.status, 403);
    service.says(204, &Value::Null);
    assert_eq!(flow.refresh(&refresh).await.status, 200);
}

#[tokio::test]
async fn a_refresh_asks_its_own_hook_first() {
    let database = Database::sqlite();
    let (first, second) = (Service::listen(), Service::listen());
    first.says(200, &json!({"session": {"access_token": {"from": "refresh"}}}));
    let hooks = [
        ("OAUTH2_REFRESH_TOKEN_HOOK", first.url()),
        ("OAUTH2_TOKEN_HOOK", second.url()),
    ];
    let server = server(&database, &hooks).await;
    let mut flow = Flow::new(&server).await;
    let answer = flow.tokens().await;
    assert_eq!((first.heard().len(), second.heard().len()), (0, 1));
    assert_eq!(flow.refresh(&text(&answer, "refresh_token")).await.status, 200);
    let (_, body) = first.heard().remove(0);
    assert_eq!(body["requester"]["client_id"], flow.client_id.as_str());
    let (_, body) = second.heard().remove(0);
    assert_eq!(body["session"]["extra"], json!({"from": "refresh"}));
}

#[tokio::test]
async fn a_key_can_go_in_a_cookie_and_a_hook_may_be_at_a_private_address() {
    let database = Database::sqlite();
    let service = Service::listen();
    let hook = json!({"url": service.url(), "auth": {"type": "api_key", "config": {
        "in": "cookie", "name": "key", "value": "of-the-hook"}}});
    let settings = [
        ("OAUTH2_TOKEN_HOOK", hook.to_string()),
        ("CLIENTS_HTTP_DISALLOW_PRIVATE_IP_RANGES", "true".to_owned()),
    ];
    let server = server(&database, &settings).await;
    let mut flow = Flow::new(&server).await;
    flow.tokens().await;
    let (head, _) = service.heard().remove(0);
    assert!(head.contains("cookie: key=of-the-hook"), "{head}");
}

/// A proxy answers for it twice, and then it is there again.
#[tokio::test]
async fn a_hook_that_comes_back_while_it_is_asked_again_decides() {
    let database = Database::sqlite();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let server = server(&database, &[("OAUTH2_TOKEN_HOOK", url)]).await;
    let restarting = thread::spawn(move || {
        for answer in ["502 Bad Gateway", "503 Service Unavailable", "204 No Content"] {
            let (mut stream, _) = listener.accept().unwrap();
            // To its end: what is left unread would take the answer along.
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"}") {
                let length = stream.read(&mut part).unwrap();
                assert_ne!(length, 0, "the request broke off");
                request.extend_from_slice(&part[..length]);
            }
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let flow = Flow::new(&server).await;
    let answer = flow.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    restarting.join().unwrap();
}

#[tokio::test]
async fn a_hook_that_is_away_or_says_nothing_is_a_clear_error_and_uses_nothing_up() {
    for database in [Database::postgres(), Database::sqlite()] {
        let port = ports::free();
        let url = format!("http://127.0.0.1:{port}/hook");
        let server = server(&database, &[("OAUTH2_TOKEN_HOOK", url)]).await;
        let mut flow = Flow::new(&server).await;
        let code = flow.code().await;
        let away = flow.redeem(&code).await;
        assert_eq!((away.status, away.error().as_str()), (500, "server_error"));
        // Connections are taken by the system, and nobody ever answers.
        let silent = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let late = flow.redeem(&code).await;
        assert_eq!((late.status, late.error().as_str()), (500, "server_error"));
        silent.set_nonblocking(true).unwrap();
        assert_eq!(
            silent.incoming().take_while(Result::is_ok).count(),
            1,
            "it is not asked again"
        );
        let answering = thread::spawn(move || {
            silent.set_nonblocking(false).unwrap();
            let (mut stream, _) = silent.accept().unwrap();
            let mut start = [0; 4096];
            let _ = stream.read(&mut start).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        });
        assert_eq!(flow.redeem(&code).await.status, 200);
        answering.join().unwrap();
    }
}

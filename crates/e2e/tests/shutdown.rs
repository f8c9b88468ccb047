//! The end of a server: requests that are under way finish, new ones are refused, and the exit status is 0.

use std::time::Duration;

use claviger_e2e::{Database, Flow, Http, Request, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn address(url: &str) -> String {
    url::Url::parse(url).unwrap().socket_addrs(|| None).unwrap()[0].to_string()
}

#[tokio::test]
async fn a_request_under_way_finishes_and_new_ones_are_refused() {
    for database in [Database::postgres(), Database::sqlite()] {
        let mut server = Server::on(&database).await;
        let flow = Flow::new(&server).await;
        let address = address(&server.public(""));
        let form = "grant_type=client_credentials";
        let pair = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{}:{}", flow.client_id, flow.client_secret),
        );
        let head = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {pair}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            form.len()
        );
        let mut under_way = TcpStream::connect(&address).await.unwrap();
        let (first, rest) = form.split_at(10);
        under_way.write_all(format!("{head}{first}").as_bytes()).await.unwrap();
        // An answer on another connection shows that the server has read what was sent before.
        flow.token(&[("grant_type", "client_credentials")]).await;
        server.process.signal("TERM");
        wait_until_refused(&address).await;
        assert!(server.process.is_running(), "it did not wait for the request");
        under_way.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        under_way.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("access_token"),
            "{answer}"
        );
        let status = server.process.wait();
        assert_eq!(status.code(), Some(0), "{}", server.log());
    }
}

async fn wait_until_refused(address: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "new connections are still taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_cannot_keep_the_server() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    let options = claviger_e2e::ServerOptions::new(&database).with("SERVE_SHUTDOWN_TIMEOUT", "1s");
    let mut server = options.start().await;
    let mut stuck = TcpStream::connect(address(&server.public(""))).await.unwrap();
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ngrant";
    stuck.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Http::new().get(&server.public("/health/alive")).await.status, 200);
    let began = std::time::Instant::now();
    server.process.signal("TERM");
    let status = server.process.wait();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "it took {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_server_up() {
    let database = Database::sqlite();
    let mut server = Server::on(&database).await;
    let mut idle = Http::new();
    for port in [server.public("/health/alive"), server.admin("/health/alive")] {
        idle.get(&port).await;
    }
    let silent = TcpStream::connect(address(&server.public(""))).await.unwrap();
    let began = std::time::Instant::now();
    server.process.signal("INT");
    assert_eq!(server.process.wait().code(), Some(0), "{}", server.log());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        began.elapsed()
    );
    assert!(
        idle.try_send(Request::get(&server.public("/health/alive")))
            .await
            .is_err()
    );
    drop(silent);
}

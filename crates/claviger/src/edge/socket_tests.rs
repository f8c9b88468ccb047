//! The edge over real sockets: what strangers do to it, and how it stops.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::address::{Address, Bound};
use super::call::Call;
use super::listener::{Drained, Limits, Port, serve};
use super::reply;
use super::request_id::RequestIds;
use super::router::Routes;
use super::served::Served;
use crate::config::listener::SocketFile;
use crate::telemetry::metrics::Metrics;
use crate::testing::plain;

/// Longer than every deadline of the edge under test: waiting for this long is a failure.
const FAR: Duration = Duration::from_secs(20);

fn short_limits() -> Limits {
    Limits {
        first_byte: Duration::from_millis(150),
        head: Duration::from_millis(300),
        body: Duration::from_millis(150),
        write: Duration::from_millis(300),
        linger: Duration::from_millis(150),
        drain: Duration::from_secs(10),
        form_bytes: 1024,
        ..Limits::standard()
    }
}

struct Running {
    address: Address,
    stop: CancellationToken,
    /// `/wait` has begun.
    entered: Arc<Notify>,
    /// Lets `/wait` answer.
    release: Arc<Notify>,
    server: JoinHandle<Drained>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        Self::start_at(&Address::new("127.0.0.1", 0), limits).await
    }

    async fn start_at(address: &Address, limits: Limits) -> Self {
        let metrics = Metrics::new("-");
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (has_entered, may_leave) = (Arc::clone(&entered), Arc::clone(&release));
        let wait = move || async move {
            has_entered.notify_one();
            may_leave.notified().await;
            "waited"
        };
        let router = Routes::public(&metrics)
            .on(&Method::GET, "/hello", || async { "hello" }, plain)
            .on(&Method::GET, "/wait", wait, plain)
            .on(&Method::GET, "/large", || async { vec![b'x'; 64 * 1024 * 1024] }, plain)
            .on(&Method::POST, "/form", echo_form, plain)
            .finish(());
        let bound = Bound::listen(address, &SocketFile::default()).await.unwrap();
        let address = bound.address().unwrap();
        let stop = CancellationToken::new();
        let request_ids = Arc::new(RequestIds::new(1));
        let port = Port {
            bound,
            tls: None,
            router: Arc::new(Served::new(router)),
            limits,
            request_ids,
            metrics: metrics.port("public"),
        };
        let server = tokio::spawn(serve(port, stop.clone()));
        Self {
            address,
            stop,
            entered,
            release,
            server,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.to_string()).await.unwrap()
    }

    /// Sends text on a new connection and reads until the server closes it.
    async fn exchange(&self, text: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text).await.unwrap();
        rest_of(&mut stream).await
    }

    async fn stop(self) -> Drained {
        self.stop.cancel();
        within(self.server).await.unwrap()
    }
}

async fn echo_form(mut call: Call) -> Response {
    match call.form().await {
        Ok(params) => Response::new(Body::from(params.encode())),
        Err(unreadable) => reply::protocol_error(&call, &unreadable.into()),
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(FAR, future)
        .await
        .expect("the edge kept its deadline")
}

/// Everything until the end of the connection, however that comes.
async fn rest_of(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end like another one.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\r\n{body}")
}

const GET_AND_CLOSE: &[u8] = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered_with_its_id() {
    let edge = Running::start(Limits::standard()).await;
    let answer = edge.exchange(GET_AND_CLOSE).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"),
        "{answer}"
    );
    assert!(answer.contains("x-request-id: "), "{answer}");
    assert_eq!(edge.stop().await, Drained::Fully);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let edge = Running::start(Limits::standard()).await;
    let requests = format!(
        "{}{}",
        post("Content-Length: 3\r\n", "a=1"),
        post("Content-Length: 3\r\nConnection: close\r\n", "a=2")
    );
    let answer = edge.exchange(requests.as_bytes()).await;
    let (first, second) = (answer.find("a=1").unwrap(), answer.find("a=2").unwrap());
    assert!(first < second, "{answer}");
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let edge = Running::start(short_limits()).await;
    assert_eq!(edge.exchange(b"").await, "");
}

#[tokio::test]
async fn a_slow_head_is_closed_even_if_it_trickles() {
    let edge = Running::start(short_limits()).await;
    let mut stream = edge.connect().await;
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut line: &[u8] = b"GET /hello HTTP/1.1\r\n";
        while writer.write_all(line).await.is_ok() {
            ticks.tick().await;
            line = b"X-A: b\r\n";
        }
    };
    let mut answer = Vec::new();
    let closed = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    within(async {
        tokio::select! {
            () = trickle => {}
            () = closed => {}
        }
    })
    .await;
}

#[tokio::test]
async fn half_a_preface_is_closed() {
    let edge = Running::start(short_limits()).await;
    assert_eq!(edge.exchange(b"PR").await, "");
}

#[tokio::test]
async fn a_slow_body_is_refused_and_the_connection_closed() {
    let edge = Running::start(short_limits()).await;
    let answer = edge.exchange(post("Content-Length: 10\r\n", "a=").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn d34_a_body_announced_as_too_large_is_refused_unread() {
    let edge = Running::start(short_limits()).await;
    let answer = edge
        .exchange(post("Content-Length: 104857600\r\n", "a=b").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("larger than 1024 bytes"), "{answer}");
}

#[tokio::test]
async fn d34_a_body_that_grows_too_large_is_refused_and_not_read_to_its_end() {
    let edge = Running::start(short_limits()).await;
    let mut stream = edge.connect().await;
    stream
        .write_all(post("Transfer-Encoding: chunked\r\n", "").as_bytes())
        .await
        .unwrap();
    let (mut reader, mut writer) = stream.split();
    let chunk = format!("8000\r\n{}\r\n", "a".repeat(0x8000));
    let flood = async {
        let mut sent = 0;
        while sent < 100 * 1024 * 1024 && writer.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        sent
    };
    let mut answer = Vec::new();
    let read = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    let (sent, ()) = within(async { tokio::join!(flood, read) }).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(sent < 50 * 1024 * 1024, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_head_of_a_megabyte_is_refused() {
    let edge = Running::start(short_limits()).await;
    let head = format!(
        "GET /hello HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let mut stream = edge.connect().await;
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let read = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    within(async { tokio::join!(writer.write_all(head.as_bytes()), read) })
        .await
        .0
        .ok();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn more_headers_than_allowed_are_refused() {
    let edge = Running::start(short_limits()).await;
    let head = format!("GET /hello HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    let answer = edge.exchange(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn garbage_is_refused_and_the_server_lives_on() {
    let edge = Running::start(short_limits()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let answer = edge.exchange(garbage).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(edge.exchange(GET_AND_CLOSE).await.ends_with("hello"));
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let edge = Running::start(short_limits()).await;
    let mut stream = edge.connect().await;
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut beginning = [0; 15];
    within(stream.read_exact(&mut beginning)).await.unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200 OK");
    edge.stop.cancel();
    assert_eq!(within(edge.server).await.unwrap(), Drained::Fully);
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served_and_stops() {
    let edge = Running::start(Limits::standard()).await;
    let io = TokioIo::new(edge.connect().await);
    let (mut requests, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let ask = |path: &str| {
        Request::builder()
            .uri(format!("http://a{path}"))
            .body(Full::new(Bytes::new()))
            .unwrap()
    };
    let answer = requests.send_request(ask("/hello")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");

    let waiting = requests.send_request(ask("/wait"));
    let finish = async {
        edge.entered.notified().await;
        edge.stop.cancel();
        edge.release.notify_one();
    };
    let (answer, ()) = within(async { tokio::join!(waiting, finish) }).await;
    assert_eq!(
        answer.unwrap().into_body().collect().await.unwrap().to_bytes(),
        "waited"
    );
    drop(requests);
    assert_eq!(within(edge.server).await.unwrap(), Drained::Fully);
    within(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let edge = Running::start(Limits::standard()).await;
    // An idle connection that was kept alive, one that was never used, and a request in flight.
    let mut idle = edge.connect().await;
    idle.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    idle.read_exact(&mut head).await.unwrap();
    let mut unused = edge.connect().await;
    let mut busy = edge.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    within(edge.entered.notified()).await;

    edge.stop.cancel();
    rest_of(&mut idle).await;
    assert_eq!(rest_of(&mut unused).await, "");
    assert!(TcpStream::connect(edge.address.to_string()).await.is_err());

    edge.release.notify_one();
    let answer = rest_of(&mut busy).await;
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("waited"),
        "{answer}"
    );
    assert_eq!(within(edge.server).await.unwrap(), Drained::Fully);
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let limits = Limits {
        drain: Duration::from_millis(100),
        ..Limits::standard()
    };
    let edge = Running::start(limits).await;
    let mut busy = edge.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    within(edge.entered.notified()).await;
    assert_eq!(edge.stop().await, Drained::Abandoned(1));
    assert_eq!(rest_of(&mut busy).await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let edge = Running::start(Limits {
        connections: 1,
        ..Limits::standard()
    })
    .await;
    let mut first = edge.connect().await;
    first
        .write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    within(edge.entered.notified()).await;
    let mut second = edge.connect().await;
    second.write_all(GET_AND_CLOSE).await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served beside the first");

    edge.release.notify_one();
    assert!(rest_of(&mut first).await.ends_with("waited"));
    assert!(rest_of(&mut second).await.ends_with("hello"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.sock");
    let edge = Running::start_at(
        &Address::new(&format!("unix:{}", path.display()), 0),
        Limits::standard(),
    )
    .await;
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(GET_AND_CLOSE).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(edge.stop().await, Drained::Fully);
}

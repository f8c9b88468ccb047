use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// Answers every connection on loopback with the text that `reply` makes of the request.
struct Elsewhere {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Elsewhere {
    async fn answering(reply: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = vec![0; 4096];
                let length = stream.read(&mut buffer).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let answer = reply(&request);
                notes.lock().expect("no panic").push(request);
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer.is_empty() {
                    // Says nothing and holds the connection, until the other side gives up.
                    let _ = stream.read(&mut buffer).await;
                }
            }
        });
        Self { address, heard, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn client(is_strict: bool, exceptions: &[String]) -> GuardedClient {
    GuardedClient::new(&settings::Outgoing {
        disallow_private_ip_ranges: is_strict,
        private_ip_exception_urls: exceptions.to_vec(),
        own_urls: Vec::new(),
    })
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

async fn get(client: &GuardedClient, url: &str) -> Result<String, FetchFailed> {
    let answer = client.fetch(Outgoing::get(url)).await?;
    assert_eq!(answer.status, 200);
    Ok(String::from_utf8(answer.body).expect("text"))
}

#[tokio::test]
async fn a_document_is_fetched_where_it_may_be() {
    let server = Elsewhere::answering(|_| ok("{}")).await;
    let url = server.url("/jwks?a=b");
    assert_eq!(get(&client(false, &[]), &url).await.as_deref(), Ok("{}"));
    assert_eq!(
        get(&client(true, std::slice::from_ref(&url)), &url).await.as_deref(),
        Ok("{}")
    );
    let heard = server.heard();
    assert!(heard[0].starts_with("GET /jwks?a=b HTTP/1.1\r\n"), "{heard:?}");
    assert!(heard[0].contains(&format!("host: {}\r\n", server.address)), "{heard:?}");
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_of_this_machine() {
    let server = Elsewhere::answering(|_| ok("secret")).await;
    let port = server.address.port();
    let client = client(true, &[]);
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
    ] {
        let url = format!("http://{host}:{port}/");
        assert_eq!(get(&client, &url).await, Err(FetchFailed::Forbidden), "{host}");
        let https = url.replacen("http:", "https:", 1);
        assert_eq!(get(&client, &https).await, Err(FetchFailed::Forbidden), "{host}");
        let message = client.fetch(Outgoing::post_form(&url, &[("a", "b")])).await;
        assert!(matches!(message, Err(FetchFailed::Forbidden)), "{host}");
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn a_document_is_not_fetched_without_tls_unless_the_operator_says_so() {
    // The address is one of documentation: nothing answers there, and nothing is asked.
    let url = "http://192.0.2.1/jwks";
    assert_eq!(get(&client(true, &[]), url).await, Err(FetchFailed::Forbidden));
    let strict = client(true, &[]);
    let parsed = fetchable(url).expect("a URL");
    let message = Outgoing::post_form(url, &[("logout_token", "a")]);
    assert_eq!(strict.require_tls(&parsed, &message), Ok(()));
    assert_eq!(
        strict.require_tls(&parsed, &Outgoing::get(url)),
        Err(FetchFailed::Forbidden)
    );
    let trusted = client(true, &[url.to_owned()]);
    assert_eq!(trusted.require_tls(&parsed, &Outgoing::get(url)), Ok(()));
}

#[tokio::test]
async fn a_redirect_is_followed_only_where_a_request_may_go() {
    let inside = Elsewhere::answering(|_| ok("secret")).await;
    let to = inside.url("/internal");
    let outside = Elsewhere::answering(move |_| redirect(&to)).await;
    let client = client(true, &[outside.url("/")]);
    assert_eq!(get(&client, &outside.url("/")).await, Err(FetchFailed::Forbidden));
    assert!(inside.heard().is_empty());
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let second = Elsewhere::answering(|_| ok("there")).await;
    let to = second.url("/");
    let first = Elsewhere::answering(move |_| redirect(&to)).await;
    let request = Outgoing::get(&first.url("/")).with_header("authorization", "Bearer secret");
    let answer = client(false, &[]).fetch(request).await.expect("an answer");
    assert_eq!(answer.body, b"there");
    assert!(first.heard()[0].contains("Bearer secret"));
    assert!(!second.heard()[0].contains("Bearer secret"));
}

#[tokio::test]
async fn redirects_without_end_are_not_followed() {
    let server = Elsewhere::answering(|_| redirect("/again")).await;
    let outcome = get(&client(false, &[]), &server.url("/")).await;
    assert_eq!(outcome, Err(FetchFailed::Redirected));
    assert_eq!(server.heard().len(), 1 + REDIRECTS);
}

#[tokio::test]
async fn a_message_is_posted_once_and_a_redirect_of_it_is_an_answer() {
    let server = Elsewhere::answering(|_| redirect("/again")).await;
    let request = Outgoing::post_form(&server.url("/logout"), &[("logout_token", "a b")]);
    let answer = client(false, &[]).fetch(request).await.expect("an answer");
    assert_eq!(answer.status, 302);
    let heard = server.heard();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].starts_with("POST /logout HTTP/1.1\r\n"), "{heard:?}");
    assert!(heard[0].ends_with("\r\n\r\nlogout_token=a+b"), "{heard:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let server = Elsewhere::answering(|_| ok(&"x".repeat(LONGEST + 1))).await;
    let outcome = get(&client(false, &[]), &server.url("/")).await;
    assert_eq!(outcome, Err(FetchFailed::TooLarge));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let server = Elsewhere::answering(|_| String::new()).await;
    let mut client = client(false, &[]);
    client.limits.time = Duration::from_millis(50);
    assert_eq!(get(&client, &server.url("/")).await, Err(FetchFailed::TimedOut));
}

#[tokio::test]
async fn what_is_no_web_address_is_not_fetched() {
    let client = client(false, &[]);
    for url in [
        "",
        "/jwks",
        "file:///etc/passwd",
        "ftp://a.example/",
        "https://user:password@a.example/",
        "https://a.example/#fragment",
        "gopher://127.0.0.1:6379/_",
    ] {
        assert_eq!(get(&client, url).await, Err(FetchFailed::Url), "{url}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_is_unreachable() {
    let server = Elsewhere::answering(|_| "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned()).await;
    assert_eq!(
        get(&client(false, &[]), &server.url("/")).await,
        Err(FetchFailed::Unreachable)
    );
    let https = server.url("/").replacen("http:", "https:", 1);
    assert_eq!(get(&client(false, &[]), &https).await, Err(FetchFailed::Unreachable));
}

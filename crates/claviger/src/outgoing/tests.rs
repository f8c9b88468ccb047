use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Answers every connection on loopback with the text that `reply` makes of the request.
struct Elsewhere {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Elsewhere {
    async fn answering(reply: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::speaking(None, reply).await
    }

    async fn speaking(tls: Option<TlsAcceptor>, reply: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => answer(stream, &reply, &notes).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, &reply, &notes).await;
                        }
                    }
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

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: &impl Fn(&str) -> String,
    notes: &Mutex<Vec<String>>,
) {
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

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn client(is_strict: bool, exceptions: &[String]) -> GuardedClient {
    GuardedClient::new(&settings::Outgoing {
        disallow_private_ip_ranges: is_strict,
        private_ip_exception_urls: exceptions.to_vec(),
        ..settings::Outgoing::default()
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
async fn a_server_that_does_not_speak_http_says_nothing() {
    let server = Elsewhere::answering(|_| "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned()).await;
    assert_eq!(
        get(&client(false, &[]), &server.url("/")).await,
        Err(FetchFailed::BrokenOff)
    );
    let https = server.url("/").replacen("http:", "https:", 1);
    assert_eq!(get(&client(false, &[]), &https).await, Err(FetchFailed::Untrusted));
}

#[tokio::test]
async fn a_server_that_never_answers_takes_no_place_of_hooks_notices_or_other_servers() {
    let silent = Elsewhere::answering(|_| String::new()).await;
    let others = Elsewhere::answering(|_| ok("{}")).await;
    let client = Arc::new(GuardedClient::new(&settings::Outgoing {
        disallow_private_ip_ranges: false,
        own_urls: vec![others.url("/hook")],
        ..settings::Outgoing::default()
    }));
    let stuck: Vec<_> = (0..200)
        .map(|n| {
            let url = silent.url(&format!("/{n}")).replacen("127.0.0.1", "localhost", 1);
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.fetch(Outgoing::get(&url)).await.is_ok() })
        })
        .collect();
    let asked = async {
        while silent.heard().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(60), asked).await;
    asked.expect("the silent server is asked");
    let hook = Outgoing::post(&others.url("/hook"), "application/json", Vec::new());
    assert!(client.fetch(hook).await.is_ok());
    let notice = Outgoing::post_form(&others.url("/logout"), &[("logout_token", "a")]);
    assert!(client.fetch(notice).await.is_ok());
    assert_eq!(get(&client, &others.url("/jwks")).await.as_deref(), Ok("{}"));
    stuck.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn who_is_away_for_a_moment_is_asked_again_if_that_does_no_harm() {
    for (status, is_repeatable, times) in [(503, true, 3), (503, false, 1), (500, true, 1), (403, true, 1)] {
        let count = AtomicUsize::new(0);
        let service = Elsewhere::answering(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0 => format!("HTTP/1.1 {status} Away\r\ncontent-length: 0\r\n\r\n"),
            1 => "HTTP/1.1 502 Away\r\ncontent-length: 0\r\n\r\n".to_owned(),
            _ => ok("{}"),
        });
        let service = service.await;
        let request = Outgoing::post(&service.url("/hook"), "application/json", Vec::new());
        let request = if is_repeatable { request.repeatable() } else { request };
        let answer = client(false, &[]).fetch(request).await.expect("an answer");
        let expected = if times == 1 { status } else { 200 };
        assert_eq!((answer.status, service.heard().len()), (expected, times), "{status}");
    }
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_because_no_answer_came() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let service = Elsewhere::answering(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        "\r\n\r\n\r\n".to_owned()
    });
    let service = service.await;
    let request = Outgoing::post(&service.url("/hook"), "application/json", Vec::new()).repeatable();
    let outcome = client(false, &[]).fetch(request).await;
    assert_eq!(outcome.err(), Some(FetchFailed::BrokenOff));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn other_settings_give_no_further_places() {
    let server = Elsewhere::answering(|_| ok("{}")).await;
    let mut first = client(false, &[]);
    first.limits.time = Duration::from_millis(50);
    let mut second = first.with_settings(&settings::Outgoing::default());
    second.guard = first.guard.clone();
    second.limits = first.limits;
    let url = fetchable(&server.url("/")).expect("a URL");
    let mut held = Vec::new();
    while let Ok(place) = first.enter(&url, &Outgoing::get(url.as_str())).await {
        held.push(place);
    }
    assert_eq!(get(&second, url.as_str()).await, Err(FetchFailed::Crowded));
    assert!(server.heard().is_empty());
    drop(held);
    second.limits.time = TIME;
    assert_eq!(get(&second, url.as_str()).await.as_deref(), Ok("{}"));
}

#[tokio::test]
async fn a_redirect_to_another_host_needs_a_place_there() {
    let inside = Elsewhere::answering(|_| ok("{}")).await;
    let to = inside.url("/").replacen("127.0.0.1", "localhost", 1);
    let host = fetchable(&to).expect("a URL");
    let first = Elsewhere::answering(move |_| redirect(&to)).await;
    let mut client = client(false, &[]);
    let url = first.url("/");
    assert_eq!(get(&client, &url).await.as_deref(), Ok("{}"));
    let document = Outgoing::get(host.as_str());
    client.limits.time = Duration::from_millis(50);
    let mut held = Vec::new();
    while let Some(place) = client.room.enter(Errand::Document, &host).now_or_never().flatten() {
        held.push(place);
    }
    assert!(client.enter(&host, &document).await.is_err());
    assert!(get(&client, &url).await.is_err());
    assert_eq!(inside.heard().len(), 1);
}

#[tokio::test]
async fn a_certificate_of_the_operators_own_authority_counts_if_it_was_named() {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = builder.expect("versions").with_no_client_auth();
    let config = config
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("they belong together");
    let service = Elsewhere::speaking(Some(TlsAcceptor::from(Arc::new(config))), |_| ok("{}")).await;
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("an authority");
    let trusting = GuardedClient::new(&settings::Outgoing {
        disallow_private_ip_ranges: false,
        authorities: Some(Arc::new(roots)),
        ..settings::Outgoing::default()
    });
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/jwks", service.address.port());
        assert_eq!(get(&trusting, &url).await.as_deref(), Ok("{}"), "{host}");
        assert_eq!(
            get(&client(false, &[]), &url).await,
            Err(FetchFailed::Untrusted),
            "{host}"
        );
    }
    // Whom the authority vouches for is somebody else.
    let port = service.address.port();
    let wrong = format!("https://127.0.0.2:{port}/");
    assert_eq!(get(&trusting, &wrong).await, Err(FetchFailed::Unreachable));
}

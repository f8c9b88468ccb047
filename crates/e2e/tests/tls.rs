//! TLS as clients and operators meet it: versions, HTTP/2, new certificates, certificates of clients, proxies.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::server::migrate;
use claviger_e2e::{Database, Http, Request, Server, ServerOptions};
use http::Version;
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, PEM.
fn pair(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// Files with the certificate of a server for 127.0.0.1.
struct Files {
    directory: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            directory: tempfile::tempdir().unwrap(),
            authority: authority("servers"),
        };
        files.write_pair(&pair(&files.authority, "127.0.0.1"));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write_pair(&self, (certificate, key): &(String, String)) {
        fs::write(self.path("cert.pem"), certificate).unwrap();
        fs::write(self.path("key.pem"), key).unwrap();
    }

    /// A server whose `port` (`PUBLIC` or `ADMIN`) speaks TLS with them.
    fn on(&self, port: &str, database: &Database) -> ServerOptions {
        let options = ServerOptions::new(database);
        let issuer = format!("https://127.0.0.1:{}/", options.public_port);
        options
            .with(&format!("SERVE_{port}_TLS_ENABLED"), "true")
            .with(
                &format!("SERVE_{port}_TLS_CERT_PATH"),
                self.path("cert.pem").to_str().unwrap(),
            )
            .with(
                &format!("SERVE_{port}_TLS_KEY_PATH"),
                self.path("key.pem").to_str().unwrap(),
            )
            .with("URLS_SELF_ISSUER", &issuer)
    }

    fn client(&self) -> Secure {
        Secure::new(trusting(&self.authority, rustls::ALL_VERSIONS).with_no_client_auth())
    }
}

fn trusting(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}

/// As where an organization has an authority of its own.
#[tokio::test]
async fn the_doctor_and_the_commands_trust_an_authority_that_is_named() {
    use claviger_e2e::binary::run_with;

    let (files, database) = (Files::new(), Database::sqlite());
    migrate(&database);
    let options = files.on("PUBLIC", &database);
    let variables = options.variables.clone();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let server = options.start().await;
    let authority = files.path("authority.pem");
    fs::write(&authority, files.authority.pem()).unwrap();
    let authority = authority.to_str().unwrap();

    let verdicts = |flags: &[&str]| {
        let ran = run_with(&[&["doctor", "--format", "json"], flags].concat(), &variables);
        let findings: serde_json::Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let found = findings.as_array().unwrap().iter();
        let discovery = found
            .clone()
            .find(|finding| finding["check"] == "discovery")
            .unwrap()
            .clone();
        (discovery["verdict"].clone(), discovery["found"].to_string())
    };
    let (verdict, found) = verdicts(&[]);
    assert!(verdict == "fail" && found.contains("TLS"), "{found}");
    let (verdict, found) = verdicts(&["--tls-ca", authority]);
    assert_eq!(verdict, "ok", "{found}");

    let address = public(&server, "");
    let asked = [
        "perform",
        "client-credentials",
        "-e",
        &address,
        "--client-id",
        "a",
        "--client-secret",
        "b",
    ];
    let ran = run_with(&asked, &[]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("certificate"),
        "{}",
        ran.stderr
    );
    let ran = run_with(&[&asked[..], &["--tls-ca", authority]].concat(), &[]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("invalid_client"),
        "{}",
        ran.stderr
    );
    let ran = run_with(&[&asked[..], &["--tls-ca", "/nowhere/ca.pem"]].concat(), &[]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("/nowhere/ca.pem"),
        "{}",
        ran.stderr
    );
}

/// A client that speaks TLS.
struct Secure(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Secure {
    /// Offers HTTP/2 and HTTP/1.1.
    fn new(config: ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
        Self(Client::builder(TokioExecutor::new()).build(connector.enable_all_versions().build()))
    }

    fn http1(config: ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
        Self(Client::builder(TokioExecutor::new()).build(connector.enable_http1().build()))
    }

    async fn get(&self, url: &str) -> Result<(u16, Version), String> {
        self.ask("GET", url).await
    }

    async fn ask(&self, method: &str, url: &str) -> Result<(u16, Version), String> {
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .body(Empty::new())
            .unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.0.request(request));
        let answer = answer
            .await
            .expect("an answer in time")
            .map_err(|error| format!("{error:?}"))?;
        Ok((answer.status().as_u16(), answer.version()))
    }
}

/// The address of a path on the public port, with https.
fn public(server: &Server, path: &str) -> String {
    server.public(path).replacen("http:", "https:", 1)
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http_are_served() {
    let (database, files) = (Database::sqlite(), Files::new());
    migrate(&database);
    let server = files.on("PUBLIC", &database).start().await;
    let url = public(&server, "/.well-known/openid-configuration");

    assert_eq!(files.client().get(&url).await.unwrap(), (200, Version::HTTP_2));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = trusting(&files.authority, &[version]).with_no_client_auth();
        assert_eq!(Secure::http1(config).get(&url).await.unwrap(), (200, Version::HTTP_11));
    }
}

#[tokio::test]
async fn who_speaks_plain_http_to_a_tls_port_is_told_so() {
    let (database, files) = (Database::sqlite(), Files::new());
    migrate(&database);
    let server = files.on("PUBLIC", &database).start().await;
    let answer = Http::new().get(&server.public("/health/alive")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("speaks TLS"), "{}", answer.text());
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_hold_nobody_up() {
    let (database, files) = (Database::sqlite(), Files::new());
    migrate(&database);
    let server = files.on("PUBLIC", &database).start().await;
    let address = server.public("").replacen("http://", "", 1);
    // The beginning of a handshake record that promises 512 bytes, and silence.
    let started = |_| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(&[22, 3, 1, 2, 0]).unwrap();
        stream
    };
    let mut slow: Vec<TcpStream> = (0..100).map(started).collect();
    let url = public(&server, "/health/alive");
    let begun = Instant::now();
    assert_eq!(files.client().get(&url).await.unwrap().0, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    // They are given up after ten seconds.
    let mut last = slow.pop().unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(last.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let (database, files) = (Database::sqlite(), Files::new());
    migrate(&database);
    let mut server = files.on("PUBLIC", &database).start().await;
    let url = public(&server, "/health/alive");
    files.client().get(&url).await.unwrap();

    let next = authority("next");
    let (certificate, key) = pair(&next, "127.0.0.1");
    fs::write(files.path("cert.pem"), &certificate).unwrap();
    let output = server.process.wait_for_output("the old one stays in use");
    assert!(output.contains("does not belong to the certificate"), "{output}");
    files.client().get(&url).await.unwrap();

    fs::write(files.path("key.pem"), &key).unwrap();
    server.process.wait_for_output("the new certificate is in use");
    let error = files.client().get(&url).await.unwrap_err();
    assert!(
        error.contains("UnknownIssuer") || error.contains("BadSignature"),
        "{error}"
    );
    let client = Secure::new(trusting(&next, rustls::ALL_VERSIONS).with_no_client_auth());
    assert_eq!(client.get(&url).await.unwrap().0, 200);
}

#[tokio::test]
async fn the_admin_port_may_ask_clients_for_certificates() {
    let (database, files) = (Database::sqlite(), Files::new());
    migrate(&database);
    let (operators, others) = (authority("operators"), authority("others"));
    fs::write(files.path("clients.pem"), operators.pem()).unwrap();
    let options = files
        .on("ADMIN", &database)
        .with(
            "SERVE_ADMIN_TLS_CLIENT_CA_PATH",
            files.path("clients.pem").to_str().unwrap(),
        )
        .with("SERVE_ADMIN_HOST", "0.0.0.0");
    let url = format!("https://127.0.0.1:{}/admin/clients", options.admin_port);
    let mut process = options.spawn();
    process.wait_for_output("tls=true");

    let holder_of_one_by = |authority: &Authority| {
        let (certificate, key) = pair(authority, "operator");
        let certificate = rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = trusting(&files.authority, rustls::ALL_VERSIONS).with_client_auth_cert(vec![certificate], key);
        Secure::new(config.unwrap())
    };
    assert_eq!(holder_of_one_by(&operators).get(&url).await.unwrap().0, 200);
    // The audit log says whose it was.
    let gone = holder_of_one_by(&operators)
        .ask("DELETE", &format!("{url}/nobody"))
        .await;
    assert_eq!(gone.unwrap().0, 404);
    let log = process.wait_for_output("event=\"admin.change\"");
    assert!(log.contains("certificate=\"CN=operator\""), "{log}");
    files.client().get(&url).await.unwrap_err();
    process.wait_for_output("a client showed no certificate and was turned away");
    holder_of_one_by(&others).get(&url).await.unwrap_err();
    process.wait_for_output("a client's certificate was refused: no authority");
}

/// What a server that cannot start says: one line, and exit status 1.
fn refusal(mut process: Process) -> String {
    let status = process.wait();
    let output = process.output();
    assert_eq!(status.code(), Some(1), "{output}");
    assert_eq!(output.trim().lines().count(), 1, "more than one line:\n{output}");
    output
}

#[test]
fn a_certificate_that_cannot_work_is_refused_at_the_start() {
    let (database, files) = (Database::sqlite(), Files::new());
    let start = || files.on("PUBLIC", &database);
    let with_key = |path: &str| refusal(start().with("SERVE_PUBLIC_TLS_KEY_PATH", path).spawn());

    let missing = with_key("/nonexistent/key.pem");
    assert!(missing.contains("/nonexistent/key.pem"), "{missing}");
    let certificate = with_key(files.path("cert.pem").to_str().unwrap());
    assert!(
        certificate.contains("private key (tls.key) is not PEM"),
        "{certificate}"
    );
    fs::write(files.path("other.pem"), pair(&files.authority, "127.0.0.1").1).unwrap();
    let other = with_key(files.path("other.pem").to_str().unwrap());
    assert!(other.contains("does not belong to the certificate"), "{other}");
}

#[tokio::test]
async fn behind_a_proxy_that_ends_tls_only_what_it_received_encrypted_is_answered() {
    let database = Database::sqlite();
    migrate(&database);
    let start = |networks: &str| {
        let mut options = ServerOptions::new(&database).with("SERVE_TLS_ALLOW_TERMINATION_FROM", networks);
        options.args.retain(|argument| argument != "--dangerous-force-http");
        options.with("URLS_SELF_ISSUER", "https://id.example/").start()
    };
    let ask = async |server: &Server, proto: &str, path: &str| {
        let request = Request::get(&server.public(path)).header("X-Forwarded-Proto", proto);
        Http::new().send(request).await.status
    };
    let discovery = "/.well-known/openid-configuration";

    let server = start("127.0.0.0/8").await;
    assert_eq!(ask(&server, "https", discovery).await, 200);
    assert_eq!(ask(&server, "http", discovery).await, 502);
    assert_eq!(ask(&server, "http", "/health/alive").await, 200);
    drop(server);

    let server = start("192.0.2.0/24").await;
    let forged = Request::get(&server.public(discovery))
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(Http::new().send(forged).await.status, 502);
}

/// A hook that answers 204 to whoever takes its certificate.
fn hook(authority: &Authority) -> String {
    let (chain, key) = pair(authority, "127.0.0.1");
    let chain = vec![rustls::pki_types::CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            // An error is somebody who does not trust it.
            while let Ok(length @ 1..) = stream.read(&mut part) {
                request.extend_from_slice(&part[..length]);
                if request.ends_with(b"}") {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                    break;
                }
            }
        }
    });
    url
}

#[tokio::test]
async fn a_hook_with_a_certificate_of_the_operators_own_authority_is_asked_if_that_is_named() {
    let own = authority("hooks");
    let url = hook(&own);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, own.pem()).unwrap();
    for (is_named, status) in [(true, 200), (false, 500)] {
        let database = Database::sqlite();
        migrate(&database);
        let mut options = ServerOptions::new(&database).with("OAUTH2_TOKEN_HOOK", &url);
        if is_named {
            options = options.with("CLIENTS_HTTP_CA_PATH", file.to_str().unwrap());
        }
        let server = options.start().await;
        let flow = claviger_e2e::Flow::new(&server).await;
        let answer = flow.token(&[("grant_type", "client_credentials")]).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

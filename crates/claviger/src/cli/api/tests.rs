//! The client against servers that misbehave.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::cli::terminal::testing::terminal;

/// A certificate for 127.0.0.1 that nobody signed, valid for a hundred years, and its key.
const CERTIFICATE: &str = "MIIBmzCCAUGgAwIBAgIUDYt5brLzDZOBRC2KcyL8eZ1AmCEwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2\
    MTEyNDAxMjMyMFoYDzIxMjYxMDMxMDEyMzIwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\
    AASvqocI1c/MV6WLe8xNMIXIUe8oVjTdt7RMDAG02nnMxHr9lzJaQaZvprLnBDmHAy2eq/x2jB32jRJOSGv6kEtbo28wbTAdBgNV\
    HQ4EFgQUWaSPjrJHusuf1c0RG1pll0U+ZBswHwYDVR0jBBgwFoAUWaSPjrJHusuf1c0RG1pll0U+ZBswDwYDVR0TAQH/BAUwAwEB\
    /zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZIzj0EAwIDSAAwRQIhAN7j2QriY716xMLIEdoTq8Xmd84OrP0TNNpJ\
    PRrO+VVIAiA2jcPkEVyOMelAALiv0OKoLnmdNLne4yK0yYvqsc5YoA==";
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgv00sPWgBDDJTdBnPynbeceX5PIncL+wwNSPbU/f0/buhRANCAASv\
    qocI1c/MV6WLe8xNMIXIUe8oVjTdt7RMDAG02nnMxHr9lzJaQaZvprLnBDmHAy2eq/x2jB32jRJOSGv6kEtb";

fn run(arguments: &[&str]) -> (ExitCode, String, String) {
    let (mut terminal, output, errors) = terminal("", Vec::new());
    let arguments = [&["claviger"], arguments].concat();
    let status = crate::cli::run(arguments.into_iter().map(Into::into), &mut terminal);
    (status, output.text(), errors.text())
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"client_id\":\"one\"}";

/// Answers one request.
fn serve(mut stream: impl Read + Write) {
    // A client that hangs up during the handshake is one of the cases.
    if read_head(&mut stream) {
        stream.write_all(ANSWER.as_bytes()).unwrap();
        stream.flush().unwrap();
    }
}

/// Reads a request without a body, and says whether it came to its end.
fn read_head(stream: &mut impl Read) -> bool {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return false;
        }
        seen.push(byte[0]);
    }
    true
}

#[test]
fn a_server_that_never_answers_is_given_up_after_the_time_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (status, _, errors) = run(&["clients", "get", "one", "--endpoint", &endpoint, "--fail-after", "50ms"]);
    assert_eq!(status, ExitCode::FAILURE);
    assert!(
        errors.contains("gave up") && errors.contains("--fail-after"),
        "{errors}"
    );
}

#[test]
fn a_page_of_something_else_is_told_from_the_api() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
            .unwrap();
    });
    let (status, _, errors) = run(&["get", "client", "one", "-e", &endpoint]);
    server.join().unwrap();
    assert_eq!(status, ExitCode::FAILURE);
    assert!(errors.contains("not in JSON"), "{errors}");
}

#[test]
fn a_certificate_that_nobody_signed_is_refused_unless_told_otherwise() {
    for (flag, expected) in [
        ("--skip-tls-verify=false", ExitCode::FAILURE),
        ("--skip-tls-verify", ExitCode::SUCCESS),
    ] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let certificate = CertificateDer::from(STANDARD.decode(CERTIFICATE).unwrap());
        let key = PrivateKeyDer::try_from(STANDARD.decode(KEY).unwrap()).unwrap();
        let config = builder
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            serve(rustls::StreamOwned::new(connection, stream));
        });
        let (status, _, errors) = run(&["clients", "get", "one", "--endpoint", &endpoint, flag]);
        server.join().unwrap();
        assert_eq!(status, expected, "{errors}");
        assert_eq!(
            errors.contains("certificate"),
            expected == ExitCode::FAILURE,
            "{errors}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_an_address_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    let endpoint = format!("unix://{}", path.display());
    let (status, output, errors) = run(&["get", "client", "one", "-e", &endpoint, "-q"]);
    assert_eq!((status, output.as_str()), (ExitCode::SUCCESS, "one\n"), "{errors}");
    server.join().unwrap();
}

#[test]
fn a_secret_in_the_environment_or_the_flags_is_in_no_error() {
    let environment = vec![("OAUTH2_ACCESS_TOKEN".to_owned(), "a-secret-token".to_owned())];
    let (mut terminal, output, errors) = terminal("", environment);
    let command = [
        "claviger",
        "clients",
        "create",
        "--secret",
        "a-secret-secret",
        "--endpoint",
        "http://127.0.0.1:1",
    ];
    crate::cli::run(command.map(Into::into), &mut terminal);
    let (mut terminal, output_2, errors_2) = self::terminal("", Vec::new());
    let command = [
        "claviger",
        "get",
        "client",
        "x",
        "-e",
        "http://127.0.0.1:1",
        "-H",
        "Authorization:a-secret-token",
    ];
    crate::cli::run(command.map(Into::into), &mut terminal);
    let said = [output, errors, output_2, errors_2]
        .map(|stream| stream.text())
        .concat();
    assert!(
        said.contains("did not get through") && said.contains("not a header"),
        "{said}"
    );
    assert!(!said.contains("a-secret"), "{said}");
}

#[test]
fn what_is_put_into_a_path_stays_one_segment() {
    assert_eq!(super::segment("a/b?c#d %.."), "a%2Fb%3Fc%23d%20%25..");
}

//! Something that takes whatever is sent to it: a collector of traces, or a hook that changes nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::{ServerOptions, ports};

/// A head and a body.
type Message = (String, Vec<u8>);

/// An HTTP server that answers 200 without a body, and keeps heads and bodies.
#[derive(Clone, Debug)]
pub struct Collector {
    pub port: u16,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Collector {
    /// Listens on a free port.
    #[must_use]
    pub fn listen() -> Self {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let collector = Self {
            port,
            heard: Arc::default(),
        };
        let own = collector.clone();
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
                // Whoever goes away in the middle has sent nothing.
                if reader.read_exact(&mut body).is_ok() && !head.is_empty() {
                    own.heard.lock().unwrap().push((head, body));
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        collector
    }

    /// Heads and bodies so far.
    #[must_use]
    pub fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }
}

impl ServerOptions {
    /// Sends traces to a collector on this machine.
    #[must_use]
    pub fn traced(self, port: u16) -> Self {
        self.with("TRACING_PROVIDER", "otel")
            .with("TRACING_SERVICE_NAME", "the-server-of-this-test")
            .with("TRACING_DEPLOYMENT_ENVIRONMENT", "tests")
            .with("TRACING_PROVIDERS_OTLP_SERVER_URL", &format!("127.0.0.1:{port}"))
            .with("TRACING_PROVIDERS_OTLP_INSECURE", "true")
            .with(
                "TRACING_PROVIDERS_OTLP_AUTHORIZATION_HEADER",
                "Basic credentials-of-the-collector",
            )
    }
}

//! The page of an application that a browser is sent back to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A listener that answers every request with the same page and remembers what it was sent.
#[derive(Debug)]
pub struct Callback {
    port: u16,
    received: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    forms: Vec<String>,
    visits: Vec<String>,
}

impl Default for Callback {
    fn default() -> Self {
        Self::listen()
    }
}

impl Callback {
    /// Listens for as long as the test program runs.
    #[must_use]
    pub fn listen() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Received::default()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // Browsers open connections that they never use: each waits in a thread of its own.
                thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { port, received }
    }

    /// Its redirect URI.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    /// The bodies of the forms that were posted to it.
    #[must_use]
    pub fn forms(&self) -> Vec<String> {
        self.received.lock().unwrap().forms.clone()
    }

    /// The paths and queries that were read from it.
    #[must_use]
    pub fn visits(&self) -> Vec<String> {
        self.received.lock().unwrap().visits.clone()
    }
}

fn answer(stream: TcpStream, kept: &Mutex<Received>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    let (mut method, mut target) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if method.is_empty() {
            let mut words = line.split(' ');
            method = words.next()?.to_owned();
            target = words.next()?.to_owned();
        }
        if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
            length = value.trim().parse().ok()?;
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if method == "POST" {
        kept.lock().unwrap().forms.push(String::from_utf8(body).ok()?);
    } else {
        kept.lock().unwrap().visits.push(target);
    }
    let page = "<title>Landed</title><p id=landed>Back at the application.";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
    let mut stream = stream;
    write!(stream, "{head} {}\r\n\r\n{page}", page.len()).ok()
}

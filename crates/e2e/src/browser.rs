//! Chromium without a window, driven through chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::process::{PATIENCE, Process};
use crate::{binary, ports};

/// One browser with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    session: String,
    port: u16,
    // Dropped in this order: the driver ends before its browser's files go.
    driver: Process,
    profile: TempDir,
}

impl Browser {
    /// Starts a browser.
    pub async fn start() -> Self {
        let port = ports::free();
        let profile = tempfile::Builder::new().prefix("claviger-chromium-").tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut driver = Process::start("chromedriver", &mut command);
        driver.wait_for_output("started successfully");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&profile))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}\n{}", driver.output()));
        let session = client.session_id().await.unwrap().unwrap();
        Self {
            client,
            session,
            port,
            driver,
            profile,
        }
    }

    /// Goes to an address, and waits until the page has loaded.
    pub async fn open(&self, url: &str) {
        // Where nothing listens, the address is what counts, not the page.
        if let Err(error) = self.client.goto(url).await {
            assert!(error.to_string().contains("ERR_CONNECTION_REFUSED"), "{url}: {error}");
        }
    }

    /// The address of the current page.
    pub async fn url(&self) -> Url {
        self.client.current_url().await.unwrap()
    }

    /// The text that a person can read.
    pub async fn text(&self) -> String {
        self.element("body").await.text().await.unwrap()
    }

    /// Waits for the element that a CSS selector names.
    pub async fn element(&self, selector: &str) -> Element {
        let wait = self.client.wait().at_most(PATIENCE);
        match wait.for_element(Locator::Css(selector)).await {
            Ok(element) => element,
            Err(error) => panic!("no {selector} on {}: {error}", self.url().await),
        }
    }

    /// Whether such an element is there now.
    pub async fn has(&self, selector: &str) -> bool {
        self.client.find(Locator::Css(selector)).await.is_ok()
    }

    /// Clicks.
    pub async fn click(&self, selector: &str) {
        // A click that leads to an address where nothing listens is a click all the same.
        if let Err(error) = self.element(selector).await.click().await {
            assert!(
                error.to_string().contains("ERR_CONNECTION_REFUSED"),
                "{selector}: {error}"
            );
        }
    }

    /// Types into a field, instead of what is in it.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.element(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Waits until the page shows this.
    pub async fn wait_for_text(&self, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The page may be exchanged between the two steps.
            let text = self.element("body").await.text().await.unwrap_or_default();
            if text.contains(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "the page does not say {wanted:?}:\n{text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the address starts with `prefix`, and returns it.
    pub async fn wait_for(&self, prefix: &str) -> Url {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let url = self.url().await;
            if url.as_str().starts_with(prefix) {
                return url;
            }
            if Instant::now() > deadline {
                panic!("the browser is at {url} and not at {prefix}…:\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Opens an address in a new tab, and stays there. Returns the tab's handle.
    pub async fn open_tab(&self, url: &str) -> fantoccini::wd::WindowHandle {
        let tab = self.client.new_window(true).await.unwrap().handle;
        self.client.switch_to_window(tab.clone()).await.unwrap();
        self.open(url).await;
        tab
    }

    /// Changes to a tab.
    pub async fn switch_to(&self, tab: &fantoccini::wd::WindowHandle) {
        self.client.switch_to_window(tab.clone()).await.unwrap();
    }

    /// Runs a script in the page.
    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// A request to chromedriver that works while a test unwinds.
    fn command(&self, method: &str, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let path = format!("/session/{}{path}", self.session);
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        )
        .ok()?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().to_ascii_lowercase().split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().ok()?,
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        // chromedriver keeps the connection open, whatever it is asked.
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        serde_json::from_slice(&body).ok()
    }

    /// Writes what the browser shows to a file below `target`, for whoever reads the failure.
    fn take_screenshot(&self) -> Option<()> {
        let answer = self.command("GET", "/screenshot")?;
        let image = STANDARD.decode(answer["value"].as_str()?).ok()?;
        let directory = binary::root().join("target/screenshots");
        std::fs::create_dir_all(&directory).ok()?;
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let file = directory.join(format!("{name}.png"));
        std::fs::write(&file, image).ok()?;
        let url = self.command("GET", "/url").unwrap_or_default();
        eprintln!("the browser was at {}, and showed {}", url["value"], file.display());
        Some(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() && self.take_screenshot().is_none() {
            eprintln!("no screenshot could be taken");
        }
        // Ends Chromium; chromedriver itself ends with its process.
        self.command("DELETE", "");
        debug_assert!(self.profile.path().exists() && self.driver.id() > 0);
    }
}

fn capabilities(profile: &TempDir) -> Capabilities {
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1000,800",
        &format!("--user-data-dir={}", profile.path().display()),
    ];
    let options = json!({"args": arguments});
    Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)])
}

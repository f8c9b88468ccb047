//! The server: the built program, configured for one test and started on free ports.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binary;
use crate::ports;
use crate::process::{PATIENCE, Process};
use crate::{Database, Http, Request};

/// A value for `SECRETS_SYSTEM`.
pub const SECRET: &str = "e2eSystemSecret0123456789abcdefgh";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub public_port: u16,
    pub admin_port: u16,
    /// The words after the program's name.
    pub args: Vec<String>,
    pub variables: Vec<(String, String)>,
}

impl ServerOptions {
    /// As the guide starts it: everything in the environment, plain HTTP.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        let (public_port, admin_port) = (ports::free(), ports::free());
        let options = Self {
            public_port,
            admin_port,
            args: ["serve", "all", "--dangerous-force-http"].map(str::to_owned).to_vec(),
            variables: Vec::new(),
        };
        options
            .with("SECRETS_SYSTEM", SECRET)
            .with("DSN", &database.dsn())
            .with("URLS_SELF_ISSUER", &format!("http://127.0.0.1:{public_port}/"))
            .with("URLS_LOGIN", "http://127.0.0.1:3000/login")
            .with("URLS_CONSENT", "http://127.0.0.1:3000/consent")
            .with("URLS_LOGOUT", "http://127.0.0.1:3000/logout")
            .with("SERVE_PUBLIC_HOST", "127.0.0.1")
            .with("SERVE_PUBLIC_PORT", &public_port.to_string())
            .with("SERVE_ADMIN_PORT", &admin_port.to_string())
    }

    /// Sets an environment variable, instead of any earlier value.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The login and consent app at this address.
    #[must_use]
    pub fn with_app(self, url: &str) -> Self {
        self.with("URLS_LOGIN", &format!("{url}/login"))
            .with("URLS_CONSENT", &format!("{url}/consent"))
            .with("URLS_LOGOUT", &format!("{url}/logout"))
    }

    /// Starts the process, without waiting for anything.
    #[must_use]
    pub fn spawn(&self) -> Process {
        let mut command = binary::command();
        command.args(&self.args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Process::start("claviger", &mut command)
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Server {
        Server::wait(self.spawn(), self).await
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub process: Process,
    options: ServerOptions,
}

impl Server {
    /// A migrated database and a server on it.
    pub async fn on(database: &Database) -> Self {
        migrate(database);
        ServerOptions::new(database).start().await
    }

    /// Waits until a server that was spawned is ready.
    pub async fn wait(process: Process, options: ServerOptions) -> Self {
        let mut server = Self { process, options };
        server.wait_until("/health/ready", 200).await;
        server
    }

    /// Starts a server that need not become ready, and waits until it answers `/health/alive`.
    pub async fn alive(options: ServerOptions) -> Self {
        let process = options.spawn();
        let mut server = Self { process, options };
        server.wait_until("/health/alive", 200).await;
        server
    }

    async fn wait_until(&mut self, path: &str, status: u16) {
        let deadline = Instant::now() + PATIENCE;
        let url = self.admin(path);
        loop {
            if let Ok(answer) = Http::new().try_send(Request::get(&url)).await
                && answer.status == status
            {
                return;
            }
            let late = Instant::now() >= deadline;
            assert!(
                self.process.is_running() && !late,
                "{path} of the server never answered {status}. It printed:\n{}",
                self.process.output()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The URL of a path on the public port.
    #[must_use]
    pub fn public(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.options.public_port)
    }

    /// The URL of a path on the admin port.
    #[must_use]
    pub fn admin(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.options.admin_port)
    }

    /// Everything that it logged. Lines of requests are gathered for a moment, so this waits until no more come.
    #[must_use]
    pub fn log(&self) -> String {
        let mut log = self.process.output();
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let now = self.process.output();
            if now.len() == log.len() {
                break;
            }
            log = now;
        }
        log
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.process.signal("TERM");
        let status = self.process.wait();
        (status, self.process.output())
    }

    /// Ends it as a power failure would, and starts it again.
    pub async fn crash_and_start_again(mut self) -> Self {
        self.process.signal("KILL");
        self.process.wait();
        let options = self.options.clone();
        drop(self);
        options.start().await
    }

    /// Creates an OAuth 2.0 client from its metadata, and returns it as answered.
    pub async fn create_client(&self, metadata: &Value) -> Value {
        let answer = Http::new()
            .send(Request::post(&self.admin("/admin/clients")).json(metadata))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// What the admin API says about a token.
    pub async fn introspect(&self, token: &str) -> Value {
        let request = Request::post(&self.admin("/admin/oauth2/introspect")).form(&[("token", token)]);
        let answer = Http::new().send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Whether the admin API calls a token active.
    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await["active"] == true
    }
}

/// Brings the tables of a database up to date, with the program's own command.
pub fn migrate(database: &Database) {
    binary::run(&["migrate", "sql", "--yes", &database.dsn()]).success();
}

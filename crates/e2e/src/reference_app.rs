//! The unmodified reference login and consent app of Ory Hydra.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;
use crate::{Server, ports};

/// The packages of `crates/e2e/node`.
#[must_use]
pub fn packages() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    let installed = directory.join("node_modules/hydra-login-consent-logout").is_dir();
    assert!(
        installed,
        "the packages of the tests are missing: npm --prefix crates/e2e/node ci"
    );
    directory
}

/// The app, before or after it is started: its address has to be known to the server, and the server's to it.
#[derive(Debug)]
pub struct ReferenceApp {
    port: u16,
    process: Option<Process>,
}

impl Default for ReferenceApp {
    fn default() -> Self {
        Self::reserve()
    }
}

impl ReferenceApp {
    /// Chooses a port.
    #[must_use]
    pub fn reserve() -> Self {
        let port = ports::free();
        Self { port, process: None }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it against the admin API of a server.
    pub fn start(&mut self, server: &Server) {
        self.start_with(&server.admin(""));
    }

    /// Starts it against the admin API at this address.
    pub fn start_with(&mut self, admin: &str) {
        let mut command = Command::new("node");
        command
            .arg(packages().join("node_modules/hydra-login-consent-logout/lib/app.js"))
            .env("PORT", self.port.to_string())
            .env("HYDRA_ADMIN_URL", admin)
            .env("NODE_ENV", "production");
        let mut process = Process::start("reference app", &mut command);
        process.wait_for_output("Listening on");
        self.process = Some(process);
    }
}

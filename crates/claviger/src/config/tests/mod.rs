//! The rules of loading, one test each.

mod dev_mode;
mod environment;
mod files;
mod reload;
mod secret_files;
mod sources;
mod start;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::listener::Listener;
use super::settings::{LogFormat, LogLevel, SameSite, ScopeStrategy};
use super::*;

const SECRET: &str = "this_needs_to_be_the_same_always";
const ISSUER: &str = "http://127.0.0.1:15444/";

/// A directory with configuration files, and the sources of one start.
struct Start {
    directory: TempDir,
    sources: Sources,
}

impl Start {
    /// Nothing but the purpose of `serve all`.
    fn bare() -> Self {
        let directory = TempDir::new().unwrap();
        let purpose = Purpose::Serve {
            public: true,
            admin: true,
        };
        let sources = Sources {
            purpose,
            directory: directory.path().to_owned(),
            ..Sources::default()
        };
        Self { directory, sources }
    }

    /// What `serve all --dangerous-force-http` needs.
    fn served() -> Self {
        Self::bare()
            .flag("dangerous-force-http", "--dangerous-force-http")
            .env("SECRETS_SYSTEM", SECRET)
            .env("DSN", "memory")
            .env("URLS_SELF_ISSUER", ISSUER)
    }

    fn dev() -> Self {
        Self::bare().flag("dev", "--dev")
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.retain(|(given, _)| given != name);
        self.sources.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.sources.env.retain(|(given, _)| given != name);
        self
    }

    fn flag(mut self, path: &'static str, name: &'static str) -> Self {
        self.sources.flags.push(Flag::on(path, name));
        self
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).unwrap();
        self.sources.files.push(self.path(name));
        self
    }

    fn purpose(mut self, purpose: Purpose) -> Self {
        self.sources.purpose = purpose;
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn load(self) -> Settings {
        load(self.sources).unwrap()
    }

    /// The one line of the error, without the directory of this test.
    fn error(self) -> String {
        let text = load(self.sources).unwrap_err().to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

fn effective(settings: &Settings, path: &str) -> (Value, String) {
    let found = settings.effective().iter().find(|(given, ..)| *given == path).unwrap();
    (found.1.clone(), found.2.to_string())
}

fn address(listener: &Listener) -> (&str, u16) {
    (&listener.host, listener.port)
}

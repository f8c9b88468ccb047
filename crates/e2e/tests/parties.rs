//! Relying parties that others wrote: libraries from npm and PyPI, each with its own idea of the specifications.

use std::path::Path;
use std::process::Command;

use claviger_e2e::{Database, Server, ServerOptions, reference_app};

/// Runs a script beside a server that lets clients register themselves.
async fn runs(interpreter: &Path, script: &Path) {
    for database in [Database::postgres(), Database::sqlite()] {
        claviger_e2e::server::migrate(&database);
        // Devices that wait as long as they are told, and need not wait long.
        let options = ServerOptions::new(&database)
            .with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true")
            .with("OAUTH2_DEVICE_AUTHORIZATION_TOKEN_POLLING_INTERVAL", "1s");
        let server = options.start().await;
        let mut command = Command::new(interpreter);
        command.arg(script).args([server.public(""), server.admin("")]);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = ran.await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}{errors}\n{}", Server::log(&server));
        assert_eq!(printed.trim(), "as expected");
    }
}

async fn node(script: &str) {
    runs(Path::new("node"), &reference_app::packages().join(script)).await;
}

#[tokio::test]
async fn openid_client_registers_logs_in_renews_asks_revokes_and_is_a_device() {
    node("openid-client.mjs").await;
}

#[tokio::test]
async fn oauth4webapi_registers_logs_in_and_out_signs_and_is_a_device_and_finds_every_answer_as_specified() {
    node("oauth4webapi.mjs").await;
}

#[tokio::test]
async fn authlib_registers_logs_in_renews_asks_revokes_signs_and_is_a_device() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let interpreter = directory.join(".venv/bin/python");
    assert!(
        interpreter.exists(),
        "the Python packages of the tests are missing: python3 -m venv crates/e2e/python/.venv && \
         crates/e2e/python/.venv/bin/pip install -r crates/e2e/python/requirements.txt"
    );
    runs(&interpreter, &directory.join("authlib_party.py")).await;
}

//! Relying parties that others wrote: libraries from npm, each with its own idea of the specifications.

use std::process::Command;

use claviger_e2e::{Database, Server, ServerOptions, reference_app};

/// Runs a script beside a server that lets clients register themselves.
async fn runs(script: &str) {
    for database in [Database::postgres(), Database::sqlite()] {
        claviger_e2e::server::migrate(&database);
        let options = ServerOptions::new(&database).with("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true");
        let server = options.start().await;
        let (folder, arguments) = (reference_app::packages(), [server.public(""), server.admin("")]);
        let script = script.to_owned();
        let ran = tokio::task::spawn_blocking(move || {
            Command::new("node")
                .arg(folder.join(script))
                .args(arguments)
                .output()
                .unwrap()
        });
        let output = ran.await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}{errors}\n{}", Server::log(&server));
        assert_eq!(printed.trim(), "as expected");
    }
}

#[tokio::test]
async fn openid_client_registers_logs_in_renews_asks_revokes_and_is_a_device() {
    runs("openid-client.mjs").await;
}

#[tokio::test]
async fn oauth4webapi_finds_every_answer_as_specified() {
    runs("oauth4webapi.mjs").await;
}

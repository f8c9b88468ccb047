//! The database: whether it answers, is migrated, has the time of this machine, and its keys open.

use std::sync::Arc;
use std::time::Instant;

use claviger_core::port::{SchemaStatus, StoreError};
use claviger_store::Database;

use super::{Findings, PATIENCE};
use crate::config::{Dsn, Settings};
use crate::keys::KeysError;
use crate::provider::now;
use crate::server::{database, one_line, serve};

pub(super) async fn examine(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "database";
    let dsn = match settings.dsn() {
        Ok(dsn) => dsn,
        Err(error) => return findings.fail(CHECK, one_line(&error), "nothing can be stored"),
    };
    match dsn {
        Dsn::Memory => return findings.warn(CHECK, "it is in memory", "all of it is gone when the server ends"),
        // To open it would make it.
        Dsn::Sqlite { path } if !path.exists() => {
            let found = format!("{} is not there", path.display());
            if settings.dev {
                return findings.ok(CHECK, format!("{found}; development mode makes it"));
            }
            return findings.fail(CHECK, found, "make it: claviger migrate sql");
        }
        _ => {}
    }
    let began = Instant::now();
    let opened = tokio::time::timeout(PATIENCE, database::open(dsn)).await;
    let advice = "check that it runs, and the address, user and password in dsn";
    match opened {
        Err(_) => findings.fail(
            CHECK,
            format!("{dsn} does not answer within {} s", PATIENCE.as_secs()),
            advice,
        ),
        Ok(Err(error)) => findings.fail(CHECK, one_line(&error), advice),
        Ok(Ok(opened)) => {
            let opened = Arc::new(opened);
            inside(settings, dsn, &opened, began, findings).await;
            opened.close().await;
        }
    }
}

async fn inside(settings: &Settings, dsn: &Dsn, opened: &Arc<Database>, began: Instant, findings: &mut Findings) {
    let asked = opened.store().schema().await;
    let took = began.elapsed().as_millis();
    if let Err(error @ (StoreError::Unavailable(_) | StoreError::Broken(_))) = &asked {
        findings.fail(
            "database",
            one_line(error),
            "check that it runs and that this user may read it",
        );
        return;
    }
    findings.ok("database", format!("{dsn} answers, the first time after {took} ms"));
    clock(opened, findings).await;
    if migrations(asked, settings.dev, findings) && !settings.system_secrets.is_empty() {
        keys(settings, opened, findings).await;
    }
}

/// Whether there are tables to look at.
fn migrations(asked: Result<SchemaStatus, StoreError>, dev: bool, findings: &mut Findings) -> bool {
    const CHECK: &str = "migrations";
    const MIGRATE: &str = "apply them: claviger migrate sql";
    match asked {
        Ok(SchemaStatus::Current) => findings.ok(CHECK, "all of them are applied"),
        Ok(SchemaStatus::Ahead(last)) => findings.warn(
            CHECK,
            format!("a newer release has migrated it, last by {last}"),
            "fine while servers are being replaced; otherwise run that release here too",
        ),
        Ok(SchemaStatus::Behind(_)) | Err(StoreError::NotMigrated) if dev => {
            findings.ok(CHECK, "development mode applies what is pending");
            return false;
        }
        Ok(SchemaStatus::Behind(pending)) => {
            findings.fail(CHECK, format!("{pending} are pending"), MIGRATE);
            return false;
        }
        Err(_) => {
            findings.fail(CHECK, "the tables are not there", MIGRATE);
            return false;
        }
    }
    true
}

/// Servers on one database agree by its rows, which carry the time of the server that wrote them.
async fn clock(opened: &Database, findings: &mut Findings) {
    const CHECK: &str = "clock";
    match opened.clock().await {
        // It runs on this machine.
        Ok(None) => {}
        Ok(Some(theirs)) => super::network::judge_clock(CHECK, "the database", theirs.0 - now().0, findings),
        Err(error) => findings.warn(CHECK, one_line(&error), "the database did not tell its time"),
    }
}

async fn keys(settings: &Settings, opened: &Arc<Database>, findings: &mut Findings) {
    const CHECK: &str = "keys";
    let provider = match serve::provider(settings, opened) {
        Ok(provider) => provider,
        Err(error) => return findings.fail(CHECK, one_line(&error), "correct secrets.system"),
    };
    match provider.ring.reload(&provider.cx()).await {
        Ok(keys) if keys.signing_algs().is_empty() => {
            findings.ok(CHECK, "there are none yet; the first start makes them")
        }
        Ok(keys) => {
            let algs: Vec<_> = keys.signing_algs().iter().map(|alg| alg.as_str()).collect();
            findings.ok(
                CHECK,
                format!("they open with secrets.system and sign by {}", algs.join(" and ")),
            );
        }
        Err(KeysError::Store(error)) => findings.fail(CHECK, one_line(&error), "check the database"),
        Err(error) => findings.fail(CHECK, one_line(&error), "nothing can be signed until this is right"),
    }
}

//! `/health/alive` and `/health/ready`, on both ports.
//!
//! Alive means that the process answers. Ready means that it can serve: the database answers, its tables are there, and
//! there are keys to sign with. A database that is migrated while the server runs makes it ready, without a restart. One that
//! refuses changes only leaves it ready, with a warning.

use axum::extract::State;
use axum::response::Response;
use claviger_core::context::Cx;
use claviger_core::port::{SchemaStatus, StoreError};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::edge::call::Call;
use crate::edge::reply;
use crate::keys::{KeyRing, KeysError};
use crate::provider::Shared;

/// Everything is well.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "healthStatus")]
pub(crate) struct Healthy {
    /// `ok`.
    status: &'static str,
    /// What does not work although requests can be served.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Warnings>,
}

/// By the name of the check.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "healthWarnings")]
struct Warnings {
    /// The database answers who reads, and takes no changes.
    database: &'static str,
}

const HEALTHY: Healthy = Healthy {
    status: "ok",
    warnings: None,
};

/// Ready all the same: every server on this database would be taken out of service at once, and with them what still works.
const READ_ONLY: Healthy = Healthy {
    status: "ok",
    warnings: Some(Warnings {
        database: "the database refused the last changes: reading works, and whatever writes is answered with 503; the log of \
                   the server says why",
    }),
};

/// Hydra's shape: what is wrong, by the name of the check.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "healthNotReadyStatus")]
pub(crate) struct Unready {
    /// By the name of the check.
    errors: Errors,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Errors {
    /// The database does not answer.
    Database(&'static str),
    /// The database answers, but not all tables are there.
    Migrations(String),
    /// The signing keys cannot be read or made.
    Keys(String),
}

/// `GET /health/alive`
pub async fn alive(_: Call) -> Response {
    reply::admin(StatusCode::OK, &HEALTHY)
}

/// `GET /health/ready`
pub async fn ready(State(provider): State<Shared>, _: Call) -> Response {
    let checked = match check(provider.store.schema().await) {
        Ok(()) => keys(&provider.ring, &provider.cx()).await,
        unready => unready,
    };
    match checked {
        Ok(()) if provider.refused.is_lasting() => reply::admin(StatusCode::OK, &READ_ONLY),
        Ok(()) => reply::admin(StatusCode::OK, &HEALTHY),
        Err(errors) => reply::admin(StatusCode::SERVICE_UNAVAILABLE, &Unready { errors }),
    }
}

/// Everybody may ask, so what the database said is for the log only.
fn check(schema: Result<SchemaStatus, StoreError>) -> Result<(), Errors> {
    const MIGRATE: &str = "run `claviger migrate sql`";
    match schema {
        // A newer release migrated it already, and migrations leave this one working.
        Ok(SchemaStatus::Current | SchemaStatus::Ahead(_)) => Ok(()),
        Ok(SchemaStatus::Behind(pending)) => Err(Errors::Migrations(format!(
            "{pending} migrations are pending; {MIGRATE}"
        ))),
        Err(StoreError::NotMigrated) => Err(Errors::Migrations(format!("the tables are not there; {MIGRATE}"))),
        Err(error) => Err(silent(&error)),
    }
}

/// Whether tokens can be signed. A server that started before the database was migrated finds out here whether its
/// secrets are those of the database, and makes the first key. While the ring is fresh this asks nothing of the database.
async fn keys(ring: &KeyRing, cx: &Cx<'_>) -> Result<(), Errors> {
    match ring.keys(cx).await {
        Ok(_) => Ok(()),
        Err(KeysError::Store(error)) => Err(silent(&error)),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Errors::Keys(error.to_string()))
        }
    }
}

fn silent(error: &StoreError) -> Errors {
    tracing::warn!(%error, "not ready");
    Errors::Database("the database does not answer; the log of the server says why")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(schema: Result<SchemaStatus, StoreError>) -> Option<Value> {
        let errors = check(schema).err()?;
        Some(serde_json::to_value(Unready { errors }).unwrap())
    }

    #[test]
    fn a_database_that_is_behind_names_the_command_that_helps() {
        let errors = told(Ok(SchemaStatus::Behind(2))).unwrap();
        let text = errors["errors"]["migrations"].as_str().unwrap();
        assert!(text.contains("claviger migrate sql"), "{text}");
    }

    #[test]
    fn a_database_that_is_ahead_is_served() {
        assert_eq!(told(Ok(SchemaStatus::Ahead("9".into()))), None);
        assert_eq!(told(Ok(SchemaStatus::Current)), None);
    }

    mod keys {
        use std::sync::atomic::Ordering;

        use super::*;
        use crate::keys::testing::{Desk, Server, Shelf};

        async fn told(server: &Server) -> Option<Value> {
            let errors = keys(&server.ring, &server.desk.cx()).await.err()?;
            Some(serde_json::to_value(Unready { errors }).unwrap())
        }

        #[tokio::test]
        async fn a_new_database_gets_its_key_and_a_fresh_ring_asks_nothing() {
            let mut server = Server::new(&Shelf::new());
            assert_eq!(told(&server).await, None);
            let reads = server.store.reads.load(Ordering::SeqCst);
            server.desk.millis += 1_999;
            assert_eq!(told(&server).await, None);
            assert_eq!(server.store.reads.load(Ordering::SeqCst), reads);
            // What was read before the clock was set back may be old.
            server.desk.millis -= 3_600_000;
            assert_eq!(told(&server).await, None);
            assert!(server.store.reads.load(Ordering::SeqCst) > reads);
        }

        #[tokio::test]
        async fn secrets_of_another_database_name_what_to_set() {
            let mut server = Server::new(&Shelf::new());
            assert_eq!(told(&server).await, None);
            let mut other = Server::new(&server.store);
            other.desk = Desk::new("another secret of 32 characters!");
            let errors = told(&other).await.unwrap();
            let text = errors["errors"]["keys"].as_str().unwrap();
            assert!(text.contains("SECRETS_SYSTEM"), "{text}");
            server.desk.millis += 2_000;
            assert_eq!(told(&server).await, None);
        }

        #[tokio::test]
        async fn a_database_that_goes_away_is_not_told_to_strangers() {
            let server = Server::new(&Shelf::new());
            server.store.down.store(true, Ordering::SeqCst);
            let errors = told(&server).await.unwrap();
            assert_eq!(errors["errors"]["keys"], json!(null));
            assert_ne!(errors["errors"]["database"], json!(null));
        }
    }

    #[test]
    fn what_the_database_said_is_not_told_to_strangers() {
        let errors = told(Err(StoreError::Unavailable(
            "host db.internal refused user hydra".into(),
        )))
        .unwrap();
        assert!(!errors.to_string().contains("internal"), "{errors}");
        assert_ne!(errors["errors"]["database"], json!(null));
    }
}

//! `/health/alive` and `/health/ready`, on both ports.
//!
//! Alive means that the process answers. Ready means that it can serve: the database answers and its tables are there.
//! A database that is migrated while the server runs makes it ready, without a restart.

use axum::extract::State;
use axum::response::Response;
use claviger_core::port::{SchemaStatus, StoreError};
use http::StatusCode;
use serde::Serialize;

use crate::edge::call::Call;
use crate::edge::reply;
use crate::provider::Shared;

#[derive(Serialize)]
struct Healthy {
    status: &'static str,
}

const HEALTHY: Healthy = Healthy { status: "ok" };

/// Hydra's shape: what is wrong, by the name of the check.
#[derive(Serialize)]
struct Unready {
    errors: Errors,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Errors {
    /// The database does not answer.
    Database(&'static str),
    /// The database answers, but not all tables are there.
    Migrations(String),
}

/// `GET /health/alive`
pub async fn alive(_: Call) -> Response {
    reply::admin(StatusCode::OK, &HEALTHY)
}

/// `GET /health/ready`
pub async fn ready(State(provider): State<Shared>, _: Call) -> Response {
    match check(provider.store.schema().await) {
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
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Errors::Database(
                "the database does not answer; the log of the server says why",
            ))
        }
    }
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

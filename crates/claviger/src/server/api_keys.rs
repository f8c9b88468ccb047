//! `create|list|revoke api-key`, on the database.

use claviger_core::api_key::{self, CreateError};
use claviger_core::port::{Store, StoreError};
use claviger_store::Database;

use super::jobs::{JobError, Place, with_database};
use crate::cli::Terminal;
use crate::cli::api_keys::{Create, Job, created_report, list_report, revoked_report};
use crate::cli::failure::Failure;
use crate::cli::output::Report;
use crate::provider::{OperatingSystem, now};

/// Does the job, and gives what is to be printed.
pub(crate) fn api_keys(job: Job<'_>, terminal: &Terminal) -> Result<Report, Failure> {
    let place = Place {
        files: &job.place().config,
        env: terminal.environment(),
        database_url: job.place().database_url.as_deref(),
    };
    with_database(place, async |database: &Database| {
        let store = database.store();
        match job {
            Job::Create(arguments) => create(&*store, arguments).await,
            Job::List(_) => {
                let keys = api_key::list(&*store).await.map_err(told)?;
                Ok(list_report(&keys))
            }
            Job::Revoke(arguments) => {
                let ended = api_key::revoke(&*store, &arguments.key).await.map_err(told)?;
                let missing = "There is no API key of this id or name; 'claviger list api-keys' shows all";
                Ok(revoked_report(&ended.ok_or_else(|| Failure::input(missing))?))
            }
        }
    })
}

async fn create(store: &dyn Store, arguments: &Create) -> Result<Report, Failure> {
    let now = now();
    let millis = u64::try_from(now.0).unwrap_or_default().saturating_mul(1000);
    let moment = (now, millis, &OperatingSystem as _);
    let created = api_key::create(store, moment, &arguments.name, &arguments.scope, arguments.expires_in).await;
    match created {
        Ok(created) => Ok(created_report(&created)),
        Err(CreateError::Store(error)) => Err(told(error)),
        Err(refused) => Err(Failure::input(format!("The API key was not made: {refused}"))),
    }
}

fn told(error: StoreError) -> Failure {
    JobError::from(error).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use claviger_core::api_key::Area;

    use super::*;
    use crate::cli::api_keys::{self, List, Revoke};
    use crate::cli::output::Format;
    use crate::cli::terminal::testing::terminal;
    use crate::server::database;

    fn place(folder: &tempfile::TempDir) -> api_keys::Place {
        api_keys::Place {
            config: Vec::new(),
            database_url: Some(format!("sqlite://{}", folder.path().join("db").display())),
        }
    }

    fn migrated() -> (tempfile::TempDir, api_keys::Place) {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let dsn = crate::config::Dsn::parse(place.database_url.as_deref().unwrap()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let database = database::open(&dsn).await.unwrap();
            database::migrate(&database).await.unwrap();
            database.close().await;
        });
        (folder, place)
    }

    fn json(job: Job<'_>) -> Result<serde_json::Value, Failure> {
        let (terminal, _, _) = terminal("", Vec::new());
        let report = api_keys(job, &terminal)?;
        Ok(serde_json::from_str(&report.render(&Format::Json, false).unwrap()).unwrap())
    }

    #[test]
    fn a_key_is_made_listed_and_revoked_and_its_text_is_shown_once() {
        let (_folder, place) = migrated();
        let arguments = Create {
            name: "gateway".to_owned(),
            scope: vec![Area::Introspect, Area::Read],
            expires_in: Some(Duration::from_secs(3600)),
            place: place.clone(),
        };
        let created = json(Job::Create(&arguments)).unwrap();
        assert_eq!(
            (&created["name"], &created["scope"]),
            (&"gateway".into(), &"read introspect".into())
        );
        let text = created["api_key"].as_str().unwrap();
        assert!(text.starts_with("clv_ak_"), "{text}");
        let taken = json(Job::Create(&arguments)).unwrap_err().to_string();
        assert!(taken.contains("there is a key of this name"), "{taken}");

        let list = List { place: place.clone() };
        let listed = json(Job::List(&list)).unwrap();
        assert_eq!(listed["items"][0]["id"], created["id"]);
        assert!(!listed.to_string().contains(text));

        let revoke = Revoke {
            key: "gateway".to_owned(),
            place,
        };
        assert_eq!(json(Job::Revoke(&revoke)).unwrap(), created["id"]);
        let gone = json(Job::Revoke(&revoke)).unwrap_err().to_string();
        assert!(gone.contains("list api-keys"), "{gone}");
        assert_eq!(json(Job::List(&list)).unwrap()["items"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn a_database_that_is_not_migrated_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let list = List { place: place(&folder) };
        let failure = json(Job::List(&list)).unwrap_err().to_string();
        assert!(failure.contains("claviger migrate sql"), "{failure}");
    }
}

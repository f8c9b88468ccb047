//! The steps by which a schema grows, the same list for every engine.
//!
//! Steps only go forward, and each works with the previous release's servers still running (expand, then contract).
//! `claviger_migration` holds what was applied, with a digest of its text: a step that was applied is never edited.

use std::time::Duration;

use claviger_core::port::{SchemaStatus, StoreError};

/// How often a step asks for a table that others hold, and how long those behind it have the table between.
pub(crate) const LOCK_ATTEMPTS: u32 = 200;
pub(crate) const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// One step.
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl Migration {
    pub(crate) fn sha256(&self) -> Vec<u8> {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.sql.as_bytes())
            .as_ref()
            .to_vec()
    }

    pub(crate) fn status(&self, applied: bool) -> MigrationStatus {
        MigrationStatus {
            version: self.version,
            name: self.name.to_owned(),
            applied,
        }
    }

    /// What is said when this step fails.
    pub(crate) fn failed(&self, reason: &str) -> StoreError {
        let Self { version, name, .. } = self;
        StoreError::Broken(format!("migration {version} ({name}) failed and was undone: {reason}"))
    }
}

macro_rules! migrations {
    ($($version:literal $file:literal),* $(,)?) => {
        pub(crate) const SQLITE: &[Migration] = &[$(Migration {
            version: $version,
            name: $file,
            sql: include_str!(concat!("../migrations/sqlite/", $file, ".sql")),
        }),*];
        pub(crate) const POSTGRES: &[Migration] = &[$(Migration {
            version: $version,
            name: $file,
            sql: include_str!(concat!("../migrations/postgres/", $file, ".sql")),
        }),*];
        pub(crate) const MYSQL: &[Migration] = &[$(Migration {
            version: $version,
            name: $file,
            sql: include_str!(concat!("../migrations/mysql/", $file, ".sql")),
        }),*];
    };
}

migrations! {
    1 "0001_spine",
    2 "0002_access_after",
    3 "0003_logout",
    4 "0004_device",
    6 "0006_assertions",
    7 "0007_hook",
    8 "0008_key_lives",
    9 "0009_api_key",
    10 "0010_leftovers",
}

/// How one step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its number.
    pub version: i64,
    /// What it is called.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// A row of `claviger_migration`.
pub(crate) struct AppliedMigration {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) sha256: Vec<u8>,
}

/// What the program knows against what the database has.
pub(crate) struct Comparison {
    pub(crate) pending: Vec<&'static Migration>,
    pub(crate) unknown: Vec<MigrationStatus>,
    known: &'static [Migration],
}

impl Comparison {
    /// Refuses if a step was applied with another text.
    pub(crate) fn new(known: &'static [Migration], applied: Vec<AppliedMigration>) -> Result<Self, StoreError> {
        for migration in known {
            let row = applied.iter().find(|row| row.version == migration.version);
            if row.is_some_and(|row| row.sha256 != migration.sha256()) {
                let Migration { version, name, .. } = migration;
                return Err(StoreError::Broken(format!(
                    "migration {version} ({name}) was applied with another text than this program has; \
                     use the release that migrated this database, or a later one"
                )));
            }
        }
        let has = |version: i64| applied.iter().any(|row| row.version == version);
        let pending = known.iter().filter(|migration| !has(migration.version)).collect();
        let unknown = applied
            .into_iter()
            .filter(|row| known.iter().all(|migration| migration.version != row.version))
            .map(|row| MigrationStatus {
                version: row.version,
                name: row.name,
                applied: true,
            })
            .collect();
        Ok(Self {
            pending,
            unknown,
            known,
        })
    }

    /// Pending steps come before unknown ones: a database that lacks something cannot be served at all.
    pub(crate) fn schema(&self) -> SchemaStatus {
        match (self.pending.len(), self.unknown.last()) {
            (0, None) => SchemaStatus::Current,
            (0, Some(last)) => SchemaStatus::Ahead(format!("{} ({})", last.version, last.name)),
            (pending, _) => SchemaStatus::Behind(pending),
        }
    }

    pub(crate) fn all(self) -> Vec<MigrationStatus> {
        let is_pending = |version| self.pending.iter().any(|pending| pending.version == version);
        let known = self
            .known
            .iter()
            .map(|migration| migration.status(!is_pending(migration.version)));
        let mut all: Vec<_> = known.chain(self.unknown.iter().cloned()).collect();
        all.sort_by_key(|migration| migration.version);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(version: i64, sha256: Vec<u8>) -> AppliedMigration {
        AppliedMigration {
            version,
            name: format!("step {version}"),
            sha256,
        }
    }

    #[test]
    fn an_empty_database_lacks_every_step() {
        let comparison = Comparison::new(SQLITE, Vec::new()).unwrap();
        assert_eq!(comparison.schema(), SchemaStatus::Behind(SQLITE.len()));
    }

    #[test]
    fn a_step_of_a_later_release_puts_the_database_ahead() {
        let mut rows: Vec<_> = SQLITE.iter().map(|step| applied(step.version, step.sha256())).collect();
        rows.push(applied(9_999, vec![1]));
        let comparison = Comparison::new(SQLITE, rows).unwrap();
        assert_eq!(comparison.schema(), SchemaStatus::Ahead("9999 (step 9999)".into()));
        assert!(comparison.all().iter().all(|step| step.applied));
    }

    #[test]
    fn a_step_whose_text_changed_after_it_was_applied_is_refused() {
        let refusal = Comparison::new(SQLITE, vec![applied(1, vec![0; 32])]).err().unwrap();
        assert!(refusal.to_string().contains("another text"), "{refusal}");
    }

    #[test]
    fn all_engines_number_the_same_steps_in_order() {
        let numbers = |steps: &[Migration]| steps.iter().map(|step| step.version).collect::<Vec<_>>();
        assert_eq!(numbers(SQLITE), numbers(POSTGRES));
        assert_eq!(numbers(SQLITE), numbers(MYSQL));
        assert_eq!(numbers(SQLITE).first(), Some(&1));
        assert!(numbers(SQLITE).is_sorted_by(|one, next| one < next));
    }
}

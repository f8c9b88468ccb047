//! `migrate sql [up]`, `migrate sql status`, and why there is no `migrate sql down`.
//!
//! Answers and exit statuses are Hydra's: the argument names the database before anything else does, declining is no
//! failure, and an input that ends before the question is answered is one.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use claviger_store::{Database, MigrationStatus};
use serde_json::{Value, json};

use super::database;
use super::jobs::{JobError, Place, settings, wait_and_work_on};
use crate::cli::Terminal;
use crate::cli::failure::Failure;
use crate::cli::output::{Document, Format, Layout, Report};
use crate::cli::server_args::{self, MigrateAction, MigrateJob, MigrateUp};
use crate::config::Dsn;

/// How often `status --block` looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A table that is dropped takes what servers wrote into it since with it, so nothing here drops one.
const NO_WAY_DOWN: &str = "Nothing was changed: migrations are not undone, because what was written since would be lost.\n\
    Each of them only adds, so the release before works on these tables: to go back, start it again, with nothing to migrate.\n\
    To bring back the data of an earlier day, restore the backup of that day";

/// `migrate sql`, `migrate sql up` and `migrate sql status`.
pub(crate) fn migrate(job: &MigrateJob, terminal: &mut Terminal) -> Result<(), Failure> {
    if let MigrateAction::Down(_) = job.action {
        return Err(Failure::input(NO_WAY_DOWN));
    }
    let (MigrateAction::Up(MigrateUp { database_url, .. })
    | MigrateAction::Down(server_args::MigrateDown { database_url, .. })
    | MigrateAction::Status(server_args::MigrateStatus { database_url, .. })) = &job.action;
    let place = Place {
        files: &job.config,
        env: terminal.environment(),
        database_url: database_url.as_deref(),
    };
    let settings = settings(place)?;
    let dsn = settings.dsn().map_err(JobError::from)?;
    wait_and_work_on(&settings, async |database| {
        reached(dsn, database, job.wait, terminal).await?;
        match &job.action {
            MigrateAction::Down(_) => Err(Failure::input(NO_WAY_DOWN)),
            MigrateAction::Up(arguments) => up(database, arguments.yes, terminal).await,
            MigrateAction::Status(arguments) => status(database, arguments, terminal).await,
        }
    })
}

/// Waits for a database that is not there yet: whoever starts a whole system starts it at the same moment.
async fn reached(dsn: &Dsn, database: &Database, wait: Duration, terminal: &mut Terminal) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        match database::reach(dsn, database).await {
            Err(error) if error.may_pass() && begun.elapsed() < wait => {
                if !is_told {
                    let patience = wait.as_secs();
                    terminal.explain(&format!("{error}. Waiting for it for {patience} seconds (--wait) …"));
                    is_told = true;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            reached => return Ok(reached.map_err(JobError::from)?),
        }
    }
}

async fn up(database: &Database, yes: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let plan = steps(database).await?;
    terminal.print(&format!(
        "Migrations of this database:\n{}",
        rendered(&plan, &Format::Table, false)?
    ))?;
    let is_pending = plan.iter().any(|step| !step.applied);
    if is_pending && !yes && !is_agreed(terminal)? {
        return terminal.print("Migration aborted.\n");
    }
    apply(database, terminal).await?;
    terminal.print("------------ SUCCESS ------------\nSuccessfully applied migrations!\n")
}

fn is_agreed(terminal: &mut Terminal) -> Result<bool, Failure> {
    terminal.explain("To skip this question, use --yes.");
    let answer = terminal.ask("\nApply the pending migrations? [y/n]: ")?;
    let answer = answer.ok_or_else(|| {
        Failure::input("Nobody answered, so nothing was changed. Where nobody can be asked, use --yes")
    })?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Each step is told when it is done, for it may take long.
async fn apply(database: &Database, terminal: &mut Terminal) -> Result<(), Failure> {
    let terminal = Mutex::new(terminal);
    let told = |step: MigrationStatus| {
        let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
        terminal.explain(&format!("applied {} ({})", step.version, step.name));
    };
    database
        .migrate(&told)
        .await
        .map_err(|error| JobError::from(error).into())
}

async fn status(
    database: &Database,
    arguments: &server_args::MigrateStatus,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut plan = steps(database).await?;
    while arguments.block && plan.iter().any(|step| !step.applied) {
        tokio::time::sleep(LOOK_AGAIN).await;
        plan = steps(database).await?;
    }
    terminal.print(&rendered(&plan, &arguments.format, arguments.quiet)?)
}

async fn steps(database: &Database) -> Result<Vec<MigrationStatus>, Failure> {
    Ok(database.migration_status().await.map_err(JobError::from)?)
}

fn rendered(steps: &[MigrationStatus], format: &Format, quiet: bool) -> Result<String, Failure> {
    let row = |step: &MigrationStatus| vec![step.version.to_string(), step.name.clone(), state(step).to_owned()];
    let member = |step: &MigrationStatus| json!({ "version": step.version.to_string(), "name": step.name, "state": state(step) });
    let report = Report {
        header: &["Version", "Name", "Status"],
        layout: Layout::Table(steps.iter().map(row).collect()),
        ids: steps.iter().map(|step| step.version.to_string()).collect(),
        document: Document::Plain(steps.iter().map(member).collect::<Value>()),
    };
    report.render(format, quiet)
}

fn state(step: &MigrationStatus) -> &'static str {
    if step.applied { "Applied" } else { "Pending" }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::terminal::testing::terminal;

    const PENDING: &str = "\tPending\t\n";
    const APPLIED: &str = "\tApplied\t\n";

    struct Ran {
        result: Result<(), Failure>,
        output: String,
        errors: String,
    }

    fn run(file: &Path, input: &str, action: impl FnOnce(Option<String>) -> MigrateAction) -> Ran {
        let (mut terminal, output, errors) = terminal(input, Vec::new());
        let job = MigrateJob {
            config: Vec::new(),
            wait: Duration::ZERO,
            action: action(Some(format!("sqlite://{}", file.display()))),
        };
        let result = migrate(&job, &mut terminal);
        Ran {
            result,
            output: output.text(),
            errors: errors.text(),
        }
    }

    fn up(yes: bool) -> impl FnOnce(Option<String>) -> MigrateAction {
        move |database_url| MigrateAction::Up(MigrateUp { database_url, yes })
    }

    fn status(format: &str, block: bool) -> impl FnOnce(Option<String>) -> MigrateAction {
        let format = format.parse().unwrap();
        move |database_url| {
            MigrateAction::Status(server_args::MigrateStatus {
                database_url,
                block,
                format,
                quiet: false,
            })
        }
    }

    #[test]
    fn with_yes_it_applies_what_is_pending_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db");
        let first = run(&file, "", up(true));
        first.result.unwrap();
        assert!(first.output.contains(PENDING), "{}", first.output);
        assert!(
            first.output.ends_with("\nSuccessfully applied migrations!\n"),
            "{}",
            first.output
        );
        assert!(first.errors.contains("applied 1 (0001_"), "{}", first.errors);

        let second = run(&file, "", up(true));
        second.result.unwrap();
        assert!(
            second.output.contains(APPLIED) && !second.output.contains(PENDING),
            "{}",
            second.output
        );
        assert!(
            second.output.ends_with("\nSuccessfully applied migrations!\n"),
            "{}",
            second.output
        );
        assert_eq!(second.errors, "");
    }

    #[test]
    fn without_yes_it_asks_and_declining_is_no_failure() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db");
        let declined = run(&file, "n\n", up(false));
        declined.result.unwrap();
        assert!(
            declined.output.ends_with("[y/n]: Migration aborted.\n"),
            "{}",
            declined.output
        );
        assert!(declined.errors.contains("--yes"), "{}", declined.errors);
        assert!(run(&file, "", status("table", false)).output.contains(PENDING));

        let agreed = run(&file, "y\n", up(false));
        agreed.result.unwrap();
        assert!(run(&file, "", status("table", false)).output.contains(APPLIED));
    }

    #[test]
    fn a_way_down_is_refused_with_the_way_back_and_nothing_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db");
        let down = |database_url| {
            MigrateAction::Down(server_args::MigrateDown {
                database_url,
                steps: 1,
                yes: true,
            })
        };
        let failure = run(&file, "", down).result.unwrap_err().to_string();
        assert!(
            failure.contains("start it again") && failure.contains("backup"),
            "{failure}"
        );
        assert!(!file.exists());
    }

    #[test]
    fn where_nobody_answers_nothing_is_changed_and_the_command_fails() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db");
        let failure = run(&file, "", up(false)).result.unwrap_err();
        assert!(failure.to_string().contains("--yes"), "{failure}");
        assert!(run(&file, "", status("table", false)).output.contains(PENDING));
    }

    #[test]
    fn where_nothing_is_pending_nothing_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db");
        run(&file, "", up(true)).result.unwrap();
        run(&file, "", up(false)).result.unwrap();
        run(&file, "", status("table", true)).result.unwrap();
    }

    #[test]
    fn a_status_in_json_has_hydras_members() {
        let directory = tempfile::tempdir().unwrap();
        let ran = run(&directory.path().join("db"), "", status("json", false));
        let list: Value = serde_json::from_str(&ran.output).unwrap();
        let first = &list[0];
        assert_eq!((&first["version"], &first["state"]), (&json!("1"), &json!("Pending")));
        assert!(first["name"].as_str().unwrap().starts_with("0001_"), "{list}");
    }

    #[test]
    fn without_an_argument_the_environment_names_the_database_and_an_argument_wins() {
        let directory = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite://{}", directory.path().join(name).display());
        for (argument, made) in [(None, "by-variable"), (Some(url("by-argument")), "by-argument")] {
            let environment = vec![("DSN".to_owned(), url("by-variable"))];
            let (mut terminal, _, _) = terminal("", environment);
            let job = MigrateJob {
                config: Vec::new(),
                wait: Duration::ZERO,
                action: up(true)(argument),
            };
            migrate(&job, &mut terminal).unwrap();
            assert!(directory.path().join(made).exists(), "{made}");
        }
    }

    #[test]
    fn without_any_database_it_says_how_to_name_one() {
        let (mut terminal, output, _) = terminal("", Vec::new());
        let job = MigrateJob {
            config: Vec::new(),
            wait: Duration::ZERO,
            action: up(true)(None),
        };
        let failure = migrate(&job, &mut terminal).unwrap_err().to_string();
        assert!(failure.contains("DSN") && failure.lines().count() == 1, "{failure}");
        assert_eq!(output.text(), "");
    }

    #[test]
    fn a_database_in_memory_is_migrated_from_the_start() {
        let (mut terminal, output, _) = terminal("", Vec::new());
        let job = MigrateJob {
            config: Vec::new(),
            wait: Duration::ZERO,
            action: MigrateAction::Up(MigrateUp {
                database_url: Some("memory".to_owned()),
                yes: true,
            }),
        };
        migrate(&job, &mut terminal).unwrap();
        assert!(output.text().contains(APPLIED), "{}", output.text());
    }
}

//! `janitor`: removes what has expired, now.
//!
//! Hydra's flags are understood, with these differences. Every row knows when it ends, so nothing that is still good is
//! removed, and the lifespans say nothing. One statement removes expired rows of every kind, whichever is asked for: a
//! server removes all of them in the background anyway.

use std::time::{Duration, Instant};

use claviger_core::context::Timestamp;
use claviger_core::port::{Purged, Store};
use claviger_store::Database;

use super::jobs::{JobError, Place, with_database};
use super::purge::pause;
use crate::cli::Terminal;
use crate::cli::failure::Failure;
use crate::cli::server_args::Janitor;
use crate::provider::now;

/// How often it asks again while a server is at the same work, and how long it waits between.
const TRIES: u32 = 25;
const WAIT: Duration = Duration::from_millis(200);

/// `janitor`, after its arguments were checked.
pub(crate) fn janitor(arguments: &Janitor, terminal: &mut Terminal) -> Result<(), Failure> {
    let place = Place {
        files: &arguments.config,
        env: terminal.environment(),
        database_url: arguments.database_url.as_deref(),
    };
    for flag in lifespans(arguments) {
        terminal.explain(&format!(
            "{flag} changes nothing: every token and request knows when it ends"
        ));
    }
    with_database(place, async |database: &Database| {
        let purged = purge(&*database.store(), arguments).await?;
        if purged.busy {
            terminal.explain("A server is removing expired rows at this moment; what is left is for it");
        }
        terminal.print(&told(arguments, purged.rows))
    })
}

fn lifespans(arguments: &Janitor) -> impl Iterator<Item = &'static str> {
    let flags = [
        ("--access-lifespan", arguments.access_lifespan),
        ("--refresh-lifespan", arguments.refresh_lifespan),
        ("--consent-request-lifespan", arguments.consent_request_lifespan),
    ];
    flags.into_iter().filter_map(|(flag, value)| value.map(|_| flag))
}

/// Batch after batch, until one is not full, the limit is reached, or a server that is at the same work does not end.
async fn purge(store: &dyn Store, arguments: &Janitor) -> Result<Purged, Failure> {
    let keeps = arguments.keep_if_younger;
    let before = cut_off(now(), keeps);
    let mut total = Purged::default();
    let (mut left, mut tries) = (rows_of(arguments.limit), TRIES);
    while left > 0 {
        let batch = left.min(rows_of(arguments.batch_size));
        let begun = Instant::now();
        let purged = match keeps.as_secs() {
            0 => store.purge(before, batch).await,
            _ => store.purge_older(before, batch).await,
        };
        let purged = purged.map_err(JobError::from)?;
        if purged.busy {
            tries -= 1;
            if tries == 0 {
                total.busy = true;
                break;
            }
            tokio::time::sleep(WAIT).await;
            continue;
        }
        total.rows += purged.rows;
        left -= batch;
        // Of no kind was there a whole batch.
        if purged.rows < u64::from(batch) {
            break;
        }
        // A server that wants to write to the same SQLite file gets its turn.
        tokio::time::sleep(pause(begun.elapsed(), false)).await;
    }
    Ok(total)
}

/// What ended before this time is at least `younger` old.
fn cut_off(now: Timestamp, younger: Duration) -> Timestamp {
    Timestamp(
        now.0
            .saturating_sub(i64::try_from(younger.as_secs()).unwrap_or(i64::MAX)),
    )
}

/// The arguments were checked to be positive.
fn rows_of(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Hydra's lines, one for each kind that was asked for, and how much it was.
fn told(arguments: &Janitor, rows: u64) -> String {
    let kinds = [
        (arguments.tokens, "access tokens"),
        (arguments.tokens, "refresh tokens"),
        (arguments.requests, "login-consent requests"),
        (arguments.grants, "grants"),
    ];
    let asked = kinds.into_iter().filter(|(asked, _)| *asked);
    let mut text: String = asked
        .map(|(_, kind)| format!("Successfully completed Janitor run on {kind}\n"))
        .collect();
    text.push_str(&format!("Removed {rows} expired rows\n"));
    text
}

#[cfg(test)]
mod tests {
    use claviger_core::context::Id;
    use claviger_core::port::{Change, FlowRecord, FlowStep, Freshness, Outcome};

    use super::*;
    use crate::cli::terminal::testing::terminal;
    use crate::config::Dsn;
    use crate::server::database;

    const HOUR: i64 = 3600;

    fn arguments() -> Janitor {
        Janitor {
            database_url: None,
            config: Vec::new(),
            read_from_env: false,
            tokens: true,
            requests: true,
            grants: false,
            limit: 10_000,
            batch_size: 100,
            keep_if_younger: Duration::ZERO,
            access_lifespan: None,
            refresh_lifespan: None,
            consent_request_lifespan: None,
        }
    }

    /// A database with ten flows, of which the first ended an hour ago, the second two hours ago, and so on.
    async fn database() -> Database {
        let database = database::open(&Dsn::Memory).await.unwrap();
        for hours in 1..=10_u8 {
            let flow = flow(hours);
            let outcome = database.store().apply(Change::AnswerLogin { flow }).await.unwrap();
            assert_eq!(outcome, Outcome::Applied);
        }
        database
    }

    fn flow(hours: u8) -> FlowRecord {
        FlowRecord {
            id: Id([hours; 16]),
            step: FlowStep::LoginAnswered,
            version: 0,
            sealed: vec![hours],
            expires_at: Timestamp(now().0 - i64::from(hours) * HOUR),
        }
    }

    async fn is_there(database: &Database, hours: u8) -> bool {
        let flow = database.store().flow(Id([hours; 16]), Freshness::Latest).await;
        flow.unwrap().is_some()
    }

    async fn removed(database: &Database, arguments: &Janitor) -> u64 {
        purge(&*database.store(), arguments).await.unwrap().rows
    }

    #[tokio::test]
    async fn it_removes_in_batches_until_nothing_expired_is_left() {
        let database = database().await;
        let small = Janitor {
            batch_size: 3,
            ..arguments()
        };
        assert_eq!(removed(&database, &small).await, 10);
        assert!(!is_there(&database, 1).await);
    }

    #[tokio::test]
    async fn it_removes_no_more_than_the_limit() {
        let database = database().await;
        let limited = Janitor {
            limit: 4,
            batch_size: 3,
            ..arguments()
        };
        assert_eq!(removed(&database, &limited).await, 4);
    }

    #[tokio::test]
    async fn it_keeps_what_is_younger_than_it_was_told() {
        let database = database().await;
        let keeping = Janitor {
            keep_if_younger: Duration::from_secs(5 * 3600 + 1800),
            ..arguments()
        };
        assert_eq!(removed(&database, &keeping).await, 5);
        assert!(is_there(&database, 5).await && !is_there(&database, 6).await);
    }

    #[test]
    fn it_says_what_it_did_for_each_kind_that_was_asked_for() {
        let (mut terminal, output, errors) = terminal("", Vec::new());
        let asked = Janitor {
            database_url: Some("memory".to_owned()),
            access_lifespan: Some(Duration::from_secs(1)),
            ..arguments()
        };
        janitor(&asked, &mut terminal).unwrap();
        assert_eq!(
            output.text(),
            "Successfully completed Janitor run on access tokens\n\
             Successfully completed Janitor run on refresh tokens\n\
             Successfully completed Janitor run on login-consent requests\n\
             Removed 0 expired rows\n"
        );
        assert!(errors.text().contains("--access-lifespan"), "{}", errors.text());
    }

    #[test]
    fn a_database_that_is_not_migrated_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (mut terminal, output, _) = terminal("", Vec::new());
        let asked = Janitor {
            database_url: Some(format!("sqlite://{}", directory.path().join("db").display())),
            ..arguments()
        };
        let failure = janitor(&asked, &mut terminal).unwrap_err();
        assert!(failure.to_string().contains("claviger migrate sql"), "{failure}");
        assert_eq!(output.text(), "");
    }
}

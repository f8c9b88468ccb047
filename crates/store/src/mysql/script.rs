//! One change as statements that are sent together.

use claviger_core::port::{Change, Outcome, StoreError};
use mysql_async::Row;

use super::apply;
use super::read::column;
use super::sql::{self, Value};

const END: &str = "COMMIT;SET autocommit = 1;";

/// Statements of changes, of which each ends by saying `@ok`.
#[derive(Default)]
pub(super) struct Script {
    pub(super) text: String,
}

impl Script {
    /// The statements of one change.
    pub(super) fn of(change: &Change) -> Self {
        let mut script = Self {
            text: "SET @ok = 1;".to_owned(),
        };
        apply::apply(&mut script, change);
        script.text.push_str("SELECT @ok;");
        script
    }

    /// A statement that may find nothing to do.
    pub(super) fn run(&mut self, statement: &str, values: &[Value<'_>]) {
        sql::write(&mut self.text, statement, values);
    }

    /// A statement that changes a row if its predicates hold.
    pub(super) fn predicate(&mut self, statement: &str, values: &[Value<'_>]) {
        self.run(statement, values);
        self.text.push_str("SET @ok = ROW_COUNT() > 0;");
    }

    /// As a transaction of its own, and what ends it if that has to be a command of its own.
    ///
    /// A server of a Galera cluster may undo a transaction between two statements of one text without an error, and run
    /// the rest (seen with MariaDB 10.11). Without `autocommit` the rest is not committed by itself, and the savepoint is
    /// gone with what was undone, so that releasing it fails and nothing is committed. Between that and a commit in the same
    /// text it may be undone too; a command of its own is told so.
    pub(super) fn transaction(text: &str, has_peers: bool) -> (String, Option<&'static str>) {
        let mut whole = format!("SET autocommit = 0;START TRANSACTION;SAVEPOINT whole;{text}RELEASE SAVEPOINT whole;");
        if has_peers {
            return (whole, Some(END));
        }
        whole.push_str(END);
        (whole, None)
    }
}

/// What became of each change, from the rows in which they said it.
pub(super) fn outcomes(sets: &[Vec<Row>]) -> Result<Vec<Outcome>, StoreError> {
    let said = |rows: &Vec<Row>| {
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Broken("a change did not say what became of it".to_owned()))?;
        Ok(match column::<i64>(row, 0)? {
            0 => Outcome::LostRace,
            _ => Outcome::Applied,
        })
    };
    sets.iter().map(said).collect()
}

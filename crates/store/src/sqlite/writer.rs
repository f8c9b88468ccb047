//! The threads that own SQLite connections.
//!
//! One thread writes: all changes that wait share one transaction and so one flush to disk, each in a savepoint of its
//! own, so that a lost race or an error undoes nobody else's. Other threads read. In memory there is one connection and
//! so one thread for everything.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use claviger_core::port::{Change, Outcome, StoreError};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{apply, refused};
use crate::coalesce::{Answer, Limits, closed};
use crate::statistics::{Kind, Statistics};

/// Work that brings its own answer home.
pub(super) type Task = Box<dyn FnOnce(&mut Connection) + Send>;

struct Waiting {
    change: Box<Change>,
    caller: oneshot::Sender<Answer<Outcome>>,
}

enum Job {
    Do(Task),
    Change(Waiting),
    Stop,
}

/// The door to one thread.
pub(super) struct Worker {
    queue: mpsc::Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    pub(super) fn start(
        name: &str,
        connection: Connection,
        limits: Limits,
        statistics: Arc<Statistics>,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(limits.queue);
        let run = move || serve(connection, jobs, limits.batch, &statistics);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) async fn apply(&self, change: Change) -> Answer<Outcome> {
        let (caller, answer) = oneshot::channel();
        let change = Box::new(change);
        self.send(Job::Change(Waiting { change, caller })).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs `work` on the connection, outside any transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (caller, answer) = oneshot::channel();
        let task = move |connection: &mut Connection| {
            // A caller that has gone away needs no answer.
            let _ = caller.send(work(connection));
        };
        self.send(Job::Do(Box::new(task))).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// How much waits at its door.
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    async fn send(&self, job: Job) -> Result<(), StoreError> {
        self.queue.send(job).await.map_err(|_| closed())
    }

    /// Does what waits, refuses the rest, and closes the connection.
    pub(super) async fn stop(&self) {
        // Fails only if the thread has ended.
        let _ = self.queue.send(Job::Stop).await;
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // Fails only if the thread panicked, which it has reported.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn serve(mut connection: Connection, mut queue: mpsc::Receiver<Job>, limit: usize, statistics: &Statistics) {
    let only_reads = only_reads(&connection);
    let mut jobs = Vec::with_capacity(limit);
    while queue.blocking_recv_many(&mut jobs, limit) > 0 {
        let mut changes = Vec::new();
        let mut tasks = Vec::new();
        for job in jobs.drain(..) {
            match job {
                Job::Do(task) => tasks.push(task),
                Job::Change(waiting) => changes.push(waiting),
                Job::Stop => queue.close(),
            }
        }
        if !changes.is_empty() {
            statistics.sent_batch(kind_of(&changes), changes.len());
            commit(&mut connection, changes);
        }
        perform(&mut connection, tasks, only_reads);
    }
}

/// Does what waits. On a connection that only reads, all of it looks at one state of the database: to begin and end a read
/// costs more system calls than a lookup. That state is the newest one when the first of them reads, and by then every one
/// of them had been asked.
fn perform(connection: &mut Connection, tasks: Vec<Task>, only_reads: bool) {
    let together = tasks.len() > 1 && only_reads && mark(connection, "BEGIN").is_ok();
    for task in tasks {
        task(connection);
    }
    // An error may have ended it already.
    if together && !connection.is_autocommit() && mark(connection, "COMMIT").is_err() {
        // Nothing was written, so there is nothing to lose; the next batch must see a newer state.
        let _ = mark(connection, "ROLLBACK");
    }
}

/// A connection that was told to refuse every write.
fn only_reads(connection: &Connection) -> bool {
    connection
        .pragma_query_value(None, "query_only", |row| row.get(0))
        .unwrap_or(false)
}

fn mark(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// A batch of both kinds counts as the slower one.
fn kind_of(batch: &[Waiting]) -> Kind {
    let only_issues = batch
        .iter()
        .all(|waiting| matches!(*waiting.change, Change::Issue { .. }));
    if only_issues { Kind::Issue } else { Kind::Change }
}

/// Applies all in one transaction, and answers after it is on disk.
fn commit(connection: &mut Connection, batch: Vec<Waiting>) {
    let (changes, callers): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|waiting| (waiting.change, waiting.caller))
        .unzip();
    let answers = transact(connection, &changes);
    for (position, caller) in callers.into_iter().enumerate() {
        let answer = match &answers {
            Ok(answers) => answers.get(position).cloned().unwrap_or_else(|| Err(closed())),
            Err(error) => Err(error.clone()),
        };
        // A caller that has gone away needs no answer.
        let _ = caller.send(answer);
    }
}

fn transact(connection: &mut Connection, changes: &[Box<Change>]) -> Answer<Vec<Answer<Outcome>>> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| refused(&error))?;
    let mut answers = Vec::with_capacity(changes.len());
    for change in changes {
        let answer = guarded(&transaction, change).map_err(|error| refused(&error));
        if transaction.is_autocommit() {
            // Some errors, such as a full disk, end the transaction: nothing of it is there.
            return Err(answer
                .err()
                .unwrap_or_else(|| StoreError::Broken("a transaction ended early".to_owned())));
        }
        answers.push(answer);
    }
    transaction.commit().map_err(|error| refused(&error))?;
    Ok(answers)
}

/// One change that leaves nothing behind unless it is applied.
fn guarded(connection: &Connection, change: &Change) -> rusqlite::Result<Outcome> {
    mark(connection, "SAVEPOINT change")?;
    let outcome = apply::apply(connection, change);
    if !matches!(outcome, Ok(Outcome::Applied)) && !connection.is_autocommit() {
        mark(connection, "ROLLBACK TO change")?;
    }
    if !connection.is_autocommit() {
        mark(connection, "RELEASE change")?;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(connection: &mut Connection) -> i64 {
        connection
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }

    /// A file, and two connections to it: one writes, one only reads.
    fn pair(directory: &tempfile::TempDir) -> (Connection, Connection) {
        let open = || Connection::open(directory.path().join("db")).unwrap();
        let (writer, reader) = (open(), open());
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE t (x)").unwrap();
        reader.pragma_update(None, "query_only", true).unwrap();
        (writer, reader)
    }

    #[test]
    fn what_waits_is_read_from_one_state_and_what_comes_later_from_a_newer_one() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, mut reader) = pair(&directory);
        assert!(only_reads(&reader) && !only_reads(&writer));
        let (told, seen) = std::sync::mpsc::channel();
        let look =
            |told: std::sync::mpsc::Sender<i64>| -> Task { Box::new(move |reader| told.send(count(reader)).unwrap()) };
        let between = Box::new(move |_: &mut Connection| {
            writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
        });
        perform(&mut reader, vec![look(told.clone()), between, look(told.clone())], true);
        assert_eq!((seen.recv(), seen.recv()), (Ok(0), Ok(0)));
        assert!(reader.is_autocommit());
        perform(&mut reader, vec![look(told.clone()), look(told)], true);
        assert_eq!((seen.recv(), seen.recv()), (Ok(1), Ok(1)));
    }

    #[test]
    fn a_read_that_fails_harms_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let (_writer, mut reader) = pair(&directory);
        let (told, seen) = std::sync::mpsc::channel();
        let fails =
            Box::new(|reader: &mut Connection| assert!(reader.execute("INSERT INTO t VALUES (1)", []).is_err()));
        let look = Box::new(move |reader: &mut Connection| told.send(count(reader)).unwrap());
        perform(&mut reader, vec![fails, look], true);
        assert_eq!(seen.recv(), Ok(0));
        assert!(reader.is_autocommit());
    }
}

//! A place for one connection at a time: opened when it is needed, replaced when it is lost or old.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use claviger_core::port::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use tokio::sync::Mutex;

use super::connect::{Connected, Connector};
use super::fault::Failed;
use super::script::Script;
use crate::coalesce::closed;

/// The first wait after a failed attempt to connect, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that rested this long is asked whether it lives before a change depends on it.
const REST: Duration = Duration::from_secs(2);

struct Session {
    conn: Conn,
    has_peers: bool,
    server: usize,
    opened: Instant,
    used: Instant,
}

/// A failed attempt, answered to everybody until it is time for the next one.
struct Failure {
    error: StoreError,
    again_at: Instant,
    wait: Duration,
}

#[derive(Default)]
struct Slot {
    session: Option<Session>,
    failure: Option<Failure>,
}

/// A place for one connection. Who uses it has it alone.
pub(super) struct Line {
    connector: Arc<Connector>,
    lifetime: Option<Duration>,
    deadline: Duration,
    slot: Mutex<Slot>,
    is_closed: AtomicBool,
}

impl Line {
    /// `deadline` is when an answer is given up although the server said nothing at all.
    pub(super) fn new(connector: Arc<Connector>, lifetime: Option<Duration>, deadline: Duration) -> Self {
        Self {
            connector,
            lifetime,
            deadline,
            slot: Mutex::default(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Sends statements and gives the rows of each that has rows. After an error nothing of them is left.
    pub(super) async fn run(&self, text: &str) -> Result<Vec<Vec<Row>>, Failed> {
        self.send(|_| (Cow::Borrowed(text), None)).await
    }

    /// As [`Self::run`], for changes as one transaction.
    pub(super) async fn change(&self, text: &str) -> Result<Vec<Vec<Row>>, Failed> {
        let texts = |has_peers| {
            let (text, end) = Script::transaction(text, has_peers);
            (Cow::Owned(text), end)
        };
        self.send(texts).await
    }

    /// Sends one text, or two, as it has to be for this kind of server.
    async fn send<'t>(
        &self,
        texts: impl FnOnce(bool) -> (Cow<'t, str>, Option<&'static str>),
    ) -> Result<Vec<Vec<Row>>, Failed> {
        let mut slot = self.slot.lock().await;
        let mut session = self.session(&mut slot).await.map_err(Failed::Unconnected)?;
        let (text, end) = texts(session.has_peers);
        let mut sets = Vec::new();
        let sending = async {
            fill(&mut sets, &mut session.conn, &text).await?;
            match end {
                Some(end) => fill(&mut sets, &mut session.conn, end).await,
                None => Ok(()),
            }
        };
        // While it is out of its slot, whoever drops this future drops a connection in an unknown state too.
        let answer = match tokio::time::timeout(self.deadline, sending).await {
            Ok(Ok(())) => Ok(sets),
            Ok(Err(error)) if sets.is_empty() => Err(Failed::from(&error)),
            Ok(Err(error)) => Err(Failed::from(&error).midway()),
            Err(_) => Err(Failed::Silent),
        };
        let is_usable = match &answer {
            Ok(_) => true,
            Err(failed) => !failed.ends_connection() && self.undo(&mut session.conn).await,
        };
        if answer.as_ref().is_err_and(Failed::leaves_server) {
            self.connector.leave(session.server);
        }
        if is_usable {
            session.used = Instant::now();
            slot.session = Some(session);
        }
        answer
    }

    /// As [`Self::run`], for what changes nothing: asked again once if the connection turns out to be dead.
    pub(super) async fn ask(&self, text: &str) -> Result<Vec<Vec<Row>>, Failed> {
        match self.run(text).await {
            Err(failed) if failed.is_lost() => self.run(text).await,
            answer => answer,
        }
    }

    /// Ends a transaction that an error left open.
    async fn undo(&self, conn: &mut Conn) -> bool {
        matches!(
            tokio::time::timeout(self.deadline, conn.query_drop("ROLLBACK;SET autocommit = 1")).await,
            Ok(Ok(()))
        )
    }

    /// Says whether a connection can be had.
    pub(super) async fn connect(&self) -> Result<(), StoreError> {
        let mut slot = self.slot.lock().await;
        let session = self.session(&mut slot).await?;
        slot.session = Some(session);
        Ok(())
    }

    /// The connection, opened if there is none. Fails at once while the database is known to be away.
    async fn session(&self, slot: &mut Slot) -> Result<Session, StoreError> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(closed());
        }
        if let Some(session) = self.usable(slot.session.take()).await {
            return Ok(session);
        }
        if let Some(failure) = slot
            .failure
            .as_ref()
            .filter(|failure| Instant::now() < failure.again_at)
        {
            return Err(failure.error.clone());
        }
        match self.connector.connect().await {
            Ok(Connected {
                conn,
                has_peers,
                server,
            }) => {
                slot.failure = None;
                Ok(Session {
                    conn,
                    has_peers,
                    server,
                    opened: Instant::now(),
                    used: Instant::now(),
                })
            }
            Err(error) => {
                let wait = slot
                    .failure
                    .as_ref()
                    .map_or(FIRST_WAIT, |failure| (failure.wait * 2).min(LONGEST_WAIT));
                slot.failure = Some(Failure {
                    error: error.clone(),
                    again_at: Instant::now() + wait,
                    wait,
                });
                Err(error)
            }
        }
    }

    async fn usable(&self, session: Option<Session>) -> Option<Session> {
        let mut session = session.filter(|session| !self.connector.is_left(session.server))?;
        if self
            .lifetime
            .is_some_and(|lifetime| session.opened.elapsed() >= lifetime)
        {
            return None;
        }
        if session.used.elapsed() >= REST {
            // The driver does not notice that the server closed a connection until it is used.
            let alive = tokio::time::timeout(self.deadline, session.conn.ping()).await;
            return matches!(alive, Ok(Ok(()))).then_some(session);
        }
        Some(session)
    }

    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        let session = self.slot.lock().await.session.take();
        if let Some(session) = session {
            // It is dropped anyway.
            let _ = tokio::time::timeout(self.deadline, session.conn.disconnect()).await;
        }
    }
}

/// The rows of each statement that has rows.
pub(super) async fn sets(conn: &mut Conn, text: &str) -> mysql_async::Result<Vec<Vec<Row>>> {
    let mut sets = Vec::new();
    fill(&mut sets, conn, text).await?;
    Ok(sets)
}

/// The same, and after an error those that came before it.
async fn fill(sets: &mut Vec<Vec<Row>>, conn: &mut Conn, text: &str) -> mysql_async::Result<()> {
    let mut result = conn.query_iter(text).await?;
    while !result.is_empty() {
        let has_rows = !result.columns_ref().is_empty();
        let mut rows = Vec::new();
        while let Some(row) = result.next().await? {
            rows.push(row);
        }
        if has_rows {
            sets.push(rows);
        }
    }
    // An error of a later statement is kept for who asks for more.
    result.drop_result().await
}

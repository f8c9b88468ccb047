//! A connection that comes back: opened when it is needed, replaced when it is lost or old.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use claviger_core::port::StoreError;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Error};

use super::connect::Connector;
use super::fault::{is_lost, is_outdated, is_passing, is_read_only, refused};
use super::statements::Statements;
use crate::coalesce::closed;

/// The first wait after a failed attempt to connect, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// One live connection with its statements.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) statements: Statements,
    opened: Instant,
}

/// A failed attempt, answered to everybody until it is time for the next one.
struct Failure {
    error: StoreError,
    again_at: Instant,
    wait: Duration,
}

/// A place for one connection at a time.
pub(super) struct Line {
    connector: Arc<Connector>,
    lifetime: Option<Duration>,
    deadline: Duration,
    current: RwLock<Option<Arc<Session>>>,
    failure: Mutex<Option<Failure>>,
    is_closed: std::sync::atomic::AtomicBool,
}

impl Line {
    /// `deadline` is when a statement is given up although the server has not answered at all.
    pub(super) fn new(connector: Arc<Connector>, lifetime: Option<Duration>, deadline: Duration) -> Self {
        Self {
            connector,
            lifetime,
            deadline,
            current: RwLock::new(None),
            failure: Mutex::new(None),
            is_closed: false.into(),
        }
    }

    /// The connection, opened if there is none. Fails at once while the database is known to be away.
    pub(super) async fn session(&self) -> Result<Arc<Session>, StoreError> {
        if let Some(session) = self.usable() {
            return Ok(session);
        }
        // One caller connects, the others wait for what comes of it.
        let mut failure = self.failure.lock().await;
        if let Some(session) = self.usable() {
            return Ok(session);
        }
        if self.is_closed.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(closed());
        }
        if let Some(failure) = failure.as_ref().filter(|failure| Instant::now() < failure.again_at) {
            return Err(failure.error.clone());
        }
        match self.open().await {
            Ok(session) => {
                *failure = None;
                let session = Arc::new(session);
                self.set(Some(session.clone()));
                Ok(session)
            }
            Err(error) => {
                let wait = failure
                    .as_ref()
                    .map_or(FIRST_WAIT, |failure| (failure.wait * 2).min(LONGEST_WAIT));
                *failure = Some(Failure {
                    error: error.clone(),
                    again_at: Instant::now() + wait,
                    wait,
                });
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<Session, StoreError> {
        let client = self.connector.connect().await?;
        let statements = Statements::new();
        if self.connector.is_pooled() {
            match tokio::time::timeout(self.deadline, statements.type_values(&client)).await {
                Ok(typed) => typed.map_err(|error| refused(&error))?,
                Err(_) => return Err(StoreError::Unavailable("preparing statements took too long".to_owned())),
            }
        }
        Ok(Session {
            client,
            statements,
            opened: Instant::now(),
        })
    }

    /// Waits for an answer of the server; a connection that does not answer, or whose plans are outdated, is given up.
    pub(super) async fn answer<T>(
        &self,
        session: &Arc<Session>,
        asking: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failed> {
        match tokio::time::timeout(self.deadline, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let is_lost = is_lost(&error) || session.client.is_closed();
                if is_lost || is_outdated(&error) || is_read_only(&error) {
                    self.give_up(session);
                }
                Err(if is_lost {
                    Failed::Lost(error)
                } else {
                    Failed::Refused(error)
                })
            }
            Err(_) => {
                self.give_up(session);
                Err(Failed::Silent)
            }
        }
    }

    fn give_up(&self, session: &Arc<Session>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            *current = None;
        }
    }

    /// Forgets a failure, as its cause was removed.
    pub(super) async fn try_again(&self) {
        *self.failure.lock().await = None;
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, std::sync::atomic::Ordering::Relaxed);
        self.set(None);
    }

    fn usable(&self) -> Option<Arc<Session>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let is_young = |session: &Session| self.lifetime.is_none_or(|lifetime| session.opened.elapsed() < lifetime);
        current
            .clone()
            .filter(|session| !session.client.is_closed() && is_young(session))
    }

    fn set(&self, session: Option<Arc<Session>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = session;
    }
}

/// Why a statement has no answer.
pub(super) enum Failed {
    /// The server, or the driver, said so: nothing was done.
    Refused(Error),
    /// The connection ended, or the server said that it ends it. Whether it happened is not known.
    Lost(Error),
    /// Nobody said anything until the deadline. Whether it happened is not known.
    Silent,
}

impl Failed {
    /// Whether trying the whole again may help at once.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Refused(error) if is_passing(error))
    }
}

impl From<&Failed> for StoreError {
    fn from(failed: &Failed) -> Self {
        match failed {
            Failed::Refused(error) | Failed::Lost(error) => refused(error),
            Failed::Silent => Self::Unavailable("it did not answer in time".to_owned()),
        }
    }
}

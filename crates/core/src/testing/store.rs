//! A [`Store`] in memory, with the predicates of the real ones.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use super::changes::State;
use crate::context::{Id, Timestamp};
use crate::port::*;

/// Facts in memory. What is answered to [`Freshness::ProvedByWrite`] can be made to lag behind, changes can be made to
/// lose their race, and the whole can be switched off.
#[derive(Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    remembered: Mutex<Option<State>>,
    losses: AtomicUsize,
    is_down: AtomicBool,
    reads: AtomicUsize,
    writes: AtomicUsize,
}

impl MemoryStore {
    /// From now on remembered facts are those of this moment.
    pub(crate) fn freeze_memory(&self) {
        let state = self.state().clone();
        *self.remembered.lock().expect("no test panics in here") = Some(state);
    }

    /// The next `count` changes lose their race, whatever they are.
    pub(crate) fn lose_next(&self, count: usize) {
        self.losses.store(count, Ordering::Relaxed);
    }

    /// From now on the database does not answer.
    pub(crate) fn go_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    /// How many facts were read from the database, and not from memory, since the last call.
    pub(crate) fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }

    /// How many changes were tried since the last call.
    pub(crate) fn writes(&self) -> usize {
        self.writes.swap(0, Ordering::Relaxed)
    }

    /// The rows themselves, to set a scene or to look behind it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics in here")
    }

    fn read<T>(&self, freshness: Freshness, look: impl FnOnce(&State) -> T) -> Result<T, StoreError> {
        self.answers()?;
        if freshness == Freshness::ProvedByWrite
            && let Some(remembered) = &*self.remembered.lock().expect("no test panics in here")
        {
            return Ok(look(remembered));
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(look(&self.state()))
    }

    fn answers(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("switched off by the test".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn client(&self, id: &str, freshness: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        self.read(freshness, |state| state.clients.get(id).cloned().map(Arc::new))
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let is_wanted = |client: &&ClientRecord| {
                query.name.as_ref().is_none_or(|name| *name == client.name)
                    && query.owner.as_ref().is_none_or(|owner| *owner == client.owner)
                    && query.after.as_ref().is_none_or(|after| client.id > *after)
            };
            let (offset, limit) = (query.offset as usize, query.limit as usize);
            let clients = state.clients.values().filter(is_wanted);
            clients.skip(offset).take(limit).cloned().collect()
        })
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        self.read(Freshness::Latest, |state| state.clients.len() as u64)
    }

    async fn flow(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        self.read(freshness, |state| state.flows.get(&id).cloned().map(Arc::new))
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        self.read(Freshness::Latest, |state| state.sessions.get(&id).cloned())
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let is_wanted = |grant: &&GrantRecord| {
                grant.subject == subject
                    && &*grant.client_id == client
                    && grant.remembered_until.is_some_and(|until| until > now)
            };
            let grants = state.grants.values().filter(is_wanted);
            grants.max_by_key(|grant| (grant.created_at, grant.id)).cloned()
        })
    }

    async fn code(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        self.read(freshness, |state| {
            let (code, used_at) = state.codes.get(&id)?;
            Some(Arc::new(CodeFacts {
                code: code.clone(),
                used_at: *used_at,
                grant: state.grant(code.grant),
            }))
        })
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let access = state.access.get(&id)?.clone();
            let (grant, client) = match &access.owner {
                Owner::Grant { id, .. } => {
                    let grant = state.grant(*id)?;
                    let client = Arc::clone(&grant.client_id);
                    (Some(grant), client)
                }
                Owner::Client { id, .. } => (None, Arc::clone(id)),
            };
            Some(AccessFacts {
                access,
                grant,
                client_version: state.clients.get(&*client)?.version,
            })
        })
    }

    async fn refresh(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        self.read(freshness, |state| {
            let (refresh, used) = state.refreshes.get(&id)?;
            let rotated = used.map(|(at, successor)| Rotated {
                at,
                successor: state.refreshes.get(&successor).map(|(refresh, _)| refresh.clone()),
                access: state.access.get(&successor).cloned(),
            });
            Some(Arc::new(RefreshFacts {
                refresh: refresh.clone(),
                rotated,
                grant: state.grant(refresh.grant),
            }))
        })
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let mut keys: Vec<_> = state.keys.iter().rev().filter(|key| key.set == set).cloned().collect();
            keys.sort_by_key(|key| std::cmp::Reverse(key.created_at));
            keys
        })
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        self.answers()?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        let loses = |left: usize| left.checked_sub(1);
        let lost = self.losses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, loses);
        if lost.is_ok() {
            return Ok(Outcome::LostRace);
        }
        let mut state = self.state();
        let before = state.clone();
        let outcome = state.apply(change);
        if outcome == Outcome::LostRace {
            *state = before;
        }
        Ok(outcome)
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.answers()?;
        let rows = self.state().purge(now, limit as usize);
        Ok(Purged { rows, busy: false })
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.answers()?;
        Ok(SchemaStatus::Current)
    }
}

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

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let grants = state.grants.values().filter(|grant| is_listed(query, grant));
            let (offset, limit) = (query.offset as usize, query.limit as usize);
            grants.skip(offset).take(limit).cloned().collect()
        })
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        self.read(Freshness::Latest, |state| {
            state.grants.values().filter(|grant| is_listed(query, grant)).count() as u64
        })
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let known = state.sessions.get(&session).map(|session| session.subject.as_str());
            let first = state.grants.get(&session).map(|grant| grant.subject.as_str());
            let subjects = [known, first, subject];
            let grants = state
                .grants
                .values()
                .filter(|grant| grant.session_id == Some(session) && subjects.contains(&Some(grant.subject.as_str())));
            let mut found: Vec<_> = grants
                .map(|grant| Participant {
                    client: grant.client_id.to_string(),
                    subject: grant.subject.clone(),
                })
                .collect();
            found.sort_by(|one, other| one.client.cmp(&other.client));
            found.dedup();
            found
        })
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        self.answers()?;
        Ok(self.state().claim(now, lease, limit as usize))
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

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        self.read(Freshness::Latest, |state| state.device(|device| device.id == id))
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        self.read(Freshness::Latest, |state| {
            state.device(|device| device.user_code == user_code)
        })
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let mut keys: Vec<_> = state.keys.iter().rev().filter(|key| key.set == set).cloned().collect();
            keys.sort_by_key(|key| std::cmp::Reverse(key.created_at));
            keys
        })
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        self.read(Freshness::Latest, |state| state.assertions.contains_key(&assertion.0))
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        self.read(Freshness::Latest, |state| state.trusts.get(&id).cloned())
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let is_wanted = |trust: &&TrustRecord| {
                query.issuer.as_ref().is_none_or(|issuer| *issuer == trust.issuer)
                    && query.after.is_none_or(|after| trust.id > after)
            };
            let (offset, limit) = (query.offset as usize, query.limit as usize);
            let trusts = state.trusts.values().filter(is_wanted);
            trusts.skip(offset).take(limit).cloned().collect()
        })
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let is_wanted = |trust: &&TrustRecord| {
                trust.issuer == issuer && trust.subject.as_ref().is_none_or(|known| known == subject)
            };
            state
                .trusts
                .values()
                .rev()
                .filter(is_wanted)
                .take(100)
                .cloned()
                .collect()
        })
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.read(Freshness::Latest, |state| state.api_keys.get(&id).cloned())
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        self.read(Freshness::Latest, |state| {
            let keys = state
                .api_keys
                .values()
                .filter(|key| after.is_none_or(|after| key.id > after));
            keys.take(limit as usize).cloned().collect()
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

    async fn purge_older(&self, before: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.purge(before, limit).await
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.answers()?;
        Ok(SchemaStatus::Current)
    }
}

fn is_listed(query: &GrantQuery, grant: &GrantRecord) -> bool {
    grant.subject == query.subject
        && query.session.is_none_or(|session| grant.session_id == Some(session))
        && query.after.is_none_or(|after| grant.id > after)
        && !grant.skipped
        && grant.expires_at > query.at
        && grant.remembered_until.is_none_or(|until| until > query.at)
}

//! What this server learned by its own reads and writes, kept for decisions that the write proves.
//!
//! A client, an open flow, an unused code or an unused refresh token may be answered from memory when the caller says
//! [`Freshness::ProvedByWrite`]: the change that follows names the version, or that the row is unused, among its
//! predicates. A memory that is out of date loses the race once and is dropped. Only facts that allow something are kept:
//! a used code or a rotated token is always read, so that nothing is refused or repeated from memory.

use std::sync::Arc;

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, ApiKeyRecord, Change, ClientQuery, ClientRecord, CodeFacts, DeviceFacts, Digest, FlowRecord, FlowStep,
    Freshness, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Outcome, Participant, Purged, RefreshFacts,
    RefreshRecord, SchemaStatus, SessionRecord, Store, StoreError, TrustQuery, TrustRecord,
};
use futures_util::future::join_all;
use quick_cache::sync::Cache;

use crate::coalesce::{Answer, Coalescer, Limits};
use crate::columns::answered_version;
use crate::refused::Refused;

/// A store with bounded memory in front of another one.
pub(crate) struct Remembering<S: ?Sized> {
    memory: Memory,
    api_keys: Coalescer<Id, Option<ApiKeyRecord>>,
    refused: Arc<Refused>,
    inner: Arc<S>,
}

struct Memory {
    clients: Cache<Arc<str>, Arc<ClientRecord>>,
    flows: Cache<Id, Arc<FlowRecord>>,
    codes: Cache<Id, Arc<CodeFacts>>,
    refreshes: Cache<Id, Arc<RefreshFacts>>,
}

impl<S: Store + ?Sized> Remembering<S> {
    /// `capacity` is per kind.
    pub(crate) fn new(inner: Arc<S>, capacity: usize, limits: Limits, refused: Arc<Refused>) -> Self {
        let memory = Memory {
            clients: Cache::new(capacity),
            flows: Cache::new(capacity),
            codes: Cache::new(capacity),
            refreshes: Cache::new(capacity),
        };
        let reader = inner.clone();
        let api_keys = Coalescer::start(limits, move |asked| read_api_keys(reader.clone(), asked));
        Self {
            memory,
            api_keys,
            refused,
            inner,
        }
    }
}

/// A change that means nothing: a flow that ended long ago, for the next purge.
fn probe() -> Change {
    Change::AnswerLogin {
        flow: FlowRecord {
            id: Id([0; 16]),
            step: FlowStep::LoginAnswered,
            version: 0,
            sealed: Vec::new(),
            expires_at: Timestamp(0),
        },
    }
}

/// A handful of keys make all requests of the admin port, so each is read once for all that wait for it. The reading
/// begins after they asked: a key that was revoked before is seen to be.
async fn read_api_keys<S: Store + ?Sized>(store: Arc<S>, asked: Vec<Id>) -> Vec<Answer<Option<ApiKeyRecord>>> {
    let mut keys = asked.clone();
    keys.sort_unstable();
    keys.dedup();
    let found = join_all(keys.iter().map(|id| store.api_key(*id))).await;
    let answer = |id: &Id| {
        let at = keys.binary_search(id).ok()?;
        found.get(at).cloned()
    };
    asked.iter().map(|id| answer(id).unwrap_or(Ok(None))).collect()
}

/// What a change leaves in memory when it is applied.
enum Lesson {
    Nothing,
    Flow(FlowRecord),
    Code(FlowRecord, Box<CodeFacts>),
    Refresh(RefreshRecord, Option<Arc<GrantRecord>>),
}

impl Memory {
    /// Called before the change, as the engine consumes it.
    fn lesson(&self, change: &Change) -> Lesson {
        match change {
            Change::AnswerLogin { flow } => Lesson::Flow(FlowRecord {
                version: answered_version(flow),
                step: FlowStep::LoginAnswered,
                ..flow.clone()
            }),
            Change::Advance { flow, seen, issue, .. } => {
                let flow = FlowRecord {
                    version: seen.saturating_add(1),
                    ..flow.clone()
                };
                let coded = issue
                    .as_ref()
                    .and_then(|issue| Some((&issue.grant, issue.code.as_ref()?)));
                match coded {
                    None => Lesson::Flow(flow),
                    Some((grant, code)) => {
                        let facts = CodeFacts {
                            code: code.clone(),
                            used_at: None,
                            grant: Some(grant.clone()),
                        };
                        Lesson::Code(flow, Box::new(facts))
                    }
                }
            }
            Change::Redeem {
                code,
                refresh: Some(refresh),
                resealed,
                ..
            } => {
                let grant = self.codes.get(code).and_then(|facts| facts.grant.clone());
                let kept = |grant: Arc<GrantRecord>| {
                    let until = grant.expires_at;
                    kept(grant, until, resealed.as_ref())
                };
                Lesson::Refresh(refresh.clone(), grant.map(kept))
            }
            Change::Rotate {
                old,
                refresh,
                keep_grant,
                resealed,
                ..
            } => {
                let grant = self.refreshes.get(old).and_then(|facts| facts.grant.clone());
                Lesson::Refresh(
                    refresh.clone(),
                    grant.map(|grant| kept(grant, *keep_grant, resealed.as_ref())),
                )
            }
            _ => Lesson::Nothing,
        }
    }

    /// Drops every fact that the change would have proved or made untrue.
    fn forget(&self, change: &Touched) {
        if let Some(client) = &change.client {
            self.clients.remove(client.as_ref());
        }
        for id in change.ids.into_iter().flatten() {
            self.flows.remove(&id);
            self.codes.remove(&id);
            self.refreshes.remove(&id);
        }
    }

    fn learn(&self, lesson: Lesson) {
        match lesson {
            Lesson::Nothing | Lesson::Refresh(_, None) => {}
            Lesson::Flow(flow) => self.keep_flow(Arc::new(flow)),
            Lesson::Code(flow, facts) => {
                self.keep_flow(Arc::new(flow));
                self.keep_code(Arc::new(*facts));
            }
            Lesson::Refresh(refresh, grant) => self.keep_refresh(Arc::new(RefreshFacts {
                refresh,
                rotated: None,
                grant,
            })),
        }
    }

    fn keep_flow(&self, flow: Arc<FlowRecord>) {
        if flow.step != FlowStep::Done {
            self.flows.insert(flow.id, flow);
        }
    }

    fn keep_code(&self, facts: Arc<CodeFacts>) {
        if facts.used_at.is_none() && facts.grant.is_some() {
            self.codes.insert(facts.code.id, facts);
        }
    }

    fn keep_refresh(&self, facts: Arc<RefreshFacts>) {
        if facts.rotated.is_none() && facts.grant.is_some() {
            self.refreshes.insert(facts.refresh.id, facts);
        }
    }
}

/// The grant after a rotation.
fn kept(grant: Arc<GrantRecord>, until: Timestamp, resealed: Option<&Vec<u8>>) -> Arc<GrantRecord> {
    if grant.expires_at >= until && resealed.is_none() {
        return grant;
    }
    Arc::new(GrantRecord {
        expires_at: grant.expires_at.max(until),
        sealed: resealed.unwrap_or(&grant.sealed).clone(),
        ..GrantRecord::clone(&grant)
    })
}

/// The rows whose remembered state a change relies on or ends.
struct Touched {
    client: Option<Arc<str>>,
    ids: [Option<Id>; 2],
    /// Whether the client is untouched when the change is applied.
    client_is_proof: bool,
}

impl Touched {
    fn by(change: &Change) -> Self {
        let row = |id: &Id| [Some(*id), None];
        let (client, ids) = match change {
            Change::Issue { client, .. } | Change::IssueGrant { client, .. } => (Some(client.id.clone()), [None, None]),
            Change::AnswerLogin { flow } => (None, row(&flow.id)),
            Change::Advance {
                flow, issue, client, ..
            } => (
                client.as_ref().map(|client| client.id.clone()),
                [
                    Some(flow.id),
                    issue.as_ref().and_then(|issue| Some(issue.code.as_ref()?.id)),
                ],
            ),
            Change::Redeem { code, client, .. } => (Some(client.id.clone()), row(code)),
            Change::BurnCode { code, .. } => (None, row(code)),
            Change::BeginDevice { client, .. } | Change::RedeemDevice { client, .. } => {
                (Some(client.id.clone()), [None, None])
            }
            Change::ApproveDevice { flow, .. } => (None, row(&flow.id)),
            Change::Rotate { old, client, .. } => (Some(client.id.clone()), row(old)),
            Change::CreateClient(client) | Change::UpdateClient(client) => {
                (Some(client.id.as_str().into()), [None, None])
            }
            Change::DeleteClient(id) => (Some(id.as_str().into()), [None, None]),
            _ => (None, [None, None]),
        };
        let proof = matches!(
            change,
            Change::Issue { .. }
                | Change::IssueGrant { .. }
                | Change::Advance { .. }
                | Change::Redeem { .. }
                | Change::Rotate { .. }
                | Change::BeginDevice { .. }
                | Change::ApproveDevice { .. }
                | Change::RedeemDevice { .. }
        );
        Self {
            client,
            ids,
            client_is_proof: proof,
        }
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Remembering<S> {
    async fn client(&self, id: &str, freshness: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        if freshness == Freshness::ProvedByWrite
            && let Some(client) = self.memory.clients.get(id)
        {
            return Ok(Some(client));
        }
        let client = self.inner.client(id, freshness).await?;
        match &client {
            Some(client) => self.memory.clients.insert(client.id.as_str().into(), client.clone()),
            None => drop(self.memory.clients.remove(id)),
        }
        Ok(client)
    }

    async fn flow(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        if freshness == Freshness::ProvedByWrite
            && let Some(flow) = self.memory.flows.get(&id)
        {
            return Ok(Some(flow));
        }
        let flow = self.inner.flow(id, freshness).await?;
        self.memory.flows.remove(&id);
        if let Some(flow) = &flow {
            self.memory.keep_flow(flow.clone());
        }
        Ok(flow)
    }

    async fn code(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        if freshness == Freshness::ProvedByWrite
            && let Some(facts) = self.memory.codes.get(&id)
        {
            return Ok(Some(facts));
        }
        let facts = self.inner.code(id, freshness).await?;
        self.memory.codes.remove(&id);
        if let Some(facts) = &facts {
            self.memory.keep_code(facts.clone());
        }
        Ok(facts)
    }

    async fn refresh(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        if freshness == Freshness::ProvedByWrite
            && let Some(facts) = self.memory.refreshes.get(&id)
        {
            return Ok(Some(facts));
        }
        let facts = self.inner.refresh(id, freshness).await?;
        self.memory.refreshes.remove(&id);
        if let Some(facts) = &facts {
            self.memory.keep_refresh(facts.clone());
        }
        Ok(facts)
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        let (mut touched, lesson) = (Touched::by(&change), self.memory.lesson(&change));
        let outcome = self.inner.apply(change).await;
        self.refused.note(&outcome);
        let applied = matches!(outcome, Ok(Outcome::Applied));
        if applied && touched.client_is_proof {
            touched.client = None;
        }
        // After an error nobody knows what happened: the next decision reads.
        self.memory.forget(&touched);
        if applied {
            self.memory.learn(lesson);
        }
        outcome
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        self.inner.clients(query).await
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        self.inner.count_clients().await
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        self.inner.session(id).await
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        self.inner.remembered(subject, client, now).await
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        self.inner.grants(query).await
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        self.inner.count_grants(query).await
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        self.inner.participants(session, subject).await
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        self.inner.claim_notices(now, lease, limit).await
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        self.inner.access(id).await
    }

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        self.inner.device(id).await
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        self.inner.device_by_user_code(user_code).await
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        self.inner.keys(set).await
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        self.inner.is_used(assertion).await
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        self.inner.trust(id).await
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        self.inner.trusts(query).await
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        self.inner.trusts_in(issuer, subject).await
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.api_keys.ask(id).await
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        self.inner.api_keys(after, limit).await
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        let purged = self.inner.purge(now, limit).await;
        // Nobody may ask for a change on a quiet server. A purge that finds nothing writes nothing either.
        if purged.is_ok() && self.refused.in_a_row() > 0 {
            self.refused.note(&self.inner.apply(probe()).await);
        }
        purged
    }

    async fn purge_older(&self, before: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.inner.purge_older(before, limit).await
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.inner.schema().await
    }
}

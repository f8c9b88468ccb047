//! Spans of the operations that reach the database, for traces; in front of an engine only where traces are asked for.
//!
//! What is asked and answered is in none of them: names of operations only. Operations that were gathered have a span for
//! each caller, and the batch has one of its own (`coalesce.rs`), which is a child of the first and linked to the others.

use std::sync::Arc;

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, ApiKeyRecord, Change, ClientQuery, ClientRecord, CodeFacts, DeviceFacts, Digest, FlowRecord,
    Freshness, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Outcome, Participant, Purged, RefreshFacts,
    SchemaStatus, SessionRecord, Store, StoreError, TrustQuery, TrustRecord,
};
use tracing::{Instrument as _, Span};

/// The target of spans that are for traces, and never for the log.
pub(crate) const TARGET: &str = "otel";

/// A store whose operations are spans.
pub(crate) struct Traced<S: ?Sized> {
    inner: Arc<S>,
    system: &'static str,
}

impl<S: Store + ?Sized> Traced<S> {
    /// `system` is a name of the OpenTelemetry conventions (`db.system.name`).
    pub(crate) fn new(inner: Arc<S>, system: &'static str) -> Self {
        Self { inner, system }
    }

    fn span(&self, operation: &'static str) -> Span {
        tracing::info_span!(
            target: TARGET,
            "sql",
            otel.name = %format_args!("sql {operation}"),
            otel.kind = "client",
            db.system.name = self.system,
            db.operation.name = operation,
        )
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Traced<S> {
    async fn client(&self, id: &str, freshness: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        let span = self.span("client");
        self.inner.client(id, freshness).instrument(span).await
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        let span = self.span("clients");
        self.inner.clients(query).instrument(span).await
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        let span = self.span("count_clients");
        self.inner.count_clients().instrument(span).await
    }

    async fn flow(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        let span = self.span("flow");
        self.inner.flow(id, freshness).instrument(span).await
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        let span = self.span("session");
        self.inner.session(id).instrument(span).await
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        let span = self.span("remembered");
        self.inner.remembered(subject, client, now).instrument(span).await
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        let span = self.span("grants");
        self.inner.grants(query).instrument(span).await
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        let span = self.span("count_grants");
        self.inner.count_grants(query).instrument(span).await
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        let span = self.span("participants");
        self.inner.participants(session, subject).instrument(span).await
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        let span = self.span("claim_notices");
        self.inner.claim_notices(now, lease, limit).instrument(span).await
    }

    async fn code(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        let span = self.span("code");
        self.inner.code(id, freshness).instrument(span).await
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        let span = self.span("access");
        self.inner.access(id).instrument(span).await
    }

    async fn refresh(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        let span = self.span("refresh");
        self.inner.refresh(id, freshness).instrument(span).await
    }

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        let span = self.span("device");
        self.inner.device(id).instrument(span).await
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        let span = self.span("device_by_user_code");
        self.inner.device_by_user_code(user_code).instrument(span).await
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        let span = self.span("keys");
        self.inner.keys(set).instrument(span).await
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        let span = self.span("is_used");
        self.inner.is_used(assertion).instrument(span).await
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        let span = self.span("trust");
        self.inner.trust(id).instrument(span).await
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        let span = self.span("trusts");
        self.inner.trusts(query).instrument(span).await
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        let span = self.span("trusts_in");
        self.inner.trusts_in(issuer, subject).instrument(span).await
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        let span = self.span("api_key");
        self.inner.api_key(id).instrument(span).await
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let span = self.span("api_keys");
        self.inner.api_keys(after, limit).instrument(span).await
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        let span = self.span(change.name());
        self.inner.apply(change).instrument(span).await
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        let span = self.span("purge");
        self.inner.purge(now, limit).instrument(span).await
    }

    async fn purge_older(&self, before: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        let span = self.span("purge");
        self.inner.purge_older(before, limit).instrument(span).await
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        let span = self.span("schema");
        self.inner.schema().instrument(span).await
    }
}

//! What is asked of the database, and which statement answers it.

use std::sync::Arc;

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, ApiKeyRecord, Change, ClientQuery, ClientRecord, CodeFacts, DeviceFacts, Digest, FlowRecord,
    Freshness, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Outcome, Owner, Participant, Purged, RefreshFacts,
    SchemaStatus, SessionRecord, Store, StoreError, TrustQuery, TrustRecord,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::apply::uuid;
use super::lane::Issue;
use super::{Postgres, lists, migrate, read};
use crate::statistics::Kind;

/// PostgreSQL's text cannot hold it, so that nothing of that name is there.
fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

#[async_trait]
impl Store for Postgres {
    async fn client(&self, id: &str, _: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        if has_nul(id) {
            return Ok(None);
        }
        let client = self.row(Kind::Client, |all| &all.client, &[&id], read::client).await?;
        Ok(client.map(Arc::new))
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        let after = query.after.as_deref().unwrap_or_default();
        let texts = [query.name.as_deref(), query.owner.as_deref(), Some(after)];
        if texts.into_iter().flatten().any(has_nul) {
            return Ok(Vec::new());
        }
        let (limit, offset) = (i64::from(query.limit), i64::from(query.offset));
        let values: [&(dyn ToSql + Sync); 5] = [&query.name, &query.owner, &after, &limit, &offset];
        let rows = self.rare(Kind::Clients, lists::CLIENTS, &values).await?;
        rows.iter().map(read::client).collect()
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        let rows = self.rare(Kind::CountClients, lists::COUNT_CLIENTS, &[]).await?;
        let count = rows.first().map(|row| read::column::<i64>(row, 0)).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    async fn flow(&self, id: Id, _: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        let flow = self.row(Kind::Flow, |all| &all.flow, &[&uuid(id)], read::flow).await?;
        Ok(flow.map(Arc::new))
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        self.row(Kind::Session, |all| &all.session, &[&uuid(id)], read::session)
            .await
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        if has_nul(subject) || has_nul(client) {
            return Ok(None);
        }
        let values: [&(dyn ToSql + Sync); 3] = [&subject, &client, &now.0];
        let grant = |row: &Row| read::grant(row, 0);
        Ok(self
            .row(Kind::Remembered, |all| &all.remembered, &values, grant)
            .await?
            .flatten())
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        if has_nul(&query.subject) {
            return Ok(Vec::new());
        }
        let (session, after) = (query.session.map(uuid), query.after.map_or(Uuid::nil(), uuid));
        let (limit, offset) = (i64::from(query.limit), i64::from(query.offset));
        let values: [&(dyn ToSql + Sync); 6] = [&query.subject, &session, &query.at.0, &after, &limit, &offset];
        let rows = self.rare(Kind::Grants, lists::GRANTS, &values).await?;
        let grants = rows.iter().map(|row| read::grant(row, 0));
        grants.filter_map(Result::transpose).collect()
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        if has_nul(&query.subject) {
            return Ok(0);
        }
        let session = query.session.map(uuid);
        let values: [&(dyn ToSql + Sync); 3] = [&query.subject, &session, &query.at.0];
        let rows = self.rare(Kind::CountGrants, lists::COUNT_GRANTS, &values).await?;
        let count = rows.first().map(|row| read::column::<i64>(row, 0)).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        let subject = subject.filter(|subject| !has_nul(subject));
        let values: [&(dyn ToSql + Sync); 2] = [&uuid(session), &subject];
        let rows = self.rows(Kind::Participants, |all| &all.participants, &values).await?;
        rows.iter().map(read::participant).collect()
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        let limit = i64::from(limit);
        let values: [&(dyn ToSql + Sync); 3] = [&now.0, &lease.0, &limit];
        let rows = self.rare(Kind::Claim, lists::CLAIM_NOTICES, &values).await?;
        rows.iter().map(read::notice).collect()
    }

    async fn code(&self, id: Id, _: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        let code = self.row(Kind::Code, |all| &all.code, &[&uuid(id)], read::code).await?;
        Ok(code.map(Arc::new))
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        self.statistics.asked(Kind::Access);
        self.accesses.ask(id).await
    }

    async fn refresh(&self, id: Id, _: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        let refresh = self
            .row(Kind::Refresh, |all| &all.refresh, &[&uuid(id)], read::refresh)
            .await?;
        Ok(refresh.map(Arc::new))
    }

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        self.row(Kind::Device, |all| &all.device, &[&uuid(id)], read::device)
            .await
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        let values: [&(dyn ToSql + Sync); 1] = [&&user_code.0[..]];
        self.row(Kind::Device, |all| &all.device_by_user_code, &values, read::device)
            .await
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        if has_nul(set) {
            return Ok(Vec::new());
        }
        let rows = self.rows(Kind::Keys, |all| &all.keys, &[&set]).await?;
        rows.iter().map(read::key).collect()
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        let values: [&(dyn ToSql + Sync); 1] = [&&assertion.0[..]];
        let rows = self.rows(Kind::Assertion, |all| &all.assertion, &values).await?;
        Ok(!rows.is_empty())
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        self.row(Kind::Trust, |all| &all.trust, &[&uuid(id)], read::trust).await
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        if query.issuer.as_deref().is_some_and(has_nul) {
            return Ok(Vec::new());
        }
        let after = uuid(query.after.unwrap_or(Id([0; 16])));
        let (limit, offset) = (i64::from(query.limit), i64::from(query.offset));
        let values: [&(dyn ToSql + Sync); 4] = [&query.issuer, &after, &limit, &offset];
        let rows = self.rare(Kind::Trusts, lists::TRUSTS, &values).await?;
        rows.iter().map(read::trust).collect()
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        if has_nul(issuer) || has_nul(subject) {
            return Ok(Vec::new());
        }
        let rows = self
            .rows(Kind::Trust, |all| &all.trusts_in, &[&issuer, &subject])
            .await?;
        rows.iter().map(read::trust).collect()
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.row(Kind::ApiKey, |all| &all.api_key, &[&uuid(id)], read::api_key)
            .await
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let (after, limit) = (after.map_or(Uuid::nil(), uuid), i64::from(limit));
        let values: [&(dyn ToSql + Sync); 2] = [&after, &limit];
        let rows = self.rare(Kind::ApiKeys, lists::API_KEYS, &values).await?;
        rows.iter().map(read::api_key).collect()
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        match change {
            Change::Issue { access, client } => {
                self.statistics.asked(Kind::Issue);
                if matches!(access.owner, Owner::Grant { .. }) {
                    let reason = "a token of a grant cannot be issued without a code";
                    return Err(StoreError::Broken(reason.to_owned()));
                }
                self.issues.ask(Issue { access, client }).await
            }
            change => {
                self.statistics.asked(Kind::Change);
                self.changes.ask(change).await
            }
        }
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.remove(now, limit, true).await
    }

    async fn purge_older(&self, before: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.remove(before, limit, false).await
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.statistics.asked(Kind::Schema);
        self.statistics.sent(Kind::Schema);
        let line = &self.lines.slow;
        let asking = async {
            let session = line.session().await?;
            let asking = session.statements.migrations.query(&session.client, &[]);
            let rows = line.answer(&session, asking).await;
            migrate::read(&rows.map_err(|failed| StoreError::from(&failed))?)
        };
        match asking.await {
            Ok(comparison) => Ok(comparison.schema()),
            // There is no such table yet, or a pooler cannot be asked for types, as the schema is behind.
            Err(StoreError::NotMigrated) => self.unprepared_schema().await,
            Err(error) => Err(error),
        }
    }
}

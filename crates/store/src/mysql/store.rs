//! What is asked of the database, and which statement answers it.

use std::sync::Arc;

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, ApiKeyRecord, Change, ClientQuery, ClientRecord, CodeFacts, DeviceFacts, Digest, FlowRecord,
    Freshness, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Outcome, Owner, Participant, Purged, RefreshFacts,
    SchemaStatus, SessionRecord, Store, StoreError, TrustQuery, TrustRecord,
};
use mysql_async::Row;

use super::lane::Issue;
use super::sql::{Value, values};
use super::{Mysql, migrate, purge, read, statements};
use crate::statistics::Kind;

/// What a grant query and its count have in common.
fn listed(query: &GrantQuery) -> [Value<'_>; 3] {
    values![&query.subject, query.session, query.at.0]
}

#[async_trait]
impl Store for Mysql {
    async fn client(&self, id: &str, _: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        let client = self
            .row(Kind::Client, statements::CLIENT, &values![id], read::client)
            .await?;
        Ok(client.map(Arc::new))
    }

    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError> {
        let values = values![
            query.name.as_deref(),
            query.owner.as_deref(),
            query.after.as_deref().unwrap_or_default(),
            query.limit,
            query.offset,
        ];
        let rows = self.rare(Kind::Clients, statements::CLIENTS, &values).await?;
        rows.iter().map(read::client).collect()
    }

    async fn count_clients(&self) -> Result<u64, StoreError> {
        self.count(Kind::CountClients, statements::COUNT_CLIENTS, &[]).await
    }

    async fn flow(&self, id: Id, _: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError> {
        let flow = self.row(Kind::Flow, statements::FLOW, &values![id], read::flow).await?;
        Ok(flow.map(Arc::new))
    }

    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError> {
        self.row(Kind::Session, statements::SESSION, &values![id], read::session)
            .await
    }

    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError> {
        let values = values![subject, client, now.0];
        let grant = |row: &Row| read::grant(row, 0);
        let grant = self.row(Kind::Remembered, statements::REMEMBERED, &values, grant);
        Ok(grant.await?.flatten())
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError> {
        let mut values = listed(query).to_vec();
        let after = query.after.unwrap_or(Id([0; 16]));
        values.extend(values![after, query.limit, query.offset]);
        let rows = self.rare(Kind::Grants, statements::GRANTS, &values).await?;
        let grants = rows.iter().map(|row| read::grant(row, 0));
        grants.filter_map(Result::transpose).collect()
    }

    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError> {
        self.count(Kind::CountGrants, statements::COUNT_GRANTS, &listed(query))
            .await
    }

    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError> {
        let values = values![session, subject];
        let rows = self.rows(Kind::Participants, statements::PARTICIPANTS, &values).await?;
        rows.iter().map(read::participant).collect()
    }

    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError> {
        let due = self
            .rare(Kind::Claim, statements::DUE_NOTICES, &values![now.0, limit])
            .await?;
        let due: Vec<_> = due.iter().map(read::notice).collect::<Result<_, _>>()?;
        match due.is_empty() {
            true => Ok(due),
            false => self.claim(due, lease).await,
        }
    }

    async fn code(&self, id: Id, _: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError> {
        let code = self.row(Kind::Code, statements::CODE, &values![id], read::code).await?;
        Ok(code.map(Arc::new))
    }

    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError> {
        self.statistics.asked(Kind::Access);
        self.accesses.ask(id).await
    }

    async fn refresh(&self, id: Id, _: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError> {
        let refresh = self
            .row(Kind::Refresh, statements::REFRESH, &values![id], read::refresh)
            .await?;
        Ok(refresh.map(Arc::new))
    }

    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError> {
        self.row(Kind::Device, statements::DEVICE, &values![id], read::device)
            .await
    }

    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError> {
        let values = values![&user_code.0[..]];
        self.row(Kind::Device, statements::DEVICE_BY_USER_CODE, &values, read::device)
            .await
    }

    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = self.rows(Kind::Keys, statements::KEYS, &values![set]).await?;
        rows.iter().map(read::key).collect()
    }

    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.row(Kind::ApiKey, statements::API_KEY, &values![id], read::api_key)
            .await
    }

    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let values = values![after.unwrap_or(Id([0; 16])), limit];
        let rows = self.rare(Kind::ApiKeys, statements::API_KEYS, &values).await?;
        rows.iter().map(read::api_key).collect()
    }

    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError> {
        let values = values![&assertion.0[..]];
        let rows = self.rows(Kind::Assertion, statements::ASSERTION, &values).await?;
        Ok(!rows.is_empty())
    }

    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError> {
        self.row(Kind::Trust, statements::TRUST, &values![id], read::trust)
            .await
    }

    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError> {
        let after = query.after.unwrap_or(Id([0; 16]));
        let values = values![query.issuer.as_deref(), after, query.limit, query.offset];
        let rows = self.rare(Kind::Trusts, statements::TRUSTS, &values).await?;
        rows.iter().map(read::trust).collect()
    }

    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError> {
        let values = values![issuer, subject];
        let rows = self.rows(Kind::Trust, statements::TRUSTS_IN, &values).await?;
        rows.iter().map(read::trust).collect()
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

    /// No lock is common to all servers of a cluster. Those that remove the same rows at the same moment are told so by
    /// the database, and the one that is undone leaves the round to the other.
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.remove(&purge::text(now, limit)).await
    }

    async fn purge_older(&self, before: Timestamp, limit: u32) -> Result<Purged, StoreError> {
        self.remove(&purge::older(before, limit)).await
    }

    async fn schema(&self) -> Result<SchemaStatus, StoreError> {
        self.statistics.asked(Kind::Schema);
        match self.slow.ask(Kind::Schema, statements::APPLIED).await {
            Ok(sets) => Ok(migrate::compared(&sets)?.schema()),
            Err(StoreError::NotMigrated) => Ok(migrate::compared(&[])?.schema()),
            Err(error) => Err(error),
        }
    }
}

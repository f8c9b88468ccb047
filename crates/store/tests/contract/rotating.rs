//! A store over several servers of a cluster: each operation goes to the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use claviger_core::context::{Id, Timestamp};
use claviger_core::port::*;

pub(crate) struct Rotating {
    pub(crate) stores: Vec<Arc<dyn Store>>,
    pub(crate) turn: Arc<AtomicUsize>,
}

impl Rotating {
    fn next(&self) -> &dyn Store {
        &*self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % self.stores.len()]
    }
}

macro_rules! each_to_the_next {
    ($($name:ident($($value:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for Rotating {
            $(async fn $name(&self, $($value: $type),*) -> Result<$answer, StoreError> {
                self.next().$name($($value),*).await
            })*
        }
    };
}

each_to_the_next! {
    client(id: &str, freshness: Freshness) -> Option<Arc<ClientRecord>>;
    clients(query: &ClientQuery) -> Vec<ClientRecord>;
    count_clients() -> u64;
    flow(id: Id, freshness: Freshness) -> Option<Arc<FlowRecord>>;
    session(id: Id) -> Option<SessionRecord>;
    remembered(subject: &str, client: &str, now: Timestamp) -> Option<GrantRecord>;
    grants(query: &GrantQuery) -> Vec<GrantRecord>;
    count_grants(query: &GrantQuery) -> u64;
    participants(session: Id, subject: Option<&str>) -> Vec<Participant>;
    claim_notices(now: Timestamp, lease: Timestamp, limit: u32) -> Vec<NoticeRecord>;
    code(id: Id, freshness: Freshness) -> Option<Arc<CodeFacts>>;
    access(id: Id) -> Option<AccessFacts>;
    refresh(id: Id, freshness: Freshness) -> Option<Arc<RefreshFacts>>;
    device(id: Id) -> Option<DeviceFacts>;
    device_by_user_code(user_code: Digest) -> Option<DeviceFacts>;
    keys(set: &str) -> Vec<KeyRecord>;
    api_key(id: Id) -> Option<ApiKeyRecord>;
    api_keys(after: Option<Id>, limit: u32) -> Vec<ApiKeyRecord>;
    is_used(assertion: Digest) -> bool;
    trust(id: Id) -> Option<TrustRecord>;
    trusts(query: &TrustQuery) -> Vec<TrustRecord>;
    trusts_in(issuer: &str, subject: &str) -> Vec<TrustRecord>;
    apply(change: Change) -> Outcome;
    purge(now: Timestamp, limit: u32) -> Purged;
    purge_older(before: Timestamp, limit: u32) -> Purged;
    schema() -> SchemaStatus;
}

//! Everything the protocol asks of the outside: facts, and changes that happen whole or not at all.
//!
//! Reads return facts. A write is one [`Change`] of the protocol, applied atomically with the predicates that can race
//! inside the statement, and answered [`Outcome::Applied`] or [`Outcome::LostRace`]. No transaction leaves the store, and
//! the store holds no rule: whether a code may be redeemed is decided in this crate.
//!
//! Text that could be presented as a credential never crosses this border: tokens arrive as [`Digest`]s, sessions and
//! private keys as sealed bytes ([`crate::seal`]).

mod api_key;
mod assertion;
mod change;
mod device;
mod records;
mod sessions;
mod tokens;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::api_key::ApiKeyRecord;
pub use self::assertion::{TrustQuery, TrustRecord, UsedAssertion};
pub use self::change::{Change, Outcome};
pub use self::device::{DeviceFacts, DeviceRecord, DeviceState};
pub use self::records::{ClientProof, ClientQuery, ClientRecord, FlowRecord, FlowStep, SessionChange, SessionRecord};
pub use self::sessions::{GrantQuery, NoticeRecord, Participant};
pub use self::tokens::{
    AccessFacts, AccessRecord, CodeFacts, CodeRecord, GrantRecord, Issue, KeyRecord, Owner, RefreshFacts,
    RefreshRecord, Rotated,
};
use crate::context::{Id, Timestamp};

/// SHA-256 of a token or code. Compares in constant time.
#[derive(Clone, Copy, Eq)]
pub struct Digest(pub [u8; 32]);

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// How fresh a fact must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Read the database.
    Latest,
    /// A remembered fact will do, because the change that relies on it carries the proof (version, unused, unrevoked)
    /// among its predicates: at worst it loses the race and the decision is taken again on the latest facts.
    ProvedByWrite,
}
/// What was removed by one round of [`Store::purge`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Rows removed.
    pub rows: u64,
    /// Whether another server held the lock, so that nothing was tried.
    pub busy: bool,
}

/// The database could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, overloaded or shutting down: trying again later may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The schema is behind this program.
    #[error("the database schema is not up to date; run `claviger migrate sql`")]
    NotMigrated,
    /// Anything else: a bug or a damaged row.
    #[error("the database refused or answered something unexpected: {0}")]
    Broken(String),
}

/// How the schema stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaStatus {
    /// Everything is applied.
    Current,
    /// This many migrations are pending.
    Behind(usize),
    /// The database has migrations that this program does not know: it is older than the database.
    Ahead(String),
}

/// Facts and changes. Implemented once per database.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// One client.
    async fn client(&self, id: &str, freshness: Freshness) -> Result<Option<Arc<ClientRecord>>, StoreError>;
    /// A page of clients, by id ascending.
    async fn clients(&self, query: &ClientQuery) -> Result<Vec<ClientRecord>, StoreError>;
    /// How many clients there are.
    async fn count_clients(&self) -> Result<u64, StoreError>;
    /// One flow.
    async fn flow(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<FlowRecord>>, StoreError>;
    /// One login session.
    async fn session(&self, id: Id) -> Result<Option<SessionRecord>, StoreError>;
    /// The latest grant of `subject` to `client` that is remembered at `now`.
    async fn remembered(&self, subject: &str, client: &str, now: Timestamp) -> Result<Option<GrantRecord>, StoreError>;
    /// A page of the grants of one person, by id ascending.
    async fn grants(&self, query: &GrantQuery) -> Result<Vec<GrantRecord>, StoreError>;
    /// How many grants all pages of the query have.
    async fn count_grants(&self, query: &GrantQuery) -> Result<u64, StoreError>;
    /// The clients of a login session, which may have ended, by id. `subject` is whose session it is said to be, for
    /// sessions of which nothing else is left.
    async fn participants(&self, session: Id, subject: Option<&str>) -> Result<Vec<Participant>, StoreError>;
    /// Up to `limit` notices that are due at `now`, counted as tried and due again at `lease`: no other server gets them
    /// before that time.
    async fn claim_notices(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, StoreError>;
    /// One code.
    async fn code(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<CodeFacts>>, StoreError>;
    /// One access token. Always reads the database.
    async fn access(&self, id: Id) -> Result<Option<AccessFacts>, StoreError>;
    /// One refresh token.
    async fn refresh(&self, id: Id, freshness: Freshness) -> Result<Option<Arc<RefreshFacts>>, StoreError>;
    /// One device. Always reads the database.
    async fn device(&self, id: Id) -> Result<Option<DeviceFacts>, StoreError>;
    /// The device with this digest of its user code. Always reads the database.
    async fn device_by_user_code(&self, user_code: Digest) -> Result<Option<DeviceFacts>, StoreError>;
    /// All keys of a set, newest first.
    async fn keys(&self, set: &str) -> Result<Vec<KeyRecord>, StoreError>;
    /// Whether the assertion with this digest was used.
    async fn is_used(&self, assertion: Digest) -> Result<bool, StoreError>;
    /// One trust.
    async fn trust(&self, id: Id) -> Result<Option<TrustRecord>, StoreError>;
    /// A page of trusts, by id ascending.
    async fn trusts(&self, query: &TrustQuery) -> Result<Vec<TrustRecord>, StoreError>;
    /// The latest trusts in the assertions of `issuer` about `subject`, at most a hundred, expired ones among them.
    async fn trusts_in(&self, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>, StoreError>;
    /// One key of the admin port. Always reads the database; those who ask at the same moment share one reading.
    async fn api_key(&self, id: Id) -> Result<Option<ApiKeyRecord>, StoreError>;
    /// A page of the keys of the admin port, by id ascending.
    async fn api_keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKeyRecord>, StoreError>;
    /// Applies one change whole, or says that it lost a race.
    async fn apply(&self, change: Change) -> Result<Outcome, StoreError>;
    /// Removes up to `limit` expired rows of each kind, and of what removed clients left; one server at a time.
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError>;
    /// The same for what ended before a time of the past, and for nothing else: what removed clients left stays.
    async fn purge_older(&self, before: Timestamp, limit: u32) -> Result<Purged, StoreError>;
    /// Whether the schema is the one that this program needs.
    async fn schema(&self) -> Result<SchemaStatus, StoreError>;
}

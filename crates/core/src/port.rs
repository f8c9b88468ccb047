//! Everything the protocol asks of the outside: facts, and changes that happen whole or not at all.
//!
//! Reads return facts. A write is one [`Change`] of the protocol, applied atomically with the predicates that can race
//! inside the statement, and answered [`Outcome::Applied`] or [`Outcome::LostRace`]. No transaction leaves the store, and
//! the store holds no rule: whether a code may be redeemed is decided in this crate.
//!
//! Text that could be presented as a credential never crosses this border: tokens arrive as [`Digest`]s, sessions and
//! private keys as sealed bytes ([`crate::seal`]).

mod assertion;
mod device;
mod sessions;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::assertion::{TrustQuery, TrustRecord, UsedAssertion};
pub use self::device::{DeviceFacts, DeviceRecord, DeviceState};
pub use self::sessions::{GrantQuery, NoticeRecord, Participant};
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

/// A registered client as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// `client_id`.
    pub id: String,
    /// Grows by one with each change; a change that relies on a remembered client names the version that it saw. The
    /// store chooses the first one, such that a client made again under an old id has no version that it had before.
    pub version: i64,
    /// `client_name`, for the list's filter.
    pub name: String,
    /// `owner`, for the list's filter.
    pub owner: String,
    /// The validated metadata and secret digests, as JSON.
    pub document: String,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
}

/// The client that a decision relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientProof {
    /// `client_id`.
    pub id: Arc<str>,
    /// The version that was seen.
    pub version: i64,
}

/// Which clients a page of the list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientQuery {
    /// Exact `client_name`.
    pub name: Option<String>,
    /// Exact `owner`.
    pub owner: Option<String>,
    /// Only ids after this one.
    pub after: Option<String>,
    /// How many to skip, for callers that page by offset.
    pub offset: u32,
    /// At most this many.
    pub limit: u32,
}

/// How far an authorization has come. Steps only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum FlowStep {
    /// The login app accepted or rejected; the browser has not come back yet.
    LoginAnswered = 1,
    /// The browser came back with the login verifier and was sent to consent.
    ConsentAsked = 2,
    /// The consent app accepted or rejected; the browser has not come back yet.
    ConsentAnswered = 3,
    /// The client has its answer.
    Done = 4,
}

impl FlowStep {
    /// Reads the number that the database holds.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        [
            Self::LoginAnswered,
            Self::ConsentAsked,
            Self::ConsentAnswered,
            Self::Done,
        ]
        .into_iter()
        .find(|step| *step as i16 == number)
    }
}

/// The state of one authorization from the moment the login app answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// The flow.
    pub id: Id,
    /// How far it has come.
    pub step: FlowStep,
    /// Changes with each write of this row.
    pub version: i64,
    /// Request, login answer and consent answer, sealed.
    pub sealed: Vec<u8>,
    /// From then on the row may be removed.
    pub expires_at: Timestamp,
}

/// A login session, which a browser holds by its sealed cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// `sid` of ID tokens.
    pub id: Id,
    /// Who logged in.
    pub subject: String,
    /// When they authenticated (`auth_time`).
    pub authenticated_at: Timestamp,
    /// Whether the session serves later authorizations without login.
    pub remember: bool,
    /// `acr`, `amr` and the identity provider's session, sealed.
    pub sealed: Vec<u8>,
    /// End of the session.
    pub expires_at: Timestamp,
}

/// What happens to the browser's login session when a login verifier is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// Insert the session or replace the one with its id.
    Put(SessionRecord),
    /// Move the end of a session (`extend_session_lifespan`).
    Extend(Id, Timestamp),
    /// Remove the session; it does not matter whether it still exists (D4).
    End(Id),
}

/// What a person granted to a client: stored once, pointed to by every token of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// The grant; `consent_request_id` on the admin API.
    pub id: Id,
    /// The client.
    pub client_id: Arc<str>,
    /// Who granted.
    pub subject: String,
    /// The login session (`sid`).
    pub session_id: Option<Id>,
    /// Granted scopes.
    pub scope: Vec<String>,
    /// Granted audiences.
    pub audience: Vec<String>,
    /// Claims and authentication facts, sealed.
    pub sealed: Vec<u8>,
    /// Until when the consent is remembered: none if it is not, [`Timestamp::NEVER`] if for ever.
    pub remembered_until: Option<Timestamp>,
    /// Whether an earlier consent was repeated without asking, so that lists of consents leave it out.
    pub skipped: bool,
    /// Creation time.
    pub created_at: Timestamp,
    /// From then on the row may be removed: no token of it lives and no memory is left.
    pub expires_at: Timestamp,
}

/// An authorization code (RFC 6749 §4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    /// The lookup part of the code.
    pub id: Id,
    /// Digest of the whole code.
    pub digest: Digest,
    /// What it redeems.
    pub grant: Id,
    /// `redirect_uri` of the authorization request, if it had one.
    pub redirect_uri: Option<String>,
    /// `code_challenge` with the method S256, if it had one (RFC 7636).
    pub challenge: Option<String>,
    /// End of life.
    pub expires_at: Timestamp,
}

/// A code with what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFacts {
    /// The code.
    pub code: CodeRecord,
    /// When it was consumed, by redemption or by a wrong verifier.
    pub used_at: Option<Timestamp>,
    /// Its grant, unless revoked.
    pub grant: Option<Arc<GrantRecord>>,
}

/// On whose behalf an access token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A person's grant, with what the token has less than the grant.
    Grant {
        /// The grant.
        id: Id,
        /// Narrower scope, if it was narrowed (RFC 6749 §6).
        scope: Option<Vec<String>>,
        /// Fewer audiences, if it was narrowed (RFC 8707 §2.2).
        audience: Option<Vec<String>>,
    },
    /// The client itself (client_credentials).
    Client {
        /// The client.
        id: Arc<str>,
        /// Granted scopes.
        scope: Vec<String>,
        /// Granted audiences.
        audience: Vec<String>,
        /// Claims of the token hook, sealed, if it gave any.
        sealed: Option<Vec<u8>>,
    },
}

/// An access token: about a hundred bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRecord {
    /// The lookup part of the token.
    pub id: Id,
    /// Digest of the whole token.
    pub digest: Digest,
    /// On whose behalf.
    pub owner: Owner,
    /// Time of issue.
    pub issued_at: Timestamp,
    /// End of life.
    pub expires_at: Timestamp,
}

/// An access token with what it leads to. A token whose grant or client is gone is not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFacts {
    /// The token.
    pub access: AccessRecord,
    /// Its grant, if it has one.
    pub grant: Option<Arc<GrantRecord>>,
    /// The version of its client, which proves a remembered one.
    pub client_version: i64,
}

/// A refresh token. The access token issued with it has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRecord {
    /// The lookup part of the token.
    pub id: Id,
    /// Digest of the whole token.
    pub digest: Digest,
    /// The grant.
    pub grant: Id,
    /// Time of issue.
    pub issued_at: Timestamp,
    /// End of life.
    pub expires_at: Timestamp,
}

/// A refresh token with what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshFacts {
    /// The token.
    pub refresh: RefreshRecord,
    /// When it was rotated, and into which token.
    pub rotated: Option<Rotated>,
    /// Its grant, unless revoked.
    pub grant: Option<Arc<GrantRecord>>,
}

/// The end of a refresh token that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// First use.
    pub at: Timestamp,
    /// Its successor, if that still exists.
    pub successor: Option<RefreshRecord>,
    /// The access token issued with the successor, if that still exists.
    pub access: Option<AccessRecord>,
}

/// What the end of an authorization writes: the grant, and what the client gets in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What the person granted.
    pub grant: Arc<GrantRecord>,
    /// Its code, if the response type has one.
    pub code: Option<CodeRecord>,
    /// Its access token, if the response type has one.
    pub access: Option<AccessRecord>,
}

/// A signing key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key set.
    pub set: String,
    /// `kid`.
    pub kid: String,
    /// The JWK, sealed.
    pub sealed: Vec<u8>,
    /// Creation time; the newest key of a set signs.
    pub created_at: Timestamp,
}

/// One whole change of the protocol.
///
/// Predicates named in the documentation of a variant are checked in the same statement or transaction as the writes;
/// if one fails, nothing is written and the answer is [`Outcome::LostRace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Insert an access token of a client itself. Predicate: the client still has the version that was seen.
    Issue {
        /// The token.
        access: AccessRecord,
        /// The client.
        client: ClientProof,
    },
    /// Insert a grant that an assertion made, and its access token. Predicates: the assertion is unused, the client still
    /// has the version that was seen.
    IssueGrant {
        /// The grant.
        grant: Arc<GrantRecord>,
        /// The token.
        access: AccessRecord,
        /// The client.
        client: ClientProof,
        /// The assertion, if it is single use.
        assertion: Option<UsedAssertion>,
    },
    /// Consume an assertion by which a client authenticated. Predicate: it is unused.
    UseAssertion(UsedAssertion),
    /// Insert a flow that the login app answered, or replace it while its step still is
    /// [`FlowStep::LoginAnswered`] (accepting twice is safe). The store draws the version from the sealed bytes, so that
    /// two answers differ. Predicate: the flow is absent or at that step.
    AnswerLogin {
        /// The flow; its version is ignored.
        flow: FlowRecord,
    },
    /// Move a flow forward, together with all that happens at that step. Predicates: the flow has the version `seen`; if
    /// the decision relied on the client, that still has the version that was seen.
    Advance {
        /// The flow as it shall be; its version is `seen + 1`.
        flow: FlowRecord,
        /// The version that was seen.
        seen: i64,
        /// What happens to the browser's session.
        session: Option<SessionChange>,
        /// The grant and what it gives at once. Earlier remembered grants of the same subject and client are forgotten if
        /// the new one is remembered (their tokens live on).
        issue: Option<Issue>,
        /// The client; none if nothing depends on it, as when the person refuses.
        client: Option<ClientProof>,
    },
    /// Consume a code and insert its tokens. Predicates: the code is unused, its grant exists, the client still has
    /// the version that was seen.
    Redeem {
        /// The code.
        code: Id,
        /// Now.
        at: Timestamp,
        /// The access token.
        access: AccessRecord,
        /// The refresh token, if one is issued.
        refresh: Option<RefreshRecord>,
        /// The client.
        client: ClientProof,
        /// What the grant seals from now on, if the token hook changed it.
        resealed: Option<Vec<u8>>,
    },
    /// Consume a code without tokens: a wrong verifier was presented (RFC 7636 §4.6, D1). Predicate: it is unused.
    BurnCode {
        /// The code.
        code: Id,
        /// Now.
        at: Timestamp,
    },
    /// Rotate a refresh token: mark `old` as used with `refresh` as its successor, remove the access token that was
    /// issued with `old`, insert the new pair, keep the grant at least until `keep_grant`, and store its sealed part anew if that is given.
    /// Predicates: `old` is unused, its grant exists, the client still has the version that was seen.
    Rotate {
        /// The presented token.
        old: Id,
        /// Now.
        at: Timestamp,
        /// The new access token; its id is that of `refresh`.
        access: AccessRecord,
        /// The successor.
        refresh: RefreshRecord,
        /// The client.
        client: ClientProof,
        /// The end of life that the grant shall have at least.
        keep_grant: Timestamp,
        /// What the grant seals, sealed under the newest secret, if it was under an older one.
        resealed: Option<Vec<u8>>,
    },
    /// Insert a device that waits for a person. Predicates: its user code is free, and the client still has the version
    /// that was seen.
    BeginDevice {
        /// The device.
        device: DeviceRecord,
        /// The client.
        client: ClientProof,
    },
    /// Note that a device polled; its interval only grows. Applied also if it is gone.
    PollDevice {
        /// The device.
        device: Id,
        /// Now.
        at: Timestamp,
        /// Least time until the next poll, in seconds.
        interval: i64,
    },
    /// A person refuses the device. Predicate: nobody has answered yet.
    DenyDevice(Id),
    /// Move a flow to its end with a grant for a device, as [`Change::Advance`] does with a code. Predicates: the flow has
    /// the version `seen`, nobody has answered for the device yet, and the client still has the version that was seen.
    ApproveDevice {
        /// The device.
        device: Id,
        /// The flow as it shall be; its version is `seen + 1`.
        flow: FlowRecord,
        /// The version that was seen.
        seen: i64,
        /// What happens to the browser's session.
        session: Option<SessionChange>,
        /// The grant, with the same effect on earlier remembered ones.
        grant: Arc<GrantRecord>,
        /// The client.
        client: ClientProof,
    },
    /// Give an approved device its tokens. Predicates: it is approved and has none yet, its grant exists, the client still
    /// has the version that was seen.
    RedeemDevice {
        /// The device.
        device: Id,
        /// The access token.
        access: AccessRecord,
        /// The refresh token, if one is issued.
        refresh: Option<RefreshRecord>,
        /// The client.
        client: ClientProof,
        /// What the grant seals from now on, if the token hook changed it.
        resealed: Option<Vec<u8>>,
    },
    /// Remove a grant, and with it every token of it. Applied also if it is gone already.
    RevokeGrant(Id),
    /// End every token of a grant and its code. The grant itself stays for as long as it is remembered. Applied also if it
    /// is gone already.
    EndGrant(Id),
    /// Remove all grants of a person, or those to one client, and with them every token of them. Applied also if there
    /// are none.
    RevokeGrants {
        /// Who granted.
        subject: String,
        /// Only those to this client.
        client: Option<String>,
    },
    /// Remove an access token. Applied also if it is gone already.
    RevokeAccess(Id),
    /// End the access tokens of a client that were made up to an id; its refresh tokens and grants live on. Applied also if
    /// there is no such client.
    RevokeClientAccess {
        /// `client_id`.
        client: String,
        /// The last id that is dead: [`Id::last_of`] the present.
        up_to: Id,
    },
    /// Remove a login session. Applied also if it is gone already.
    EndSession(Id),
    /// Remove all login sessions of a person. Applied also if there are none.
    EndSessions {
        /// Whose.
        subject: String,
    },
    /// Log out: use a logout challenge up, remove the login session, and queue what its clients are told. Predicate: there
    /// is no flow with the id of `spent`. A notice to a client that was queued for this session before is not repeated.
    Logout {
        /// What is left of the challenge, which has no row before; none if nobody was asked.
        spent: Option<FlowRecord>,
        /// The session, which may be gone; none if the person stays logged in.
        session: Option<Id>,
        /// What clients are told.
        notices: Vec<NoticeRecord>,
    },
    /// Say when a notice that was claimed is due again. Predicate: nobody claimed it since.
    RescheduleNotice {
        /// The notice.
        id: Id,
        /// How often it was claimed.
        attempts: u32,
        /// [`Timestamp::NEVER`] when it was sent or given up.
        due_at: Timestamp,
    },
    /// Insert a client; the version is ignored. Predicate: the id is free.
    CreateClient(ClientRecord),
    /// Replace a client. Predicate: it still has the version before the new record's.
    UpdateClient(ClientRecord),
    /// Remove a client; its grants and tokens are dead from then on. Predicate: it exists.
    DeleteClient(String),
    /// Insert the first key of a set for an algorithm. Predicate: the key that was seeded for that pair is not there, so
    /// that exactly one of any number of racing servers makes it.
    SeedKey {
        /// The key.
        key: KeyRecord,
        /// JWS algorithm name.
        alg: String,
    },
    /// Insert a key. Predicate: its kid is free in the set.
    AddKey(KeyRecord),
    /// Insert or replace one key.
    PutKey(KeyRecord),
    /// Replace a whole set. The first key of the list is the newest of its second.
    ReplaceKeySet {
        /// The set.
        set: String,
        /// Its keys.
        keys: Vec<KeyRecord>,
    },
    /// Remove one key. Applied also if it is gone already.
    DeleteKey {
        /// The set.
        set: String,
        /// The `kid`.
        kid: String,
    },
    /// Remove a set. Applied also if it is gone already.
    DeleteKeySet(String),
    /// Insert a trust. Predicate: no other one has its issuer, subject and `kid`.
    CreateTrust(TrustRecord),
    /// Remove a trust. Predicate: it exists.
    DeleteTrust(Id),
}

/// Whether a change happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// All of it is committed.
    Applied,
    /// A predicate failed; nothing was written.
    LostRace,
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
    /// Applies one change whole, or says that it lost a race.
    async fn apply(&self, change: Change) -> Result<Outcome, StoreError>;
    /// Removes up to `limit` expired rows of each kind; one server at a time.
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<Purged, StoreError>;
    /// Whether the schema is the one that this program needs.
    async fn schema(&self) -> Result<SchemaStatus, StoreError>;
}

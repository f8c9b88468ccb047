//! Every write of the protocol.

use std::sync::Arc;

use super::{
    AccessRecord, ApiKeyRecord, ClientProof, ClientRecord, DeviceRecord, FlowRecord, GrantRecord, Issue, KeyRecord,
    NoticeRecord, RefreshRecord, SessionChange, TrustRecord, UsedAssertion,
};
use crate::context::{Id, Timestamp};

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
    /// Insert the first key of a set for an algorithm, or the one that follows another by policy. Predicate: the key that
    /// was seeded for that occasion is not there, so that exactly one of any number of racing servers makes it.
    SeedKey {
        /// The key.
        key: KeyRecord,
        /// The occasion: a JWS algorithm name, with what tells it from earlier ones.
        alg: String,
    },
    /// Note that a key is needed at least until a time. Predicate: it is there.
    NeedKey {
        /// The set.
        set: String,
        /// The `kid`.
        kid: String,
        /// When what it signed has expired.
        until: Timestamp,
    },
    /// Remove a key that nothing needs any more. Predicate: it is needed until then and no longer.
    RetireKey {
        /// The set.
        set: String,
        /// The `kid`.
        kid: String,
        /// What was seen.
        needed_until: Timestamp,
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
    /// Insert a key of the admin port. Predicate: its name is free.
    CreateApiKey(ApiKeyRecord),
    /// Remove a key of the admin port. Predicate: it exists.
    RevokeApiKey(Id),
    /// Note that a key of the admin port was used; the time only grows. Applied also if it is gone.
    UseApiKey {
        /// The key.
        id: Id,
        /// Now.
        at: Timestamp,
    },
}

impl Change {
    /// What it is called in traces.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Issue { .. } => "issue",
            Self::IssueGrant { .. } => "issue_grant",
            Self::UseAssertion(_) => "use_assertion",
            Self::AnswerLogin { .. } => "answer_login",
            Self::Advance { .. } => "advance",
            Self::Redeem { .. } => "redeem",
            Self::BurnCode { .. } => "burn_code",
            Self::Rotate { .. } => "rotate",
            Self::BeginDevice { .. } => "begin_device",
            Self::PollDevice { .. } => "poll_device",
            Self::DenyDevice(_) => "deny_device",
            Self::ApproveDevice { .. } => "approve_device",
            Self::RedeemDevice { .. } => "redeem_device",
            Self::RevokeGrant(_) => "revoke_grant",
            Self::EndGrant(_) => "end_grant",
            Self::RevokeGrants { .. } => "revoke_grants",
            Self::RevokeAccess(_) => "revoke_access",
            Self::RevokeClientAccess { .. } => "revoke_client_access",
            Self::EndSession(_) => "end_session",
            Self::EndSessions { .. } => "end_sessions",
            Self::Logout { .. } => "logout",
            Self::RescheduleNotice { .. } => "reschedule_notice",
            Self::CreateClient(_) => "create_client",
            Self::UpdateClient(_) => "update_client",
            Self::DeleteClient(_) => "delete_client",
            Self::SeedKey { .. } => "seed_key",
            Self::NeedKey { .. } => "need_key",
            Self::RetireKey { .. } => "retire_key",
            Self::AddKey(_) => "add_key",
            Self::PutKey(_) => "put_key",
            Self::ReplaceKeySet { .. } => "replace_key_set",
            Self::DeleteKey { .. } => "delete_key",
            Self::DeleteKeySet(_) => "delete_key_set",
            Self::CreateTrust(_) => "create_trust",
            Self::DeleteTrust(_) => "delete_trust",
            Self::CreateApiKey(_) => "create_api_key",
            Self::RevokeApiKey(_) => "revoke_api_key",
            Self::UseApiKey { .. } => "use_api_key",
        }
    }
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

//! Each change as one statement.

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessRecord, ApiKeyRecord, Change, ClientProof, ClientRecord, CodeRecord, FlowRecord, GrantRecord, Issue,
    KeyRecord, NoticeRecord, RefreshRecord, SessionChange, TrustRecord, UsedAssertion,
};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::devices;
use super::prepared::Prepared;
use super::statements::Statements;
use crate::columns::{answered_version, drawn, join_audience, join_scope, narrowing};

/// One parameter.
pub(super) type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement with its parameters.
pub(super) struct Step<'a> {
    pub(super) statement: &'a Prepared,
    pub(super) values: Vec<Value<'a>>,
    /// Whether no row means that a predicate failed.
    pub(super) has_predicate: bool,
}

macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as Value<'_>),*] };
}
pub(super) use values;

pub(super) fn predicate<'a>(statement: &'a Prepared, values: Vec<Value<'a>>) -> Step<'a> {
    Step {
        statement,
        values,
        has_predicate: true,
    }
}

pub(super) fn always<'a>(statement: &'a Prepared, values: Vec<Value<'a>>) -> Step<'a> {
    Step {
        statement,
        values,
        has_predicate: false,
    }
}

/// The statement for `change`; none for those that have a lane of their own.
pub(super) fn step<'a>(statements: &'a Statements, change: &'a Change) -> Option<Step<'a>> {
    let all = statements;
    Some(match change {
        Change::Issue { .. } => return None,
        Change::IssueGrant {
            grant,
            access,
            client,
            assertion,
        } => predicate(&all.issue_grant, asserted(client, assertion.as_ref(), grant, access)),
        Change::UseAssertion(used) => predicate(&all.use_assertion, values![&used.digest.0[..], used.expires_at.0]),
        Change::AnswerLogin { flow } => {
            let values = values![uuid(flow.id), answered_version(flow), &flow.sealed, flow.expires_at.0];
            predicate(&all.answer_login, values)
        }
        Change::Advance {
            flow,
            seen,
            session: None,
            issue: None,
            client,
        } => {
            let mut values = moved(flow, *seen);
            values.extend(proof_values(client.as_ref()));
            predicate(&all.advance, values)
        }
        Change::Advance {
            flow,
            seen,
            session,
            issue,
            client,
        } => {
            let mut values = moved_with(flow, *seen, session.as_ref(), issue.as_ref());
            values.extend(proof_values(client.as_ref()));
            predicate(&all.advance_with, values)
        }
        Change::Redeem {
            code,
            at,
            access,
            refresh,
            client,
            resealed,
        } => {
            let mut values = exchange((*code, *at), client, access, refresh.as_ref());
            values.extend(values![resealed]);
            predicate(&all.redeem, values)
        }
        Change::Rotate {
            old,
            at,
            access,
            refresh,
            client,
            keep_grant,
            resealed,
        } => {
            let mut values = exchange((*old, *at), client, access, Some(refresh));
            values.extend(values![keep_grant.0, resealed]);
            predicate(&all.rotate, values)
        }
        Change::BeginDevice { .. }
        | Change::PollDevice { .. }
        | Change::DenyDevice(_)
        | Change::ApproveDevice { .. }
        | Change::RedeemDevice { .. } => return devices::step(all, change),
        Change::BurnCode { code, at } => predicate(&all.burn_code, values![uuid(*code), at.0]),
        Change::RevokeGrant(id) => always(&all.revoke_grant, values![uuid(*id)]),
        Change::EndGrant(id) => always(&all.end_grant, values![uuid(*id)]),
        Change::RevokeGrants { subject, client } => always(&all.revoke_grants, values![subject, client]),
        Change::RevokeAccess(id) => always(&all.revoke_access, values![uuid(*id)]),
        Change::RevokeClientAccess { client, up_to } => {
            always(&all.revoke_client_access, values![client, uuid(*up_to)])
        }
        Change::EndSession(id) => always(&all.end_session, values![uuid(*id)]),
        Change::EndSessions { subject } => always(&all.end_sessions, values![subject]),
        Change::Logout {
            spent,
            session,
            notices,
        } => predicate(&all.log_out, logged_out(spent.as_ref(), *session, notices)),
        Change::RescheduleNotice { id, attempts, due_at } => {
            let values = values![uuid(*id), attempts.cast_signed(), due_at.0];
            predicate(&all.reschedule_notice, values)
        }
        Change::CreateClient(_)
        | Change::UpdateClient(_)
        | Change::DeleteClient(_)
        | Change::SeedKey { .. }
        | Change::AddKey(_)
        | Change::PutKey(_)
        | Change::ReplaceKeySet { .. }
        | Change::NeedKey { .. }
        | Change::RetireKey { .. }
        | Change::DeleteKey { .. }
        | Change::DeleteKeySet(_)
        | Change::CreateTrust(_)
        | Change::DeleteTrust(_)
        | Change::CreateApiKey(_)
        | Change::RevokeApiKey(_)
        | Change::UseApiKey { .. } => return administered(all, change),
    })
}

/// Changes to clients, keys, trusts and who may make such changes.
fn administered<'a>(all: &'a Statements, change: &'a Change) -> Option<Step<'a>> {
    Some(match change {
        Change::CreateClient(client) => predicate(&all.create_client, created(client)),
        Change::UpdateClient(client) => predicate(&all.update_client, updated(client)),
        Change::DeleteClient(id) => predicate(&all.delete_client, values![id]),
        Change::SeedKey { key, alg } => predicate(&all.add_key, key_values(key, Some(alg))),
        Change::AddKey(key) => predicate(&all.add_key, key_values(key, None)),
        Change::PutKey(key) => always(&all.put_key, put_values(key)),
        Change::ReplaceKeySet { set, keys } => {
            let kids: Vec<_> = keys.iter().map(|key| &key.kid).collect();
            let sealed: Vec<_> = keys.iter().map(|key| &key.sealed).collect();
            let times = |of: fn(&KeyRecord) -> i64| keys.iter().map(of).collect::<Vec<_>>();
            let created = times(|key| key.created_at.0);
            let signs_from = times(|key| key.signs_from.0);
            let needed_until = times(|key| key.needed_until.0);
            let values = values![set, kids, sealed, created, signs_from, needed_until];
            always(&all.replace_key_set, values)
        }
        Change::NeedKey { set, kid, until } => predicate(&all.need_key, values![set, kid, until.0]),
        Change::RetireKey { set, kid, needed_until } => predicate(&all.retire_key, values![set, kid, needed_until.0]),
        Change::DeleteKey { set, kid } => always(&all.delete_key, values![set, kid]),
        Change::DeleteKeySet(set) => always(&all.delete_key_set, values![set]),
        Change::CreateTrust(trust) => predicate(&all.create_trust, trusted(trust)),
        Change::DeleteTrust(id) => predicate(&all.delete_trust, values![uuid(*id)]),
        Change::CreateApiKey(key) => predicate(&all.create_api_key, admitted(key)),
        Change::RevokeApiKey(id) => predicate(&all.revoke_api_key, values![uuid(*id)]),
        Change::UseApiKey { id, at } => always(&all.use_api_key, values![uuid(*id), at.0]),
        _ => return None,
    })
}

/// The proof, the assertion, its grant and its token.
fn asserted<'a>(
    client: &'a ClientProof,
    assertion: Option<&'a UsedAssertion>,
    grant: &'a GrantRecord,
    access: &'a AccessRecord,
) -> Vec<Value<'a>> {
    values![
        &*client.id,
        client.version,
        assertion.map(|assertion| &assertion.digest.0[..]),
        assertion.map(|assertion| assertion.expires_at.0),
        uuid(grant.id),
        &grant.subject,
        join_scope(&grant.scope),
        join_audience(&grant.audience),
        &grant.sealed,
        grant.created_at.0,
        grant.expires_at.0,
        uuid(access.id),
        &access.digest.0[..],
        access.issued_at.0,
        access.expires_at.0,
        grant.skipped,
    ]
}

fn admitted(key: &ApiKeyRecord) -> Vec<Value<'_>> {
    values![
        uuid(key.id),
        &key.name,
        &key.digest.0[..],
        join_scope(&key.scope),
        key.created_at.0,
        key.expires_at.0,
    ]
}

fn trusted(trust: &TrustRecord) -> Vec<Value<'_>> {
    values![
        uuid(trust.id),
        &trust.issuer,
        trust.subject.as_deref().unwrap_or_default(),
        &trust.kid,
        join_scope(&trust.scope),
        &trust.key,
        trust.created_at.0,
        trust.expires_at.0,
    ]
}

/// `$1` to `$5` of both ways to advance a flow.
pub(super) fn moved(flow: &FlowRecord, seen: i64) -> Vec<Value<'_>> {
    values![uuid(flow.id), flow.step as i16, seen, &flow.sealed, flow.expires_at.0]
}

/// All of a step that does more than move.
fn moved_with<'a>(
    flow: &'a FlowRecord,
    seen: i64,
    session: Option<&'a SessionChange>,
    issue: Option<&'a Issue>,
) -> Vec<Value<'a>> {
    let mut values = moved(flow, seen);
    values.extend(session_values(session));
    values.extend(grant_values(issue.map(|issue| &*issue.grant)));
    values.extend(code_values(issue.and_then(|issue| issue.code.as_ref())));
    values.extend(access_values(issue.and_then(|issue| issue.access.as_ref())));
    values
}

/// `$6` to `$14`.
pub(super) fn session_values(change: Option<&SessionChange>) -> Vec<Value<'_>> {
    let put = match change {
        Some(SessionChange::Put(session)) => Some(session),
        _ => None,
    };
    let extended = match change {
        Some(SessionChange::Extend(id, until)) => Some((*id, *until)),
        _ => None,
    };
    let ended = match change {
        Some(SessionChange::End(id)) => Some(*id),
        _ => None,
    };
    values![
        put.map(|session| uuid(session.id)),
        put.map(|session| &session.subject),
        put.map(|session| session.authenticated_at.0),
        put.map(|session| session.remember),
        put.map(|session| &session.sealed),
        put.map(|session| session.expires_at.0),
        extended.map(|(id, _)| uuid(id)),
        extended.map(|(_, until)| until.0),
        ended.map(uuid),
    ]
}

/// `$15` to `$25`.
pub(super) fn grant_values(grant: Option<&GrantRecord>) -> Vec<Value<'_>> {
    values![
        grant.map(|grant| uuid(grant.id)),
        grant.map(|grant| &*grant.client_id),
        grant.map(|grant| &grant.subject),
        grant.and_then(|grant| grant.session_id).map(uuid),
        grant.map(|grant| join_scope(&grant.scope)),
        grant.map(|grant| join_audience(&grant.audience)),
        grant.map(|grant| &grant.sealed),
        grant.and_then(|grant| grant.remembered_until).map(|until| until.0),
        grant.map(|grant| grant.created_at.0),
        grant.map(|grant| grant.expires_at.0),
        grant.map(|grant| grant.skipped),
    ]
}

/// `$26` to `$31`.
fn code_values(code: Option<&CodeRecord>) -> Vec<Value<'_>> {
    values![
        code.map(|code| uuid(code.id)),
        code.map(|code| &code.digest.0[..]),
        code.map(|code| uuid(code.grant)),
        code.and_then(|code| code.redirect_uri.as_deref()),
        code.and_then(|code| code.challenge.as_deref()),
        code.map(|code| code.expires_at.0),
    ]
}

/// `$32` to `$37`.
fn access_values(access: Option<&AccessRecord>) -> Vec<Value<'_>> {
    let (scope, audience) = access.map(|access| narrowing(&access.owner)).unwrap_or_default();
    values![
        access.map(|access| uuid(access.id)),
        access.map(|access| &access.digest.0[..]),
        scope,
        audience,
        access.map(|access| access.issued_at.0),
        access.map(|access| access.expires_at.0),
    ]
}

/// The last two of both ways to advance a flow.
pub(super) fn proof_values(client: Option<&ClientProof>) -> Vec<Value<'_>> {
    values![client.map(|client| &*client.id), client.map(|client| client.version)]
}

/// `$1` to `$14` of redemption and rotation: what is used up, the proof, the new pair.
fn exchange<'a>(
    (used, at): (Id, Timestamp),
    client: &'a ClientProof,
    access: &'a AccessRecord,
    refresh: Option<&'a RefreshRecord>,
) -> Vec<Value<'a>> {
    let mut values = values![uuid(used), at.0, &*client.id, client.version];
    values.extend(pair(access, refresh));
    values
}

/// The ten values of an access token of a grant and the refresh token that may come with it.
pub(super) fn pair<'a>(access: &'a AccessRecord, refresh: Option<&'a RefreshRecord>) -> Vec<Value<'a>> {
    let (scope, audience) = narrowing(&access.owner);
    values![
        uuid(access.id),
        &access.digest.0[..],
        scope,
        access.issued_at.0,
        access.expires_at.0,
        refresh.map(|refresh| uuid(refresh.id)),
        refresh.map(|refresh| &refresh.digest.0[..]),
        refresh.map(|refresh| refresh.issued_at.0),
        refresh.map(|refresh| refresh.expires_at.0),
        audience,
    ]
}

fn logged_out<'a>(spent: Option<&'a FlowRecord>, session: Option<Id>, notices: &'a [NoticeRecord]) -> Vec<Value<'a>> {
    macro_rules! each {
        (|$notice:ident| $value:expr) => {
            notices.iter().map(|$notice| $value).collect::<Vec<_>>()
        };
    }
    values![
        spent.map(|flow| uuid(flow.id)),
        spent.map(|flow| flow.step as i16),
        spent.map(|flow| flow.version),
        spent.map(|flow| &flow.sealed),
        spent.map(|flow| flow.expires_at.0),
        session.map(uuid),
        each!(|notice| uuid(notice.id)),
        each!(|notice| &notice.client),
        each!(|notice| uuid(notice.session)),
        each!(|notice| &notice.subject),
        each!(|notice| notice.attempts.cast_signed()),
        each!(|notice| notice.due_at.0),
        each!(|notice| notice.expires_at.0),
    ]
}

/// Serial and first version are drawn, as no counter is the same on all servers of a cluster.
fn created(client: &ClientRecord) -> Vec<Value<'_>> {
    values![
        &client.id,
        &client.name,
        &client.owner,
        &client.document,
        client.created_at.0,
        client.updated_at.0,
        drawn(),
        drawn(),
    ]
}

fn updated(client: &ClientRecord) -> Vec<Value<'_>> {
    values![
        &client.id,
        client.version,
        &client.name,
        &client.owner,
        &client.document,
        client.updated_at.0,
    ]
}

fn key_values<'a>(key: &'a KeyRecord, seed: Option<&'a str>) -> Vec<Value<'a>> {
    let KeyRecord { set, kid, sealed, .. } = key;
    values![
        set,
        kid,
        seed,
        sealed,
        key.created_at.0,
        key.signs_from.0,
        key.needed_until.0
    ]
}

fn put_values(key: &KeyRecord) -> Vec<Value<'_>> {
    let KeyRecord { set, kid, sealed, .. } = key;
    values![set, kid, sealed, key.created_at.0, key.signs_from.0, key.needed_until.0]
}

pub(super) fn uuid(id: Id) -> Uuid {
    Uuid::from_bytes(id.0)
}

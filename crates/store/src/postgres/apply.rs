//! Each change as one statement.

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessRecord, Change, ClientProof, ClientRecord, CodeRecord, FlowRecord, GrantRecord, KeyRecord, RefreshRecord,
    SessionChange,
};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::statements::Statements;
use crate::columns::{VERSION_BITS, answered_version, join_audience, join_scope, narrowing};

/// One parameter.
pub(super) type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement with its parameters.
pub(super) struct Step<'a> {
    pub(super) statement: &'a Statement,
    pub(super) values: Vec<Value<'a>>,
    /// Whether no row means that a predicate failed.
    pub(super) has_predicate: bool,
}

macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as Value<'_>),*] };
}

fn predicate<'a>(statement: &'a Statement, values: Vec<Value<'a>>) -> Step<'a> {
    Step {
        statement,
        values,
        has_predicate: true,
    }
}

fn always<'a>(statement: &'a Statement, values: Vec<Value<'a>>) -> Step<'a> {
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
        Change::AnswerLogin { flow } => {
            let values = values![uuid(flow.id), answered_version(flow), &flow.sealed, flow.expires_at.0];
            predicate(&all.answer_login, values)
        }
        Change::Advance {
            flow,
            seen,
            session: None,
            issue: None,
        } => predicate(&all.advance, moved(flow, *seen)),
        Change::Advance {
            flow,
            seen,
            session,
            issue,
        } => {
            let mut values = moved(flow, *seen);
            values.extend(session_values(session.as_ref()));
            let issue = issue.as_ref();
            values.extend(grant_values(issue.map(|issue| &*issue.grant)));
            values.extend(code_values(issue.and_then(|issue| issue.code.as_ref())));
            values.extend(access_values(issue.and_then(|issue| issue.access.as_ref())));
            predicate(&all.advance_with, values)
        }
        Change::Redeem {
            code,
            at,
            access,
            refresh,
            client,
        } => predicate(&all.redeem, exchange((*code, *at), client, access, refresh.as_ref())),
        Change::Rotate {
            old,
            at,
            access,
            refresh,
            client,
            keep_grant,
        } => {
            let mut values = exchange((*old, *at), client, access, Some(refresh));
            values.extend(values![keep_grant.0]);
            predicate(&all.rotate, values)
        }
        Change::BurnCode { code, at } => predicate(&all.burn_code, values![uuid(*code), at.0]),
        Change::RevokeGrant(id) => always(&all.revoke_grant, values![uuid(*id)]),
        Change::RevokeAccess(id) => always(&all.revoke_access, values![uuid(*id)]),
        Change::RevokeClientAccess { client, up_to } => {
            always(&all.revoke_client_access, values![client, uuid(*up_to)])
        }
        Change::EndSession(id) => always(&all.end_session, values![uuid(*id)]),
        Change::CreateClient(_)
        | Change::UpdateClient(_)
        | Change::DeleteClient(_)
        | Change::SeedKey { .. }
        | Change::AddKey(_)
        | Change::PutKey(_)
        | Change::ReplaceKeySet { .. }
        | Change::DeleteKey { .. }
        | Change::DeleteKeySet(_) => return administered(all, change),
    })
}

/// Changes to clients and keys.
fn administered<'a>(all: &'a Statements, change: &'a Change) -> Option<Step<'a>> {
    Some(match change {
        Change::CreateClient(client) => predicate(&all.create_client, created(client)),
        Change::UpdateClient(client) => predicate(&all.update_client, updated(client)),
        Change::DeleteClient(id) => predicate(&all.delete_client, values![id]),
        Change::SeedKey { key, alg } => predicate(&all.add_key, key_values(key, Some(alg))),
        Change::AddKey(key) => predicate(&all.add_key, key_values(key, None)),
        Change::PutKey(key) => always(&all.put_key, values![&key.set, &key.kid, &key.sealed, key.created_at.0]),
        Change::ReplaceKeySet { set, keys } => {
            let kids: Vec<_> = keys.iter().map(|key| &key.kid).collect();
            let sealed: Vec<_> = keys.iter().map(|key| &key.sealed).collect();
            let created: Vec<_> = keys.iter().map(|key| key.created_at.0).collect();
            always(&all.replace_key_set, values![set, kids, sealed, created])
        }
        Change::DeleteKey { set, kid } => always(&all.delete_key, values![set, kid]),
        Change::DeleteKeySet(set) => always(&all.delete_key_set, values![set]),
        _ => return None,
    })
}

/// `$1` to `$5` of both ways to advance a flow.
fn moved(flow: &FlowRecord, seen: i64) -> Vec<Value<'_>> {
    values![uuid(flow.id), flow.step as i16, seen, &flow.sealed, flow.expires_at.0]
}

/// `$6` to `$14`.
fn session_values(change: Option<&SessionChange>) -> Vec<Value<'_>> {
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

/// `$15` to `$24`.
fn grant_values(grant: Option<&GrantRecord>) -> Vec<Value<'_>> {
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
    ]
}

/// `$25` to `$30`.
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

/// `$31` to `$36`.
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

/// `$1` to `$14` of redemption and rotation: what is used up, the proof, the new pair.
fn exchange<'a>(
    (used, at): (Id, Timestamp),
    client: &'a ClientProof,
    access: &'a AccessRecord,
    refresh: Option<&'a RefreshRecord>,
) -> Vec<Value<'a>> {
    let (scope, audience) = narrowing(&access.owner);
    values![
        uuid(used),
        at.0,
        &*client.id,
        client.version,
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

fn created(client: &ClientRecord) -> Vec<Value<'_>> {
    values![
        &client.id,
        &client.name,
        &client.owner,
        &client.document,
        client.created_at.0,
        client.updated_at.0,
        VERSION_BITS.cast_signed(),
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
    values![&key.set, &key.kid, seed, &key.sealed, key.created_at.0]
}

/// In which order a batch runs: every server takes the locks of a table in the order of its keys, so that two batches
/// wait for each other in one direction only.
pub(super) fn order(change: &Change) -> (u8, Vec<u8>) {
    let row = |kind: u8, id: &Id| (kind, id.0.to_vec());
    match change {
        Change::CreateClient(client) | Change::UpdateClient(client) => (0, client.id.as_bytes().to_vec()),
        Change::DeleteClient(id) | Change::RevokeClientAccess { client: id, .. } => (0, id.as_bytes().to_vec()),
        Change::SeedKey { key, .. } | Change::AddKey(key) | Change::PutKey(key) => (1, key.set.as_bytes().to_vec()),
        Change::ReplaceKeySet { set, .. } | Change::DeleteKey { set, .. } | Change::DeleteKeySet(set) => {
            (1, set.as_bytes().to_vec())
        }
        Change::AnswerLogin { flow } | Change::Advance { flow, .. } => row(2, &flow.id),
        Change::EndSession(id) => row(3, id),
        Change::Redeem { code, .. } | Change::BurnCode { code, .. } => row(4, code),
        Change::Rotate { old, .. } => row(5, old),
        Change::Issue { access, .. } => row(6, &access.id),
        Change::RevokeAccess(id) => row(6, id),
        Change::RevokeGrant(id) => row(7, id),
    }
}

pub(super) fn uuid(id: Id) -> Uuid {
    Uuid::from_bytes(id.0)
}

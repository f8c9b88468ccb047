//! One change, inside the transaction of the writer.
//!
//! There is one writer at a time, so that a predicate that held in one statement still holds in the next. The caller
//! undoes a change that answers [`Outcome::LostRace`] or fails.

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessRecord, ApiKeyRecord, Change, ClientProof, ClientRecord, CodeRecord, FlowRecord, GrantRecord, Issue,
    KeyRecord, NoticeRecord, Outcome, Owner, RefreshRecord, SessionChange, SessionRecord, TrustRecord, UsedAssertion,
};
use rusqlite::{Connection, Error, OptionalExtension, Params, Result, params};

use super::{devices, statements};
use crate::columns::{VERSION_BITS, answered_version, join_audience, join_scope, narrowing};

pub(super) fn apply(connection: &Connection, change: &Change) -> Result<Outcome> {
    match change {
        Change::Issue { access, client } => issue(connection, access, client),
        Change::IssueGrant {
            grant,
            access,
            client,
            assertion,
        } => issue_grant(connection, grant, access, client, assertion.as_ref()),
        Change::UseAssertion(assertion) => use_assertion(connection, assertion),
        Change::AnswerLogin { flow } => answer_login(connection, flow),
        Change::Advance {
            flow,
            seen,
            session,
            issue,
            client,
        } => {
            if !advance(connection, flow, *seen, client.as_ref())? {
                return Ok(Outcome::LostRace);
            }
            if let Some(session) = session {
                change_session(connection, session)?;
            }
            if let Some(issue) = issue {
                issue_at_once(connection, issue)?;
            }
            Ok(Outcome::Applied)
        }
        Change::Redeem {
            code,
            at,
            access,
            refresh,
            client,
            resealed,
        } => {
            let given = (access, refresh.as_ref(), resealed.as_deref());
            redeem(connection, (*code, *at), client, given)
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
            let Some(grant) = rotate(connection, (*old, *at), client, access, refresh)? else {
                return Ok(Outcome::LostRace);
            };
            run(
                connection,
                statements::KEEP_GRANT,
                params![grant, keep_grant.0, resealed],
            )?;
            Ok(Outcome::Applied)
        }
        Change::BeginDevice { .. }
        | Change::PollDevice { .. }
        | Change::DenyDevice(_)
        | Change::ApproveDevice { .. }
        | Change::RedeemDevice { .. } => devices::apply(connection, change),
        Change::BurnCode { code, at } => predicate(connection, statements::BURN_CODE, params![code.0, at.0]),
        Change::RevokeGrant(id) => {
            run(connection, statements::REVOKE_GRANT, [id.0])?;
            always(connection, statements::REMOVE_ENDLESS, [id.0])
        }
        Change::EndGrant(id) => end_grant(connection, *id),
        Change::RevokeGrants { subject, client } => {
            run(connection, statements::REMOVE_ENDLESS_OF, params![subject, client])?;
            always(connection, statements::REVOKE_GRANTS, params![subject, client])
        }
        Change::RevokeAccess(id) => always(connection, statements::REVOKE_ACCESS, [id.0]),
        Change::RevokeClientAccess { client, up_to } => {
            always(connection, statements::REVOKE_CLIENT_ACCESS, params![client, up_to.0])
        }
        Change::EndSession(id) => always(connection, statements::END_SESSION, [id.0]),
        Change::EndSessions { subject } => always(connection, statements::END_SESSIONS, [subject]),
        Change::Logout {
            spent,
            session,
            notices,
        } => log_out(connection, spent.as_ref(), *session, notices),
        Change::RescheduleNotice { id, attempts, due_at } => {
            let params = params![id.0, attempts, due_at.0];
            predicate(connection, statements::RESCHEDULE_NOTICE, params)
        }
        Change::CreateClient(client) => create_client(connection, client),
        Change::UpdateClient(client) => update_client(connection, client),
        Change::DeleteClient(id) => {
            run(connection, statements::NOTE_REMOVAL, [id])?;
            predicate(connection, statements::DELETE_CLIENT, [id])
        }
        Change::SeedKey { key, alg } => add_key(connection, key, Some(alg)),
        Change::AddKey(key) => add_key(connection, key, None),
        Change::PutKey(key) => put_key(connection, key),
        Change::ReplaceKeySet { set, keys } => replace_key_set(connection, set, keys),
        Change::NeedKey { set, kid, until } => predicate(connection, statements::NEED_KEY, params![set, kid, until.0]),
        Change::RetireKey { set, kid, needed_until } => {
            predicate(connection, statements::RETIRE_KEY, params![set, kid, needed_until.0])
        }
        Change::DeleteKey { set, kid } => always(connection, statements::DELETE_KEY, [set, kid]),
        Change::DeleteKeySet(set) => always(connection, statements::DELETE_KEY_SET, [set]),
        Change::CreateTrust(trust) => create_trust(connection, trust),
        Change::CreateApiKey(key) => create_api_key(connection, key),
        Change::RevokeApiKey(id) => predicate(connection, statements::REVOKE_API_KEY, [id.0]),
        Change::UseApiKey { id, at } => always(connection, statements::USE_API_KEY, params![id.0, at.0]),
        Change::DeleteTrust(id) => predicate(connection, statements::DELETE_TRUST, [id.0]),
    }
}

pub(super) fn run(connection: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

/// A statement that writes nothing if its predicate fails.
pub(super) fn predicate(connection: &Connection, sql: &str, params: impl Params) -> Result<Outcome> {
    Ok(match run(connection, sql, params)? {
        0 => Outcome::LostRace,
        _ => Outcome::Applied,
    })
}

/// A statement that may find nothing to do.
pub(super) fn always(connection: &Connection, sql: &str, params: impl Params) -> Result<Outcome> {
    run(connection, sql, params).map(|_| Outcome::Applied)
}

fn issue(connection: &Connection, access: &AccessRecord, client: &ClientProof) -> Result<Outcome> {
    let Owner::Client {
        scope,
        audience,
        sealed,
        ..
    } = &access.owner
    else {
        return Err(Error::InvalidParameterName(
            "a token of a grant cannot be issued without a code".to_owned(),
        ));
    };
    let params = params![
        access.id.0,
        access.digest.0,
        join_scope(scope),
        join_audience(audience),
        access.issued_at.0,
        access.expires_at.0,
        client.id,
        client.version,
        sealed,
    ];
    predicate(connection, statements::ISSUE, params)
}

fn issue_grant(
    connection: &Connection,
    grant: &GrantRecord,
    access: &AccessRecord,
    client: &ClientProof,
    assertion: Option<&UsedAssertion>,
) -> Result<Outcome> {
    let proof = params![client.id, client.version];
    let is_proved = connection.prepare_cached(statements::PROVE_CLIENT)?.exists(proof)?;
    let used = assertion.map(|assertion| use_assertion(connection, assertion));
    if !is_proved || used.transpose()? == Some(Outcome::LostRace) {
        return Ok(Outcome::LostRace);
    }
    put_grant(connection, grant)?;
    put_access(connection, access, grant.id.0)?;
    Ok(Outcome::Applied)
}

fn use_assertion(connection: &Connection, assertion: &UsedAssertion) -> Result<Outcome> {
    let params = params![assertion.digest.0, assertion.expires_at.0];
    predicate(connection, statements::USE_ASSERTION, params)
}

fn create_trust(connection: &Connection, trust: &TrustRecord) -> Result<Outcome> {
    let params = params![
        trust.id.0,
        trust.issuer,
        trust.subject.as_deref().unwrap_or_default(),
        trust.kid,
        join_scope(&trust.scope),
        trust.key,
        trust.created_at.0,
        trust.expires_at.0,
    ];
    predicate(connection, statements::CREATE_TRUST, params)
}

fn create_api_key(connection: &Connection, key: &ApiKeyRecord) -> Result<Outcome> {
    let params = params![
        key.id.0,
        key.name,
        key.digest.0,
        join_scope(&key.scope),
        key.created_at.0,
        key.expires_at.0,
    ];
    predicate(connection, statements::CREATE_API_KEY, params)
}

fn answer_login(connection: &Connection, flow: &FlowRecord) -> Result<Outcome> {
    let params = params![flow.id.0, answered_version(flow), flow.sealed, flow.expires_at.0];
    predicate(connection, statements::ANSWER_LOGIN, params)
}

pub(super) fn advance(
    connection: &Connection,
    flow: &FlowRecord,
    seen: i64,
    client: Option<&ClientProof>,
) -> Result<bool> {
    let params = params![
        flow.id.0,
        flow.step as i16,
        seen,
        flow.sealed,
        flow.expires_at.0,
        client.map(|client| &client.id),
        client.map(|client| client.version),
    ];
    Ok(run(connection, statements::ADVANCE, params)? > 0)
}

pub(super) fn change_session(connection: &Connection, change: &SessionChange) -> Result<()> {
    match change {
        SessionChange::Put(session) => put_session(connection, session),
        SessionChange::Extend(id, until) => {
            run(connection, statements::EXTEND_SESSION, params![id.0, until.0]).map(drop)
        }
        SessionChange::End(id) => run(connection, statements::END_SESSION, [id.0]).map(drop),
    }
}

/// What is remembered keeps its row, without tokens.
fn end_grant(connection: &Connection, id: Id) -> Result<Outcome> {
    run(connection, statements::KEEP_MEMORY, [id.0])?;
    run(connection, statements::REVOKE_UNREMEMBERED, [id.0])?;
    always(connection, statements::REMOVE_ENDLESS, [id.0])
}

fn log_out(
    connection: &Connection,
    spent: Option<&FlowRecord>,
    session: Option<Id>,
    notices: &[NoticeRecord],
) -> Result<Outcome> {
    if let Some(flow) = spent {
        let params = params![
            flow.id.0,
            flow.step as i16,
            flow.version,
            flow.sealed,
            flow.expires_at.0
        ];
        if run(connection, statements::SPEND_FLOW, params)? == 0 {
            return Ok(Outcome::LostRace);
        }
    }
    if let Some(session) = session {
        run(connection, statements::END_SESSION, [session.0])?;
    }
    for notice in notices {
        let params = params![
            notice.id.0,
            notice.client,
            notice.session.0,
            notice.subject,
            notice.attempts,
            notice.due_at.0,
            notice.expires_at.0,
        ];
        run(connection, statements::PUT_NOTICE, params)?;
    }
    Ok(Outcome::Applied)
}

fn put_session(connection: &Connection, session: &SessionRecord) -> Result<()> {
    let params = params![
        session.id.0,
        session.subject,
        session.authenticated_at.0,
        session.remember,
        session.sealed,
        session.expires_at.0,
    ];
    run(connection, statements::PUT_SESSION, params).map(drop)
}

/// Writes nothing if the client is gone, as the grant would be dead.
pub(super) fn put_grant(connection: &Connection, grant: &GrantRecord) -> Result<()> {
    if grant.remembered_until.is_some() {
        run(
            connection,
            statements::FORGET_GRANTS,
            params![grant.subject, grant.client_id],
        )?;
    }
    let params = params![
        grant.id.0,
        grant.client_id,
        grant.subject,
        grant.session_id.map(|id| id.0),
        join_scope(&grant.scope),
        join_audience(&grant.audience),
        grant.sealed,
        grant.remembered_until.map(|until| until.0),
        grant.created_at.0,
        grant.expires_at.0,
        grant.skipped,
    ];
    run(connection, statements::PUT_GRANT, params).map(drop)
}

fn issue_at_once(connection: &Connection, issue: &Issue) -> Result<()> {
    put_grant(connection, &issue.grant)?;
    if let Some(code) = &issue.code {
        put_code(connection, code)?;
    }
    if let Some(access) = &issue.access {
        put_access(connection, access, issue.grant.id.0)?;
    }
    Ok(())
}

fn put_code(connection: &Connection, code: &CodeRecord) -> Result<()> {
    let params = params![
        code.id.0,
        code.digest.0,
        code.grant.0,
        code.redirect_uri,
        code.challenge,
        code.expires_at.0,
    ];
    run(connection, statements::PUT_CODE, params).map(drop)
}

fn redeem(
    connection: &Connection,
    (code, at): (Id, Timestamp),
    client: &ClientProof,
    given: (&AccessRecord, Option<&RefreshRecord>, Option<&[u8]>),
) -> Result<Outcome> {
    let params = params![code.0, at.0, client.id, client.version];
    let Some(grant) = used(connection, statements::USE_CODE, params)? else {
        return Ok(Outcome::LostRace);
    };
    give(connection, grant, given)
}

/// The first tokens of a grant, and what it seals from now on if that is given.
pub(super) fn give(
    connection: &Connection,
    grant: [u8; 16],
    (access, refresh, resealed): (&AccessRecord, Option<&RefreshRecord>, Option<&[u8]>),
) -> Result<Outcome> {
    put_access(connection, access, grant)?;
    if let Some(refresh) = refresh {
        put_refresh(connection, refresh, grant)?;
    }
    if let Some(sealed) = resealed {
        run(connection, statements::RESEAL_GRANT, params![grant, sealed])?;
    }
    Ok(Outcome::Applied)
}

/// The grant of the rotated token, unless a predicate failed.
fn rotate(
    connection: &Connection,
    (old, at): (Id, Timestamp),
    client: &ClientProof,
    access: &AccessRecord,
    refresh: &RefreshRecord,
) -> Result<Option<[u8; 16]>> {
    let params = params![old.0, at.0, client.id, client.version, refresh.id.0];
    let Some(grant) = used(connection, statements::USE_REFRESH, params)? else {
        return Ok(None);
    };
    run(connection, statements::REVOKE_ACCESS, [old.0])?;
    put_access(connection, access, grant)?;
    put_refresh(connection, refresh, grant)?;
    Ok(Some(grant))
}

/// Consumes one row and says which grant it is of.
pub(super) fn used(connection: &Connection, sql: &str, params: impl Params) -> Result<Option<[u8; 16]>> {
    connection
        .prepare_cached(sql)?
        .query_row(params, |row| row.get(0))
        .optional()
}

pub(super) fn put_access(connection: &Connection, access: &AccessRecord, grant: [u8; 16]) -> Result<()> {
    let (scope, audience) = narrowing(&access.owner);
    let params = params![
        access.id.0,
        access.digest.0,
        grant,
        scope,
        audience,
        access.issued_at.0,
        access.expires_at.0,
    ];
    run(connection, statements::PUT_ACCESS, params).map(drop)
}

pub(super) fn put_refresh(connection: &Connection, refresh: &RefreshRecord, grant: [u8; 16]) -> Result<()> {
    let params = params![
        refresh.id.0,
        refresh.digest.0,
        grant,
        refresh.issued_at.0,
        refresh.expires_at.0,
    ];
    run(connection, statements::PUT_REFRESH, params).map(drop)
}

fn create_client(connection: &Connection, client: &ClientRecord) -> Result<Outcome> {
    let params = params![
        client.id,
        client.name,
        client.owner,
        client.document,
        client.created_at.0,
        client.updated_at.0,
    ];
    if run(connection, statements::CREATE_CLIENT, params)? == 0 {
        return Ok(Outcome::LostRace);
    }
    always(connection, statements::NUMBER_CLIENT, params![client.id, VERSION_BITS])
}

fn update_client(connection: &Connection, client: &ClientRecord) -> Result<Outcome> {
    let params = params![
        client.id,
        client.version,
        client.name,
        client.owner,
        client.document,
        client.updated_at.0,
    ];
    predicate(connection, statements::UPDATE_CLIENT, params)
}

fn add_key(connection: &Connection, key: &KeyRecord, seed: Option<&str>) -> Result<Outcome> {
    let KeyRecord { set, kid, .. } = key;
    let params = params![
        set,
        kid,
        seed,
        key.sealed,
        key.created_at.0,
        key.signs_from.0,
        key.needed_until.0
    ];
    predicate(connection, statements::ADD_KEY, params)
}

fn put_key(connection: &Connection, key: &KeyRecord) -> Result<Outcome> {
    always(connection, statements::PUT_KEY, key_params(key))
}

fn key_params(key: &KeyRecord) -> (&str, &str, &[u8], i64, i64, i64) {
    let KeyRecord { set, kid, sealed, .. } = key;
    (set, kid, sealed, key.created_at.0, key.signs_from.0, key.needed_until.0)
}

/// The first key of the list is the newest.
fn replace_key_set(connection: &Connection, set: &str, keys: &[KeyRecord]) -> Result<Outcome> {
    run(connection, statements::DELETE_KEY_SET, [set])?;
    for key in keys.iter().rev() {
        run(connection, statements::PUT_KEY, key_params(key))?;
    }
    Ok(Outcome::Applied)
}

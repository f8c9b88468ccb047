//! The statements of each change.

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessRecord, Change, ClientProof, CodeRecord, FlowRecord, GrantRecord, Issue, NoticeRecord, Owner, RefreshRecord,
    SessionChange, SessionRecord, UsedAssertion,
};

use super::script::Script;
use super::sql::{Value, values};
use super::{administered, devices, statements};
use crate::columns::{answered_version, join_audience, join_scope, narrowing};

pub(super) fn apply(script: &mut Script, change: &Change) {
    match change {
        Change::Issue { access, client } => {
            let rows = issued_row(access);
            // One row, written by the same statement as many.
            script.text.push_str(&issue(client, &rows));
            script.text.push_str("SET @ok = ROW_COUNT() > 0;");
        }
        Change::IssueGrant {
            grant,
            access,
            client,
            assertion,
        } => issue_grant(script, grant, access, client, assertion.as_ref()),
        Change::UseAssertion(assertion) => use_assertion(script, assertion),
        Change::AnswerLogin { flow } => answer_login(script, flow),
        Change::Advance {
            flow,
            seen,
            session,
            issue,
            client,
        } => {
            advance(script, flow, *seen, client.as_ref());
            if let Some(session) = session {
                change_session(script, session);
            }
            if let Some(issue) = issue {
                issue_at_once(script, issue);
            }
        }
        Change::Redeem {
            code,
            at,
            access,
            refresh,
            client,
            resealed,
        } => {
            let used = values![*code, at.0, &*client.id, client.version];
            script.predicate(statements::USE_CODE, &used);
            script.run(statements::CODE_GRANT, &values![*code]);
            give(script, access, refresh.as_ref(), resealed.as_deref());
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
            rotate(script, (*old, *at), client, access, refresh);
            script.run(statements::KEEP_GRANT, &values![keep_grant.0, resealed.as_deref()]);
        }
        Change::BeginDevice { .. }
        | Change::PollDevice { .. }
        | Change::DenyDevice(_)
        | Change::ApproveDevice { .. }
        | Change::RedeemDevice { .. } => devices::apply(script, change),
        Change::BurnCode { code, at } => script.predicate(statements::BURN_CODE, &values![*code, at.0]),
        Change::RevokeGrant(id) => {
            script.run(statements::REVOKE_GRANT, &values![*id]);
            script.run(statements::REMOVE_ENDLESS, &values![*id]);
        }
        Change::EndGrant(id) => {
            // What is remembered keeps its row, without tokens.
            script.run(statements::KEEP_MEMORY, &values![*id]);
            script.run(statements::REVOKE_UNREMEMBERED, &values![*id]);
            script.run(statements::REMOVE_ENDLESS, &values![*id]);
        }
        Change::RevokeGrants { subject, client } => {
            let whose = values![subject, client.as_deref()];
            script.run(statements::REMOVE_ENDLESS_OF, &whose);
            script.run(statements::REVOKE_GRANTS, &whose);
        }
        Change::RevokeAccess(id) => script.run(statements::REVOKE_ACCESS, &values![*id]),
        Change::RevokeClientAccess { client, up_to } => {
            script.run(statements::REVOKE_CLIENT_ACCESS, &values![client, *up_to]);
        }
        Change::EndSession(id) => script.run(statements::END_SESSION, &values![*id]),
        Change::EndSessions { subject } => script.run(statements::END_SESSIONS, &values![subject]),
        Change::Logout {
            spent,
            session,
            notices,
        } => log_out(script, spent.as_ref(), *session, notices),
        Change::RescheduleNotice { id, attempts, due_at } => {
            script.run(statements::LOCK_NOTICE, &values![*id, *attempts]);
            script.run(statements::RESCHEDULE_NOTICE, &values![*id, due_at.0]);
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
        | Change::CreateApiKey(_)
        | Change::RevokeApiKey(_)
        | Change::UseApiKey { .. }
        | Change::DeleteKey { .. }
        | Change::DeleteKeySet(_)
        | Change::CreateTrust(_)
        | Change::DeleteTrust(_) => administered::apply(script, change),
    }
}

/// Inserts tokens of one client, of which each is a row by [`issued_row`], if it still has its version.
pub(super) fn issue(client: &ClientProof, rows: &str) -> String {
    let proof = values![&*client.id, client.version];
    super::sql::statement(&statements::ISSUE.replace("?3", rows), &proof)
}

/// A row of [`statements::ISSUE`].
pub(super) fn issued_row(access: &AccessRecord) -> String {
    let (scope, audience) = narrowing(&access.owner);
    let sealed = match &access.owner {
        Owner::Client { sealed, .. } => sealed.as_deref(),
        Owner::Grant { .. } => None,
    };
    let columns = [
        ("id", Value::from(access.id)),
        ("digest", Value::from(&access.digest.0[..])),
        ("scope", Value::from(scope)),
        ("audience", Value::from(audience)),
        ("issued_at", Value::from(access.issued_at.0)),
        ("expires_at", Value::from(access.expires_at.0)),
        ("sealed", Value::from(sealed)),
    ];
    let mut text = String::with_capacity(256);
    for (position, (name, value)) in columns.iter().enumerate() {
        text.push_str(if position == 0 { "SELECT " } else { ", " });
        value.write(&mut text);
        text.push_str(" AS ");
        text.push_str(name);
    }
    text
}

fn issue_grant(
    script: &mut Script,
    grant: &GrantRecord,
    access: &AccessRecord,
    client: &ClientProof,
    assertion: Option<&UsedAssertion>,
) {
    script.run(statements::PROVE_CLIENT, &values![&*client.id, client.version]);
    if let Some(assertion) = assertion {
        use_assertion(script, assertion);
    }
    put_grant(script, grant);
    put_access(script, access, grant.id);
}

fn use_assertion(script: &mut Script, assertion: &UsedAssertion) {
    let used = values![&assertion.digest.0[..], assertion.expires_at.0];
    script.predicate(statements::USE_ASSERTION, &used);
}

fn answer_login(script: &mut Script, flow: &FlowRecord) {
    let version = answered_version(flow);
    let answered = values![flow.id, version, &flow.sealed, flow.expires_at.0];
    script.run(statements::ANSWER_LOGIN, &answered);
    script.run(statements::IS_ANSWERED, &values![flow.id, version]);
}

pub(super) fn advance(script: &mut Script, flow: &FlowRecord, seen: i64, client: Option<&ClientProof>) {
    let values = values![
        flow.id,
        flow.step as i16,
        seen,
        &flow.sealed,
        flow.expires_at.0,
        client.map(|client| &*client.id),
        client.map(|client| client.version),
    ];
    script.predicate(statements::ADVANCE, &values);
}

pub(super) fn change_session(script: &mut Script, change: &SessionChange) {
    match change {
        SessionChange::Put(session) => put_session(script, session),
        SessionChange::Extend(id, until) => script.run(statements::EXTEND_SESSION, &values![*id, until.0]),
        SessionChange::End(id) => script.run(statements::END_SESSION, &values![*id]),
    }
}

fn put_session(script: &mut Script, session: &SessionRecord) {
    let values = values![
        session.id,
        &session.subject,
        session.authenticated_at.0,
        session.remember,
        &session.sealed,
        session.expires_at.0,
    ];
    script.run(statements::PUT_SESSION, &values);
}

/// Writes nothing if the client is gone, as the grant would be dead.
pub(super) fn put_grant(script: &mut Script, grant: &GrantRecord) {
    if grant.remembered_until.is_some() {
        let whose = values![&grant.subject, &*grant.client_id];
        script.run(statements::FORGET_GRANTS, &whose);
    }
    let values = values![
        grant.id,
        &*grant.client_id,
        &grant.subject,
        grant.session_id,
        join_scope(&grant.scope),
        join_audience(&grant.audience),
        &grant.sealed,
        grant.remembered_until.map(|until| until.0),
        grant.created_at.0,
        grant.expires_at.0,
        grant.skipped,
    ];
    script.run(statements::PUT_GRANT, &values);
}

fn issue_at_once(script: &mut Script, issue: &Issue) {
    put_grant(script, &issue.grant);
    if let Some(code) = &issue.code {
        put_code(script, code);
    }
    if let Some(access) = &issue.access {
        put_access(script, access, issue.grant.id);
    }
}

fn put_code(script: &mut Script, code: &CodeRecord) {
    let values = values![
        code.id,
        &code.digest.0[..],
        code.grant,
        code.redirect_uri.as_deref(),
        code.challenge.as_deref(),
        code.expires_at.0,
    ];
    script.run(statements::PUT_CODE, &values);
}

/// The first tokens of the grant that was found, and what it seals from now on if that is given.
pub(super) fn give(
    script: &mut Script,
    access: &AccessRecord,
    refresh: Option<&RefreshRecord>,
    resealed: Option<&[u8]>,
) {
    put_granted_access(script, access);
    if let Some(refresh) = refresh {
        put_refresh(script, refresh);
    }
    if let Some(sealed) = resealed {
        script.run(statements::RESEAL_GRANT, &values![sealed]);
    }
}

fn rotate(
    script: &mut Script,
    (old, at): (Id, Timestamp),
    client: &ClientProof,
    access: &AccessRecord,
    refresh: &RefreshRecord,
) {
    let used = values![old, at.0, &*client.id, client.version, refresh.id];
    script.predicate(statements::USE_REFRESH, &used);
    script.run(statements::REFRESH_GRANT, &values![old]);
    script.run(statements::REVOKE_ACCESS, &values![old]);
    put_granted_access(script, access);
    put_refresh(script, refresh);
}

/// An access token of a grant that is put in the same change.
fn put_access(script: &mut Script, access: &AccessRecord, grant: Id) {
    script.run("SET @granted = ?1", &values![grant]);
    put_granted_access(script, access);
}

fn put_granted_access(script: &mut Script, access: &AccessRecord) {
    let (scope, audience) = narrowing(&access.owner);
    let values = values![
        access.id,
        &access.digest.0[..],
        scope,
        audience,
        access.issued_at.0,
        access.expires_at.0,
    ];
    script.run(statements::PUT_ACCESS, &values);
}

fn put_refresh(script: &mut Script, refresh: &RefreshRecord) {
    let values = values![
        refresh.id,
        &refresh.digest.0[..],
        refresh.issued_at.0,
        refresh.expires_at.0,
    ];
    script.run(statements::PUT_REFRESH, &values);
}

fn log_out(script: &mut Script, spent: Option<&FlowRecord>, session: Option<Id>, notices: &[NoticeRecord]) {
    if let Some(flow) = spent {
        let values = values![flow.id, flow.step as i16, flow.version, &flow.sealed, flow.expires_at.0,];
        script.predicate(statements::SPEND_FLOW, &values);
    }
    if let Some(session) = session {
        script.run(statements::END_SESSION, &values![session]);
    }
    for notice in notices {
        let values = values![
            notice.id,
            &notice.client,
            notice.session,
            &notice.subject,
            notice.attempts,
            notice.due_at.0,
            notice.expires_at.0,
        ];
        script.run(statements::PUT_NOTICE, &values);
    }
}

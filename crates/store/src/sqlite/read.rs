//! Facts from SQLite rows.

use std::sync::Arc;

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, AccessRecord, ApiKeyRecord, ClientQuery, ClientRecord, CodeFacts, CodeRecord, DeviceFacts,
    DeviceRecord, DeviceState, Digest, FlowRecord, FlowStep, GrantQuery, GrantRecord, KeyRecord, NoticeRecord, Owner,
    Participant, RefreshFacts, RefreshRecord, Rotated, SessionRecord, TrustQuery, TrustRecord,
};
use rusqlite::{Connection, Error, OptionalExtension, Params, Result, Row, params};

use super::statements;
use crate::columns::{split_audience, split_scope};

fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(params, read).optional()
}

pub(super) fn client(connection: &Connection, id: &str) -> Result<Option<Arc<ClientRecord>>> {
    one(connection, statements::CLIENT, [id], |row| {
        client_row(row).map(Arc::new)
    })
}

pub(super) fn clients(connection: &Connection, query: &ClientQuery) -> Result<Vec<ClientRecord>> {
    let after = query.after.as_deref().unwrap_or_default();
    connection
        .prepare_cached(statements::CLIENTS)?
        .query_map(
            params![query.name, query.owner, after, query.limit, query.offset],
            client_row,
        )?
        .collect()
}

pub(super) fn count_clients(connection: &Connection) -> Result<u64> {
    let count: i64 = connection
        .prepare_cached(statements::COUNT_CLIENTS)?
        .query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn client_row(row: &Row<'_>) -> Result<ClientRecord> {
    Ok(ClientRecord {
        id: row.get(0)?,
        version: row.get(1)?,
        name: row.get(2)?,
        owner: row.get(3)?,
        document: row.get(4)?,
        created_at: time(row, 5)?,
        updated_at: time(row, 6)?,
    })
}

pub(super) fn flow(connection: &Connection, id: Id) -> Result<Option<Arc<FlowRecord>>> {
    one(connection, statements::FLOW, [id.0], |row| {
        let step: i16 = row.get(1)?;
        Ok(Arc::new(FlowRecord {
            id: Id(row.get(0)?),
            step: FlowStep::from_number(step).ok_or(Error::IntegralValueOutOfRange(1, step.into()))?,
            version: row.get(2)?,
            sealed: row.get(3)?,
            expires_at: time(row, 4)?,
        }))
    })
}

pub(super) fn session(connection: &Connection, id: Id) -> Result<Option<SessionRecord>> {
    one(connection, statements::SESSION, [id.0], |row| {
        Ok(SessionRecord {
            id: Id(row.get(0)?),
            subject: row.get(1)?,
            authenticated_at: time(row, 2)?,
            remember: row.get(3)?,
            sealed: row.get(4)?,
            expires_at: time(row, 5)?,
        })
    })
}

pub(super) fn remembered(
    connection: &Connection,
    subject: &str,
    client: &str,
    now: Timestamp,
) -> Result<Option<GrantRecord>> {
    let params = params![subject, client, now.0];
    Ok(one(connection, statements::REMEMBERED, params, |row| grant(row, 0))?.flatten())
}

pub(super) fn grants(connection: &Connection, query: &GrantQuery) -> Result<Vec<GrantRecord>> {
    let (session, after) = (query.session.map(|id| id.0), query.after.map_or([0; 16], |id| id.0));
    let params = params![query.subject, session, after, query.at.0, query.limit, query.offset];
    let mut statement = connection.prepare_cached(statements::GRANTS)?;
    let grants = statement.query_map(params, |row| grant(row, 0))?;
    grants.filter_map(Result::transpose).collect()
}

pub(super) fn count_grants(connection: &Connection, query: &GrantQuery) -> Result<u64> {
    let session = query.session.map(|id| id.0);
    let count: i64 = connection
        .prepare_cached(statements::COUNT_GRANTS)?
        .query_row(params![query.subject, session, query.at.0], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

pub(super) fn participants(connection: &Connection, session: Id, subject: Option<&str>) -> Result<Vec<Participant>> {
    let read = |row: &Row<'_>| {
        Ok(Participant {
            client: row.get(0)?,
            subject: row.get(1)?,
        })
    };
    connection
        .prepare_cached(statements::PARTICIPANTS)?
        .query_map(params![session.0, subject], read)?
        .collect()
}

/// Written by the statement that reads them.
pub(super) fn claim(
    connection: &Connection,
    now: Timestamp,
    lease: Timestamp,
    limit: u32,
) -> Result<Vec<NoticeRecord>> {
    let read = |row: &Row<'_>| {
        Ok(NoticeRecord {
            id: Id(row.get(0)?),
            client: row.get(1)?,
            session: Id(row.get(2)?),
            subject: row.get(3)?,
            attempts: row.get(4)?,
            due_at: time(row, 5)?,
            expires_at: time(row, 6)?,
        })
    };
    connection
        .prepare_cached(statements::CLAIM_NOTICES)?
        .query_map(params![now.0, lease.0, limit], read)?
        .collect()
}

pub(super) fn code(connection: &Connection, id: Id) -> Result<Option<Arc<CodeFacts>>> {
    one(connection, statements::CODE, [id.0], |row| {
        let code = CodeRecord {
            id: Id(row.get(0)?),
            digest: Digest(row.get(1)?),
            grant: Id(row.get(2)?),
            redirect_uri: row.get(3)?,
            challenge: row.get(4)?,
            expires_at: time(row, 5)?,
        };
        Ok(Arc::new(CodeFacts {
            code,
            used_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
            grant: grant(row, 7)?.map(Arc::new),
        }))
    })
}

pub(super) fn access(connection: &Connection, id: Id) -> Result<Option<AccessFacts>> {
    one(connection, statements::ACCESS, [id.0], |row| {
        let scope: Option<String> = row.get(3)?;
        let audience: Option<String> = row.get(4)?;
        let owner = match row.get::<_, Option<[u8; 16]>>(2)? {
            Some(grant) => Owner::Grant {
                id: Id(grant),
                scope: scope.as_deref().map(split_scope),
                audience: audience.as_deref().map(split_audience),
            },
            None => Owner::Client {
                id: row.get(8)?,
                scope: split_scope(&scope.unwrap_or_default()),
                audience: split_audience(&audience.unwrap_or_default()),
                sealed: row.get(19)?,
            },
        };
        let access = AccessRecord {
            id: Id(row.get(0)?),
            digest: Digest(row.get(1)?),
            owner,
            issued_at: time(row, 5)?,
            expires_at: time(row, 6)?,
        };
        Ok(AccessFacts {
            access,
            grant: grant(row, 7)?.map(Arc::new),
            client_version: row.get(18)?,
        })
    })
}

pub(super) fn refresh(connection: &Connection, id: Id) -> Result<Option<Arc<RefreshFacts>>> {
    one(connection, statements::REFRESH, [id.0], |row| {
        let grant_id = Id(row.get(2)?);
        let refresh = RefreshRecord {
            id: Id(row.get(0)?),
            digest: Digest(row.get(1)?),
            grant: grant_id,
            issued_at: time(row, 3)?,
            expires_at: time(row, 4)?,
        };
        let used_at: Option<i64> = row.get(5)?;
        let rotated = used_at.map(|at| rotated(row, Timestamp(at), grant_id)).transpose()?;
        Ok(Arc::new(RefreshFacts {
            refresh,
            rotated,
            grant: grant(row, 16)?.map(Arc::new),
        }))
    })
}

fn rotated(row: &Row<'_>, at: Timestamp, grant: Id) -> Result<Rotated> {
    let successor: Option<Result<_>> = row.get::<_, Option<[u8; 16]>>(6)?.map(|id| {
        Ok(RefreshRecord {
            id: Id(id),
            digest: Digest(row.get(7)?),
            grant,
            issued_at: time(row, 8)?,
            expires_at: time(row, 9)?,
        })
    });
    let access: Option<Result<_>> = row.get::<_, Option<[u8; 16]>>(10)?.map(|id| {
        let scope: Option<String> = row.get(12)?;
        let audience: Option<String> = row.get(13)?;
        Ok(AccessRecord {
            id: Id(id),
            digest: Digest(row.get(11)?),
            owner: Owner::Grant {
                id: grant,
                scope: scope.as_deref().map(split_scope),
                audience: audience.as_deref().map(split_audience),
            },
            issued_at: time(row, 14)?,
            expires_at: time(row, 15)?,
        })
    });
    Ok(Rotated {
        at,
        successor: successor.transpose()?,
        access: access.transpose()?,
    })
}

pub(super) fn device(connection: &Connection, id: Id) -> Result<Option<DeviceFacts>> {
    one(connection, statements::DEVICE, [id.0], device_row)
}

pub(super) fn device_by_user_code(connection: &Connection, user_code: Digest) -> Result<Option<DeviceFacts>> {
    one(connection, statements::DEVICE_BY_USER_CODE, [user_code.0], device_row)
}

fn device_row(row: &Row<'_>) -> Result<DeviceFacts> {
    let device = DeviceRecord {
        id: Id(row.get(0)?),
        digest: Digest(row.get(1)?),
        user_code: Digest(row.get(2)?),
        client_id: row.get(3)?,
        scope: split_scope(&row.get::<_, String>(4)?),
        audience: split_audience(&row.get::<_, String>(5)?),
        interval: row.get(6)?,
        ends_at: time(row, 7)?,
        expires_at: time(row, 8)?,
    };
    let state: i16 = row.get(9)?;
    Ok(DeviceFacts {
        device,
        state: DeviceState::from_number(state).ok_or(Error::IntegralValueOutOfRange(9, state.into()))?,
        polled_at: row.get::<_, Option<i64>>(10)?.map(Timestamp),
        grant: grant(row, 11)?.map(Arc::new),
    })
}

pub(super) fn keys(connection: &Connection, set: &str) -> Result<Vec<KeyRecord>> {
    let read = |row: &Row<'_>| {
        Ok(KeyRecord {
            set: row.get(0)?,
            kid: row.get(1)?,
            sealed: row.get(2)?,
            created_at: time(row, 3)?,
            signs_from: time(row, 4)?,
            needed_until: time(row, 5)?,
        })
    };
    connection
        .prepare_cached(statements::KEYS)?
        .query_map([set], read)?
        .collect()
}

pub(super) fn is_used(connection: &Connection, assertion: &Digest) -> Result<bool> {
    Ok(one(connection, statements::ASSERTION, [assertion.0], |_| Ok(()))?.is_some())
}

pub(super) fn trust(connection: &Connection, id: Id) -> Result<Option<TrustRecord>> {
    one(connection, statements::TRUST, [id.0], trust_row)
}

pub(super) fn trusts(connection: &Connection, query: &TrustQuery) -> Result<Vec<TrustRecord>> {
    let after = query.after.map(|id| id.0).unwrap_or_default();
    connection
        .prepare_cached(statements::TRUSTS)?
        .query_map(params![query.issuer, after, query.limit, query.offset], trust_row)?
        .collect()
}

pub(super) fn trusts_in(connection: &Connection, issuer: &str, subject: &str) -> Result<Vec<TrustRecord>> {
    connection
        .prepare_cached(statements::TRUSTS_IN)?
        .query_map([issuer, subject], trust_row)?
        .collect()
}

fn trust_row(row: &Row<'_>) -> Result<TrustRecord> {
    Ok(TrustRecord {
        id: Id(row.get(0)?),
        issuer: row.get(1)?,
        subject: Some(row.get(2)?).filter(|subject: &String| !subject.is_empty()),
        kid: row.get(3)?,
        scope: split_scope(&row.get::<_, String>(4)?),
        key: row.get(5)?,
        created_at: time(row, 6)?,
        expires_at: time(row, 7)?,
    })
}

pub(super) fn api_key(connection: &Connection, id: Id) -> Result<Option<ApiKeyRecord>> {
    one(connection, statements::API_KEY, [id.0], api_key_row)
}

pub(super) fn api_keys(connection: &Connection, after: Id, limit: u32) -> Result<Vec<ApiKeyRecord>> {
    connection
        .prepare_cached(statements::API_KEYS)?
        .query_map(params![after.0, limit], api_key_row)?
        .collect()
}

fn api_key_row(row: &Row<'_>) -> Result<ApiKeyRecord> {
    Ok(ApiKeyRecord {
        id: Id(row.get(0)?),
        name: row.get(1)?,
        digest: Digest(row.get(2)?),
        scope: split_scope(&row.get::<_, String>(3)?),
        created_at: time(row, 4)?,
        expires_at: time(row, 5)?,
        last_used_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
    })
}

/// The eleven columns of a grant from column `at` on, if there is one and its client is there.
fn grant(row: &Row<'_>, at: usize) -> Result<Option<GrantRecord>> {
    let (id, client_id) = (row.get::<_, Option<[u8; 16]>>(at)?, row.get(at + 1)?);
    let (Some(id), Some(client_id)) = (id, client_id) else {
        return Ok(None);
    };
    Ok(Some(GrantRecord {
        id: Id(id),
        client_id,
        subject: row.get(at + 2)?,
        session_id: row.get::<_, Option<[u8; 16]>>(at + 3)?.map(Id),
        scope: split_scope(&row.get::<_, String>(at + 4)?),
        audience: split_audience(&row.get::<_, String>(at + 5)?),
        sealed: row.get(at + 6)?,
        remembered_until: row.get::<_, Option<i64>>(at + 7)?.map(Timestamp),
        created_at: time(row, at + 8)?,
        expires_at: time(row, at + 9)?,
        skipped: row.get(at + 10)?,
    }))
}

fn time(row: &Row<'_>, at: usize) -> Result<Timestamp> {
    row.get(at).map(Timestamp)
}

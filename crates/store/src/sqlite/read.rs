//! Facts from SQLite rows.

use std::sync::Arc;

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, AccessRecord, ClientQuery, ClientRecord, CodeFacts, CodeRecord, Digest, FlowRecord, FlowStep,
    GrantRecord, KeyRecord, Owner, RefreshFacts, RefreshRecord, Rotated, SessionRecord,
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
            client_version: row.get(17)?,
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

pub(super) fn keys(connection: &Connection, set: &str) -> Result<Vec<KeyRecord>> {
    let read = |row: &Row<'_>| {
        Ok(KeyRecord {
            set: row.get(0)?,
            kid: row.get(1)?,
            sealed: row.get(2)?,
            created_at: time(row, 3)?,
        })
    };
    connection
        .prepare_cached(statements::KEYS)?
        .query_map([set], read)?
        .collect()
}

/// The ten columns of a grant from column `at` on, if there is one and its client is there.
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
    }))
}

fn time(row: &Row<'_>, at: usize) -> Result<Timestamp> {
    row.get(at).map(Timestamp)
}

//! Facts from PostgreSQL rows.

use std::sync::Arc;

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, AccessRecord, ClientRecord, CodeFacts, CodeRecord, Digest, FlowRecord, FlowStep, GrantRecord,
    KeyRecord, Owner, RefreshFacts, RefreshRecord, Rotated, SessionRecord, StoreError,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::refused;
use crate::columns::{split_audience, split_scope};

/// A fact, unless the row is damaged.
type Read<T> = Result<T, StoreError>;

pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Read<T> {
    row.try_get(at).map_err(|error| refused(&error))
}

pub(super) fn client(row: &Row) -> Read<ClientRecord> {
    Ok(ClientRecord {
        id: column(row, 0)?,
        version: column(row, 1)?,
        name: column(row, 2)?,
        owner: column(row, 3)?,
        document: column(row, 4)?,
        created_at: time(row, 5)?,
        updated_at: time(row, 6)?,
    })
}

pub(super) fn flow(row: &Row) -> Read<FlowRecord> {
    let step: i16 = column(row, 1)?;
    Ok(FlowRecord {
        id: id(row, 0)?,
        step: FlowStep::from_number(step).ok_or_else(|| StoreError::Broken(format!("a flow has the step {step}")))?,
        version: column(row, 2)?,
        sealed: column(row, 3)?,
        expires_at: time(row, 4)?,
    })
}

pub(super) fn session(row: &Row) -> Read<SessionRecord> {
    Ok(SessionRecord {
        id: id(row, 0)?,
        subject: column(row, 1)?,
        authenticated_at: time(row, 2)?,
        remember: column(row, 3)?,
        sealed: column(row, 4)?,
        expires_at: time(row, 5)?,
    })
}

pub(super) fn code(row: &Row) -> Read<CodeFacts> {
    let code = CodeRecord {
        id: id(row, 0)?,
        digest: digest(row, 1)?,
        grant: id(row, 2)?,
        redirect_uri: column(row, 3)?,
        challenge: column(row, 4)?,
        expires_at: time(row, 5)?,
    };
    Ok(CodeFacts {
        code,
        used_at: column::<Option<i64>>(row, 6)?.map(Timestamp),
        grant: grant(row, 7)?.map(Arc::new),
    })
}

pub(super) fn access(row: &Row) -> Read<AccessFacts> {
    let scope: Option<&str> = column(row, 3)?;
    let audience: Option<&str> = column(row, 4)?;
    let owner = match maybe_id(row, 2)? {
        Some(grant) => Owner::Grant {
            id: grant,
            scope: scope.map(split_scope),
            audience: audience.map(split_audience),
        },
        None => Owner::Client {
            id: column::<&str>(row, 8)?.into(),
            scope: split_scope(scope.unwrap_or_default()),
            audience: split_audience(audience.unwrap_or_default()),
        },
    };
    let access = AccessRecord {
        id: id(row, 0)?,
        digest: digest(row, 1)?,
        owner,
        issued_at: time(row, 5)?,
        expires_at: time(row, 6)?,
    };
    Ok(AccessFacts {
        access,
        grant: grant(row, 7)?.map(Arc::new),
        client_version: column(row, 17)?,
    })
}

pub(super) fn refresh(row: &Row) -> Read<RefreshFacts> {
    let grant_id = id(row, 2)?;
    let refresh = RefreshRecord {
        id: id(row, 0)?,
        digest: digest(row, 1)?,
        grant: grant_id,
        issued_at: time(row, 3)?,
        expires_at: time(row, 4)?,
    };
    let used_at: Option<i64> = column(row, 5)?;
    let rotated = used_at.map(|at| rotated(row, Timestamp(at), grant_id)).transpose()?;
    Ok(RefreshFacts {
        refresh,
        rotated,
        grant: grant(row, 16)?.map(Arc::new),
    })
}

fn rotated(row: &Row, at: Timestamp, grant: Id) -> Read<Rotated> {
    let successor = maybe_id(row, 6)?.map(|id| -> Read<_> {
        Ok(RefreshRecord {
            id,
            digest: digest(row, 7)?,
            grant,
            issued_at: time(row, 8)?,
            expires_at: time(row, 9)?,
        })
    });
    let access = maybe_id(row, 10)?.map(|id| -> Read<_> {
        let scope: Option<&str> = column(row, 12)?;
        let audience: Option<&str> = column(row, 13)?;
        Ok(AccessRecord {
            id,
            digest: digest(row, 11)?,
            owner: Owner::Grant {
                id: grant,
                scope: scope.map(split_scope),
                audience: audience.map(split_audience),
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

pub(super) fn key(row: &Row) -> Read<KeyRecord> {
    Ok(KeyRecord {
        set: column(row, 0)?,
        kid: column(row, 1)?,
        sealed: column(row, 2)?,
        created_at: time(row, 3)?,
    })
}

/// The ten columns of a grant from column `at` on, if there is one.
pub(super) fn grant(row: &Row, at: usize) -> Read<Option<GrantRecord>> {
    let Some(id) = maybe_id(row, at)? else {
        return Ok(None);
    };
    Ok(Some(GrantRecord {
        id,
        client_id: column::<&str>(row, at + 1)?.into(),
        subject: column(row, at + 2)?,
        session_id: maybe_id(row, at + 3)?,
        scope: split_scope(column(row, at + 4)?),
        audience: split_audience(column(row, at + 5)?),
        sealed: column(row, at + 6)?,
        remembered_until: column::<Option<i64>>(row, at + 7)?.map(Timestamp),
        created_at: time(row, at + 8)?,
        expires_at: time(row, at + 9)?,
    }))
}

fn id(row: &Row, at: usize) -> Read<Id> {
    column::<Uuid>(row, at).map(|id| Id(id.into_bytes()))
}

fn maybe_id(row: &Row, at: usize) -> Read<Option<Id>> {
    Ok(column::<Option<Uuid>>(row, at)?.map(|id| Id(id.into_bytes())))
}

fn digest(row: &Row, at: usize) -> Read<Digest> {
    let bytes: &[u8] = column(row, at)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::Broken("a digest has another length than 32".to_owned()))?;
    Ok(Digest(bytes))
}

fn time(row: &Row, at: usize) -> Read<Timestamp> {
    column(row, at).map(Timestamp)
}

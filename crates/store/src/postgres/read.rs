//! Facts from PostgreSQL rows.

use std::sync::Arc;

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::{
    AccessFacts, AccessRecord, ApiKeyRecord, ClientRecord, CodeFacts, CodeRecord, DeviceFacts, DeviceRecord,
    DeviceState, Digest, FlowRecord, FlowStep, GrantRecord, KeyRecord, NoticeRecord, Owner, Participant, RefreshFacts,
    RefreshRecord, Rotated, SessionRecord, StoreError, TrustRecord,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::fault::refused;
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
            sealed: column(row, 19)?,
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
        client_version: column(row, 18)?,
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

pub(super) fn participant(row: &Row) -> Read<Participant> {
    Ok(Participant {
        client: column(row, 0)?,
        subject: column(row, 1)?,
    })
}

pub(super) fn notice(row: &Row) -> Read<NoticeRecord> {
    Ok(NoticeRecord {
        id: id(row, 0)?,
        client: column(row, 1)?,
        session: id(row, 2)?,
        subject: column(row, 3)?,
        attempts: column::<i32>(row, 4)?.unsigned_abs(),
        due_at: time(row, 5)?,
        expires_at: time(row, 6)?,
    })
}

pub(super) fn device(row: &Row) -> Read<DeviceFacts> {
    let device = DeviceRecord {
        id: id(row, 0)?,
        digest: digest(row, 1)?,
        user_code: digest(row, 2)?,
        client_id: column::<&str>(row, 3)?.into(),
        scope: split_scope(column(row, 4)?),
        audience: split_audience(column(row, 5)?),
        interval: column(row, 6)?,
        ends_at: time(row, 7)?,
        expires_at: time(row, 8)?,
    };
    let state: i16 = column(row, 9)?;
    Ok(DeviceFacts {
        device,
        state: DeviceState::from_number(state)
            .ok_or_else(|| StoreError::Broken(format!("a device has the state {state}")))?,
        polled_at: column::<Option<i64>>(row, 10)?.map(Timestamp),
        grant: grant(row, 11)?.map(Arc::new),
    })
}

pub(super) fn key(row: &Row) -> Read<KeyRecord> {
    Ok(KeyRecord {
        set: column(row, 0)?,
        kid: column(row, 1)?,
        sealed: column(row, 2)?,
        created_at: time(row, 3)?,
        signs_from: time(row, 4)?,
        needed_until: time(row, 5)?,
    })
}

pub(super) fn trust(row: &Row) -> Read<TrustRecord> {
    let subject: &str = column(row, 2)?;
    Ok(TrustRecord {
        id: id(row, 0)?,
        issuer: column(row, 1)?,
        subject: Some(subject).filter(|subject| !subject.is_empty()).map(str::to_owned),
        kid: column(row, 3)?,
        scope: split_scope(column(row, 4)?),
        key: column(row, 5)?,
        created_at: time(row, 6)?,
        expires_at: time(row, 7)?,
    })
}

pub(super) fn api_key(row: &Row) -> Read<ApiKeyRecord> {
    Ok(ApiKeyRecord {
        id: id(row, 0)?,
        name: column(row, 1)?,
        digest: digest(row, 2)?,
        scope: split_scope(column(row, 3)?),
        created_at: time(row, 4)?,
        expires_at: time(row, 5)?,
        last_used_at: column::<Option<i64>>(row, 6)?.map(Timestamp),
    })
}

/// The eleven columns of a grant from column `at` on, if there is one.
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
        skipped: column(row, at + 10)?,
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

//! Changes to devices that wait for a person, inside the transaction of the writer.

use claviger_core::port::{Change, ClientProof, DeviceRecord, Outcome};
use rusqlite::{Connection, Error, Result, params};

use super::apply::{advance, always, change_session, give, predicate, put_grant, run, used};
use super::statements;
use crate::columns::{join_audience, join_scope};

pub(super) fn apply(connection: &Connection, change: &Change) -> Result<Outcome> {
    match change {
        Change::BeginDevice { device, client } => begin(connection, device, client),
        Change::PollDevice { device, at, interval } => {
            always(connection, statements::POLL_DEVICE, params![device.0, at.0, interval])
        }
        Change::DenyDevice(id) => predicate(connection, statements::DENY_DEVICE, [id.0]),
        Change::ApproveDevice {
            device,
            flow,
            seen,
            session,
            grant,
            client,
        } => {
            let approved = run(connection, statements::APPROVE_DEVICE, params![device.0, grant.id.0])? > 0;
            if !approved || !advance(connection, flow, *seen, Some(client))? {
                return Ok(Outcome::LostRace);
            }
            if let Some(session) = session {
                change_session(connection, session)?;
            }
            put_grant(connection, grant)?;
            Ok(Outcome::Applied)
        }
        Change::RedeemDevice {
            device,
            access,
            refresh,
            client,
            resealed,
        } => {
            let proof = params![device.0, client.id, client.version];
            let Some(grant) = used(connection, statements::USE_DEVICE, proof)? else {
                return Ok(Outcome::LostRace);
            };
            give(connection, grant, (access, refresh.as_ref(), resealed.as_deref()))
        }
        _ => Err(Error::InvalidParameterName("not a change of a device".to_owned())),
    }
}

fn begin(connection: &Connection, device: &DeviceRecord, client: &ClientProof) -> Result<Outcome> {
    let params = params![
        device.id.0,
        device.digest.0,
        device.user_code.0,
        join_scope(&device.scope),
        join_audience(&device.audience),
        device.interval,
        device.ends_at.0,
        device.expires_at.0,
        client.id,
        client.version,
    ];
    predicate(connection, statements::BEGIN_DEVICE, params)
}

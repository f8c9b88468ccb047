//! Each change to a device that waits for a person as one statement.

use claviger_core::port::Change;

use super::apply::{
    Step, Value, always, grant_values, moved, pair, predicate, proof_values, session_values, uuid, values,
};
use super::statements::Statements;
use crate::columns::{join_audience, join_scope};

pub(super) fn step<'a>(all: &'a Statements, change: &'a Change) -> Option<Step<'a>> {
    Some(match change {
        Change::BeginDevice { device, client } => {
            let values = values![
                uuid(device.id),
                &device.digest.0[..],
                &device.user_code.0[..],
                join_scope(&device.scope),
                join_audience(&device.audience),
                device.interval,
                device.ends_at.0,
                device.expires_at.0,
                &*client.id,
                client.version,
            ];
            predicate(&all.begin_device, values)
        }
        Change::PollDevice { device, at, interval } => {
            always(&all.poll_device, values![uuid(*device), at.0, *interval])
        }
        Change::DenyDevice(id) => predicate(&all.deny_device, values![uuid(*id)]),
        Change::ApproveDevice {
            device,
            flow,
            seen,
            session,
            grant,
            client,
        } => {
            let mut values = moved(flow, *seen);
            values.extend(session_values(session.as_ref()));
            values.extend(grant_values(Some(grant)));
            values.extend(values![uuid(*device)]);
            values.extend(proof_values(Some(client)));
            predicate(&all.approve_device, values)
        }
        Change::RedeemDevice {
            device,
            access,
            refresh,
            client,
            resealed,
        } => {
            let mut values = values![uuid(*device), &*client.id, client.version];
            values.extend(pair(access, refresh.as_ref()));
            values.extend(values![resealed]);
            predicate(&all.redeem_device, values)
        }
        _ => return None,
    })
}

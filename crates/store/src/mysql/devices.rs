//! The statements of each change to a device that waits for a person.

use claviger_core::port::{Change, ClientProof, DeviceRecord};

use super::apply::{advance, change_session, give, put_grant};
use super::script::Script;
use super::sql::values;
use super::statements;
use crate::columns::{join_audience, join_scope};

pub(super) fn apply(script: &mut Script, change: &Change) {
    match change {
        Change::BeginDevice { device, client } => begin(script, device, client),
        Change::PollDevice { device, at, interval } => {
            script.run(statements::POLL_DEVICE, &values![*device, at.0, *interval]);
        }
        Change::DenyDevice(id) => script.predicate(statements::DENY_DEVICE, &values![*id]),
        Change::ApproveDevice {
            device,
            flow,
            seen,
            session,
            grant,
            client,
        } => {
            let seen_flow = values![flow.id, *seen, &*client.id, client.version];
            script.run(statements::LOCK_FLOW, &seen_flow);
            script.predicate(statements::APPROVE_DEVICE, &values![*device, grant.id]);
            // The client was proved with the lock; asked again it might have changed, and half would be done.
            advance(script, flow, *seen, None);
            if let Some(session) = session {
                change_session(script, session);
            }
            put_grant(script, grant);
        }
        Change::RedeemDevice {
            device,
            access,
            refresh,
            client,
            resealed,
        } => {
            let proof = values![*device, &*client.id, client.version];
            script.predicate(statements::USE_DEVICE, &proof);
            script.run(statements::DEVICE_GRANT, &values![*device]);
            give(script, access, refresh.as_ref(), resealed.as_deref());
        }
        _ => script.text.push_str("SET @ok = 0;"),
    }
}

fn begin(script: &mut Script, device: &DeviceRecord, client: &ClientProof) {
    let values = values![
        device.id,
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
    script.predicate(statements::BEGIN_DEVICE, &values);
}

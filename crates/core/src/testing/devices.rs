//! What changes do to the devices of the store in memory.

use super::changes::{Lost, State, require};
use crate::context::Id;
use crate::port::*;

impl State {
    /// The device as the database shows it: not at all without its client, and with the grant of its approval.
    pub(super) fn device(&self, is_wanted: impl Fn(&DeviceRecord) -> bool) -> Option<DeviceFacts> {
        let facts = self.devices.values().find(|facts| is_wanted(&facts.device))?;
        self.clients.get(&*facts.device.client_id)?;
        let grant = facts.grant.as_ref().and_then(|grant| self.grant(grant.id));
        Some(DeviceFacts { grant, ..facts.clone() })
    }

    pub(super) fn change_device(&mut self, change: Change) -> Result<(), Lost> {
        match change {
            Change::BeginDevice { device, client } => {
                self.prove(&client)?;
                require(self.device(|known| known.user_code == device.user_code).is_none())?;
                let begun = DeviceFacts {
                    device,
                    state: DeviceState::Pending,
                    polled_at: None,
                    grant: None,
                };
                self.devices.insert(begun.device.id, begun);
            }
            Change::PollDevice { device, at, interval } => {
                if let Some(facts) = self.devices.get_mut(&device) {
                    facts.polled_at = Some(at);
                    facts.device.interval = facts.device.interval.max(interval);
                }
            }
            Change::DenyDevice(id) => self.answer(id, DeviceState::Pending)?.state = DeviceState::Denied,
            Change::ApproveDevice {
                device,
                flow,
                seen,
                session,
                grant,
                client,
            } => {
                self.prove(&client)?;
                let facts = self.answer(device, DeviceState::Pending)?;
                facts.state = DeviceState::Approved;
                facts.grant = Some(grant.clone());
                self.advance(flow, seen, session, None)?;
                self.put_granted(GrantRecord::clone(&grant));
            }
            Change::RedeemDevice {
                device,
                access,
                refresh,
                client,
                resealed,
            } => {
                self.prove(&client)?;
                let facts = self.answer(device, DeviceState::Approved)?;
                facts.state = DeviceState::Used;
                let grant = facts.grant.as_ref().map(|grant| grant.id).ok_or(Lost)?;
                require(self.grant(grant).is_some())?;
                self.reseal(grant, resealed);
                self.access.insert(access.id, access);
                self.refreshes
                    .extend(refresh.map(|refresh| (refresh.id, (refresh, None))));
            }
            other => panic!("{other:?} is nothing about a device"),
        }
        Ok(())
    }

    /// The device, if it is in this state.
    fn answer(&mut self, id: Id, state: DeviceState) -> Result<&mut DeviceFacts, Lost> {
        let facts = self.devices.get_mut(&id).ok_or(Lost)?;
        require(facts.state == state)?;
        Ok(facts)
    }
}

//! Where a flow ends: at the client that sent the browser, or at a device that waits for the person's answer.

use super::request::Refused;
use super::return_path::ReturnPath;
use super::{CookieChange, Destination, Reply};
use crate::client::Client;
use crate::context::{Id, Timestamp};
use crate::device::is_waiting;
use crate::fault::{Failure, Fault};
use crate::flow::login::Rejection;
use crate::params::Params;
use crate::port::{Change, Outcome};
use crate::world::World;

/// Who gets the answer.
pub(crate) enum End {
    /// The client, by the browser.
    Client(ReturnPath),
    /// The device, which asks the token endpoint (RFC 8628 §3.4).
    Device {
        /// The device.
        id: Id,
        /// Until when it asks.
        ends_at: Timestamp,
    },
}

impl End {
    /// The end of this request, if there may be one.
    pub(super) async fn find(
        world: &World<'_>,
        client: &Client,
        params: &Params,
        device: Option<Id>,
    ) -> Result<Self, Failure> {
        let Some(id) = device else {
            return ReturnPath::find(client, params, world.cx.policy).map(Self::Client);
        };
        let facts = world.store.device(id).await?.ok_or(Fault::UserCodeUnknown)?;
        if facts.device.client_id != client.id || !is_waiting(world, &facts) {
            return Err(Fault::UserCodeUnknown.into());
        }
        Ok(Self::Device {
            id,
            ends_at: facts.device.ends_at,
        })
    }

    /// Whether nobody else than the client can get the answer. Nobody knows which program runs on a device.
    pub(super) fn is_exclusive(&self) -> bool {
        match self {
            Self::Client(path) => path.is_exclusive(),
            Self::Device { .. } => false,
        }
    }

    /// The error response.
    pub(super) fn refuse(self, failure: Failure) -> Refused {
        match self {
            Self::Client(path) => Refused::There(path, failure),
            Self::Device { .. } => Refused::Here(failure),
        }
    }

    /// The response when the login or consent app refused. A device hears of it when it asks next (D7).
    pub(super) async fn reject(
        &self,
        world: &World<'_>,
        rejection: &Rejection,
        default: &str,
        cookies: Vec<CookieChange>,
    ) -> Result<Reply, Refused> {
        let id = match self {
            Self::Client(path) => {
                let answer = path.reject(rejection, default);
                return Ok(Reply::to(Destination::Client(answer), cookies));
            }
            Self::Device { id, .. } => *id,
        };
        let denied = world.store.apply(Change::DenyDevice(id)).await.map_err(Failure::from)?;
        let fault = match denied {
            Outcome::Applied => Fault::DeviceDenied,
            Outcome::LostRace => Fault::UserCodeUnknown,
        };
        let page = Destination::ErrorPage(fault.because(rejection.text()));
        Ok(Reply::to(page, cookies))
    }
}

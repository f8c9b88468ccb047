//! `urn:ietf:params:oauth:grant-type:device_code`: a device asks until a person has answered for it.
//!
//! Implements RFC 8628 §3.4 and §3.5, all four errors. A refusal and the end of the codes reach the device (D7). A device
//! that asks too often is told to slow down, and its interval grows in the database.
//!
//! Attacks: a stolen device code (bound to its client), one used several times at once (one redemption wins). A second
//! use revokes nothing: the code never passes through a browser, and a device whose answer was lost asks again.

use async_trait::async_trait;

use super::lives::Lives;
use super::pair::Pair;
use super::{Attempt, DEVICE_CODE, Grant, Whose, require_audiences, require_scopes};
use crate::client::Client;
use crate::client_auth::Authenticated;
use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::hook::{self, Event};
use crate::params::Params;
use crate::port::{Change, DeviceFacts, DeviceState, Freshness, GrantRecord};
use crate::target::Target;
use crate::token::opaque::{Kind, Presented};
use crate::world::World;

/// "the interval MUST be increased by 5 seconds for this and all subsequent requests" (§3.5).
const SLOWER: i64 = 5;
/// Times are whole seconds, so two polls may be almost this much further apart than they look.
const ROUNDING: i64 = 1;

struct Request {
    code: Presented,
    target: Target,
}

/// What the facts allow.
enum Decision<'a> {
    /// The grant gives its tokens.
    Redeem(&'a GrantRecord, Option<Vec<String>>),
    /// The device asks again after this many seconds.
    Wait(i64, Fault),
}

pub(super) fn parse(cx: &Cx<'_>, params: &Params) -> Result<Box<dyn Grant>, Failure> {
    let text = params.get("device_code").ok_or(Fault::DeviceCodeMissing)?;
    Ok(Box::new(Request {
        code: Presented::recognize(cx.secrets, Kind::Device, text).ok_or(Fault::DeviceCodeInvalid)?,
        target: Target::parse(params)?,
    }))
}

#[async_trait]
impl Grant for Request {
    async fn attempt(&self, world: &World<'_>, client: &Authenticated, _: Freshness) -> Result<Attempt, Failure> {
        let facts = world.store.device(self.code.id).await?;
        let facts = facts.ok_or(Fault::DeviceCodeInvalid)?;
        match self.decide(&world.cx, &client.client, &facts)? {
            Decision::Redeem(grant, audience) => redeem(world, &client.client, &facts, (grant, audience)).await,
            Decision::Wait(interval, fault) => {
                let poll = Change::PollDevice {
                    device: facts.device.id,
                    at: world.cx.now,
                    interval,
                };
                Ok(Attempt::RefusedWith(Box::new(poll), fault))
            }
        }
    }
}

impl Request {
    fn decide<'a>(&self, cx: &Cx<'_>, client: &Client, facts: &'a DeviceFacts) -> Result<Decision<'a>, Failure> {
        let device = &facts.device;
        if device.digest != self.code.digest || device.client_id != client.id {
            return Err(Fault::DeviceCodeInvalid.into());
        }
        match facts.state {
            DeviceState::Used => Err(Fault::DeviceCodeUsed.into()),
            DeviceState::Denied => Err(Fault::DeviceDenied.into()),
            DeviceState::Pending | DeviceState::Approved if device.ends_at <= cx.now => {
                Err(Fault::DeviceCodeExpired.into())
            }
            DeviceState::Approved => {
                let grant = facts.grant.as_deref().ok_or(Fault::DeviceCodeInvalid)?;
                // What the client lost since the consent is not given any more.
                require_scopes(cx, client, &grant.scope)?;
                require_audiences(client, &grant.audience)?;
                Ok(Decision::Redeem(grant, self.target.narrow(grant)?))
            }
            DeviceState::Pending if is_too_fast(cx, facts) => {
                let interval = device.interval.saturating_add(SLOWER);
                Ok(Decision::Wait(interval, Fault::DeviceTooFast))
            }
            DeviceState::Pending => Ok(Decision::Wait(device.interval, Fault::DevicePending)),
        }
    }
}

fn is_too_fast(cx: &Cx<'_>, facts: &DeviceFacts) -> bool {
    facts.polled_at.is_some_and(|polled_at| {
        let waited = cx.now.0.saturating_sub(polled_at.0).saturating_add(ROUNDING);
        waited < facts.device.interval
    })
}

async fn redeem(
    world: &World<'_>,
    client: &Client,
    facts: &DeviceFacts,
    (grant, audience): (&GrantRecord, Option<Vec<String>>),
) -> Result<Attempt, Failure> {
    let cx = &world.cx;
    let mut consented = Consented::open(cx, grant)?.ok_or(Fault::DeviceCodeInvalid)?;
    let event = Event {
        grant_type: DEVICE_CODE,
        client,
        subject: &grant.subject,
        requested: &grant.scope,
        scope: &grant.scope,
        audience: audience.as_ref().unwrap_or(&grant.audience),
        assertion: None,
    };
    let resealed = match hook::token(world, &event, &mut consented).await? {
        true => Some(consented.seal(cx, grant.id)?),
        false => None,
    };
    let pair = Pair::make(
        world,
        client,
        (grant, &consented),
        audience,
        Lives::device_code(cx.policy, client),
    )
    .await?;
    let change = Change::RedeemDevice {
        device: facts.device.id,
        access: pair.access_record(),
        refresh: pair.refresh_record(),
        client: client.proof(),
        resealed,
    };
    // The answer is complete before the code is consumed.
    let response = pair.response(world).await?;
    let whose = Whose {
        client,
        subject: &grant.subject,
        grant_type: DEVICE_CODE,
    };
    Ok(Attempt::of(world, world.store.apply(change).await?, response, whose))
}

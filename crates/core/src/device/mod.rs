//! The device authorization endpoint: a device gets a code for itself and one that a person types elsewhere.
//!
//! RFC 8628 §3.1 and §3.2. What follows is in [`crate::authorize`] (the person's way), [`crate::flow::device`] (the page for
//! user codes) and the token endpoint's grant type `device_code`.
//!
//! Attacks: guessed codes (§5.1: the device code has 256 bits; user codes are few, so wrong ones are counted), a copy of
//! the database (it holds digests only, that of the user code under a key of ours).

pub mod guesses;
#[cfg(test)]
mod tests;
pub mod user_code;

use schemars::JsonSchema;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::client_auth::{Authenticated, Credentials, authenticate};
use crate::fault::{Failure, Fault};
use crate::flow::{start_url, with_parameter};
use crate::grant::{DEVICE_CODE, require_scopes};
use crate::params::Params;
use crate::port::{Change, DeviceFacts, DeviceRecord, DeviceState, Freshness, Outcome};
use crate::target::Target;
use crate::token::opaque::{Fresh, Kind};
use crate::world::World;

/// How often a code is drawn until one is free. With the shortest codes there are, one of a thousand is taken when a
/// million people are at it.
const TRIES: usize = 4;

/// The device authorization response (RFC 8628 §3.2).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "deviceAuthorization")]
pub struct DeviceAuthorization {
    /// What the device polls the token endpoint with.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    device_code: Zeroizing<String>,
    /// What the person types.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    user_code: Zeroizing<String>,
    /// Where the person types it.
    verification_uri: String,
    /// The same with the code in it, for a QR code.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    verification_uri_complete: Zeroizing<String>,
    /// Seconds until the codes expire.
    expires_in: u64,
    /// Seconds to wait between two polls.
    interval: u64,
}

fn text<S: serde::Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}

/// Answers a request to the device authorization endpoint.
///
/// # Errors
/// A refusal, or what the store says.
pub async fn begin(world: &World<'_>, credentials: &Credentials<'_>) -> Result<DeviceAuthorization, Failure> {
    for _ in 0..TRIES {
        let sender = authenticate(world, credentials, Freshness::Latest).await?;
        judge(world, &sender, credentials.params)?;
        if let Some(response) = attempt(world, &sender.client, credentials.params).await? {
            return Ok(response);
        }
    }
    Err(Fault::Unavailable.into())
}

fn judge(world: &World<'_>, sender: &Authenticated, params: &Params) -> Result<(), Failure> {
    if !sender.client.has_grant_type(DEVICE_CODE) {
        return Err(Fault::GrantTypeUnregistered.into());
    }
    require_scopes(&world.cx, &sender.client, &params.scope())?;
    Target::parse(params)?.require_registered(&sender.client)
}

/// One draw of codes; nothing if the user code is taken or the client was changed meanwhile.
async fn attempt(world: &World<'_>, client: &Client, params: &Params) -> Result<Option<DeviceAuthorization>, Failure> {
    let cx = &world.cx;
    let policy = &cx.policy.device;
    let code = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Device, cx.new_id());
    let user_code = user_code::generate(cx.entropy, &policy.user_code);
    let device = DeviceRecord {
        id: code.id,
        digest: code.digest,
        user_code: user_code::digest(cx.secrets, &user_code),
        client_id: client.id.clone(),
        scope: params.scope(),
        audience: params.audience(),
        interval: i64::try_from(policy.interval.as_secs()).unwrap_or(i64::MAX),
        ends_at: cx.now.plus(policy.code_life),
        expires_at: cx.now.plus(policy.code_life.saturating_mul(2)),
    };
    let change = Change::BeginDevice {
        device,
        client: client.proof(),
    };
    if world.store.apply(change).await? == Outcome::LostRace {
        return Ok(None);
    }
    let user_code = Zeroizing::new(user_code::display(&user_code));
    let verification_uri = start_url(world, Some(code.id));
    Ok(Some(DeviceAuthorization {
        verification_uri_complete: Zeroizing::new(with_parameter(&verification_uri, "user_code", &user_code)),
        verification_uri,
        device_code: code.text,
        user_code,
        expires_in: policy.code_life.as_secs(),
        interval: policy.interval.as_secs(),
    }))
}

/// The device that waits with this normalized user code.
pub(crate) async fn waiting(world: &World<'_>, code: &str) -> Result<Option<DeviceFacts>, Failure> {
    for digest in user_code::digests(world.cx.secrets, code) {
        if let Some(facts) = world.store.device_by_user_code(digest).await? {
            return Ok(Some(facts).filter(|facts| is_waiting(world, facts)));
        }
    }
    Ok(None)
}

/// Whether a person may still answer for the device.
pub(crate) fn is_waiting(world: &World<'_>, facts: &DeviceFacts) -> bool {
    facts.state == DeviceState::Pending && facts.device.ends_at > world.cx.now
}

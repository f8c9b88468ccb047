//! The device request: the page for user codes says which code was entered.
//!
//! RFC 8628 §3.3. The shapes are those of Hydra's admin API. Nothing is written: the device stays as it is until the person
//! has logged in and consented. Attacks: guessed user codes (§5.1, bounded by [`crate::device::guesses`]), a link that
//! takes a person past the page (the verifier is bound to the browser that saw it).

use super::{Unanswerable, is_expired, start_url, with_parameter};
use crate::context::{Cx, Id};
use crate::device::{self, user_code};
use crate::fault::Fault;
use crate::seal::{Purpose, open_text, seal_text};
use crate::witness::Seen;
use crate::world::World;

/// A browser at the page for user codes, named by the flow that it began.
pub(crate) fn seal_challenge(cx: &Cx<'_>, flow: Id) -> String {
    seal_text(cx.secrets, cx.entropy, Purpose::DeviceChallenge, &flow.0)
}

pub(super) fn open_challenge(cx: &Cx<'_>, text: &str) -> Option<Id> {
    let bytes = open_text(cx.secrets, Purpose::DeviceChallenge, text).ok()?;
    Some(Id(bytes.try_into().ok()?))
}

fn seal_verifier(cx: &Cx<'_>, flow: Id, device: Id) -> String {
    let bytes = [flow.0, device.0].concat();
    seal_text(cx.secrets, cx.entropy, Purpose::DeviceVerifier, &bytes)
}

/// The flow and the device of a verifier.
pub(crate) fn open_verifier(cx: &Cx<'_>, text: &str) -> Option<(Id, Id)> {
    let bytes = open_text(cx.secrets, Purpose::DeviceVerifier, text).ok()?;
    let (flow, device) = bytes.split_first_chunk::<16>()?;
    Some((Id(*flow), Id(device.try_into().ok()?)))
}

/// Accepts the code that a person entered. Returns where the browser goes.
///
/// # Errors
/// If no device waits with this code, or too many wrong ones were entered.
pub async fn accept(world: &World<'_>, challenge: &str, user_code: &str) -> Result<String, Unanswerable> {
    let cx = &world.cx;
    let flow = open_challenge(cx, challenge).ok_or(Unanswerable::Unknown)?;
    let code = user_code::normalize(user_code);
    if code.is_empty() {
        return Err(Fault::UserCodeAbsent.into());
    }
    let start = start_url(world, Some(flow));
    if is_expired(cx, flow) {
        // Whoever sat at the page for too long is sent round again instead of into an error.
        return Ok(with_parameter(&start, "user_code", user_code));
    }
    world.guesses.take(flow, cx.now)?;
    let facts = device::waiting(world, &code).await?.ok_or(Fault::UserCodeUnknown)?;
    world.guesses.give_back(flow);
    let url = with_parameter(&start, "client_id", &facts.device.client_id);
    let verifier = seal_verifier(cx, flow, facts.device.id);
    world.witness.see(Seen::UserCodeAccepted {
        client: &facts.device.client_id,
    });
    Ok(with_parameter(&url, "device_verifier", &verifier))
}

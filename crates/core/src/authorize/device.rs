//! The way of a person who answers for a device.
//!
//! RFC 8628 §3.3. The browser goes to the page for user codes and comes back with a device verifier; from there on it takes
//! the hops of every authorization, and ends at the page of success while the device asks for its tokens. Failures are
//! pages (D36): there is no client that may be told.

use super::request::{AuthorizationRequest, Refused};
use super::{Browser, CookieChange, Destination, Reply, Stage, consent_answered, login_answered, start};
use crate::fault::{Failure, Fault};
use crate::flow::device::{open_verifier, seal_challenge};
use crate::flow::mark::{is_marked, mark};
use crate::flow::{is_expired, start_url, with_parameter};
use crate::params::Params;
use crate::port::{DeviceRecord, Freshness};
use crate::world::World;

/// Answers a request to the verification URI, whichever hop it is.
pub async fn verify_device(world: &World<'_>, params: &Params, browser: &Browser) -> Reply {
    let verifier = |name: &str| params.get(name).map(str::trim).filter(|text| !text.is_empty());
    let reply = if let Some(verifier) = verifier("login_verifier") {
        login_answered::go_on(world, verifier, browser).await
    } else if let Some(verifier) = verifier("consent_verifier") {
        consent_answered::go_on(world, verifier, browser).await
    } else if let Some(verifier) = verifier("device_verifier") {
        go_on(world, verifier, browser).await
    } else {
        Ok(ask(world, params))
    };
    reply.unwrap_or_else(Reply::failed)
}

/// Sends the browser to the page for user codes. Writes nothing.
fn ask(world: &World<'_>, params: &Params) -> Reply {
    let cx = &world.cx;
    let flow = cx.new_id();
    let challenge = seal_challenge(cx, flow);
    let mut url = with_parameter(&cx.policy.device.verification_url, "device_challenge", &challenge);
    if params.has("user_code") {
        url = with_parameter(&url, "user_code", params.get("user_code").unwrap_or_default());
    }
    let mark = CookieChange::Mark(Stage::Device, flow, mark(cx.secrets, Stage::Device, flow));
    Reply::to(Destination::Url(url), vec![mark])
}

/// The browser comes back from that page.
async fn go_on(world: &World<'_>, verifier: &str, browser: &Browser) -> Result<Reply, Refused> {
    let cx = &world.cx;
    let (flow, device) = open_verifier(cx, verifier).ok_or(Fault::VerifierInvalid)?;
    if is_expired(cx, flow) {
        return Ok(Reply::url(start_url(world, Some(device))));
    }
    if !is_marked(cx.secrets, Stage::Device, flow, &browser.device_marks) {
        return Err(Fault::BrowserMismatch.into());
    }
    let facts = world.store.device(device).await.map_err(Failure::from)?;
    let facts = facts.ok_or(Fault::UserCodeUnknown)?;
    let params = request(&facts.device);
    let request = AuthorizationRequest::read(world, params, Some(device), Freshness::Latest).await?;
    let mut reply = start::to_login(world, request, Some(device), browser).await?;
    reply.cookies.push(CookieChange::Unmark(Stage::Device, flow));
    Ok(reply)
}

/// The authorization request that the device made.
fn request(device: &DeviceRecord) -> Params {
    let mut pairs = vec![
        ("client_id".to_owned(), device.client_id.to_string()),
        ("scope".to_owned(), device.scope.join(" ")),
    ];
    let audiences = device.audience.iter();
    pairs.extend(audiences.map(|audience| ("audience".to_owned(), audience.clone())));
    Params::from_pairs(pairs)
}

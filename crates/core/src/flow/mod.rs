//! The state of one authorization on its way through the login and consent apps.
//!
//! Until the login app answers, everything is inside the `login_challenge` ([`challenge`]) and nothing is stored. Its
//! answer writes the row whose sealed part is [`FlowState`]; from then on URLs carry short [`handle`]s. [`mark`] ties a
//! flow to the browser that began it. [`login`] and [`consent`] are what the two apps may ask and answer.

pub(crate) mod authentication;
pub mod challenge;
pub mod consent;
pub mod describe;
pub mod device;
pub(crate) mod handle;
pub mod login;
pub mod mark;
mod state;

use crate::context::Id;
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::world::World;

pub(crate) use self::state::{FlowState, is_expired, removal};

/// Why the login or consent app cannot have what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum Unanswerable {
    /// Nobody knows this challenge.
    #[error("the challenge is unknown")]
    Unknown,
    /// The challenge was used, or it expired: the browser goes on here.
    #[error("the challenge was used or has expired")]
    Gone {
        /// An absolute URL.
        redirect_to: String,
    },
    /// Anything else.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<crate::port::StoreError> for Unanswerable {
    fn from(error: crate::port::StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Fault> for Unanswerable {
    fn from(fault: Fault) -> Self {
        Self::Failure(fault.into())
    }
}

/// The URL that starts (or starts again) the authorization with these parameters: for a device, by its user code.
pub(crate) fn request_url(world: &World<'_>, params: &Params, device: Option<Id>) -> String {
    let start = start_url(world, device);
    match device {
        None => format!("{start}?{}", params.encode()),
        Some(_) => with_parameter(&start, "client_id", params.get("client_id").unwrap_or_default()),
    }
}

/// The endpoint at which a flow begins and to which the browser comes back.
pub(crate) fn start_url(world: &World<'_>, device: Option<Id>) -> String {
    let path = match device {
        None => "/oauth2/auth",
        Some(_) => "/oauth2/device/verify",
    };
    format!("{}{path}", world.cx.policy.public_url)
}

/// `url` with one more query parameter. Whatever query the operator configured stays.
pub(crate) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    format!("{url}{mark}{name}={value}")
}

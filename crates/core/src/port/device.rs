//! What is stored of a device that waits for a person.

use std::sync::Arc;

use super::{Digest, GrantRecord};
use crate::context::{Id, Timestamp};

/// A device that waits for a person (RFC 8628 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The lookup part of the device code.
    pub id: Id,
    /// Digest of the whole device code.
    pub digest: Digest,
    /// Keyed digest of the user code, which alone could be guessed from a plain one.
    pub user_code: Digest,
    /// The client that runs on the device.
    pub client_id: Arc<str>,
    /// Requested scopes.
    pub scope: Vec<String>,
    /// Requested audiences.
    pub audience: Vec<String>,
    /// Least time between two polls, in seconds.
    pub interval: i64,
    /// End of life of both codes.
    pub ends_at: Timestamp,
    /// From then on the row may be removed: long enough after the end that the device hears of it.
    pub expires_at: Timestamp,
}

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum DeviceState {
    /// Nobody has answered yet.
    Pending = 0,
    /// A person granted something.
    Approved = 1,
    /// A person refused.
    Denied = 2,
    /// The device has its tokens.
    Used = 3,
}

impl DeviceState {
    /// Reads the number that the database holds.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Denied, Self::Used]
            .into_iter()
            .find(|state| *state as i16 == number)
    }
}

/// A device with what it leads to. One whose client is gone is not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The device.
    pub device: DeviceRecord,
    /// What became of it.
    pub state: DeviceState,
    /// When it polled last.
    pub polled_at: Option<Timestamp>,
    /// What a person granted, unless revoked.
    pub grant: Option<Arc<GrantRecord>>,
}

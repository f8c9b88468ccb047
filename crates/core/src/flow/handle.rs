//! The short sealed values of a flow that has a row: verifiers, and the consent challenge.

use crate::context::{Cx, Id};
use crate::seal::{Purpose, open_text, seal_text};

/// What the consent app is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsentHandle {
    /// The flow.
    pub(crate) flow: Id,
    /// The version of the row whose login the person saw: a later answer of the login app makes this handle void.
    pub(crate) asked: i64,
    /// Whether an earlier consent covers the request.
    pub(crate) skip: bool,
}

impl ConsentHandle {
    pub(crate) fn seal(&self, cx: &Cx<'_>) -> String {
        let mut bytes = [0; 25];
        let (flow, rest) = bytes.split_at_mut(16);
        let (asked, skip) = rest.split_at_mut(8);
        flow.copy_from_slice(&self.flow.0);
        asked.copy_from_slice(&self.asked.to_be_bytes());
        skip.copy_from_slice(&[u8::from(self.skip)]);
        seal_text(cx.secrets, cx.entropy, Purpose::ConsentChallenge, &bytes)
    }

    pub(crate) fn open(cx: &Cx<'_>, text: &str) -> Option<Self> {
        let bytes = open_text(cx.secrets, Purpose::ConsentChallenge, text).ok()?;
        let (flow, rest) = bytes.split_first_chunk::<16>()?;
        let (asked, rest) = rest.split_first_chunk::<8>()?;
        let [skip] = rest.first_chunk::<1>()?;
        Some(Self {
            flow: Id(*flow),
            asked: i64::from_be_bytes(*asked),
            skip: *skip != 0,
        })
    }
}

/// The value that brings the browser back with an app's answer.
pub(crate) fn seal_verifier(cx: &Cx<'_>, purpose: Purpose, flow: Id) -> String {
    seal_text(cx.secrets, cx.entropy, purpose, &flow.0)
}

/// The flow of a verifier.
pub(crate) fn open_verifier(cx: &Cx<'_>, purpose: Purpose, text: &str) -> Option<Id> {
    let bytes = open_text(cx.secrets, purpose, text).ok()?;
    Some(Id(bytes.try_into().ok()?))
}

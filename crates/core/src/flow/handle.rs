//! The short sealed values of a flow that has a row: verifiers, and the consent challenge.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use crate::context::{Cx, Id};
use crate::fault::Failure;
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

/// What brings the browser back with an app's answer.
///
/// It stands for that one answer: who got a verifier for another answer of the same flow, by denying a login that a victim
/// then completes, say, cannot go on with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verifier {
    pub(crate) flow: Id,
    /// [`tag`] of the answer.
    pub(crate) answer: Tag,
}

/// The beginning of the digest of an answer.
pub(crate) type Tag = [u8; 16];

/// The tag of an answer. The same answer given twice has the same one, so that both ways on are open.
pub(crate) fn tag<T: Serialize>(answer: &T) -> Result<Tag, Failure> {
    let text = serde_json::to_vec(answer).map_err(|error| Failure::Internal(error.to_string()))?;
    let whole = digest(&SHA256, &text);
    let start = whole.as_ref().first_chunk::<16>();
    start
        .copied()
        .ok_or_else(|| Failure::Internal("a digest is too short".to_owned()))
}

impl Verifier {
    pub(crate) fn seal(&self, cx: &Cx<'_>, purpose: Purpose) -> String {
        seal_text(cx.secrets, cx.entropy, purpose, &[self.flow.0, self.answer].concat())
    }

    pub(crate) fn open(cx: &Cx<'_>, purpose: Purpose, text: &str) -> Option<Self> {
        let bytes = open_text(cx.secrets, purpose, text).ok()?;
        let (flow, answer) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            flow: Id(*flow),
            answer: answer.try_into().ok()?,
        })
    }
}

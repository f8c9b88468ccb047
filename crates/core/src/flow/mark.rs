//! The mark that a browser carries from the first hop of a flow to the last.
//!
//! RFC 9700 §4.7: the browser that ends an authorization must be the one that began it. The mark is a keyed digest of the
//! flow's id, so nothing has to be stored, and each flow has its own: ten tabs do not disturb each other.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::context::Id;
use crate::secrets::{Keys, Secrets};

/// Which part of a flow a mark belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the authorization request to the login verifier.
    Login,
    /// From there to the consent verifier.
    Consent,
    /// From the page for user codes to the device verifier.
    Device,
}

/// The mark for a browser that is at this stage of the flow.
#[must_use]
pub fn mark(secrets: &Secrets, stage: Stage, flow: Id) -> String {
    URL_SAFE_NO_PAD.encode(digest(secrets.current(), stage, flow))
}

/// Whether one of the `shown` marks is that of this stage of the flow, made under any configured secret.
pub fn is_marked<S: AsRef<str>>(secrets: &Secrets, stage: Stage, flow: Id, shown: &[S]) -> bool {
    secrets.all().any(|keys| {
        let expected = digest(keys, stage, flow);
        shown
            .iter()
            .filter_map(|text| URL_SAFE_NO_PAD.decode(text.as_ref()).ok())
            .any(|mark| constant_time::verify_slices_are_equal(&mark, expected.as_ref()).is_ok())
    })
}

fn digest(keys: &Keys, stage: Stage, flow: Id) -> hmac::Tag {
    let label: &[u8] = match stage {
        Stage::Login => b"login",
        Stage::Consent => b"consent",
        Stage::Device => b"device",
    };
    hmac::sign(&keys.browser_mark, &[label, &flow.0].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_good_for_its_flow_and_stage_only_and_survives_a_rotated_secret() {
        let old = Secrets::derive(&["0123456789abcdef"]).expect("long enough");
        let new = Secrets::derive(&["fedcba9876543210", "0123456789abcdef"]).expect("long enough");
        let flow = Id([1; 16]);
        let shown = ["garbage".to_owned(), mark(&old, Stage::Login, flow)];
        assert!(is_marked(&old, Stage::Login, flow, &shown));
        assert!(is_marked(&new, Stage::Login, flow, &shown));
        assert!(!is_marked(&old, Stage::Consent, flow, &shown));
        assert!(!is_marked(&old, Stage::Login, Id([2; 16]), &shown));
        assert!(!is_marked::<&str>(&old, Stage::Login, flow, &[]));
    }
}

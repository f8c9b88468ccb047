//! What a challenge or verifier is, for the operator who met one. It tells the kind, the flow and the client, and nothing of a
//! person or of what the client sent.

use super::challenge::LoginChallenge;
use super::device;
use super::handle::{ConsentHandle, Verifier};
use crate::context::{Cx, Id};
use crate::seal::Purpose;

/// A sealed value that opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// `login_challenge` and the like.
    pub kind: &'static str,
    /// The flow, whose id tells when it began.
    pub flow: Id,
    /// The client, where the value itself names it.
    pub client: Option<String>,
    /// Whether the flow has a row once the login app has answered.
    pub has_row: bool,
}

/// Opens what travels in the URLs of a flow, whatever its age; none if it was not sealed under these secrets.
#[must_use]
pub fn describe(cx: &Cx<'_>, text: &str) -> Option<Described> {
    let packed = [
        ("login_challenge", Purpose::LoginChallenge, true),
        ("logout_challenge", Purpose::LogoutChallenge, false),
        ("logout_verifier", Purpose::LogoutVerifier, false),
    ];
    let packed = packed.into_iter().find_map(|(kind, purpose, has_row)| {
        let opened = LoginChallenge::open_for(cx, purpose, text)?;
        Some(Described {
            kind,
            flow: opened.flow,
            client: opened.params.get("client_id").map(ToOwned::to_owned),
            has_row,
        })
    });
    let short = |kind, flow, has_row| Described {
        kind,
        flow,
        client: None,
        has_row,
    };
    let verifier = |kind, purpose| Verifier::open(cx, purpose, text).map(|opened| short(kind, opened.flow, true));
    packed
        .or_else(|| ConsentHandle::open(cx, text).map(|opened| short("consent_challenge", opened.flow, true)))
        .or_else(|| verifier("login_verifier", Purpose::LoginVerifier))
        .or_else(|| verifier("consent_verifier", Purpose::ConsentVerifier))
        .or_else(|| device::open_challenge(cx, text).map(|flow| short("device_challenge", flow, false)))
        .or_else(|| device::open_verifier(cx, text).map(|(flow, _)| short("device_verifier", flow, false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::testing::Desk;

    #[test]
    fn every_value_tells_its_kind_and_its_flow_and_no_other_one_opens() {
        let desk = Desk::new();
        let cx = desk.cx();
        let flow = cx.new_id();
        let challenge = LoginChallenge {
            flow,
            known: None,
            device: None,
            params: Params::from_pairs(vec![("client_id".to_owned(), "shop".to_owned())]),
        };
        let handle = ConsentHandle {
            flow,
            asked: 1,
            skip: false,
        };
        let verifier = Verifier { flow, answer: [7; 16] };
        let values = [
            ("login_challenge", challenge.seal(&cx), Some("shop")),
            (
                "logout_challenge",
                challenge.seal_for(&cx, Purpose::LogoutChallenge),
                Some("shop"),
            ),
            ("consent_challenge", handle.seal(&cx), None),
            ("login_verifier", verifier.seal(&cx, Purpose::LoginVerifier), None),
            ("consent_verifier", verifier.seal(&cx, Purpose::ConsentVerifier), None),
        ];
        for (kind, text, client) in values {
            let described = describe(&cx, &text).unwrap();
            assert_eq!(
                (described.kind, described.flow, described.client.as_deref()),
                (kind, flow, client)
            );
            assert_eq!(describe(&cx, &format!("x{text}")), None);
        }
        assert_eq!(describe(&cx, "garbage"), None);
    }
}

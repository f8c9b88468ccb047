//! The `login_challenge`: a whole authorization request as a short sealed text.
//!
//! Starting an authorization writes nothing, so that strangers cannot fill the database. Request parameters are packed:
//! well-known names are one byte, UUIDs and base64url values are stored as the bytes that they stand for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::context::{Cx, Id, Timestamp};
use crate::params::Params;
use crate::seal::{Purpose, open_text, seal_text};

/// Names that are one byte in a challenge. The position is the byte: append only.
const NAMES: [&str; 23] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "prompt",
    "max_age",
    "audience",
    "resource",
    "login_hint",
    "id_token_hint",
    "acr_values",
    "ui_locales",
    "display",
    "claims",
    "claims_locales",
    "access_type",
    "dpop_jkt",
    "post_logout_redirect_uri",
];
/// The byte of every other name, which follows in full.
const OTHER: u8 = 63;

/// How a value is packed: the two high bits of the byte before it.
const TEXT: u8 = 0;
const UUID: u8 = 1 << 6;
const BASE64: u8 = 2 << 6;
const PACKING: u8 = 3 << 6;

/// Which parts a challenge has.
const KNOWN: u8 = 1;
const DEVICE: u8 = 2;

/// Base64url text shorter than this is not worth packing.
const SHORTEST_BASE64: usize = 16;

/// The login session that the browser showed when the authorization began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSession {
    /// Its id.
    pub id: Id,
    /// Who logged in.
    pub subject: String,
    /// When.
    pub authenticated_at: Timestamp,
}

/// An authorization that waits for the login app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginChallenge {
    /// The flow, whose id tells when it began.
    pub flow: Id,
    /// The session that makes a login superfluous, if there is one.
    pub known: Option<KnownSession>,
    /// The device for which the person answers, if there is one (RFC 8628 §3.3).
    pub device: Option<Id>,
    /// The authorization request.
    pub params: Params,
}

impl LoginChallenge {
    /// When the authorization began.
    #[must_use]
    pub fn requested_at(&self) -> Timestamp {
        began(self.flow)
    }

    /// The text for the URL.
    #[must_use]
    pub fn seal(&self, cx: &Cx<'_>) -> String {
        self.seal_for(cx, Purpose::LoginChallenge)
    }

    /// Opens what [`Self::seal`] made, whatever its age.
    #[must_use]
    pub fn open(cx: &Cx<'_>, text: &str) -> Option<Self> {
        Self::open_for(cx, Purpose::LoginChallenge, text)
    }

    /// The same packing for another purpose.
    pub(crate) fn seal_for(&self, cx: &Cx<'_>, purpose: Purpose) -> String {
        let mut bytes = Vec::with_capacity(320);
        bytes.extend_from_slice(&self.flow.0);
        let known = if self.known.is_some() { KNOWN } else { 0 };
        let device = if self.device.is_some() { DEVICE } else { 0 };
        bytes.push(known | device);
        if let Some(known) = &self.known {
            bytes.extend_from_slice(&known.id.0);
            bytes.extend_from_slice(&known.authenticated_at.0.to_be_bytes());
            put(&mut bytes, known.subject.as_bytes());
        }
        if let Some(device) = self.device {
            bytes.extend_from_slice(&device.0);
        }
        for (name, value) in self.params.pairs() {
            put_parameter(&mut bytes, name, value);
        }
        seal_text(cx.secrets, cx.entropy, purpose, &bytes)
    }

    /// Opens what [`Self::seal_for`] made for this purpose, whatever its age.
    pub(crate) fn open_for(cx: &Cx<'_>, purpose: Purpose, text: &str) -> Option<Self> {
        let bytes = open_text(cx.secrets, purpose, text).ok()?;
        let mut rest = Reader(&bytes);
        let flow = Id(rest.array()?);
        let [parts] = rest.array()?;
        let known = match parts & KNOWN {
            0 => None,
            _ => Some(KnownSession {
                id: Id(rest.array()?),
                authenticated_at: Timestamp(i64::from_be_bytes(rest.array()?)),
                subject: rest.text()?,
            }),
        };
        let device = match parts & DEVICE {
            0 => None,
            _ => Some(Id(rest.array()?)),
        };
        let mut pairs = Vec::new();
        while !rest.0.is_empty() {
            pairs.push(rest.parameter()?);
        }
        Some(Self {
            flow,
            known,
            device,
            params: Params::from_pairs(pairs),
        })
    }
}

/// When the flow with this id began: flows are named by the time.
#[must_use]
pub fn began(flow: Id) -> Timestamp {
    Timestamp(i64::try_from(flow.millis() / 1000).unwrap_or(i64::MAX))
}

fn put_parameter(bytes: &mut Vec<u8>, name: &str, value: &str) {
    let place = NAMES.iter().position(|known| *known == name);
    let tag = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(OTHER);
    let (packing, packed) = pack(value);
    bytes.push(tag | packing);
    if tag == OTHER {
        put(bytes, name.as_bytes());
    }
    put(bytes, packed.as_deref().unwrap_or(value.as_bytes()));
}

/// The shorter form of a value, if it has one from which the very same text comes back.
fn pack(value: &str) -> (u8, Option<Vec<u8>>) {
    if let Some(id) = Id::parse(value).filter(|id| id.to_string() == value) {
        return (UUID, Some(id.0.to_vec()));
    }
    let decoded = URL_SAFE_NO_PAD.decode(value).ok();
    match decoded.filter(|bytes| value.len() >= SHORTEST_BASE64 && URL_SAFE_NO_PAD.encode(bytes) == value) {
        Some(bytes) => (BASE64, Some(bytes)),
        None => (TEXT, None),
    }
}

/// Length (seven bits to a byte, least first), then the bytes.
fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    let mut length = value.len();
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap_or(0));
    bytes.extend_from_slice(value);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn bytes(&mut self) -> Option<&[u8]> {
        let mut length = 0_usize;
        for shift in (0..28).step_by(7) {
            let [byte] = self.array()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let (head, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                return Some(head);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn parameter(&mut self) -> Option<(String, String)> {
        let [tag] = self.array()?;
        let name = match tag & !PACKING {
            OTHER => self.text()?,
            known => (*NAMES.get(usize::from(known))?).to_owned(),
        };
        let value = match tag & PACKING {
            UUID => Id(self.bytes()?.try_into().ok()?).to_string(),
            BASE64 => URL_SAFE_NO_PAD.encode(self.bytes()?),
            _ => self.text()?,
        };
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::context::Entropy as _;
    use crate::testing::Desk;
    use crate::token::testing::Counter;

    fn challenge(query: &str) -> LoginChallenge {
        let mut id = [0; 16];
        Counter::default().fill(&mut id);
        LoginChallenge {
            flow: Id(id),
            known: Some(KnownSession {
                id: Id([7; 16]),
                subject: "0193a5a0-0000-7000-8000-000000000001".into(),
                authenticated_at: Timestamp(1_800_000_000),
            }),
            device: None,
            params: Params::parse(query.as_bytes()).expect("a valid query"),
        }
    }

    #[test]
    fn an_ordinary_openid_request_gives_at_most_500_characters() {
        let desk = Desk::new();
        let ordinary = challenge(
            "client_id=5a2b1d1e-3c43-4a3c-9b6f-0e6a1f3d2c4b&response_type=code&scope=openid+offline_access+profile+email\
             &redirect_uri=https%3A%2F%2Fshop.example.com%2Faccount%2Foauth2%2Fcallback\
             &state=af0ifjsldkj-af0ifjsldkj-af0ifjsldkj-af0ifjsl&nonce=n-0S6_WzA2Mj-n-0S6_WzA2Mj-n-0S6_WzA2Mj-n-0S6\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        );
        let text = ordinary.seal(&desk.cx());
        assert!(text.len() <= 500, "{} characters", text.len());
        assert_eq!(LoginChallenge::open(&desk.cx(), &text), Some(ordinary));
    }

    #[test]
    fn another_text_is_no_challenge() {
        let desk = Desk::new();
        let text = challenge("client_id=a").seal(&desk.cx());
        assert_eq!(LoginChallenge::open(&desk.cx(), &text[1..]), None);
        assert_eq!(LoginChallenge::open(&desk.cx(), ""), None);
    }

    proptest! {
        #[test]
        fn every_request_comes_back_to_the_letter(pairs in prop::collection::vec(("[a-z_]{1,12}", ".{0,200}"), 0..12)) {
            let desk = Desk::new();
            let whole = LoginChallenge {
                flow: Id([1; 16]),
                known: None,
                device: Some(Id([2; 16])),
                params: Params::from_pairs(pairs),
            };
            prop_assert_eq!(LoginChallenge::open(&desk.cx(), &whole.seal(&desk.cx())), Some(whole));
        }
    }
}

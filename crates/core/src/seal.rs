//! Sealed values: flow state, cookies and page tokens that leave the program, and secrets that rest in the database.
//!
//! AES-256-GCM-SIV (RFC 8452), whose keys survive a repeated nonce. The purpose is bound in as associated data, so a
//! value made for one use never opens for another; everything else that must hold (expiry, owner) is inside.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::context::Entropy;
use crate::secrets::{Keys, Secrets};

/// What a sealed value is for. Values of different purposes are not interchangeable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `login_challenge`.
    LoginChallenge,
    /// `login_verifier`.
    LoginVerifier,
    /// `consent_challenge`.
    ConsentChallenge,
    /// `consent_verifier`.
    ConsentVerifier,
    /// `device_challenge`.
    DeviceChallenge,
    /// `device_verifier`.
    DeviceVerifier,
    /// The cookie that names a browser's login session.
    SessionCookie,
    /// `page_token` of the client list.
    ClientPage,
    /// `page_token` of a list of consents (D39).
    ConsentPage,
    /// `logout_challenge`.
    LogoutChallenge,
    /// `logout_verifier`.
    LogoutVerifier,
    /// What became of a logout, in the database.
    LogoutAtRest,
    /// `page_token` of the list of trusted issuers.
    TrustPage,
    /// A client secret in the database that the server itself must know.
    SecretAtRest,
    /// A private key in the database.
    KeyAtRest,
    /// The content of a flow in the database.
    FlowAtRest,
    /// The consented session of a grant in the database.
    GrantAtRest,
    /// The authentication of a login session in the database.
    SessionAtRest,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::LoginChallenge => b"login challenge",
            Self::LoginVerifier => b"login verifier",
            Self::ConsentChallenge => b"consent challenge",
            Self::ConsentVerifier => b"consent verifier",
            Self::DeviceChallenge => b"device challenge",
            Self::DeviceVerifier => b"device verifier",
            Self::SessionCookie => b"session cookie",
            Self::ClientPage => b"client page",
            Self::ConsentPage => b"consent page",
            Self::LogoutChallenge => b"logout challenge",
            Self::LogoutVerifier => b"logout verifier",
            Self::LogoutAtRest => b"logout at rest",
            Self::TrustPage => b"trust page",
            Self::SecretAtRest => b"client secret at rest",
            Self::KeyAtRest => b"key at rest",
            Self::FlowAtRest => b"flow at rest",
            Self::GrantAtRest => b"grant at rest",
            Self::SessionAtRest => b"session at rest",
        }
    }

    fn key(self, keys: &Keys) -> &LessSafeKey {
        if self.is_at_rest() { &keys.at_rest } else { &keys.seal }
    }

    /// Whether such values are in the database, where nobody can have put one but a server.
    fn is_at_rest(self) -> bool {
        matches!(
            self,
            Self::SecretAtRest
                | Self::KeyAtRest
                | Self::FlowAtRest
                | Self::GrantAtRest
                | Self::SessionAtRest
                | Self::LogoutAtRest
        )
    }
}

/// The value was not made by us for this purpose, or was changed, or its secret is no longer configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value was not sealed under any of the configured system secrets for this purpose")]
pub struct Unopened;

/// Under which of the configured secrets a value was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// The first of the list.
    Newest,
    /// Another one, which will be dropped some day.
    Older,
}

/// Seals `plain` and binds `context` (the id of the row or other owner) to it: mark, nonce, ciphertext, tag.
pub fn seal(secrets: &Secrets, entropy: &dyn Entropy, purpose: Purpose, context: &[u8], plain: &[u8]) -> Vec<u8> {
    let keys = secrets.current();
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce);
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + 16);
    sealed.push(keys.mark);
    sealed.extend_from_slice(&nonce);
    let mut body = plain.to_vec();
    let aad = Aad::from([purpose.label(), context].concat());
    #[expect(clippy::expect_used, reason = "the library fails only beyond 64 GiB of text")]
    purpose
        .key(keys)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
        .expect("text below 64 GiB can be sealed");
    sealed.append(&mut body);
    sealed
}

/// Opens what [`seal`] made for the same purpose and context, under any configured secret.
///
/// # Errors
/// [`Unopened`] for anything else.
pub fn open(secrets: &Secrets, purpose: Purpose, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
    open_with_age(secrets, purpose, context, sealed).map(|(plain, _)| plain)
}

/// [`open`], and the age of the secret that did it.
///
/// # Errors
/// As [`open`].
pub fn open_with_age(
    secrets: &Secrets,
    purpose: Purpose,
    context: &[u8],
    sealed: &[u8],
) -> Result<(Vec<u8>, Age), Unopened> {
    let (mark, rest) = sealed.split_first().ok_or(Unopened)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unopened)?;
    let aad = [purpose.label(), context].concat();
    let ages = std::iter::once(Age::Newest).chain(std::iter::repeat(Age::Older));
    for (keys, age) in secrets.all().zip(ages).filter(|(keys, _)| keys.mark == *mark) {
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = purpose
            .key(keys)
            .open_in_place(nonce, Aad::from(&aad), &mut body)
            .map(|plain| plain.len());
        if let Ok(length) = plain {
            body.truncate(length);
            return Ok((body, age));
        }
    }
    // Keys that do not open have an error of their own.
    if purpose.is_at_rest() && purpose != Purpose::KeyAtRest {
        secrets.miss();
    }
    Err(Unopened)
}

/// [`seal`] without context, as base64url text for URLs and cookies.
#[must_use]
pub fn seal_text(secrets: &Secrets, entropy: &dyn Entropy, purpose: Purpose, plain: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(seal(secrets, entropy, purpose, &[], plain))
}

/// Opens what [`seal_text`] made.
///
/// # Errors
/// [`Unopened`] for anything else.
pub fn open_text(secrets: &Secrets, purpose: Purpose, text: &str) -> Result<Vec<u8>, Unopened> {
    let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unopened)?;
    open(secrets, purpose, &[], &sealed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::testing::Counter;

    fn secrets(list: &[&str]) -> Secrets {
        Secrets::derive(list).expect("secrets of the tests are long enough")
    }

    #[test]
    fn a_sealed_value_opens_only_for_its_purpose() {
        let secrets = secrets(&["0123456789abcdef"]);
        let text = seal_text(&secrets, &Counter::default(), Purpose::LoginChallenge, b"hello");
        assert_eq!(
            open_text(&secrets, Purpose::LoginChallenge, &text),
            Ok(b"hello".to_vec())
        );
        assert_eq!(open_text(&secrets, Purpose::ConsentChallenge, &text), Err(Unopened));
    }

    #[test]
    fn a_rotated_secret_still_opens_and_a_dropped_one_does_not() {
        let before = secrets(&["0123456789abcdef"]);
        let text = seal_text(&before, &Counter::default(), Purpose::SessionCookie, b"sid");
        let rotated = secrets(&["fedcba9876543210", "0123456789abcdef"]);
        assert_eq!(open_text(&rotated, Purpose::SessionCookie, &text), Ok(b"sid".to_vec()));
        let dropped = secrets(&["fedcba9876543210"]);
        assert_eq!(open_text(&dropped, Purpose::SessionCookie, &text), Err(Unopened));
    }

    #[test]
    fn what_an_older_secret_opened_is_told_apart() {
        let (old, new) = ("0123456789abcdef", "fedcba9876543210");
        let sealed = seal(
            &secrets(&[old]),
            &Counter::default(),
            Purpose::GrantAtRest,
            b"row",
            b"claims",
        );
        let age = |list: &[&str]| {
            let opened = open_with_age(&secrets(list), Purpose::GrantAtRest, b"row", &sealed);
            opened.map(|(_, age)| age)
        };
        assert_eq!(age(&[old, new]), Ok(Age::Newest));
        assert_eq!(age(&[new, old]), Ok(Age::Older));
        assert_eq!(age(&[new]), Err(Unopened));
    }

    #[test]
    fn a_row_that_no_secret_opens_is_noted_and_what_strangers_send_is_not() {
        let (before, after) = (secrets(&["0123456789abcdef"]), secrets(&["fedcba9876543210"]));
        let text = seal_text(&before, &Counter::default(), Purpose::SessionCookie, b"sid");
        assert_eq!(open_text(&after, Purpose::SessionCookie, &text), Err(Unopened));
        assert!(!after.has_missed());
        let sealed = seal(&before, &Counter::default(), Purpose::GrantAtRest, b"row", b"claims");
        assert_eq!(open(&after, Purpose::GrantAtRest, b"row", &sealed), Err(Unopened));
        assert!(after.has_missed() && !before.has_missed());
    }

    #[test]
    fn a_value_at_rest_is_bound_to_its_row() {
        let secrets = secrets(&["0123456789abcdef"]);
        let sealed = seal(&secrets, &Counter::default(), Purpose::GrantAtRest, b"row 1", b"claims");
        assert!(open(&secrets, Purpose::GrantAtRest, b"row 1", &sealed).is_ok());
        assert_eq!(open(&secrets, Purpose::GrantAtRest, b"row 2", &sealed), Err(Unopened));
    }
}

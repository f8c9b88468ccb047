//! Opaque tokens: `prefix` `id` `.` `secret checksum`.
//!
//! RFC 6749 §1.4 and §10.10 (unguessable: 256 random bits), RFC 9700 §4.14. The id is the lookup key and says when the
//! token was made; the checksum is a keyed one, so that garbage is refused without a query; the database holds the
//! SHA-256 of the whole, from which, even together with `secrets.system`, no token can be made.
//!
//! The successor of a refresh token is derived from the token that is presented, under a key of ours: two racing
//! refreshes compute the same text, and a repeated one is answered without anything usable being stored.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize as _, Zeroizing};

use crate::context::{Entropy, Id, Prefixes};
use crate::port::Digest;
use crate::secrets::{Keys, Secrets};

const SECRET: usize = 32;
const CHECKSUM: usize = 4;
/// Characters of an id in base64url.
const ID_TEXT: usize = 22;

/// The kinds of opaque tokens. The kind is part of digest and checksum: a token of one kind never passes as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Access token (RFC 6749 §1.4).
    Access,
    /// Refresh token (RFC 6749 §1.5).
    Refresh,
    /// Authorization code (RFC 6749 §1.3.1).
    Code,
    /// Device code (RFC 8628 §3.2).
    Device,
    /// Registration access token (RFC 7592 §1.2).
    Registration,
}

impl Kind {
    fn tag(self) -> &'static [u8] {
        match self {
            Self::Access => b"access",
            Self::Refresh => b"refresh",
            Self::Code => b"code",
            Self::Device => b"device",
            Self::Registration => b"registration",
        }
    }

    fn prefix(self, prefixes: &Prefixes) -> &str {
        match self {
            Self::Access => &prefixes.access,
            Self::Refresh => &prefixes.refresh,
            Self::Code => &prefixes.code,
            Self::Device => &prefixes.device,
            Self::Registration => &prefixes.registration,
        }
    }
}

/// A token that was just made: its text goes to the client, its digest to the database, never the other way round.
pub struct Fresh {
    /// The lookup part.
    pub id: Id,
    /// For the database.
    pub digest: Digest,
    /// For the client.
    pub text: Zeroizing<String>,
}

/// A token that somebody presented and that was made by us, though nothing is known yet of its life.
pub struct Presented {
    /// The lookup part.
    pub id: Id,
    /// To be compared with the stored one.
    pub digest: Digest,
    secret: Zeroizing<[u8; SECRET]>,
}

impl Fresh {
    /// A token with 256 bits of new randomness.
    #[must_use]
    pub fn generate(secrets: &Secrets, entropy: &dyn Entropy, prefixes: &Prefixes, kind: Kind, id: Id) -> Self {
        let mut secret = Zeroizing::new([0; SECRET]);
        entropy.fill(secret.as_mut());
        Self::assemble(secrets.current(), prefixes, kind, id, &secret)
    }

    fn assemble(keys: &Keys, prefixes: &Prefixes, kind: Kind, id: Id, secret: &[u8; SECRET]) -> Self {
        let mut tail = Zeroizing::new([0; SECRET + CHECKSUM]);
        let (head, end) = tail.split_at_mut(SECRET);
        head.copy_from_slice(secret);
        end.copy_from_slice(&checksum(keys, kind, id, secret));
        let prefix = kind.prefix(prefixes);
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + ID_TEXT + 1 + 48));
        text.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(id.0, &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(tail.as_ref(), &mut text);
        Self {
            id,
            digest: digest(kind, id, secret),
            text,
        }
    }
}

impl Presented {
    /// Recognizes a token of the given kind that was made under any configured secret, with or without its prefix.
    #[must_use]
    pub fn recognize(secrets: &Secrets, kind: Kind, text: &str) -> Option<Self> {
        let (head, tail) = text.split_once('.')?;
        let id = head.get(head.len().checked_sub(ID_TEXT)?..)?;
        let id = Id(URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?);
        if tail.len() != (SECRET + CHECKSUM) / 3 * 4 {
            return None;
        }
        let mut decoded = Zeroizing::new([0; SECRET + CHECKSUM]);
        URL_SAFE_NO_PAD.decode_slice(tail, decoded.as_mut()).ok()?;
        let (secret, sum) = decoded.split_first_chunk::<SECRET>()?;
        let ours = secrets
            .all()
            .any(|keys| constant_time::verify_slices_are_equal(&checksum(keys, kind, id, secret), sum).is_ok());
        ours.then(|| Self {
            id,
            digest: digest(kind, id, secret),
            secret: Zeroizing::new(*secret),
        })
    }

    /// The refresh token that follows this one, and the access token that is issued with it, both with the lookup id
    /// `id`. Derived, not random: the same presented token always gives the same pair.
    #[must_use]
    pub fn successors(&self, secrets: &Secrets, prefixes: &Prefixes, id: Id) -> (Fresh, Fresh) {
        self.successors_under(secrets.current(), prefixes, id)
    }

    /// The same pair as an earlier [`Self::successors`] gave, recognized by the stored digest of the refresh token;
    /// none if the secret under which it was derived is no longer configured.
    #[must_use]
    pub fn repeat(&self, secrets: &Secrets, prefixes: &Prefixes, id: Id, refresh: Digest) -> Option<(Fresh, Fresh)> {
        secrets
            .all()
            .map(|keys| self.successors_under(keys, prefixes, id))
            .find(|(successor, _)| successor.digest == refresh)
    }

    fn successors_under(&self, keys: &Keys, prefixes: &Prefixes, id: Id) -> (Fresh, Fresh) {
        let derive = |kind: Kind| {
            let mut mac = hmac::Context::with_key(&keys.successor);
            mac.update(kind.tag());
            mac.update(self.secret.as_ref());
            mac.update(&id.0);
            let mut secret = [0; SECRET];
            secret.copy_from_slice(mac.sign().as_ref());
            let fresh = Fresh::assemble(keys, prefixes, kind, id, &secret);
            secret.zeroize();
            fresh
        };
        (derive(Kind::Refresh), derive(Kind::Access))
    }
}

fn checksum(keys: &Keys, kind: Kind, id: Id, secret: &[u8; SECRET]) -> [u8; CHECKSUM] {
    let mut mac = hmac::Context::with_key(&keys.token_checksum);
    mac.update(kind.tag());
    mac.update(&id.0);
    mac.update(secret);
    let mut sum = [0; CHECKSUM];
    for (to, from) in sum.iter_mut().zip(mac.sign().as_ref()) {
        *to = *from;
    }
    sum
}

fn digest(kind: Kind, id: Id, secret: &[u8; SECRET]) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(kind.tag());
    hash.update(&id.0);
    hash.update(secret);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    Digest(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::testing::Counter;

    fn secrets(list: &[&str]) -> Secrets {
        Secrets::derive(list).expect("secrets of the tests are long enough")
    }

    fn fresh(secrets: &Secrets, kind: Kind) -> Fresh {
        let entropy = Counter::default();
        let id = Id::generate(1_700_000_000_000, &entropy);
        Fresh::generate(secrets, &entropy, &Prefixes::default(), kind, id)
    }

    #[test]
    fn a_token_is_recognized_with_and_without_its_prefix() {
        let secrets = secrets(&["0123456789abcdef"]);
        let token = fresh(&secrets, Kind::Access);
        for text in [token.text.as_str(), token.text.trim_start_matches("clv_at_")] {
            let presented = Presented::recognize(&secrets, Kind::Access, text).expect("our own token");
            assert_eq!((presented.id, presented.digest), (token.id, token.digest));
        }
        assert_eq!(token.text.matches('.').count(), 1);
    }

    #[test]
    fn a_token_of_one_kind_is_not_one_of_another() {
        let secrets = secrets(&["0123456789abcdef"]);
        let token = fresh(&secrets, Kind::Access);
        assert!(Presented::recognize(&secrets, Kind::Refresh, &token.text).is_none());
    }

    #[test]
    fn any_changed_character_makes_garbage() {
        let secrets = secrets(&["0123456789abcdef"]);
        let text = fresh(&secrets, Kind::Code).text;
        for at in "clv_ac_".len()..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(
                Presented::recognize(&secrets, Kind::Code, &changed).is_none(),
                "character {at}"
            );
        }
    }

    #[test]
    fn garbage_of_any_shape_is_refused() {
        let secrets = secrets(&["0123456789abcdef"]);
        for garbage in [
            "",
            ".",
            "a.b",
            "ä.ö",
            "clv_at_.",
            &"x".repeat(10_000),
            &format!("{}.{}", "A".repeat(22), "A".repeat(48)),
        ] {
            assert!(
                Presented::recognize(&secrets, Kind::Access, garbage).is_none(),
                "{garbage}"
            );
        }
    }

    #[test]
    fn a_successor_is_the_same_each_time_and_survives_the_rotation_of_secrets() {
        let before = secrets(&["0123456789abcdef"]);
        let token = fresh(&before, Kind::Refresh);
        let presented = Presented::recognize(&before, Kind::Refresh, &token.text).expect("our own token");
        let id = Id([7; 16]);
        let (refresh, access) = presented.successors(&before, &Prefixes::default(), id);
        let after = secrets(&["fedcba9876543210", "0123456789abcdef"]);
        let (again, access_again) = presented
            .repeat(&after, &Prefixes::default(), id, refresh.digest)
            .expect("the old secret is configured");
        assert_eq!(
            (again.text, access_again.text),
            (refresh.text.clone(), access.text.clone())
        );
        assert!(Presented::recognize(&after, Kind::Refresh, &refresh.text).is_some());
        assert_ne!(refresh.digest, access.digest);
    }
}

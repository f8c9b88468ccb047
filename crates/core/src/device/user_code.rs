//! User codes: short texts that people read from one screen and type on another.
//!
//! RFC 8628 §3.3 and §6.1: no characters that look alike, no vowels that make words; case, spaces and dashes are forgiven.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::context::Entropy;
use crate::port::Digest;
use crate::secrets::{Keys, Secrets};

/// Fewest different characters that codes may be made of.
const FEWEST_CHARACTERS: usize = 8;

/// What user codes look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCodeForm {
    characters: Vec<u8>,
    length: usize,
}

/// Why codes cannot be made of these characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserCodeFormError {
    /// Others could not be typed, or would be dropped with the dashes.
    #[error("may have letters and digits of ASCII only")]
    Character,
    /// Case does not count, as it is forgiven.
    #[error("needs at least {FEWEST_CHARACTERS} different characters; upper and lower case are the same one")]
    TooFew,
}

impl UserCodeForm {
    /// Eight characters, 37 bits: the default.
    #[must_use]
    pub fn high() -> Self {
        Self::known("2346789BCDFGHJKMPQRTVWXY", 8)
    }

    /// Eight consonants, 35 bits (RFC 8628 §6.1).
    #[must_use]
    pub fn medium() -> Self {
        Self::known("BCDFGHJKLMNPQRSTVWXZ", 8)
    }

    /// Nine digits, 30 bits, for number pads (RFC 8628 §6.1).
    #[must_use]
    pub fn low() -> Self {
        Self::known("0123456789", 9)
    }

    fn known(characters: &str, length: usize) -> Self {
        Self {
            characters: characters.bytes().collect(),
            length,
        }
    }

    /// The same with codes of another length.
    #[must_use]
    pub fn with_length(self, length: usize) -> Self {
        Self { length, ..self }
    }

    /// The same with other characters.
    ///
    /// # Errors
    /// If people could not type them, or too few codes could be made of them.
    pub fn with_characters(self, text: &str) -> Result<Self, UserCodeFormError> {
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(UserCodeFormError::Character);
        }
        let mut characters: Vec<u8> = text.bytes().map(|byte| byte.to_ascii_uppercase()).collect();
        characters.sort_unstable();
        characters.dedup();
        if characters.len() < FEWEST_CHARACTERS {
            return Err(UserCodeFormError::TooFew);
        }
        Ok(Self { characters, ..self })
    }
}

/// A new code in its normal form. Every character is equally likely.
pub(super) fn generate(entropy: &dyn Entropy, form: &UserCodeForm) -> Zeroizing<String> {
    let count = form.characters.len();
    // Bytes from the last, incomplete round through the characters are drawn again.
    let whole = 256 - 256 % count;
    let mut code = Zeroizing::new(String::with_capacity(form.length));
    let mut random = Zeroizing::new([0; 32]);
    while code.len() < form.length {
        entropy.fill(random.as_mut());
        for byte in random.iter().map(|byte| usize::from(*byte)) {
            if byte < whole && code.len() < form.length {
                code.extend(form.characters.get(byte % count).map(|byte| char::from(*byte)));
            }
        }
    }
    code
}

/// What a person typed in the form in which codes are compared: without what stands between its characters, upper case.
#[must_use]
pub fn normalize(typed: &str) -> Zeroizing<String> {
    let kept = typed.chars().filter(char::is_ascii_alphanumeric);
    Zeroizing::new(kept.map(|c| c.to_ascii_uppercase()).collect())
}

/// A code as people read it: in groups of four or three, with dashes between them.
pub(super) fn display(code: &str) -> String {
    let group = match code.len() {
        length if length.is_multiple_of(4) => 4,
        length if length.is_multiple_of(3) => 3,
        _ => 4,
    };
    let mut shown = String::with_capacity(code.len() * 4 / 3);
    for (place, character) in code.chars().enumerate() {
        if place > 0 && place.is_multiple_of(group) {
            shown.push('-');
        }
        shown.push(character);
    }
    shown
}

/// What the database holds of a normalized code. Keyed, as all codes could be tried against a plain digest.
pub(super) fn digest(secrets: &Secrets, code: &str) -> Digest {
    under(secrets.current(), code)
}

/// The digests that the code may have, by each configured secret.
pub(super) fn digests(secrets: &Secrets, code: &str) -> Vec<Digest> {
    secrets.all().map(|keys| under(keys, code)).collect()
}

fn under(keys: &Keys, code: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hmac::sign(&keys.user_code, code.as_bytes()).as_ref());
    Digest(bytes)
}

#[cfg(test)]
mod rfc8628_6_1 {
    use super::*;
    use crate::token::testing::Counter;

    #[test]
    fn codes_have_their_length_and_only_their_characters() {
        for form in [UserCodeForm::high(), UserCodeForm::medium(), UserCodeForm::low()] {
            let code = generate(&Counter::default(), &form);
            assert_eq!(code.len(), form.length);
            assert!(code.bytes().all(|byte| form.characters.contains(&byte)), "{}", *code);
        }
    }

    #[test]
    fn the_default_has_no_characters_that_look_alike_and_no_vowels() {
        for character in "01OILS5AEU".bytes() {
            assert!(!UserCodeForm::high().characters.contains(&character));
        }
    }

    #[test]
    fn case_spaces_and_dashes_are_forgiven() {
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "w.d.j.b\u{2013}MJHT"] {
            assert_eq!(*normalize(typed), "WDJBMJHT", "{typed}");
        }
        assert!(normalize(" -\u{e4}").is_empty());
    }

    #[test]
    fn codes_are_shown_in_groups() {
        assert_eq!(display("WDJBMJHT"), "WDJB-MJHT");
        assert_eq!(display("019450730"), "019-450-730");
        assert_eq!(display("WDJBMJH"), "WDJB-MJH");
        assert_eq!(*normalize(&display("WDJBMJHT")), "WDJBMJHT");
    }

    #[test]
    fn an_alphabet_is_taken_without_case_and_not_too_small() {
        let form = UserCodeForm::high().with_length(6);
        let mixed = form.clone().with_characters("abcdEFGHabcd").expect("eight characters");
        assert_eq!(mixed.characters, b"ABCDEFGH");
        assert_eq!(form.clone().with_characters("aAbB"), Err(UserCodeFormError::TooFew));
        assert_eq!(form.with_characters("abcdefgh-"), Err(UserCodeFormError::Character));
    }
}

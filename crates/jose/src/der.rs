//! The little DER (X.690 §10) that is needed to take an RSA private key apart, because the library exports it only
//! as PKCS#8 (RFC 5208 §5) around `RSAPrivateKey` (RFC 8017 §A.1.2).

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The components of an RSA private key, unsigned big endian without leading zeros, borrowed from the DER.
pub(crate) struct RsaPrivateKey<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) d: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) dp: &'a [u8],
    pub(crate) dq: &'a [u8],
    pub(crate) qi: &'a [u8],
}

impl<'a> RsaPrivateKey<'a> {
    /// Reads `PrivateKeyInfo { version, algorithm, privateKey OCTET STRING { RSAPrivateKey } }`.
    pub(crate) fn from_pkcs8(der: &'a [u8]) -> Option<Self> {
        let mut info = Reader(Reader(der).take(SEQUENCE)?);
        info.take(INTEGER)?;
        info.take(SEQUENCE)?;
        let mut key = Reader(Reader(info.take(OCTET_STRING)?).take(SEQUENCE)?);
        if key.unsigned()? != [0] {
            return None; // version 1 is a key of more than two primes
        }
        Some(Self {
            n: key.unsigned()?,
            e: key.unsigned()?,
            d: key.unsigned()?,
            p: key.unsigned()?,
            q: key.unsigned()?,
            dp: key.unsigned()?,
            dq: key.unsigned()?,
            qi: key.unsigned()?,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Takes the next element, which must have this tag, and returns its content.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (
                    digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)),
                    rest,
                )
            }
            _ => return None, // indefinite, or longer than any key
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    /// Takes an INTEGER that is not negative and drops the zero that keeps its sign.
    fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.take(INTEGER)? {
            [0, rest @ ..] if !rest.is_empty() => Some(rest),
            [first, ..] if *first > 0x7f => None,
            [] => None,
            digits => Some(digits),
        }
    }
}

#[cfg(test)]
mod x690_10 {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_of_one_to_four_octets_are_read() {
        for (length, header) in [(5, vec![4, 5]), (200, vec![4, 0x81, 200]), (300, vec![4, 0x82, 1, 44])] {
            let der = [header, vec![7; length]].concat();
            assert_eq!(Reader(&der).take(OCTET_STRING).map(<[u8]>::len), Some(length));
        }
    }

    #[test]
    fn a_sign_octet_is_dropped_and_a_negative_number_refused() {
        assert_eq!(Reader(&[2, 2, 0, 0x80]).unsigned(), Some(&[0x80][..]));
        assert_eq!(Reader(&[2, 1, 0]).unsigned(), Some(&[0][..]));
        assert_eq!(Reader(&[2, 1, 0x80]).unsigned(), None);
        assert_eq!(Reader(&[2, 0]).unsigned(), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = RsaPrivateKey::from_pkcs8(&bytes);
        }

        #[test]
        fn content_longer_than_the_text_is_refused(length in 1u8..0x80) {
            let der = [SEQUENCE, length];
            prop_assert_eq!(Reader(&der).take(SEQUENCE), None);
        }
    }
}

//! Keys in DER as JWKs.
//!
//! Implements what is needed of RFC 5208 and RFC 5958 (PKCS #8), RFC 8017 §A.1 (PKCS #1), RFC 5915 (SEC 1),
//! RFC 5280 §4.1.2.7 (SubjectPublicKeyInfo), RFC 8410 (Ed25519) and X.690 §8 (DER).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]` and `[1]` of SEC 1, both constructed.
const EC_PARAMETERS: u8 = 0xa0;
const EC_PUBLIC_KEY: u8 = 0xa1;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Object identifier, JWK name and bytes of a coordinate.
const CURVES: [(&[u8], &str, usize); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "P-256", 32),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "P-384", 48),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "P-521", 66),
];

/// The DER inside the first key of a PEM text.
pub(super) fn from_pem(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut blocks = text.split("-----BEGIN ").skip(1);
    let key = blocks.find(|block| block.split("-----").next().is_some_and(|label| label.ends_with(" KEY")));
    let (label, rest) = key
        .and_then(|block| block.split_once("-----"))
        .ok_or("the PEM has no key in it")?;
    if label.starts_with("ENCRYPTED") || rest.contains("Proc-Type:") {
        return Err("the key is encrypted; decrypt it first, for example with openssl pkey");
    }
    let body: String = rest
        .split("-----END")
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    STANDARD.decode(body).map_err(|_| "the PEM's base64 is malformed")
}

/// A private or public key as JWK.
pub(super) fn to_jwk(der: &[u8]) -> Result<Value, &'static str> {
    let mut outer = Reader(der);
    let mut key = Reader(outer.take(SEQUENCE)?);
    match key.peek() {
        // SubjectPublicKeyInfo starts with the algorithm, everything else with a number.
        Some(SEQUENCE) => public_key_info(&mut key),
        Some(INTEGER) => {
            let number = key.take(INTEGER)?;
            match key.peek() {
                Some(SEQUENCE) => private_key_info(&mut key),
                Some(OCTET_STRING) => sec1(&mut key, None),
                Some(INTEGER) if number == [0] => rsa_private(&mut key),
                Some(INTEGER) => {
                    let public = rsa(number, key.take(INTEGER)?);
                    // Two numbers and nothing else: another key that was damaged may begin with two.
                    if key.peek().is_none() { Ok(public) } else { Err(UNKNOWN) }
                }
                _ => Err(UNKNOWN),
            }
        }
        _ => Err(UNKNOWN),
    }
}

const UNKNOWN: &str = "the DER is of no known form";

fn public_key_info(info: &mut Reader<'_>) -> Result<Value, &'static str> {
    let mut algorithm = Reader(info.take(SEQUENCE)?);
    let name = algorithm.take(OBJECT_IDENTIFIER)?;
    // The first byte of a bit string counts unused bits, and keys have none.
    let key = info.take(BIT_STRING)?.strip_prefix(&[0]).ok_or(UNKNOWN)?;
    match name {
        RSA => {
            let mut key = Reader(Reader(key).take(SEQUENCE)?);
            Ok(rsa(key.take(INTEGER)?, key.take(INTEGER)?))
        }
        EC => point(&curve(algorithm.take(OBJECT_IDENTIFIER)?)?, key),
        ED25519 => Ok(json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(key) })),
        _ => Err("the algorithm is not RSA, EC or Ed25519"),
    }
}

fn private_key_info(info: &mut Reader<'_>) -> Result<Value, &'static str> {
    let mut algorithm = Reader(info.take(SEQUENCE)?);
    let name = algorithm.take(OBJECT_IDENTIFIER)?;
    let mut key = Reader(info.take(OCTET_STRING)?);
    match name {
        RSA => {
            let mut key = Reader(key.take(SEQUENCE)?);
            key.take(INTEGER)?;
            rsa_private(&mut key)
        }
        EC => {
            let curve = curve(algorithm.take(OBJECT_IDENTIFIER)?)?;
            let mut key = Reader(key.take(SEQUENCE)?);
            key.take(INTEGER)?;
            sec1(&mut key, Some(curve))
        }
        ED25519 => {
            let seed = key.take(OCTET_STRING)?;
            let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| "the Ed25519 key is malformed")?;
            let x = encode(pair.public_key().as_ref());
            Ok(json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "d": encode(seed) }))
        }
        _ => Err("the algorithm is not RSA, EC or Ed25519"),
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
    json!({ "kty": "RSA", "n": encode(unsigned(modulus)), "e": encode(unsigned(exponent)) })
}

/// What follows the version of an RSAPrivateKey.
fn rsa_private(key: &mut Reader<'_>) -> Result<Value, &'static str> {
    let mut jwk = rsa(key.take(INTEGER)?, key.take(INTEGER)?);
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        let number = encode(unsigned(key.take(INTEGER)?));
        if let Value::Object(members) = &mut jwk {
            members.insert(name.to_owned(), number.into());
        }
    }
    Ok(jwk)
}

/// What follows the version of an ECPrivateKey. Inside PKCS #8 the curve is named outside.
fn sec1(key: &mut Reader<'_>, named: Option<Curve>) -> Result<Value, &'static str> {
    let secret = key.take(OCTET_STRING)?;
    let curve = match key.peek() {
        Some(EC_PARAMETERS) => {
            let parameters = key.take(EC_PARAMETERS)?;
            curve(Reader(parameters).take(OBJECT_IDENTIFIER)?)?
        }
        _ => named.ok_or("the EC key does not name its curve")?,
    };
    let public = "the EC key comes without its public half; write it anew with openssl ec";
    let mut outer = Reader(key.take(EC_PUBLIC_KEY).map_err(|_| public)?);
    let mut jwk = point(&curve, outer.take(BIT_STRING)?.strip_prefix(&[0]).ok_or(UNKNOWN)?)?;
    let secret = [&vec![0; curve.size.saturating_sub(secret.len())], secret].concat();
    if let Value::Object(members) = &mut jwk {
        members.insert("d".to_owned(), encode(&secret).into());
    }
    Ok(jwk)
}

/// A curve by its JWK name, with the bytes of a coordinate.
struct Curve {
    name: &'static str,
    size: usize,
}

fn curve(identifier: &[u8]) -> Result<Curve, &'static str> {
    let found = CURVES.iter().find(|(known, ..)| *known == identifier);
    found
        .map(|(_, name, size)| Curve { name, size: *size })
        .ok_or("the curve is not P-256, P-384 or P-521")
}

/// An uncompressed point (SEC 1 §2.3.3).
fn point(&Curve { name, size }: &Curve, bytes: &[u8]) -> Result<Value, &'static str> {
    let coordinates = bytes.strip_prefix(&[4]).filter(|both| both.len() == 2 * size);
    let (x, y) = coordinates
        .ok_or("the EC key's public half is not an uncompressed point")?
        .split_at(size);
    Ok(json!({ "kty": "EC", "crv": name, "x": encode(x), "y": encode(y) }))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An INTEGER has a leading zero where its first bit would make it negative; a JWK has none (RFC 7518 §2).
fn unsigned(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

/// DER elements, one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The contents of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Result<&'a [u8], &'static str> {
        const SHORT: &str = "the DER is cut short";
        let [found, first, rest @ ..] = self.0 else {
            return Err(SHORT);
        };
        if *found != tag {
            return Err(UNKNOWN);
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            // No key is longer than 65535 bytes.
            0x81 | 0x82 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x0f)).ok_or(SHORT)?;
                (
                    length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
                    rest,
                )
            }
            _ => return Err(UNKNOWN),
        };
        let (contents, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    };

    use super::*;

    fn text<'v>(key: &'v Value, name: &str) -> &'v str {
        key[name].as_str().unwrap_or_default()
    }

    #[test]
    fn an_ec_key_comes_out_of_pkcs_8_and_spki_with_the_same_point() {
        let curves = [
            (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32),
            (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48),
            (&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", 66),
        ];
        for (algorithm, name, size) in curves {
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let private = to_jwk(pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
            let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            let public = to_jwk(spki.as_ref()).unwrap();
            assert_eq!(text(&private, "crv"), name);
            assert_eq!([&private["x"], &private["y"]], [&public["x"], &public["y"]]);
            assert!(public.get("d").is_none());
            assert_eq!(URL_SAFE_NO_PAD.decode(text(&private, "d")).unwrap().len(), size);
            let expected = pair.public_key().as_ref();
            assert_eq!(text(&private, "x"), encode(&expected[1..=size]));
            assert_eq!(text(&private, "y"), encode(&expected[1 + size..]));
        }
    }

    #[test]
    fn an_rsa_key_comes_out_with_every_number() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let private = to_jwk(pkcs8.as_ref()).unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let public = to_jwk(spki.as_ref()).unwrap();
        assert_eq!([&private["n"], &private["e"]], [&public["n"], &public["e"]]);
        // PKCS #1 is what lies inside both.
        assert_eq!(to_jwk(pair.public_key().as_ref()).unwrap(), public);
        assert_eq!(text(&private, "e"), "AQAB");
        for name in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(text(&private, name).len() > 160, "{name}");
        }
    }

    #[test]
    fn an_ed25519_key_comes_out_with_its_public_half() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private = to_jwk(pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
        assert_eq!(text(&private, "x"), encode(pair.public_key().as_ref()));
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        assert_eq!(to_jwk(spki.as_ref()).unwrap()["x"], private["x"]);
    }

    #[test]
    fn no_prefix_of_a_key_is_a_key_and_none_panics() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        for end in 0..der.as_ref().len() {
            assert!(to_jwk(&der.as_ref()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_damaged_key_that_begins_with_two_numbers_is_no_rsa_key() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let mut der = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
        // The version takes in the algorithm, and the version of the key within follows.
        der[4] = 26;
        assert_eq!(to_jwk(&der), Err(UNKNOWN));
    }

    #[test]
    fn an_encrypted_or_foreign_pem_is_told_apart() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(from_pem(encrypted).unwrap_err().contains("encrypted"));
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert!(from_pem(certificate).unwrap_err().contains("no key"));
        assert!(from_pem("-----BEGIN PRIVATE KEY-----\n***\n-----END PRIVATE KEY-----\n").is_err());
    }

    proptest::proptest! {
        /// Whatever a file holds, nothing panics, and base64 is read as it was written.
        #[test]
        fn any_file_has_an_answer(text in "(-----BEGIN [A-Z ]{0,12} KEY-----)?\\PC{0,80}(-----END)?", der: Vec<u8>) {
            if let Ok(inside) = from_pem(&text) {
                let _ = to_jwk(&inside);
            }
            let _ = to_jwk(&der);
            let written = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(&der));
            proptest::prop_assert_eq!(from_pem(&written), Ok(der));
        }

        /// A key with some octets changed is another key or none.
        #[test]
        fn a_changed_key_has_an_answer(changes in proptest::collection::vec((0..200_usize, proptest::num::u8::ANY), 1..6)) {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let mut der = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
            for (at, byte) in changes {
                let at = at % der.len();
                der[at] = byte;
            }
            if let Ok(key) = to_jwk(&der) {
                proptest::prop_assert_eq!(key["kty"].as_str(), Some("EC"));
            }
        }
    }
}

//! JSON Web Signatures in compact serialization: reading and verifying.
//!
//! Implements RFC 7515 §3.1, §4, §5.2, §7.1. Deviates: no `crit` extension is understood (§4.1.11), so a header with
//! one is refused; keys are never taken from `jwk`, `jku`, `x5c` or `x5u`, because a token does not vouch for itself.
//! Attacks: `alg` confusion and `none` (the caller says what is allowed, the key says what it can, and the header
//! only chooses among them: RFC 8725 §3.1, §3.2), two readings of one header (duplicate members).

use serde_json::{Map, Value};

use crate::alg::Alg;
use crate::b64;
use crate::json::{self, JsonError};
use crate::verify::VerifyingKey;

/// The JOSE header of a JWS.
#[derive(Clone, Debug)]
pub struct Header {
    /// `alg` as it is written, which may be a name that nothing here supports.
    pub alg: String,
    /// `kid`.
    pub kid: Option<String>,
    /// `typ`.
    pub typ: Option<String>,
    /// Every member, those above included.
    pub members: Map<String, Value>,
}

/// Why a text is not a compact JWS with a readable header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Not three parts.
    #[error("The text is not a JWS in compact form, which has three parts with dots between them.")]
    NotCompact,
    /// A part is not strictly encoded.
    #[error("The {part} of the JWS is not base64url without padding.")]
    Base64 {
        /// Header, payload or signature.
        part: &'static str,
    },
    /// The header is not a JSON object with unique names.
    #[error("The header of the JWS cannot be read: {0}.")]
    Json(#[from] JsonError),
    /// `alg` is absent.
    #[error("The header of the JWS has no member 'alg'.")]
    NoAlg,
    /// A member has another JSON type.
    #[error("Member '{member}' of the JWS header must be a string.")]
    NotAString {
        /// Its name.
        member: &'static str,
    },
}

/// Why a JWS was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] HeaderError),
    /// `alg` is not among those allowed here; `none` never is.
    #[error("The JWS is signed with algorithm {0:?}, which is not accepted here.")]
    AlgNotAllowed(String),
    /// The header demands an extension.
    #[error("The JWS header has a member 'crit', and no extension is supported.")]
    Critical,
    /// The payload is not encoded (RFC 7797).
    #[error("The JWS header has a member 'b64', and unencoded payloads are not supported.")]
    Unencoded,
    /// No key has the `kid` of the header. The key set may have been replaced since it was fetched.
    #[error("No known key has the key id of the JWS ({0:?}).")]
    UnknownKid(String),
    /// No key can verify the algorithm.
    #[error("No known key can verify algorithm {0}.")]
    NoKey(Alg),
    /// The signature is wrong.
    #[error("The signature of the JWS is wrong: it was changed, or signed with another key.")]
    BadSignature,
}

/// A JWS whose signature is right.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The header.
    pub header: Header,
    /// The algorithm of the signature.
    pub alg: Alg,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A JWS that nobody vouches for.
#[derive(Clone, Debug)]
pub struct Unverified {
    /// The header as it claims to be.
    pub header: Header,
    /// The payload as it claims to be.
    pub payload: Vec<u8>,
}

impl Verified {
    /// The payload as the claims of a JWT (RFC 7519 §7.2), in which no name may appear twice.
    ///
    /// # Errors
    /// If the payload is not a JSON object with unique names.
    pub fn claims(&self) -> Result<Map<String, Value>, JsonError> {
        json::parse_object(&self.payload)
    }
}

impl Unverified {
    /// The payload as claims, **not verified**.
    ///
    /// # Errors
    /// If the payload is not a JSON object with unique names.
    pub fn claims(&self) -> Result<Map<String, Value>, JsonError> {
        json::parse_object(&self.payload)
    }
}

/// Verifies a compact JWS: its algorithm must be `allowed`, and one of `keys` must have signed it. With `kid` in the
/// header only keys of that id are tried, otherwise every key that fits the algorithm.
///
/// Nothing is said about `typ`, expiry or any other claim; those belong to the caller.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_jws(text: &str, keys: &[VerifyingKey], allowed: &[Alg]) -> Result<Verified, VerifyError> {
    let parts = Parts::split(text)?;
    let header = Header::parse(parts.header)?;
    let alg = Alg::parse(&header.alg).filter(|alg| allowed.contains(alg));
    let alg = alg.ok_or_else(|| VerifyError::AlgNotAllowed(header.alg.clone()))?;
    if header.members.contains_key("crit") {
        return Err(VerifyError::Critical);
    }
    // RFC 7797 §6 demands "crit" beside it, but a sender that forgot must not be understood in two ways.
    if header.members.contains_key("b64") {
        return Err(VerifyError::Unencoded);
    }
    let named = |key: &&VerifyingKey| header.kid.is_none() || key.kid() == header.kid.as_deref();
    let mut candidates = keys.iter().filter(named).peekable();
    if let (None, Some(kid)) = (candidates.peek(), &header.kid) {
        return Err(VerifyError::UnknownKid(kid.clone()));
    }
    let mut candidates = candidates.filter(|key| key.fits(alg)).peekable();
    if candidates.peek().is_none() {
        return Err(VerifyError::NoKey(alg));
    }
    let payload = decode("payload", parts.payload)?;
    let signature = decode("signature", parts.signature)?;
    if candidates.any(|key| key.verify(alg, parts.signed.as_bytes(), &signature)) {
        Ok(Verified { header, alg, payload })
    } else {
        Err(VerifyError::BadSignature)
    }
}

/// Reads header and payload of a compact JWS **without verifying anything**: to find out what kind of token it claims
/// to be and whose keys to fetch, never to believe it.
///
/// # Errors
/// [`HeaderError`].
pub fn decode_unverified(text: &str) -> Result<Unverified, HeaderError> {
    let parts = Parts::split(text)?;
    let header = Header::parse(parts.header)?;
    Ok(Unverified {
        header,
        payload: decode("payload", parts.payload)?,
    })
}

struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header and payload with the dot between them.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, HeaderError> {
        let (signed, signature) = text.rsplit_once('.').ok_or(HeaderError::NotCompact)?;
        let (header, payload) = signed.split_once('.').ok_or(HeaderError::NotCompact)?;
        if header.is_empty() || payload.contains('.') {
            return Err(HeaderError::NotCompact); // five parts are a JWE
        }
        Ok(Self {
            header,
            payload,
            signature,
            signed,
        })
    }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, HeaderError> {
    b64::decode(text).ok_or(HeaderError::Base64 { part })
}

impl Header {
    fn parse(text: &str) -> Result<Self, HeaderError> {
        let members = json::parse_object(&decode("header", text)?)?;
        let text = |member: &'static str| match members.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(HeaderError::NotAString { member }),
        };
        let alg = text("alg")?.ok_or(HeaderError::NoAlg)?;
        Ok(Self {
            alg,
            kid: text("kid")?,
            typ: text("typ")?,
            members,
        })
    }
}

#[cfg(test)]
mod testing {
    use serde_json::Value;

    use super::*;
    use crate::{Jwk, SigningKey};

    pub(super) fn verifying(key: Value) -> VerifyingKey {
        let jwk = Jwk::parse(key).expect("the key is usable");
        VerifyingKey::from_jwk(&jwk).expect("the key verifies")
    }

    pub(super) fn signing(key: Value) -> SigningKey {
        SigningKey::from_jwk(&Jwk::parse(key).expect("the key is usable")).expect("the key signs")
    }

    /// A compact JWS with this header, signed by `key`.
    pub(super) fn signed(key: &SigningKey, header: &str, payload: &[u8]) -> String {
        let message = format!("{}.{}", b64::encode(header), b64::encode(payload));
        let signature = key.sign(message.as_bytes()).expect("signing works");
        format!("{message}.{}", b64::encode(signature))
    }

    pub(super) fn with_kid(mut key: Value, kid: &str) -> Value {
        key.as_object_mut()
            .expect("a key is an object")
            .insert("kid".into(), kid.into());
        key
    }
}

#[cfg(test)]
mod rfc7515_appendix_a {
    use super::testing::*;
    use super::*;
    use crate::vectors;

    const CLAIMS: &[u8] = b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

    #[test]
    fn the_signatures_of_the_examples_are_right() {
        let examples = [
            (vectors::a1_oct(), vectors::A1, Alg::HS256, CLAIMS),
            (vectors::a2_rsa(), vectors::A2, Alg::RS256, CLAIMS),
            (vectors::a3_ec(), vectors::A3, Alg::ES256, CLAIMS),
            (vectors::a4_ec(), vectors::A4, Alg::ES512, b"Payload"),
            (
                vectors::rfc8037_okp(),
                vectors::RFC8037_A4,
                Alg::EdDSA,
                b"Example of Ed25519 signing",
            ),
        ];
        for (key, jws, alg, payload) in examples {
            let verified = verify_jws(jws, &[verifying(key)], &Alg::ALL).expect("the example is right");
            assert_eq!((verified.alg, verified.payload.as_slice()), (alg, payload));
        }
    }

    #[test]
    fn the_claims_of_the_example_can_be_read() {
        let verified = verify_jws(vectors::A3, &[verifying(vectors::a3_ec())], &[Alg::ES256]).expect("right");
        let claims = verified.claims().expect("the payload is JSON");
        assert_eq!(claims.get("iss"), Some(&Value::from("joe")));
    }

    #[test]
    fn a_jws_without_signature_is_never_accepted() {
        for keys in [vec![], vec![verifying(vectors::a1_oct())]] {
            let error = verify_jws(vectors::A5, &keys, &Alg::ALL).expect_err("none is refused");
            assert!(matches!(error, VerifyError::AlgNotAllowed(alg) if alg == "none"));
        }
    }

    #[test]
    fn the_negative_example_of_appendix_e_is_refused() {
        assert!(verify_jws(vectors::E, &[verifying(vectors::a1_oct())], &Alg::ALL).is_err());
        assert!(
            decode_unverified(vectors::E)
                .expect("it can be read")
                .header
                .members
                .contains_key("crit")
        );
    }
}

#[cfg(test)]
mod rfc7515_5_2 {
    use proptest::prelude::*;
    use serde_json::json;

    use super::testing::*;
    use super::*;
    use crate::vectors;

    #[test]
    fn any_changed_character_is_noticed() {
        let key = [verifying(vectors::a3_ec())];
        for (index, old) in vectors::A3.char_indices() {
            let new = if old == 'A' { "B" } else { "A" };
            let mut changed = vectors::A3.to_owned();
            changed.replace_range(index..=index, new);
            assert!(verify_jws(&changed, &key, &Alg::ALL).is_err(), "character {index}");
        }
    }

    #[test]
    fn parts_that_are_missing_empty_or_too_many_are_refused() {
        let key = [verifying(vectors::a3_ec())];
        for text in [
            "",
            ".",
            "..",
            "a.b",
            &format!("{}.", vectors::A3),
            &format!(".{}", vectors::A3),
            "a.b.c.d.e",
        ] {
            let error = verify_jws(text, &key, &Alg::ALL).expect_err("the text is no JWS");
            assert!(matches!(error, VerifyError::Malformed(_)), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_empty_or_der_encoded_signature_is_refused() {
        let key = [verifying(vectors::a3_ec())];
        let (message, _) = vectors::A3.rsplit_once('.').expect("a JWS has dots");
        for signature in [vec![], vec![0; 64], vec![0x30, 6, 2, 1, 1, 2, 1, 1]] {
            let text = format!("{message}.{}", b64::encode(signature));
            assert!(matches!(
                verify_jws(&text, &key, &Alg::ALL),
                Err(VerifyError::BadSignature)
            ));
        }
    }

    #[test]
    fn a_public_rsa_key_does_not_verify_an_hmac_made_with_it() {
        let jwk = crate::Jwk::parse(vectors::a2_rsa())
            .expect("the key is usable")
            .public()
            .expect("it has a public half");
        let n = b64::decode(jwk.to_value().get("n").and_then(Value::as_str).expect("n")).expect("n is base64url");
        let secret = signing(json!({"kty": "oct", "k": b64::encode(n), "alg": "HS256"}));
        let forged = secret.sign_jws("JWT", b"{}").expect("signing works");
        let keys = [VerifyingKey::from_jwk(&jwk).expect("the key verifies")];
        assert!(matches!(
            verify_jws(&forged, &keys, &[Alg::RS256]),
            Err(VerifyError::AlgNotAllowed(_))
        ));
        assert!(matches!(
            verify_jws(&forged, &keys, &Alg::ALL),
            Err(VerifyError::NoKey(Alg::HS256))
        ));
    }

    #[test]
    fn only_allowed_algorithms_are_accepted() {
        let key = [verifying(vectors::a2_rsa())];
        let error = verify_jws(vectors::A2, &key, &[Alg::PS256, Alg::ES256]).expect_err("RS256 is not allowed");
        assert!(matches!(error, VerifyError::AlgNotAllowed(alg) if alg == "RS256"));
        assert!(verify_jws(vectors::A2, &key, &[]).is_err());
    }

    #[test]
    fn kid_selects_the_key() {
        let keys = [
            verifying(with_kid(vectors::rfc7638_rsa(), "other")),
            verifying(with_kid(vectors::a2_rsa(), "right")),
        ];
        let signed_by = |kid: &str| {
            signing(with_kid(vectors::a2_rsa(), kid))
                .sign_jws("JWT", b"{}")
                .expect("works")
        };
        assert!(verify_jws(&signed_by("right"), &keys, &[Alg::RS256]).is_ok());
        assert!(matches!(
            verify_jws(&signed_by("other"), &keys, &[Alg::RS256]),
            Err(VerifyError::BadSignature)
        ));
        let error = verify_jws(&signed_by("gone"), &keys, &[Alg::RS256]).expect_err("no key has this id");
        assert!(matches!(error, VerifyError::UnknownKid(kid) if kid == "gone"));
    }

    #[test]
    fn without_kid_every_fitting_key_is_tried() {
        let keys = [
            verifying(vectors::a3_ec()),
            verifying(with_kid(vectors::rfc7638_rsa(), "first")),
            verifying(with_kid(vectors::a2_rsa(), "second")),
        ];
        assert!(verify_jws(vectors::A2, &keys, &[Alg::RS256]).is_ok());
        assert!(matches!(
            verify_jws(vectors::A1, &keys, &[Alg::HS256]),
            Err(VerifyError::NoKey(Alg::HS256))
        ));
    }

    #[test]
    fn extensions_that_must_be_understood_are_refused() {
        let (signer, key) = (signing(vectors::a3_ec()), [verifying(vectors::a3_ec())]);
        let critical = signed(&signer, r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, b"{}");
        assert!(matches!(
            verify_jws(&critical, &key, &Alg::ALL),
            Err(VerifyError::Critical)
        ));
        let unencoded = signed(&signer, r#"{"alg":"ES256","b64":false}"#, b"{}");
        assert!(matches!(
            verify_jws(&unencoded, &key, &Alg::ALL),
            Err(VerifyError::Unencoded)
        ));
    }

    #[test]
    fn headers_with_duplicate_or_mistyped_members_are_refused() {
        let (signer, key) = (signing(vectors::a3_ec()), [verifying(vectors::a3_ec())]);
        for header in [
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"typ":"JWT"}"#,
            r#"["ES256"]"#,
            r#"{"alg":"ES256""#,
        ] {
            let error = verify_jws(&signed(&signer, header, b"{}"), &key, &Alg::ALL).expect_err("a bad header");
            assert!(matches!(error, VerifyError::Malformed(_)), "{header}: {error}");
        }
    }

    #[test]
    fn claims_named_twice_are_refused() {
        let signer = signing(vectors::a3_ec());
        let text = signed(&signer, r#"{"alg":"ES256"}"#, br#"{"sub":"a","sub":"b"}"#);
        let verified = verify_jws(&text, &[verifying(vectors::a3_ec())], &Alg::ALL).expect("the signature is right");
        assert!(verified.claims().is_err());
    }

    #[test]
    fn a_key_in_the_header_is_not_believed() {
        let attacker = crate::Jwk::generate(Alg::ES256, "evil", "sig", crate::RsaSize::Bits2048).expect("a key");
        let public = attacker.public().expect("it has a public half").to_value();
        let header = json!({"alg": "ES256", "jwk": public}).to_string();
        let signer = crate::SigningKey::from_jwk(&attacker).expect("the key signs");
        let forged = signed(&signer, &header, b"{}");
        assert!(matches!(
            verify_jws(&forged, &[verifying(vectors::a3_ec())], &Alg::ALL),
            Err(VerifyError::BadSignature)
        ));
    }

    #[test]
    fn a_key_without_kid_signs_a_header_without_kid() {
        let text = signing(vectors::a3_ec())
            .sign_jws("at+jwt", b"{}")
            .expect("signing works");
        let header = decode_unverified(&text).expect("it can be read").header;
        assert_eq!(
            (header.alg.as_str(), header.kid, header.typ.as_deref()),
            ("ES256", None, Some("at+jwt"))
        );
        assert_eq!(header.members.len(), 2);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*", dotted in "[A-Za-z0-9_.-]{0,64}") {
            let key = [verifying(vectors::a1_oct())];
            prop_assert!(verify_jws(&text, &key, &Alg::ALL).is_err());
            prop_assert!(verify_jws(&dotted, &key, &Alg::ALL).is_err());
        }

        #[test]
        fn any_payload_survives(payload: Vec<u8>, kid in "\\PC{0,20}") {
            let key = with_kid(vectors::a1_oct(), &kid);
            let text = signing(key.clone()).sign_jws("JWT", &payload).expect("signing works");
            let verified = verify_jws(&text, &[verifying(key)], &[Alg::HS256]).expect("the signature is right");
            prop_assert_eq!((verified.payload, verified.header.kid), (payload, Some(kid)));
        }
    }
}

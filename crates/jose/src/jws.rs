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
mod tests;

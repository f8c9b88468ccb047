//! JWT assertions, by which a client authenticates or asks for a grant: what both have in common.
//!
//! Implements RFC 7521 §5.2 and RFC 7523 §3, with the guidance of RFC 7523bis: the audience is this server, named by its
//! issuer (preferred) or its token endpoint, and nobody else beside it (D37). Attacks: an assertion that was made for
//! another server (audience), one that was overheard (`jti` is used once, and kept until `exp`, which is bounded), a
//! token of another kind that looks like one (`typ`).

use std::time::Duration;

use aws_lc_rs::digest;
use claviger_jose::{Header, Verified};
use serde_json::{Map, Value};

use crate::context::{Cx, Policy, Timestamp};
use crate::port::{Digest, UsedAssertion};

/// How far the clock of whoever made an assertion may be ahead of ours.
const SKEW: Duration = Duration::from_secs(60);
/// Longest `iss`, `sub` and `jti`, in bytes.
const LONGEST: usize = 1024;

/// What an assertion must be.
pub(crate) struct Rules {
    /// What it is for: assertions of one use are no assertions of another.
    pub(crate) purpose: &'static str,
    /// `typ` of the header besides `JWT`, in small letters and without `application/`.
    pub(crate) typ: &'static str,
    /// How far off `exp` may lie.
    pub(crate) longest: Duration,
    /// Whether `jti` must be there.
    pub(crate) needs_id: bool,
    /// Whether `iat` must be there.
    pub(crate) needs_issue: bool,
}

/// The claims of an assertion that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// `iss`.
    pub(crate) issuer: String,
    /// `sub`.
    pub(crate) subject: String,
    /// The assertion as it is to be remembered, if it has a `jti`.
    pub(crate) used: Option<UsedAssertion>,
}

/// Why an assertion was not accepted. The texts are told to who could sign it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unacceptable {
    #[error("Its payload is not a JSON object with unique names.")]
    Payload,
    #[error("Its header says with 'typ' that it is another kind of token.")]
    Type,
    #[error("The claim '{0}' is missing, empty, too long or of the wrong type.")]
    Claim(&'static str),
    #[error("It has expired. Make a new one for each request.")]
    Expired,
    #[error("Its 'exp' is too far off. Make it for the next minutes.")]
    TooLong,
    #[error("It is not valid yet: 'nbf' or 'iat' lies in the future. Check the clock.")]
    Early,
    #[error("Its 'aud' must be the issuer of this server, and nobody else.")]
    Audience,
}

impl Rules {
    /// Checks everything except the signature and who may be `iss` and `sub`.
    pub(crate) fn accept(&self, cx: &Cx<'_>, verified: &Verified) -> Result<Accepted, Unacceptable> {
        self.check_type(&verified.header)?;
        let claims = verified.claims().map_err(|_| Unacceptable::Payload)?;
        let (issuer, subject) = (text(&claims, "iss")?, text(&claims, "sub")?);
        let expires_at = self.check_times(cx, &claims)?;
        check_audience(cx.policy, claims.get("aud"))?;
        let id = match claims.get("jti") {
            None if !self.needs_id => None,
            _ => Some(text(&claims, "jti")?),
        };
        let used = id.map(|id| UsedAssertion {
            digest: self.digest(issuer, id),
            expires_at,
        });
        Ok(Accepted {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            used,
        })
    }

    /// RFC 8725 §3.11.
    fn check_type(&self, header: &Header) -> Result<(), Unacceptable> {
        let Some(typ) = &header.typ else { return Ok(()) };
        let typ = typ.to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        if typ == "jwt" || typ == self.typ {
            Ok(())
        } else {
            Err(Unacceptable::Type)
        }
    }

    /// "MUST contain an "exp" (expiration time) claim", "MUST reject any JWT with an expiration time that has passed"
    /// (RFC 7523 §3); the end, rounded up, is the answer.
    fn check_times(&self, cx: &Cx<'_>, claims: &Map<String, Value>) -> Result<Timestamp, Unacceptable> {
        let expires_at = time(claims, "exp")?.ok_or(Unacceptable::Claim("exp"))?;
        if expires_at <= cx.now {
            return Err(Unacceptable::Expired);
        }
        if expires_at > cx.now.plus(self.longest).plus(SKEW) {
            return Err(Unacceptable::TooLong);
        }
        let issued_at = time(claims, "iat")?;
        if self.needs_issue && issued_at.is_none() {
            return Err(Unacceptable::Claim("iat"));
        }
        let begins = [issued_at, time(claims, "nbf")?];
        if begins.into_iter().flatten().any(|begin| begin > cx.now.plus(SKEW)) {
            return Err(Unacceptable::Early);
        }
        Ok(expires_at)
    }

    fn digest(&self, issuer: &str, id: &str) -> Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.purpose, issuer, id] {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Digest(bytes)
    }
}

/// One of our names, or a list of nothing else.
fn check_audience(policy: &Policy, audience: Option<&Value>) -> Result<(), Unacceptable> {
    let tokens = |base: &str| format!("{}/oauth2/token", base.trim_end_matches('/'));
    let ours = [
        policy.issuer.clone(),
        tokens(&policy.public_url),
        tokens(&policy.issuer),
    ];
    let is_ours = |name: &Value| {
        let is_advertised = |name: &str| policy.advertised.token.as_deref() == Some(name);
        let name = name.as_str();
        name.is_some_and(|name| ours.iter().any(|our| our == name) || is_advertised(name))
    };
    let is_for_us = match audience.ok_or(Unacceptable::Claim("aud"))? {
        Value::Array(list) => !list.is_empty() && list.iter().all(is_ours),
        one => is_ours(one),
    };
    if is_for_us { Ok(()) } else { Err(Unacceptable::Audience) }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Unacceptable> {
    let text = claims.get(name).and_then(Value::as_str);
    text.filter(|text| !text.is_empty() && text.len() <= LONGEST && !text.contains('\0'))
        .ok_or(Unacceptable::Claim(name))
}

/// A `NumericDate` (RFC 7519 §2), which may have a fraction.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, Unacceptable> {
    /// Seconds that both integers and fractions hold exactly.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..MOST).contains(seconds));
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let whole = seconds.map(|seconds| Timestamp(seconds.ceil() as i64));
    whole.map(Some).ok_or(Unacceptable::Claim(name))
}

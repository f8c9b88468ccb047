//! `client_secret_basic`: HTTP Basic with form-encoded id and secret.
//!
//! Implements RFC 6749 §2.3.1 (id and secret are `application/x-www-form-urlencoded` before they are joined) and
//! RFC 7617 §2 (the scheme in any case, base64 of `id:secret`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Credentials, Presented, Shown};
use crate::client::AuthMethod;
use crate::fault::{Failure, Fault};
use crate::params::decode;

/// An `Authorization` header. No other scheme authenticates clients.
pub(super) fn read(credentials: &Credentials<'_>) -> Result<Option<Presented>, Failure> {
    let Some(header) = credentials.authorization else {
        return Ok(None);
    };
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Fault::ClientSchemeUnsupported.into());
    }
    let (id, secret) = pair(token.trim()).ok_or(Fault::BasicMalformed)?;
    Ok(Some(Presented {
        method: AuthMethod::ClientSecretBasic,
        id,
        shown: if secret.is_empty() {
            Shown::Nothing
        } else {
            Shown::Secret(secret)
        },
    }))
}

fn pair(token: &str) -> Option<(String, Zeroizing<String>)> {
    let joined = Zeroizing::new(STANDARD.decode(token).ok()?);
    let colon = joined.iter().position(|byte| *byte == b':')?;
    let (id, secret) = joined.split_at_checked(colon)?;
    let secret = secret.strip_prefix(b":")?;
    Some((decode(id).ok()?, Zeroizing::new(decode(secret).ok()?)))
}

#[cfg(test)]
mod rfc6749_2_3_1 {
    use proptest::prelude::*;

    use super::*;
    use crate::params::Params;

    fn known(header: &str) -> Option<(String, Option<String>)> {
        let credentials = Credentials {
            authorization: Some(header),
            params: &Params::default(),
        };
        let presented = read(&credentials).ok()??;
        let secret = match presented.shown {
            Shown::Secret(secret) => Some(secret.as_str().to_owned()),
            _ => None,
        };
        Some((presented.id, secret))
    }

    proptest! {
        #[test]
        fn every_id_and_secret_comes_through(id in "[^\0]{0,20}", secret in "[^\0]{1,20}", scheme in "[Bb][Aa][Ss][Ii][Cc]") {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encode(&id), encode(&secret)));
            prop_assert_eq!(known(&format!("{scheme} {pair}")), Some((id, Some(secret))));
        }

        #[test]
        fn anything_else_is_refused_or_read_without_a_nul(header in "(Basic |Bearer )?[A-Za-z0-9+/= ]{0,60}", noise in ".{0,60}") {
            for header in [header, noise] {
                if let Some((id, secret)) = known(&header) {
                    prop_assert!(!id.contains('\0') && !secret.unwrap_or_default().contains('\0'));
                }
            }
        }
    }
}

//! Keys in files: a JWK, a JWK set (RFC 7517), PEM (RFC 7468) or DER.

use serde_json::Value;

use super::failure::Failure;
use super::{files, key_der};

/// The keys of a file as JWKs.
pub(super) fn read(path: &str) -> Result<Vec<Value>, Failure> {
    parse(path, &files::bytes(path)?)
}

/// The keys in `bytes` as JWKs; `origin` names them in errors.
pub(super) fn parse(origin: &str, bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        return match value {
            Value::Object(ref set) if set.get("keys").is_some_and(Value::is_array) => {
                Ok(set.get("keys").and_then(Value::as_array).cloned().unwrap_or_default())
            }
            key if key.get("kty").is_some() => Ok(vec![key]),
            _ => Err(unknown(
                origin,
                "the JSON is neither a key (it has no \"kty\") nor a set (it has no \"keys\")",
            )),
        };
    }
    let der = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => {
            key_der::from_pem(text).map_err(|reason| unknown(origin, reason))?
        }
        Ok(text) if text.trim_start().starts_with(['{', '[']) => return Err(unknown(origin, "the JSON is malformed")),
        _ => bytes.to_vec(),
    };
    let key = key_der::to_jwk(&der).map_err(|reason| unknown(origin, reason))?;
    Ok(vec![key])
}

/// Whether a JWK has private members.
pub(super) fn is_private(key: &Value) -> bool {
    key.get("d").is_some() || key.get("k").is_some()
}

fn unknown(origin: &str, reason: &str) -> Failure {
    Failure::input(format!(
        "No key could be read from {origin}: {reason}.\n\
         Known are JWK and JWK set, and RSA, EC and Ed25519 keys as PEM or DER (PKCS #8, PKCS #1, SEC 1, SPKI)"
    ))
}

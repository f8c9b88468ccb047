//! What a client signed: the keys that it registered, by value, by reference, or shared as its secret.
//!
//! OpenID Connect Core §10.1: `jwks`, `jwks_uri`, and for algorithms of shared keys the UTF-8 of `client_secret`. What a
//! token itself says of keys (`jwk`, `jku`, `x5c`, `x5u`) is never looked at (RFC 8725 §3.10).

use std::slice::from_ref;

use claviger_jose::{Alg, Verified, VerifyError, VerifyingKey, parse_jwk_set, verify_jws};
use serde_json::Value;

use crate::client::Client;
use crate::client_auth::secret;
use crate::context::Cx;
use crate::world::World;

/// The keys at the client's `jwks_uri` could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreachable;

/// The token, if one of the client's own keys signed it by one of these algorithms.
pub(crate) async fn verify(
    world: &World<'_>,
    client: &Client,
    text: &str,
    allowed: &[Alg],
) -> Result<Option<Verified>, Unreachable> {
    let shown = |member: &str| client.display.get(member);
    if let Some(set) = shown("jwks") {
        return Ok(verify_jws(text, &verifying(set.clone()), allowed).ok());
    }
    let Some(url) = shown("jwks_uri").and_then(Value::as_str) else {
        return Ok(None);
    };
    let known = world.remote_keys.known(world, url).await.map_err(|_| Unreachable)?;
    match verify_jws(text, &known.keys, allowed) {
        Ok(verified) => return Ok(Some(verified)),
        // The client may have changed its keys since.
        Err(VerifyError::UnknownKid(_) | VerifyError::NoKey(_) | VerifyError::BadSignature) => {}
        Err(_) => return Ok(None),
    }
    let newer = world.remote_keys.newer(world, url, &known).await;
    let newer = newer.map_err(|_| Unreachable)?;
    Ok(newer.and_then(|newer| verify_jws(text, &newer.keys, allowed).ok()))
}

/// The token, if its MAC by this algorithm is under one of the client's secrets, which only clients that sign with them
/// have in a usable form.
pub(crate) fn verify_shared(cx: &Cx<'_>, client: &Client, text: &str, alg: Alg) -> Option<Verified> {
    let secrets = client.secrets.iter();
    let opened = secrets.filter_map(|stored| secret::open(cx.secrets, &client.id, stored));
    let keys: Vec<_> = opened
        .filter_map(|secret| VerifyingKey::from_secret(alg, secret.as_bytes()).ok())
        .collect();
    // There is no choice of keys to make, whatever `kid` says.
    keys.iter().find_map(|key| verify_jws(text, from_ref(key), &[alg]).ok())
}

/// The keys of a set that can verify; others may be for encryption or of kinds to come.
fn verifying(set: Value) -> Vec<VerifyingKey> {
    let keys = parse_jwk_set(set).unwrap_or_default();
    keys.iter().filter_map(|key| VerifyingKey::from_jwk(key).ok()).collect()
}

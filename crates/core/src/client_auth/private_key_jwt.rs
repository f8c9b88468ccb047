//! `private_key_jwt`: an assertion signed with a key of the client's own.
//!
//! Implements OpenID Connect Core §9 and RFC 7523 §2.2. The keys are those that the client registered, by value (`jwks`)
//! or by reference (`jwks_uri`); what the assertion itself says of keys (`jwk`, `jku`, `x5c`, `x5u`) is never looked at.

use claviger_jose::{Verified, VerifyError, VerifyingKey, parse_jwk_set, verify_jws};
use serde_json::Value;

use super::assertion::{self, Assertion};
use super::{Credentials, Presented, Shown};
use crate::client::{AuthMethod, Client};
use crate::fault::{Failure, Fault};
use crate::world::World;

/// A `client_assertion` with a public-key algorithm, or with one that is not known.
pub(super) fn read(credentials: &Credentials<'_>) -> Result<Option<Presented>, Failure> {
    let assertion = assertion::read(credentials, false)?;
    Ok(assertion.map(|assertion| Presented {
        method: AuthMethod::PrivateKeyJwt,
        id: assertion.id.clone(),
        shown: Shown::Assertion(assertion),
    }))
}

/// The assertion, if the client signed it.
pub(super) async fn verify(
    world: &World<'_>,
    client: &Client,
    assertion: &Assertion,
) -> Result<Option<Verified>, Failure> {
    let allowed = [assertion::algorithm(client)];
    let shown = |member: &str| client.display.get(member);
    if let Some(set) = shown("jwks") {
        let keys = verifying(set.clone());
        return Ok(verify_jws(&assertion.text, &keys, &allowed).ok());
    }
    let Some(url) = shown("jwks_uri").and_then(Value::as_str) else {
        return Ok(None);
    };
    let unreachable = |_| Fault::ClientAssertion.because("The keys at the client's jwks_uri could not be fetched.");
    let known = world.remote_keys.known(world, url).await.map_err(unreachable)?;
    match verify_jws(&assertion.text, &known.keys, &allowed) {
        Ok(verified) => return Ok(Some(verified)),
        // The client may have changed its keys since.
        Err(VerifyError::UnknownKid(_) | VerifyError::NoKey(_) | VerifyError::BadSignature) => {}
        Err(_) => return Ok(None),
    }
    let newer = world.remote_keys.newer(world, url, &known).await.map_err(unreachable)?;
    Ok(newer.and_then(|newer| verify_jws(&assertion.text, &newer.keys, &allowed).ok()))
}

/// The keys of a set that can verify; others may be for encryption or of kinds to come.
fn verifying(set: Value) -> Vec<VerifyingKey> {
    let keys = parse_jwk_set(set).unwrap_or_default();
    keys.iter().filter_map(|key| VerifyingKey::from_jwk(key).ok()).collect()
}

//! `client_secret_jwt`: an assertion with a MAC under the client's secret.
//!
//! Implements OpenID Connect Core §9 and §10.1 (the key is the secret's UTF-8) and RFC 7523 §2.2. The server must know the
//! secret itself, so for these clients it is sealed in the database and not a digest. Attacks: guessing the secret from
//! an assertion (generated ones have 256 bits, chosen ones at least as many octets as the hash: RFC 7518 §3.2).

use claviger_jose::Verified;

use super::assertion::{self, Assertion};
use super::{Credentials, Presented, Shown};
use crate::client::{AuthMethod, Client};
use crate::client_keys;
use crate::fault::Failure;
use crate::world::World;

/// A `client_assertion` with an algorithm of shared keys.
pub(super) fn read(credentials: &Credentials<'_>) -> Result<Option<Presented>, Failure> {
    let assertion = assertion::read(credentials, true)?;
    Ok(assertion.map(|assertion| Presented {
        method: AuthMethod::ClientSecretJwt,
        id: assertion.id.clone(),
        shown: Shown::Assertion(assertion),
    }))
}

/// The assertion, if its MAC is under one of the client's secrets.
pub(super) fn verify(world: &World<'_>, client: &Client, assertion: &Assertion) -> Option<Verified> {
    client_keys::verify_shared(&world.cx, client, &assertion.text, assertion::algorithm(client))
}

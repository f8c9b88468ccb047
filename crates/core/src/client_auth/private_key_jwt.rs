//! `private_key_jwt`: an assertion signed with a key of the client's own.
//!
//! Implements OpenID Connect Core §9 and RFC 7523 §2.2. The keys are those that the client registered ([`client_keys`]).

use claviger_jose::Verified;

use super::assertion::{self, Assertion};
use super::{Credentials, Presented, Shown};
use crate::client::{AuthMethod, Client};
use crate::client_keys;
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
    let verified = client_keys::verify(world, client, &assertion.text, &allowed).await;
    verified.map_err(|_| Fault::ClientAssertion.because("The keys at the client's jwks_uri could not be fetched."))
}

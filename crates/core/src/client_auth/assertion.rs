//! What both methods with an assertion share: reading it, its claims, and that it is used once.
//!
//! Implements RFC 7521 §4.2 and RFC 7523 §2.2 and §3.

use std::time::Duration;

use claviger_jose::{Alg, Verified, decode_unverified};
use serde_json::Value;

use super::Credentials;
use crate::assertion::{Accepted, Rules};
use crate::client::{AuthMethod, Client};
use crate::fault::{Failure, Fault};
use crate::world::World;

/// `client_assertion_type` of a JWT.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const RULES: Rules = Rules {
    purpose: "client authentication",
    typ: "client-authentication+jwt",
    longest: Duration::from_secs(24 * 3600),
    needs_id: true,
    needs_issue: false,
};

/// An assertion that was sent, with nothing checked but its form.
pub(super) struct Assertion {
    pub(super) text: String,
    /// Who it says to be.
    pub(super) id: String,
    is_symmetric: bool,
}

/// The assertion of the request, if it has one of this kind.
pub(super) fn read(credentials: &Credentials<'_>, is_symmetric: bool) -> Result<Option<Assertion>, Failure> {
    let params = credentials.params;
    if !params.has("client_assertion") && !params.has("client_assertion_type") {
        return Ok(None);
    }
    if params.get("client_assertion_type") != Some(TYPE) {
        return Err(Fault::ClientAssertionType.into());
    }
    let text = params.get("client_assertion").ok_or(Fault::ClientAssertionMissing)?;
    let unverified = decode_unverified(text).map_err(|error| Fault::ClientAssertion.because(error.to_string()))?;
    let claims = unverified.claims();
    let claims = claims.map_err(|_| Fault::ClientAssertion.because("Its payload is not a JSON object."))?;
    // Only to find the client: whether the assertion is its own is decided with its keys.
    let named = params.get("client_id");
    let named = named.or_else(|| claims.get("sub").and_then(Value::as_str));
    let named = named.ok_or_else(|| Fault::ClientAssertion.because("Its 'sub' must be the client id."))?;
    let assertion = Assertion {
        text: text.to_owned(),
        id: named.to_owned(),
        is_symmetric: Alg::parse(&unverified.header.alg).is_some_and(Alg::is_symmetric),
    };
    Ok(Some(assertion).filter(|assertion| assertion.is_symmetric == is_symmetric))
}

/// The one algorithm that the client may sign with (`token_endpoint_auth_signing_alg`).
pub(super) fn algorithm(client: &Client) -> Alg {
    let default = match client.auth_method {
        AuthMethod::ClientSecretJwt => Alg::HS256,
        _ => Alg::RS256,
    };
    let registered = client.display.get("token_endpoint_auth_signing_alg");
    registered
        .and_then(Value::as_str)
        .and_then(Alg::parse)
        .unwrap_or(default)
}

/// Checks the claims of an assertion that `client` signed.
pub(super) fn accept(world: &World<'_>, client: &Client, verified: &Verified) -> Result<Accepted, Failure> {
    let refused = |why: String| Fault::ClientAssertion.because(why);
    let accepted = RULES
        .accept(&world.cx, verified)
        .map_err(|why| refused(why.to_string()))?;
    // "the "sub" ... MUST be the "client_id" of the OAuth client", and so the "iss" (RFC 7523 §3).
    if *accepted.issuer != *client.id || *accepted.subject != *client.id {
        return Err(refused("Its 'iss' and 'sub' must both be the client id.".to_owned()));
    }
    Ok(accepted)
}

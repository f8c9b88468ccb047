//! The userinfo endpoint.
//!
//! Implements OpenID Connect Core §5.3 and RFC 6750 §2. Deviates: a token in the query is not looked at (RFC 6750 §2.3,
//! RFC 9700 §4.3.2: it would end in logs). Attacks: tokens of other purposes (the scope `openid` is asked for, D25),
//! claims of the consent application that would pass as ours.

use serde_json::{Map, Value, json};

use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::token::lookup::KnownAccess;
use crate::world::World;

/// Claims that belong to tokens (RFC 7519 §4.1, OpenID Connect Core §2 and §3.3.2.11) or are ours to set: they never
/// come from the consent application.
const PROTOCOL_CLAIMS: [&str; 16] = [
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "rat",
    "sid",
    "sub",
];

/// The access token of a request, from the header `Authorization` or the parameter `access_token` of a form.
///
/// # Errors
/// [`Fault::BearerMissing`] if there is none, [`Fault::BearerTwice`] if it is in both places (RFC 6750 §2).
pub fn bearer<'a>(authorization: Option<&'a str>, form: &'a Params) -> Result<&'a str, Fault> {
    let header = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match (header.filter(|token| !token.is_empty()), form.get("access_token")) {
        (Some(token), None) | (None, Some(token)) => Ok(token),
        // "Clients MUST NOT use more than one method to transmit the token in each request."
        (Some(_), Some(_)) => Err(Fault::BearerTwice),
        (None, None) => Err(Fault::BearerMissing),
    }
}

/// The claims about the person who granted the access token.
///
/// # Errors
/// [`Fault::BearerInvalid`] if it is no living access token, [`Fault::OpenIdNotGranted`] if it is not for OpenID
/// Connect, [`Failure::Store`] if the database does not answer.
pub async fn userinfo(world: &World<'_>, token: &str) -> Result<Map<String, Value>, Failure> {
    let token = KnownAccess::find(world, token).await?;
    let token = token
        .filter(|token| token.lives(world.cx.now))
        .ok_or(Fault::BearerInvalid)?;
    claims(&world.cx, &token)
}

fn claims(cx: &Cx<'_>, token: &KnownAccess) -> Result<Map<String, Value>, Failure> {
    // A client that acts for itself has no person to tell of, whatever its scope.
    let grant = token.grant().ok_or(Fault::OpenIdNotGranted)?;
    if !token.scope().iter().any(|scope| scope == "openid") {
        return Err(Fault::OpenIdNotGranted.into());
    }
    let consented = Consented::open(cx, grant)?;
    let mut claims = consented.userinfo.unwrap_or(consented.id_token);
    claims.retain(|name, _| !PROTOCOL_CLAIMS.contains(&name.as_str()));
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("sub", json!(grant.subject));
    set("iss", json!(cx.policy.issuer));
    set("aud", json!([grant.client_id]));
    set("iat", json!(token.issued_at.0));
    set("auth_time", json!(consented.auth_time));
    if let Some(acr) = consented.acr {
        set("acr", json!(acr));
    }
    if !consented.amr.is_empty() {
        set("amr", json!(consented.amr));
    }
    Ok(claims)
}

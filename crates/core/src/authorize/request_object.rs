//! Authorization requests that a client signed.
//!
//! Implements RFC 9101 (`request` by value, §5.1; `request_uri` by reference, §5.2) and OpenID Connect Core §6. With the
//! media type of RFC 9101 in `typ` only what the object says counts (§6.3); without it, the rules of OpenID Connect Core
//! §6.1 hold: the object supersedes parameters beside it. Encrypted objects are not supported.
//!
//! Attacks: requests changed in the browser (signature), an object of another client (`client_id`, `iss`), another kind of
//! JWT that passes for one (§10.8: `typ`, and `sub` is not the client), fetches of what nobody registered (`request_uri` is
//! compared to the letter, and goes through the guarded client).

use claviger_jose::{Alg, Header, decode_unverified, parse_object};
use serde_json::{Map, Value};

use super::end::End;
use super::request::Refused;
use crate::client::Client;
use crate::client_keys;
use crate::fault::{Failure, Fault};
use crate::outgoing::Outgoing;
use crate::params::Params;
use crate::port::Freshness;
use crate::world::World;

/// `typ` of RFC 9101 §10.8, without `application/`.
const TYPE: &str = "oauth-authz-req+jwt";
/// How far ahead a client's clock may be, in seconds.
const SKEW: i64 = 60;
/// Claims about the object itself, which are no parameters.
const ABOUT: [&str; 7] = ["iss", "aud", "exp", "iat", "nbf", "jti", "sub"];

/// The parameters of the request: those that were sent, or those of the object that was sent with them.
pub(super) async fn resolve(world: &World<'_>, params: Params) -> Result<Params, Refused> {
    if params.get("request").is_none() && params.get("request_uri").is_none() {
        return Ok(params);
    }
    let id = params.get("client_id").ok_or(Fault::ClientMissing)?;
    let client = world.client(id, Freshness::Latest).await?;
    let client = client.ok_or(Fault::ClientMissing)?;
    match object(world, &client, &params).await {
        Ok(resolved) => Ok(resolved),
        Err(failure) => Err(match End::find(world, &client, &params, None).await {
            Ok(end) => end.refuse(failure),
            Err(_) => Refused::Here(failure),
        }),
    }
}

async fn object(world: &World<'_>, client: &Client, params: &Params) -> Result<Params, Failure> {
    let text = match (params.get("request"), params.get("request_uri")) {
        (Some(_), Some(_)) => return Err(Fault::RequestTwice.into()),
        (Some(text), None) => text.to_owned(),
        (None, uri) => fetched(world, client, uri.unwrap_or_default()).await?,
    };
    let (header, claims) = opened(world, client, text.trim()).await?;
    judge(world, client, &claims)?;
    let outer = params.without(&["request", "request_uri"]);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in claims.iter().filter(|(name, _)| !ABOUT.contains(&name.as_str())) {
        let values = values(name, value).ok_or_else(|| malformed(&format!("'{name}' is no text.")))?;
        // As in a query: no database can store it, and no parameter needs it.
        if values.iter().any(|value| value.contains('\0')) {
            return Err(malformed("It contains a NUL character."));
        }
        pairs.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    let is_named = |name: &str| claims.contains_key(name);
    if !is_named("client_id") || !is_strict(&header) {
        let kept = outer.pairs().iter().filter(|(name, _)| !is_named(name));
        let kept = kept.filter(|(name, _)| !is_strict(&header) || name == "client_id");
        pairs.extend(kept.cloned());
    }
    Ok(Params::from_pairs(pairs))
}

/// §5.2.3.
async fn fetched(world: &World<'_>, client: &Client, uri: &str) -> Result<String, Failure> {
    let registered = client.display.get("request_uris").and_then(Value::as_array);
    let is_registered = registered.is_some_and(|all| all.iter().any(|known| known.as_str() == Some(uri)));
    if !is_registered {
        return Err(Fault::RequestUriUnregistered.into());
    }
    let request = Outgoing {
        accept: "application/oauth-authz-req+jwt, application/jwt",
        ..Outgoing::get(uri.split('#').next().unwrap_or_default())
    };
    let answer = world
        .fetch
        .fetch(request)
        .await
        .map_err(|_| Fault::RequestUriUnanswered)?;
    let text = String::from_utf8(answer.body).ok().filter(|_| answer.status == 200);
    text.ok_or_else(|| Fault::RequestUriUnanswered.into())
}

/// Header and claims, if the client stands for them as it is registered to (`request_object_signing_alg`).
async fn opened(world: &World<'_>, client: &Client, text: &str) -> Result<(Header, Map<String, Value>), Failure> {
    let unverified = decode_unverified(text).map_err(|_| malformed("It is not a JWT."))?;
    let header = unverified.header;
    if header
        .typ
        .as_deref()
        .is_some_and(|typ| !is_type(typ, "jwt") && !is_type(typ, TYPE))
    {
        return Err(malformed(
            "Its header says with 'typ' that it is another kind of token.",
        ));
    }
    let registered = client.display.get("request_object_signing_alg").and_then(Value::as_str);
    let registered = registered.filter(|name| !name.is_empty());
    if registered.is_some_and(|name| name != header.alg) {
        return Err(malformed(
            "It is not signed by the registered 'request_object_signing_alg'.",
        ));
    }
    if header.alg == "none" {
        // Unsigned objects only where the registration asks for them, and truly unsigned ones.
        let is_agreed = registered == Some("none") && text.ends_with('.');
        let claims = parse_object(&unverified.payload).ok().filter(|_| is_agreed);
        return claims
            .map(|claims| (header, claims))
            .ok_or_else(|| malformed("It is not signed."));
    }
    let alg = Alg::parse(&header.alg).ok_or_else(|| malformed("Its algorithm is not supported."))?;
    let verified = if alg.is_symmetric() {
        client_keys::verify_shared(&world.cx, client, text, alg)
    } else {
        let verified = client_keys::verify(world, client, text, &[alg]).await;
        verified.map_err(|_| malformed("The keys at the client's jwks_uri could not be fetched."))?
    };
    let verified = verified.ok_or_else(|| malformed("No key that is registered for the client verifies it."))?;
    let claims = verified
        .claims()
        .map_err(|_| malformed("Its payload is not a JSON object with unique names."))?;
    Ok((verified.header, claims))
}

/// Whose object it is, for whom, and when.
fn judge(world: &World<'_>, client: &Client, claims: &Map<String, Value>) -> Result<(), Failure> {
    let cx = &world.cx;
    let is_client = |name: &str| claims.get(name).is_none_or(|value| value.as_str() == Some(&client.id));
    if !is_client("client_id") || !is_client("iss") {
        return Err(malformed("Its 'client_id' or 'iss' is another client."));
    }
    if claims.get("sub").and_then(Value::as_str) == Some(&client.id) {
        return Err(malformed("It is an assertion that authenticates a client."));
    }
    if claims.contains_key("request") || claims.contains_key("request_uri") {
        return Err(malformed("A request object has no other one inside."));
    }
    let ours = |value: &Value| {
        value
            .as_str()
            .is_some_and(|aud| aud == cx.policy.issuer || aud == cx.policy.public_url)
    };
    let is_for_us = match claims.get("aud") {
        None => true,
        Some(Value::Array(all)) => all.iter().any(ours),
        Some(one) => ours(one),
    };
    if !is_for_us {
        return Err(malformed("Its 'aud' is not the issuer of this server."));
    }
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .map(Some)
            .ok_or_else(|| malformed(&format!("'{name}' is no time in whole seconds."))),
    };
    if time("exp")?.is_some_and(|exp| exp <= cx.now.0) {
        return Err(malformed("It has expired. Make a new one for each request."));
    }
    let begins = [time("nbf")?, time("iat")?];
    if begins
        .into_iter()
        .flatten()
        .any(|begin| begin > cx.now.0.saturating_add(SKEW))
    {
        return Err(malformed("It is not valid yet: 'nbf' or 'iat' lies in the future."));
    }
    Ok(())
}

/// The values of a parameter. Those that are JSON in themselves (`claims`) come as they are.
fn values(name: &str, value: &Value) -> Option<Vec<String>> {
    Some(match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(flag) => vec![flag.to_string()],
        Value::Object(_) if name == "claims" => vec![value.to_string()],
        Value::Array(all) if matches!(name, "resource" | "audience") => {
            let texts = all.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect::<Option<_>>()?
        }
        _ => return None,
    })
}

fn is_strict(header: &Header) -> bool {
    header.typ.as_deref().is_some_and(|typ| is_type(typ, TYPE))
}

/// Media types are compared without case, and with or without `application/` (RFC 7515 §4.1.9).
fn is_type(typ: &str, wanted: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == wanted
}

fn malformed(why: &str) -> Failure {
    Fault::RequestObjectInvalid.because(why.to_owned())
}

#[cfg(test)]
mod tests;

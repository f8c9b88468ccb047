//! The checks of an authorization request: one function and one line in [`CHECKS`] for each.
//!
//! All of them are made when the request arrives (D22), so nobody logs in for a request that could not succeed. RFC 6749
//! §4.1.1, RFC 7636 §4.3, RFC 9700 §2.1, OpenID Connect Core §3.1.2.2.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::prompt::Prompt;
use super::response_mode::ResponseMode;
use super::response_type::ResponseType;
use crate::client::Client;
use crate::context::Policy;
use crate::fault::{Failure, Fault};
use crate::grant::DEVICE_CODE;
use crate::params::Params;
use crate::target::Target;

/// What a check looks at.
pub(super) struct Subject<'a> {
    pub(super) params: &'a Params,
    pub(super) client: &'a Client,
    pub(super) policy: &'a Policy,
}

pub(super) type Check = fn(&Subject<'_>) -> Result<(), Failure>;

/// Every check, in the order in which a request with several defects is told of the first. The first two say how
/// the error is delivered at all.
pub(super) const CHECKS: &[Check] = &[
    response_mode,
    response_type,
    registration,
    scopes,
    audiences,
    prompt,
    max_age,
    nonce,
    pkce,
    state,
];

/// The checks of a request that a device made. It has no other parameters.
pub(super) const OF_DEVICES: &[Check] = &[device_grant, scopes, audiences];

/// Fewest characters of a `nonce`, and of a `state` that alone protects a request.
const ENOUGH: usize = 8;

fn response_mode(request: &Subject<'_>) -> Result<(), Failure> {
    let Some(name) = request.params.get("response_mode") else {
        return Ok(());
    };
    let response_type = ResponseType::of(request.params);
    match ResponseMode::named(name).filter(|mode| mode.suits(response_type)) {
        Some(_) => Ok(()),
        None => Err(Fault::ResponseModeUnsupported.into()),
    }
}

fn response_type(request: &Subject<'_>) -> Result<(), Failure> {
    let response_type = ResponseType::of(request.params).ok_or(Fault::ResponseTypeUnsupported)?;
    if !response_type.is_registered(request.client) {
        return Err(Fault::ResponseTypeUnregistered.into());
    }
    let is_openid = || request.params.scope().iter().any(|scope| scope == "openid");
    if response_type.has_id_token() && !is_openid() {
        return Err(Fault::IdTokenWithoutOpenId.into());
    }
    Ok(())
}

/// The registration may have changed since the device asked.
fn device_grant(request: &Subject<'_>) -> Result<(), Failure> {
    if request.client.has_grant_type(DEVICE_CODE) {
        Ok(())
    } else {
        Err(Fault::GrantTypeUnregistered.into())
    }
}

fn registration(request: &Subject<'_>) -> Result<(), Failure> {
    match request.params.get("registration") {
        Some(_) => Err(Fault::RegistrationParameter.into()),
        None => Ok(()),
    }
}

fn scopes(request: &Subject<'_>) -> Result<(), Failure> {
    let mut wanted = request.params.scope().into_iter();
    match wanted.find(|scope| !request.client.may_have_scope(request.policy, scope)) {
        Some(scope) => Err(Fault::ScopeUnregistered.because(format!("It is '{scope}'."))),
        None => Ok(()),
    }
}

fn audiences(request: &Subject<'_>) -> Result<(), Failure> {
    Target::parse(request.params)?.require_registered(request.client)
}

fn prompt(request: &Subject<'_>) -> Result<(), Failure> {
    Prompt::parse(request.params.get("prompt").unwrap_or_default())?;
    Ok(())
}

fn max_age(request: &Subject<'_>) -> Result<(), Failure> {
    match request.params.get("max_age") {
        Some(text) if text.parse::<u32>().is_err() => Err(Fault::MaxAgeMalformed.into()),
        _ => Ok(()),
    }
}

/// OpenID Connect Core §15.5.2; §3.2.2.1 and §3.3.2.11: whoever brings an ID token through a browser must show that it is
/// the one that was asked for.
fn nonce(request: &Subject<'_>) -> Result<(), Failure> {
    let is_required = ResponseType::of(request.params).is_some_and(ResponseType::has_id_token);
    match request.params.get("nonce") {
        None if is_required => Err(Fault::NonceMissing.into()),
        Some(nonce) if nonce.chars().count() < ENOUGH => Err(Fault::NonceTooShort.into()),
        _ => Ok(()),
    }
}

/// RFC 7636 §4.3 with S256 only (RFC 9700 §2.1.1). A method without a challenge means nothing, nor does a challenge without
/// a code.
fn pkce(request: &Subject<'_>) -> Result<(), Failure> {
    if !ResponseType::of(request.params).is_some_and(ResponseType::has_code) {
        return Ok(());
    }
    let Some(challenge) = request.params.get("code_challenge") else {
        return if request.client.must_use_pkce(request.policy) {
            Err(Fault::ChallengeRequired.into())
        } else {
            Ok(())
        };
    };
    if request.params.get("code_challenge_method") != Some("S256") {
        return Err(Fault::ChallengeMethod.into());
    }
    let is_digest = URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|bytes| bytes.len() == 32);
    if is_digest {
        Ok(())
    } else {
        Err(Fault::ChallengeMalformed.into())
    }
}

/// D18: `state` is optional, but one that is too short to be a secret is refused unless PKCE or `nonce` does its work
/// (RFC 9700 §2.1: which of the three a client uses against CSRF is its own decision).
fn state(request: &Subject<'_>) -> Result<(), Failure> {
    let params = request.params;
    let is_short = params.get("state").is_some_and(|state| state.chars().count() < ENOUGH);
    let is_protected = params.get("code_challenge").is_some() || params.get("nonce").is_some();
    if is_short && !is_protected {
        return Err(Fault::StateTooShort.into());
    }
    Ok(())
}

//! What a client may be registered with.
//!
//! RFC 7591 §2 and §3.2.2, OpenID Connect Dynamic Client Registration §2, RFC 6749 §3.1.2 and RFC 8252 §7 (redirect
//! URIs), Back-Channel Logout §2.2. Every refusal names the member (D33), and no private key is taken or repeated (D32).
//! Attacks: redirect URIs that run as a script or read differently in a browser than here.

use claviger_jose::{Alg, Jwk, VerifyingKey, parse_jwk_set};
use serde_json::{Map, Value};
use url::Url;

use super::choices::{PAIRWISE, PUBLIC};
use super::forms::{RULES, Rule, redirect_uri};
use super::metadata::{ClientSecret, Metadata};
use super::{AuthMethod, Choices, Client};
use crate::client_auth::LastProven;
use crate::context::{Policy, Timestamp};
use crate::fault::{Failure, Fault};
use crate::scope::is_scope_token;
use crate::subject::sector;

/// Fewest characters of a secret that somebody chose.
const SHORTEST_SECRET: usize = 6;

/// Most characters of a `client_id`.
const LONGEST_ID: usize = 255;

/// How deep the free-form members may be nested: the document in the database must be readable, and 128 levels are.
pub(super) const DEEPEST: usize = 100;

/// A client as it was asked for, every rule checked and every default filled in; and the secret that was chosen for it.
#[derive(Debug)]
pub struct Validated {
    /// The client, with the id that was asked for, and without digests of secrets.
    pub client: Client,
    /// The chosen secret, or an empty one.
    pub secret: ClientSecret,
}

/// Checks a client's metadata. The id is not looked at: see [`client_id`].
///
/// # Errors
/// `invalid_redirect_uri` or `invalid_client_metadata`, naming the member (RFC 7591 §3.2.2).
pub fn validate(mut metadata: Metadata, policy: &Policy) -> Result<Validated, Failure> {
    without_empty_values(&mut metadata);
    for value in &metadata.redirect_uris {
        redirect_uri(value)
            .map_err(|reason| Fault::RedirectUriInvalid.because(told("redirect_uris", value, reason)))?;
    }
    for Rule { member, values, form } in RULES {
        for value in values(&metadata).iter().filter(|value| !value.is_empty()) {
            form(value).map_err(|reason| refused(told(member, value, reason)))?;
        }
    }
    keys(&metadata)?;
    post_logout_redirect_uris(&metadata)?;
    subject_type(&mut metadata, policy)?;
    let auth_method = auth_method(&metadata.token_endpoint_auth_method)?;
    signing(&metadata, auth_method)?;
    if metadata.resource_server && auth_method == AuthMethod::None {
        return Err(refused(
            "A client with the 'token_endpoint_auth_method' none cannot be a 'resource_server': introspection needs to know \
             who asks. Register it with a secret or keys."
                .to_owned(),
        ));
    }
    if metadata.resource_server && metadata.subject_type == PAIRWISE {
        return Err(refused(
            "A client with the 'subject_type' pairwise cannot be a 'resource_server': introspection tells that one what the \
             login app calls people. Register it with the 'subject_type' public."
                .to_owned(),
        ));
    }
    let secret = chosen_secret(&mut metadata, auth_method)?;
    let scope = scope(&metadata.scope, policy)?;
    fill_defaults(&mut metadata);
    into_client(metadata, auth_method, scope).map(|client| Validated { client, secret })
}

/// Whether `id` can name a client.
///
/// # Errors
/// `invalid_client_metadata` for ids that no URL or database can carry.
pub fn client_id(id: &str) -> Result<(), Failure> {
    let reason = if id.chars().count() > LONGEST_ID {
        "is longer than 255 characters"
    } else if id.chars().any(char::is_control) {
        "has control characters"
    } else if matches!(id, "." | "..") {
        "is a name that URLs cannot carry"
    } else {
        return Ok(());
    };
    Err(refused(told("client_id", id, reason)))
}

fn refused(detail: String) -> Failure {
    Fault::ClientMetadataInvalid.because(detail)
}

/// Names the member and repeats its value, or the beginning of a long one.
pub(super) fn told(member: &str, value: &str, reason: &str) -> String {
    const SHOWN: usize = 100;
    let shown: String = value.chars().take(SHOWN).collect();
    let dots = if shown.len() < value.len() { "..." } else { "" };
    format!("The value '{shown}{dots}' of '{member}' {reason}.")
}

/// `""` in a list stands for nothing, and so does `null`, which is read as `""`.
fn without_empty_values(metadata: &mut Metadata) {
    for list in [
        &mut metadata.redirect_uris,
        &mut metadata.grant_types,
        &mut metadata.response_types,
        &mut metadata.audience,
        &mut metadata.allowed_cors_origins,
        &mut metadata.contacts,
        &mut metadata.request_uris,
        &mut metadata.post_logout_redirect_uris,
        &mut metadata.default_acr_values,
    ] {
        list.retain(|value| !value.is_empty());
    }
}

/// RFC 7591 §2: "If omitted, the default is ...".
fn fill_defaults(metadata: &mut Metadata) {
    let fill = |list: &mut Vec<String>, default: &str| {
        if list.is_empty() {
            list.push(default.to_owned());
        }
    };
    fill(&mut metadata.grant_types, "authorization_code");
    fill(&mut metadata.response_types, "code");
    for origin in &mut metadata.allowed_cors_origins {
        origin.truncate(origin.trim_end_matches('/').len());
    }
}

fn into_client(mut metadata: Metadata, auth_method: AuthMethod, scope: Vec<String>) -> Result<Client, Failure> {
    let id = std::mem::take(&mut metadata.client_id).into();
    let response_types = std::mem::take(&mut metadata.response_types);
    metadata.token_endpoint_auth_method.clear();
    metadata.scope.clear();
    let client = Client {
        id,
        version: 0,
        secrets: Vec::new(),
        auth_method,
        choices: Choices::take(&mut metadata),
        redirect_uris: std::mem::take(&mut metadata.redirect_uris),
        grant_types: std::mem::take(&mut metadata.grant_types),
        response_types: response_types.iter().map(|words| sorted(words)).collect(),
        scope,
        audience: std::mem::take(&mut metadata.audience),
        skip_consent: std::mem::take(&mut metadata.skip_consent),
        registration: None,
        lifespans: metadata.take_lifespans(),
        display: Map::new(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        last_proven: LastProven::default(),
    };
    let display = metadata
        .into_display()
        .map_err(|error| Failure::Internal(format!("a client's metadata cannot be written: {error}")))?;
    if display.values().any(|value| is_deeper_than(DEEPEST, value)) {
        return Err(refused(format!("A member is nested deeper than {DEEPEST} levels.")));
    }
    Ok(Client { display, ..client })
}

fn sorted(words: &str) -> String {
    let mut words: Vec<&str> = words.split_ascii_whitespace().collect();
    words.sort_unstable();
    words.join(" ")
}

/// Whether `value` has more than `levels` levels of arrays and objects. Stops there, so that it cannot go too deep.
pub(super) fn is_deeper_than(levels: usize, value: &Value) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper_than(below, item)),
        Value::Object(members) => members.values().any(|member| is_deeper_than(below, member)),
        _ => false,
    }
}

fn auth_method(name: &str) -> Result<AuthMethod, Failure> {
    if name.is_empty() {
        return Ok(AuthMethod::ClientSecretBasic);
    }
    let known = AuthMethod::ALL.into_iter().find(|method| method.as_str() == name);
    known.ok_or_else(|| {
        let reason =
            "is not supported; use client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none";
        refused(told("token_endpoint_auth_method", name, reason))
    })
}

/// OpenID Connect Dynamic Client Registration §2: a client that signs assertions needs an algorithm of its method, and
/// one that signs with keys of its own must say which.
fn signing(metadata: &Metadata, auth_method: AuthMethod) -> Result<(), Failure> {
    let member = "token_endpoint_auth_signing_alg";
    let name = &metadata.token_endpoint_auth_signing_alg;
    let is_symmetric = Alg::parse(name).map(Alg::is_symmetric);
    match (auth_method, is_symmetric) {
        (AuthMethod::PrivateKeyJwt, Some(true)) => {
            let reason = "is for shared keys; private_key_jwt needs another one, RS256 or ES256 for example";
            Err(refused(told(member, name, reason)))
        }
        (AuthMethod::ClientSecretJwt, Some(false)) => {
            let reason = "is not for shared keys; client_secret_jwt needs HS256, HS384 or HS512";
            Err(refused(told(member, name, reason)))
        }
        (AuthMethod::PrivateKeyJwt, _) if metadata.jwks.is_empty() && metadata.jwks_uri.is_empty() => Err(refused(
            "The 'token_endpoint_auth_method' private_key_jwt needs the client's public keys: send 'jwks' or 'jwks_uri'.".to_owned(),
        )),
        (AuthMethod::PrivateKeyJwt, _) if !metadata.jwks.is_empty() && !has_verifying_key(metadata) => Err(refused(
            "The member 'jwks' has no key that verifies signatures, which private_key_jwt needs.".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn has_verifying_key(metadata: &Metadata) -> bool {
    let keys = parse_jwk_set(Value::Object(metadata.jwks.clone())).unwrap_or_default();
    keys.iter().any(|key| VerifyingKey::from_jwk(key).is_ok())
}

/// A public client cannot keep a secret and one with keys of its own has none, so one that was sent is dropped.
fn chosen_secret(metadata: &mut Metadata, auth_method: AuthMethod) -> Result<ClientSecret, Failure> {
    let secret = std::mem::take(&mut metadata.client_secret);
    if secret.is_empty() || !auth_method.has_secret() {
        return Ok(ClientSecret::default());
    }
    if secret.expose().chars().count() < SHORTEST_SECRET {
        return Err(refused(format!(
            "The member 'client_secret' must have at least {SHORTEST_SECRET} characters."
        )));
    }
    if secret.expose().contains('\0') {
        return Err(refused(
            "The member 'client_secret' has a NUL character, which no request can show.".to_owned(),
        ));
    }
    let needed = if auth_method == AuthMethod::ClientSecretJwt {
        key_octets(&metadata.token_endpoint_auth_signing_alg)
    } else {
        0
    };
    if secret.expose().len() < needed {
        return Err(refused(format!(
            "The member 'client_secret' must have at least {needed} octets to sign with. Leave it out to get one."
        )));
    }
    Ok(secret)
}

/// OpenID Connect Core §8.1: an identifier of its own needs a sector that it is of.
fn subject_type(metadata: &mut Metadata, policy: &Policy) -> Result<(), Failure> {
    if metadata.subject_type.is_empty() {
        let default = if policy.public_subjects { PUBLIC } else { PAIRWISE };
        default.clone_into(&mut metadata.subject_type);
    }
    let is_pairwise = metadata.subject_type == PAIRWISE;
    let is_enabled = if is_pairwise {
        policy.pairwise_salt.is_some()
    } else {
        policy.public_subjects
    };
    if !is_enabled {
        let reason = "is not enabled; see oidc.subject_identifiers.supported_types";
        return Err(refused(told("subject_type", &metadata.subject_type, reason)));
    }
    if is_pairwise && sector(&metadata.sector_identifier_uri, &metadata.redirect_uris).is_none() {
        return Err(refused(
            "The 'subject_type' pairwise needs 'redirect_uris' on one host, or a 'sector_identifier_uri'.".to_owned(),
        ));
    }
    Ok(())
}

/// The fewest octets of a key for HMAC (RFC 7518 §3.2).
pub(super) fn key_octets(algorithm: &str) -> usize {
    match Alg::parse(algorithm) {
        Some(Alg::HS384) => 48,
        Some(Alg::HS512) => 64,
        _ => 32,
    }
}

fn scope(text: &str, policy: &Policy) -> Result<Vec<String>, Failure> {
    let mut scope: Vec<String> = Vec::new();
    for token in text.split(' ').filter(|token| !token.is_empty()) {
        if !is_scope_token(token) {
            let reason = "is not a scope; scopes are printable ASCII without spaces, quotation marks and backslashes";
            return Err(refused(told("scope", token, reason)));
        }
        if !scope.iter().any(|known| known == token) {
            scope.push(token.to_owned());
        }
    }
    if scope.is_empty() {
        scope.clone_from(&policy.default_client_scope);
    }
    Ok(scope)
}

/// RFC 7591 §2: not both, and `jwks` holds the client's *public* keys. What stands in the keys is never repeated.
fn keys(metadata: &Metadata) -> Result<(), Failure> {
    if metadata.jwks.is_empty() {
        return Ok(());
    }
    if !metadata.jwks_uri.is_empty() {
        return Err(refused("The members 'jwks' and 'jwks_uri' exclude each other.".into()));
    }
    let keys = parse_jwk_set(Value::Object(metadata.jwks.clone()))
        .map_err(|error| refused(format!("The member 'jwks' cannot be used. {error}")))?;
    match keys.iter().position(Jwk::is_private) {
        Some(index) => Err(refused(format!(
            "Key {} of 'jwks' is private or shared. Keep it to yourself, make a new one if it was in use, and send \
             public keys only.",
            index + 1
        ))),
        None => Ok(()),
    }
}

/// Each must share scheme, host and port with a redirect URI, so that a registered origin vouches for it.
fn post_logout_redirect_uris(metadata: &Metadata) -> Result<(), Failure> {
    for value in &metadata.post_logout_redirect_uris {
        let fault = |reason| refused(told("post_logout_redirect_uris", value, reason));
        redirect_uri(value).map_err(fault)?;
        if !is_beside_redirects(metadata, value) {
            return Err(fault(NOT_BESIDE));
        }
    }
    Ok(())
}

pub(super) const NOT_BESIDE: &str = "must have the scheme, host and port of one of the 'redirect_uris'";

/// Whether an address has the scheme, host and port of a redirect URI.
pub(super) fn is_beside_redirects(metadata: &Metadata, address: &str) -> bool {
    let place = |text: &str| {
        let url = Url::parse(text).ok()?;
        let host = url.host_str().map(str::to_owned);
        Some((url.scheme().to_owned(), host, url.port_or_known_default()))
    };
    let wanted = place(address);
    wanted.is_some() && metadata.redirect_uris.iter().any(|uri| place(uri) == wanted)
}

#[cfg(test)]
mod tests;

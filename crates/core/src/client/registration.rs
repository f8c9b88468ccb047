//! Clients that register and manage themselves.
//!
//! Implements RFC 7591 §3 and RFC 7592 §2 and §3, OpenID Connect Dynamic Client Registration §3 and §4. Software statements
//! (RFC 7591 §2.3) are ignored, as §3.1.1 allows. The database holds a digest of the registration access token, which is
//! a new one after each change.
//!
//! Attacks: strangers who register for more than the operator offers (D10): scopes and grant types come from the configured
//! lists, public clients must use PKCE, what only the operator decides keeps its value, and addresses must be where clients
//! of their kind can be ([`addresses`]).

mod addresses;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::metadata::Metadata;
use super::registry::{self, RegistryError};
use super::strangers::Strangers;
use super::validate::{Validated, validate};
use super::{Client, Registration};
use crate::context::{Cx, Policy};
use crate::fault::{Failure, Fault};
use crate::params::words;
use crate::port::{Digest, Freshness};
use crate::token::opaque::{Fresh, Kind, Presented};
use crate::world::World;

/// The client information response (RFC 7592 §3).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "registeredOAuth2Client")]
pub struct Registered {
    /// What is registered; with the secret if it was just made.
    #[serde(flatten)]
    pub client: Metadata,
    /// Where the client manages itself.
    pub registration_client_uri: String,
    /// What the client manages itself with. Each one ends the one before.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    registration_access_token: Zeroizing<String>,
}

impl Registered {
    fn new(world: &World<'_>, mut client: Metadata, token: Zeroizing<String>) -> Self {
        // The operator's notes.
        client.metadata = Value::Null;
        // "If this is specified, the response will be JWT serialized" (OpenID Connect Dynamic Client Registration §2), which
        // libraries take by its word, whatever it says.
        if client.userinfo_signed_response_alg == "none" {
            client.userinfo_signed_response_alg.clear();
        }
        let id: String = form_urlencoded::byte_serialize(client.client_id.as_bytes()).collect();
        // In a path a plus sign is no space.
        let id = id.replace('+', "%20");
        Self {
            registration_client_uri: format!("{}/oauth2/register/{id}", world.cx.policy.public_url),
            registration_access_token: token,
            client,
        }
    }
}

fn text<S: Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}

/// Whether somebody who presents this initial access token, or none, may register (RFC 7591 §3).
///
/// # Errors
/// [`Fault::InitialTokenMissing`] or [`Fault::InitialTokenInvalid`].
pub fn admit(policy: &Policy, token: Option<&str>) -> Result<(), Fault> {
    match (policy.strangers.admit(token), token) {
        (true, _) => Ok(()),
        (false, None) => Err(Fault::InitialTokenMissing),
        (false, Some(_)) => Err(Fault::InitialTokenInvalid),
    }
}

/// Registers a client under an id of our choice (RFC 7591 §3.1), for somebody who was [admitted](admit).
///
/// # Errors
/// `invalid_redirect_uri` or `invalid_client_metadata`, naming the member.
pub async fn register(world: &World<'_>, mut metadata: Metadata) -> Result<Registered, RegistryError> {
    metadata.client_id.clear();
    limit(&mut metadata, Metadata::default(), world.cx.policy)?;
    let token = generate(&world.cx);
    let registration = Registration {
        token: written(token.digest),
        by_stranger: true,
    };
    let client = registry::create_with(world, metadata, Some(registration)).await?;
    Ok(Registered::new(world, client, token.text))
}

/// The client's registration (RFC 7592 §2.1).
///
/// # Errors
/// [`Fault::RegistrationTokenInvalid`] if the token is not that of this client.
pub async fn read(world: &World<'_>, id: &str, token: &str) -> Result<Registered, RegistryError> {
    let client = world.client(id, Freshness::Latest).await?;
    let client = client.ok_or(Fault::RegistrationTokenInvalid)?;
    prove(&world.cx, &client, token)?;
    let token = Zeroizing::new(token.to_owned());
    Ok(Registered::new(world, Metadata::of(&client)?, token))
}

/// Replaces the client's registration, and its token (RFC 7592 §2.2). The secret is kept.
///
/// # Errors
/// As [`read`] and [`register`].
pub async fn replace(
    world: &World<'_>,
    id: &str,
    token: &str,
    metadata: Metadata,
) -> Result<Registered, RegistryError> {
    if !metadata.client_id.is_empty() && metadata.client_id != id {
        return Err(told("client_id", "is not the one of this address").into());
    }
    let next = generate(&world.cx);
    let replaced = registry::change(world, id, |known| {
        let earlier = prove(&world.cx, known, token)?;
        let mut wanted = metadata.clone();
        limit(&mut wanted, Metadata::of(known)?, world.cx.policy)?;
        let Validated { mut client, secret } = validate(wanted, world.cx.policy)?;
        client.registration = Some(Registration {
            token: written(next.digest),
            ..earlier.clone()
        });
        Ok(Validated { client, secret })
    });
    match replaced.await {
        Ok(client) => Ok(Registered::new(world, client, next.text)),
        // Who has no token learns nothing about ids.
        Err(RegistryError::Unknown) => Err(Fault::RegistrationTokenInvalid.into()),
        Err(error) => Err(error),
    }
}

/// Removes the client, and everything that was issued to it (RFC 7592 §2.3).
///
/// # Errors
/// As [`read`].
pub async fn delete(world: &World<'_>, id: &str, token: &str) -> Result<(), RegistryError> {
    read(world, id, token).await?;
    match registry::delete(world, id).await {
        Err(RegistryError::Unknown) => Err(Fault::RegistrationTokenInvalid.into()),
        deleted => deleted,
    }
}

fn generate(cx: &Cx<'_>) -> Fresh {
    Fresh::generate(
        cx.secrets,
        cx.entropy,
        &cx.policy.prefixes,
        Kind::Registration,
        cx.new_id(),
    )
}

/// How the digest stands in the client's document.
fn written(digest: Digest) -> String {
    URL_SAFE_NO_PAD.encode(digest.0)
}

/// Holding the token is what lets a client manage itself.
fn prove<'a>(cx: &Cx<'_>, client: &'a Client, token: &str) -> Result<&'a Registration, Fault> {
    let presented = Presented::recognize(cx.secrets, Kind::Registration, token);
    let known = client.registration.as_ref();
    let digest = known
        .and_then(|known| URL_SAFE_NO_PAD.decode(&known.token).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .map(Digest);
    match (presented, digest, known) {
        (Some(presented), Some(digest), Some(known)) if presented.digest == digest => Ok(known),
        _ => Err(Fault::RegistrationTokenInvalid),
    }
}

fn told(member: &str, reason: &str) -> Failure {
    Fault::ClientMetadataInvalid.because(format!("The member '{member}' {reason}."))
}

/// What a client may decide about itself (RFC 7591 §5). The members of the operator keep the values of `known`; sent
/// with these values, or without any, they do no harm, so that the answer to a GET can be sent back.
fn limit(metadata: &mut Metadata, known: Metadata, policy: &Policy) -> Result<(), Failure> {
    let offered = |scope: &&str| policy.default_client_scope.iter().any(|known| known == scope);
    let has_scope = |scope: &&str| words(&known.scope).any(|known| known == *scope);
    if let Some(scope) = words(&metadata.scope).find(|scope| !offered(scope) && !has_scope(scope)) {
        return Err(told(
            "scope",
            &format!("names '{scope}', which only the operator can give"),
        ));
    }
    let free = &policy.strangers.grant_types;
    let mut grants = metadata.grant_types.iter().filter(|grant| !grant.is_empty());
    if grants.any(|grant| !free.contains(grant) && !known.grant_types.contains(grant)) {
        let reason = format!(
            "names one that only the operator can give; free are: {}",
            free.join(", ")
        );
        return Err(told("grant_types", &reason));
    }
    if !metadata.client_secret.is_empty() {
        return Err(told("client_secret", "cannot be chosen; leave it out"));
    }
    keep_members(metadata, known, &policy.strangers)?;
    addresses::limit(metadata, policy)
}

/// Takes over the members of the operator, and refuses other values for them.
fn keep_members(metadata: &mut Metadata, mut known: Metadata, strangers: &Strangers) -> Result<(), Failure> {
    macro_rules! keep {
        ($($member:ident: $is_silent:expr;)*) => {$(
            if !strangers.decide(stringify!($member)) {
                if !$is_silent(&metadata.$member) && metadata.$member != known.$member {
                    return Err(told(stringify!($member), "is for the operator to decide; leave it out"));
                }
                metadata.$member = known.$member.clone();
            }
        )*};
    }
    keep! {
        audience: |list: &Vec<String>| list.iter().all(String::is_empty);
        owner: String::is_empty;
        allowed_cors_origins: |list: &Vec<String>| list.iter().all(String::is_empty);
        metadata: |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
        client_secret_expires_at: |at: &i64| *at == 0;
        access_token_strategy: String::is_empty;
        skip_consent: |skip: &bool| !skip;
        skip_logout_consent: |skip: &Option<bool>| *skip != Some(true);
        resource_server: |is_one: &bool| !is_one;
    }
    if strangers.decide("lifespans") {
        return Ok(());
    }
    let (wanted, lifespans) = (metadata.take_lifespans(), known.take_lifespans());
    if wanted != super::Lifespans::default() && wanted != lifespans {
        return Err(Fault::ClientMetadataInvalid
            .because("The lifespans of tokens are for the operator to decide; leave them out."));
    }
    metadata.set_lifespans(lifespans);
    Ok(())
}

#[cfg(test)]
mod tests;

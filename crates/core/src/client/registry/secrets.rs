//! The secrets of registered clients: set, made, exchanged without an interruption.
//!
//! RFC 7591 §3.2.1. A secret is shown in the answer to the request that set or made it, and never again. Attacks: a slow hash
//! for each try of a contended change (made once).

use serde_json::Value;

use super::super::metadata::{ClientSecret, Metadata};
use super::super::validate::key_octets;
use super::{ATTEMPTS, RegistryError, record, updated};
use crate::client::{AuthMethod, Client};
use crate::client_auth::secret::{
    self, digest_generated, generate_secret, generate_signing_secret, hash_chosen, seal_signing,
};
use crate::context::Cx;
use crate::fault::Failure;
use crate::port::{Change, Freshness, Outcome};
use crate::world::World;

/// Most older secrets that work beside the newest one, as in Hydra.
const OLDER: usize = 5;

/// Gives the client one more secret, which is in the answer. The older ones work on until [`end_older_secrets`].
///
/// # Errors
/// If there is no such client, or it has no secret.
pub async fn rotate_secret(world: &World<'_>, id: &str) -> Result<Metadata, RegistryError> {
    with_secrets(world, id, |client| {
        let cx = &world.cx;
        let (secret, stored) = if client.auth_method == AuthMethod::ClientSecretJwt {
            let algorithm = client.display.get("token_endpoint_auth_signing_alg");
            let octets = key_octets(algorithm.and_then(Value::as_str).unwrap_or_default());
            let secret = generate_signing_secret(cx.entropy, octets);
            let sealed = seal_signing(cx, &client.id, &secret);
            (secret, sealed)
        } else {
            let secret = generate_secret(cx.entropy);
            let digest = digest_generated(cx.entropy, &secret);
            (secret, digest)
        };
        client.secrets.insert(0, stored);
        client.secrets.truncate(1 + OLDER);
        Some(ClientSecret::from(String::clone(&secret)))
    })
    .await
}

/// Ends every secret of the client but the newest.
///
/// # Errors
/// As [`rotate_secret`].
pub async fn end_older_secrets(world: &World<'_>, id: &str) -> Result<Metadata, RegistryError> {
    with_secrets(world, id, |client| {
        client.secrets.truncate(1);
        None
    })
    .await
}

/// Changes the secrets of a client; what is returned is shown.
async fn with_secrets(
    world: &World<'_>,
    id: &str,
    change: impl Fn(&mut Client) -> Option<ClientSecret>,
) -> Result<Metadata, RegistryError> {
    for _ in 0..ATTEMPTS {
        let known = world.client(id, Freshness::Latest).await?;
        let known = known.ok_or(RegistryError::Unknown)?;
        if !known.auth_method.has_secret() {
            return Err(RegistryError::Secretless);
        }
        let mut client = Client {
            version: known.version + 1,
            updated_at: world.cx.now.max(known.updated_at),
            ..Client::clone(&known)
        };
        let shown = change(&mut client);
        if world.store.apply(Change::UpdateClient(record(&client)?)).await? == Outcome::Applied {
            return Ok(updated(world, &client)?.with_secret(shown));
        }
    }
    Err(RegistryError::Contended)
}

/// The hash of a chosen secret, which is made once however often a change is tried.
#[derive(Default)]
pub(super) struct Hashed(Option<(ClientSecret, String)>);

impl Hashed {
    /// Gives the client the digests of its secrets, and answers with the secret to be shown, if it is a new one.
    pub(super) async fn settle(
        &mut self,
        world: &World<'_>,
        client: &mut Client,
        chosen: ClientSecret,
        known: &[String],
    ) -> Result<Option<ClientSecret>, Failure> {
        if !client.auth_method.has_secret() {
            client.secrets = Vec::new();
            return Ok(None);
        }
        if client.auth_method == AuthMethod::ClientSecretJwt {
            return Ok(settle_signing(&world.cx, client, chosen, known));
        }
        if !chosen.is_empty() {
            client.secrets = vec![self.hash(world, &chosen).await?];
            return Ok(Some(chosen));
        }
        client.secrets = known.to_vec();
        if !known.is_empty() {
            return Ok(None);
        }
        let secret = generate_secret(world.cx.entropy);
        client.secrets = vec![digest_generated(world.cx.entropy, &secret)];
        Ok(Some(ClientSecret::from(String::clone(&secret))))
    }

    async fn hash(&mut self, world: &World<'_>, secret: &ClientSecret) -> Result<String, Failure> {
        if let Some((_, hash)) = self.0.as_ref().filter(|(hashed, _)| hashed == secret) {
            return Ok(hash.clone());
        }
        let hash = hash_chosen(world, secret.expose()).await?;
        self.0 = Some((secret.clone(), hash.clone()));
        Ok(hash)
    }
}

/// [`Hashed::settle`] for a client that signs with its secret: it is sealed, and one that is only known by its digest or
/// too short for the algorithm makes room for a new one.
fn settle_signing(cx: &Cx<'_>, client: &mut Client, chosen: ClientSecret, known: &[String]) -> Option<ClientSecret> {
    let algorithm = client.display.get("token_endpoint_auth_signing_alg");
    let octets = key_octets(algorithm.and_then(Value::as_str).unwrap_or_default());
    let is_usable =
        |stored: &&String| secret::open(cx.secrets, &client.id, stored).is_some_and(|secret| secret.len() >= octets);
    if chosen.is_empty() {
        client.secrets = known.iter().filter(is_usable).cloned().collect();
        if !client.secrets.is_empty() {
            return None;
        }
    }
    let secret = if chosen.is_empty() {
        ClientSecret::from(String::clone(&generate_signing_secret(cx.entropy, octets)))
    } else {
        chosen
    };
    client.secrets = vec![seal_signing(cx, &client.id, secret.expose())];
    Some(secret)
}

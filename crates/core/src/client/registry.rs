//! The registered clients: create, replace, patch, show, list, delete.
//!
//! RFC 7591 §3.2 and RFC 7592 §2 in what they answer, for the operator of the admin API. A secret is shown in the answer
//! to the request that set or made it, and never again. Attacks: lost updates (a change is made to the version that
//! was read, or read again), a client that takes another one's id.

mod secrets;

use serde_json::{Map, Value};

use self::secrets::Hashed;
pub use self::secrets::{end_older_secrets, rotate_secret};
use super::metadata::{ClientSecret, LifespansRequest, Metadata};
use super::patch::{Patch, PatchError};
use super::validate::{Validated, client_id, validate};
use super::{Client, Registration};
use crate::context::Entropy;
use crate::fault::{Failure, Fault};
use crate::port::{Change, ClientQuery, ClientRecord, Freshness, Outcome, StoreError};
use crate::subject::prove_sector;
use crate::witness::Seen;
use crate::world::World;

/// How often a change is tried while others change the same client. Each time at least one of them wins.
const ATTEMPTS: usize = 100;

/// Why a request about a client gets no success.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No client has the id.
    #[error("No client has this id. Look it up in the list of clients, or create the client.")]
    Unknown,
    /// Another client has the id.
    #[error("A client with this id exists. Choose another id, or replace that client with PUT.")]
    Exists,
    /// Others changed the client between each reading and writing.
    #[error("The client is being changed by many requests at once. Send this one again.")]
    Contended,
    /// The patch makes no sense, or not for this client.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The patch leaves a member with a value of another type.
    #[error("The patch leaves the member '{member}' with a value of the wrong type.")]
    WrongType {
        /// The member's name.
        member: String,
    },
    /// The patch names a client by another id.
    #[error("The id of a client cannot be changed. Create a client with the new id, and delete this one.")]
    Renamed,
    /// The client authenticates without a secret.
    #[error("The client has no secret: it authenticates in another way, or not at all.")]
    Secretless,
    /// The metadata is refused, or something of ours failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Fault> for RegistryError {
    fn from(fault: Fault) -> Self {
        Self::Failure(fault.into())
    }
}

/// Registers a client; without an id it gets a random one. A confidential client without a secret gets one.
///
/// # Errors
/// If the metadata is refused or the id is taken.
pub async fn create(world: &World<'_>, metadata: Metadata) -> Result<Metadata, RegistryError> {
    create_with(world, metadata, None).await
}

/// The same with a way for the client to manage itself.
pub(super) async fn create_with(
    world: &World<'_>,
    mut metadata: Metadata,
    registration: Option<Registration>,
) -> Result<Metadata, RegistryError> {
    if metadata.client_id.is_empty() {
        metadata.client_id = random_id(world.cx.entropy);
    } else {
        client_id(&metadata.client_id)?;
    }
    let Validated { mut client, secret } = validate(metadata, world.cx.policy)?;
    client.registration = registration;
    client.created_at = world.cx.now;
    client.updated_at = world.cx.now;
    prove_sector(world, &client).await?;
    let shown = Hashed::default().settle(world, &mut client, secret, &[]).await?;
    match world.store.apply(Change::CreateClient(record(&client)?)).await? {
        Outcome::Applied => {
            let made = Metadata::of(&client)?;
            world.witness.see(Seen::ClientCreated {
                client: &made.client_id,
                name: &made.client_name,
            });
            Ok(made.with_secret(shown))
        }
        Outcome::LostRace => Err(RegistryError::Exists),
    }
}

/// The client with this id.
///
/// # Errors
/// If there is none.
pub async fn read(world: &World<'_>, id: &str) -> Result<Metadata, RegistryError> {
    let client = world.client(id, Freshness::Latest).await?;
    Ok(Metadata::of(&*client.ok_or(RegistryError::Unknown)?)?)
}

/// A page of clients.
///
/// # Errors
/// Only if the database does not answer.
pub async fn list(world: &World<'_>, query: &ClientQuery) -> Result<Vec<Metadata>, RegistryError> {
    let records = world.store.clients(query).await?;
    let shown = |record: &ClientRecord| Metadata::of(&Client::from_record(record)?);
    Ok(records.iter().map(shown).collect::<Result<_, StoreError>>()?)
}

/// Replaces the metadata of a client: what is not named goes back to its default, except the secret, which is kept.
/// The id in the metadata does not count.
///
/// # Errors
/// If there is no such client or the metadata is refused.
pub async fn replace(world: &World<'_>, id: &str, metadata: Metadata) -> Result<Metadata, RegistryError> {
    change(world, id, |_| Ok(validate(metadata.clone(), world.cx.policy)?)).await
}

/// Changes what the patch names. Patches that arrive at the same time are applied one after another.
///
/// # Errors
/// If there is no such client, the patch does not fit, or what it makes of the metadata is refused.
pub async fn patch(world: &World<'_>, id: &str, patch: &Patch) -> Result<Metadata, RegistryError> {
    change(world, id, |client| {
        // Hydra's own name for what it does not let anybody change, in any spelling.
        if patch.touches(|member| member.eq_ignore_ascii_case("id")) {
            return Err(RegistryError::Renamed);
        }
        let metadata = serde_json::to_value(Metadata::of(client)?);
        let mut document = metadata.map_err(|error| Failure::Internal(format!("a client cannot be shown: {error}")))?;
        patch.apply(&mut document)?;
        let metadata = read_patched(document)?;
        if *metadata.client_id != *client.id {
            return Err(RegistryError::Renamed);
        }
        Ok(validate(metadata, world.cx.policy)?)
    })
    .await
}

/// Sets all lifespans of a client; those that are not named are the server's own again.
///
/// # Errors
/// If there is no such client.
pub async fn set_lifespans(
    world: &World<'_>,
    id: &str,
    lifespans: LifespansRequest,
) -> Result<Metadata, RegistryError> {
    change(world, id, |client| {
        let client = Client {
            lifespans: lifespans.into(),
            ..client.clone()
        };
        let secret = ClientSecret::default();
        Ok(Validated { client, secret })
    })
    .await
}

/// Removes a client, and with it everything that was issued to it.
///
/// # Errors
/// If there is no such client.
pub async fn delete(world: &World<'_>, id: &str) -> Result<(), RegistryError> {
    // Some databases cannot be asked for such an id, and none has it.
    if id.contains('\0') {
        return Err(RegistryError::Unknown);
    }
    match world.store.apply(Change::DeleteClient(id.to_owned())).await? {
        Outcome::Applied => {
            world.witness.see(Seen::ClientDeleted { client: id });
            Ok(())
        }
        Outcome::LostRace => Err(RegistryError::Unknown),
    }
}

/// Puts what `wanted` makes of a client in its place, and starts again if somebody else was faster.
pub(super) async fn change(
    world: &World<'_>,
    id: &str,
    wanted: impl Fn(&Client) -> Result<Validated, RegistryError>,
) -> Result<Metadata, RegistryError> {
    let mut hashed = Hashed::default();
    for _ in 0..ATTEMPTS {
        let known = world
            .client(id, Freshness::Latest)
            .await?
            .ok_or(RegistryError::Unknown)?;
        let Validated { client, secret } = wanted(&known)?;
        let mut client = Client {
            id: known.id.clone(),
            version: known.version + 1,
            created_at: known.created_at,
            // Whoever changes the client, it can go on managing itself (D11).
            registration: client.registration.or_else(|| known.registration.clone()),
            updated_at: world.cx.now.max(known.updated_at),
            ..client
        };
        if needs_proof(&known, &client) {
            prove_sector(world, &client).await?;
        }
        let shown = hashed.settle(world, &mut client, secret, &known.secrets).await?;
        match world.store.apply(Change::UpdateClient(record(&client)?)).await? {
            Outcome::Applied => return Ok(updated(world, &client)?.with_secret(shown)),
            Outcome::LostRace => {}
        }
    }
    Err(RegistryError::Contended)
}

/// The client as it is from now on.
fn updated(world: &World<'_>, client: &Client) -> Result<Metadata, RegistryError> {
    let updated = Metadata::of(client)?;
    world.witness.see(Seen::ClientUpdated {
        client: &updated.client_id,
        name: &updated.client_name,
    });
    Ok(updated)
}

/// Whether the client might have left its sector.
fn needs_proof(known: &Client, client: &Client) -> bool {
    let place = |client: &Client| {
        (
            client.choices.sector_identifier_uri.clone(),
            client.redirect_uris.clone(),
        )
    };
    place(known) != place(client)
}

/// A UUIDv4 (RFC 9562 §5.4).
fn random_id(entropy: &dyn Entropy) -> String {
    let mut random = [0; 16];
    entropy.fill(&mut random);
    uuid::Builder::from_random_bytes(random).into_uuid().to_string()
}

fn record(client: &Client) -> Result<ClientRecord, Failure> {
    let shown = |member: &str| {
        client
            .display
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let document = serde_json::to_string(client)
        .map_err(|error| Failure::Internal(format!("client {:?} cannot be written: {error}", client.id)))?;
    Ok(ClientRecord {
        id: client.id.to_string(),
        version: client.version,
        name: shown("client_name"),
        owner: shown("owner"),
        document,
        created_at: client.created_at,
        updated_at: client.updated_at,
    })
}

/// The metadata that a patch made. `null` means "not given", as in every other body.
fn read_patched(document: Value) -> Result<Metadata, RegistryError> {
    let mut members = match document {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.retain(|_, value| !value.is_null());
    if let Ok(metadata) = serde_json::from_value(Value::Object(members.clone())) {
        return Ok(metadata);
    }
    // The reader does not say where it stopped, and its words may repeat what must not be repeated.
    let is_readable = |name: &str, value: &Value| {
        let alone = Map::from_iter([(name.to_owned(), value.clone())]);
        serde_json::from_value::<Metadata>(Value::Object(alone)).is_ok()
    };
    let member = members.iter().find(|(name, value)| !is_readable(name, value));
    Err(RegistryError::WrongType {
        member: member.map(|(name, _)| name.clone()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;

//! Token revocation.
//!
//! Implements RFC 7009 §2. Deviates: `token_type_hint` is not looked at, because a token tells its own kind;
//! `unsupported_token_type` (§2.2.1) is never sent, because every token is revocable. Attacks: token scanning (unknown
//! tokens and those of others are answered as a success, §2.2), revocation across clients (the owner is compared, D26).

use std::sync::Arc;

use crate::client_auth::Authenticated;
use crate::fault::Failure;
use crate::port::{Change, Outcome};
use crate::token::lookup::{KnownAccess, KnownRefresh};
use crate::world::World;

/// What came of a revocation. The client sees a success in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The token is dead, and with a refresh token its grant and every token of it.
    Revoked,
    /// There is no such token, or it is dead already.
    Unknown,
    /// The token belongs to another client: nothing was done, and the operator should know.
    OfAnother {
        /// The client to which the token was issued.
        owner: Arc<str>,
    },
}

/// Revokes the token behind `text` on behalf of the client that sent it, which may be a public one (§2.1).
///
/// # Errors
/// [`Failure::Store`] if the database does not answer: "the client must assume the token still exists" (§2.2.1).
pub async fn revoke(world: &World<'_>, caller: &Authenticated, text: &str) -> Result<Revocation, Failure> {
    let (owner, change) = if let Some(token) = KnownAccess::find(world, text).await? {
        (Arc::clone(token.client_id()), Change::RevokeAccess(token.id))
    } else if let Some(token) = KnownRefresh::find(world, text).await? {
        // "If the particular token is a refresh token ... the authorization server SHOULD also invalidate all access
        // tokens based on the same authorization grant" (§2.1). A used or expired one ends its grant as well, because
        // its client may not have seen the successor.
        let grant = token.grant();
        (Arc::clone(&grant.client_id), Change::RevokeGrant(grant.id))
    } else {
        return Ok(Revocation::Unknown);
    };
    // "verifies whether the token was issued to the client making the revocation request" (§2.1).
    if owner != caller.client.id {
        return Ok(Revocation::OfAnother { owner });
    }
    Ok(match world.store.apply(change).await? {
        Outcome::Applied => Revocation::Revoked,
        Outcome::LostRace => Revocation::Unknown,
    })
}

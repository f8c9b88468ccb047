//! What a client calls a person.
//!
//! Implements OpenID Connect Core §8 and §8.1 (pairwise identifiers) and Dynamic Client Registration §5 (sector
//! identifiers). A pairwise identifier is `hex(SHA-256(sector, subject, salt))`, as Hydra makes it, so that people stay who
//! they are when a team moves. Deviates: several redirect URIs are one sector if they share a host and port.
//!
//! Attacks: clients that compare notes about a person (each sector has its own identifier), a client that joins the sector
//! of another one (the document at the sector's own host must list its redirect URIs).

use std::fmt::{self, Write as _};

use aws_lc_rs::digest::{Context, SHA256};
use url::Url;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::consented::Consented;
use crate::context::Policy;
use crate::fault::{Failure, Fault};
use crate::outgoing::Outgoing;
use crate::port::GrantRecord;
use crate::world::World;

/// What pairwise identifiers are made with (`oidc.subject_identifiers.pairwise.salt`).
#[derive(Clone, PartialEq, Eq)]
pub struct PairwiseSalt(Zeroizing<String>);

impl PairwiseSalt {
    /// The operator's salt.
    #[must_use]
    pub fn new(salt: String) -> Self {
        Self(Zeroizing::new(salt))
    }

    fn identifier(&self, sector: &str, subject: &str) -> String {
        let mut hash = Context::new(&SHA256);
        for part in [sector, subject, &self.0] {
            hash.update(part.as_bytes());
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finish().as_ref() {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl fmt::Debug for PairwiseSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairwiseSalt")
    }
}

/// What the client calls the person with this subject, if not by the subject: the identifier that the login app wants for
/// it (`force_subject_identifier`), or else the one of its sector.
///
/// # Errors
/// [`Fault::SubjectTypeDisabled`] if the client was registered before the operator took pairwise identifiers away.
pub(crate) fn pairwise(
    policy: &Policy,
    client: &Client,
    subject: &str,
    forced: Option<&str>,
) -> Result<Option<String>, Failure> {
    let Some(sector) = &client.choices.sector else {
        return Ok(None);
    };
    if let Some(forced) = forced {
        return Ok(Some(forced.to_owned()));
    }
    let salt = policy.pairwise_salt.as_ref().ok_or(Fault::SubjectTypeDisabled)?;
    Ok(Some(salt.identifier(sector, subject)))
}

/// What the client of a grant calls its person.
pub(crate) fn shown<'a>(grant: &'a GrantRecord, consented: &'a Consented) -> &'a str {
    consented.subject.as_deref().unwrap_or(&grant.subject)
}

/// The sector of a client with this metadata (§8.1); none if it needs an identifier of its own.
#[must_use]
pub fn sector(sector_identifier_uri: &str, redirect_uris: &[String]) -> Option<String> {
    if !sector_identifier_uri.is_empty() {
        return Some(sector_identifier_uri.to_owned());
    }
    let mut places = redirect_uris.iter().map(|uri| place(uri));
    let first = places.next()??;
    places.all(|place| place.as_ref() == Some(&first)).then_some(first)
}

/// Host and port as they are written; empty for a private-use scheme.
fn place(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let host = url.host_str().unwrap_or_default();
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Proves that the client belongs to its sector: the document there lists every redirect URI (Dynamic Registration §5).
///
/// # Errors
/// [`Fault::ClientMetadataInvalid`], which tells nothing of what was found.
pub(crate) async fn prove_sector(world: &World<'_>, client: &Client) -> Result<(), Failure> {
    let uri = client.choices.sector_identifier_uri.as_str();
    if uri.is_empty() {
        return Ok(());
    }
    let refused = || {
        Fault::ClientMetadataInvalid.because(
            "The document at 'sector_identifier_uri' must be a JSON array, served over https at a public address, that \
             lists every one of the 'redirect_uris'.",
        )
    };
    let answer = world.fetch.fetch(Outgoing::get(uri)).await.map_err(|_| refused())?;
    let listed: Vec<String> = match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|_| refused())?,
        _ => return Err(refused()),
    };
    if client.redirect_uris.iter().all(|uri| listed.contains(uri)) {
        Ok(())
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests;

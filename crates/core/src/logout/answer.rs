//! The logout request: what the logout app is told, and what it may answer.
//!
//! The shapes are those of Hydra's admin API. To accept writes nothing: the verifier carries all that is needed, and is
//! used up when the browser brings it. To reject is final (D30).

use std::sync::Arc;

use super::challenge::LogoutChallenge;
use super::{Fate, fate, spent};
use crate::client::Client;
use crate::context::Timestamp;
use crate::flow::challenge::began;
use crate::flow::{Unanswerable, is_expired, with_parameter};
use crate::port::{Change, Freshness, Outcome};
use crate::seal::Purpose;
use crate::world::World;

/// The path of the logout endpoint.
pub const PATH: &str = "/oauth2/sessions/logout";

/// What the logout app is told.
#[derive(Clone, Debug)]
pub struct LogoutQuestion {
    /// Who is logged in.
    pub subject: String,
    /// `sid`.
    pub session_id: String,
    /// Where the logout began: path and query, without the ID token.
    pub request_url: String,
    /// Whether a client asked.
    pub rp_initiated: bool,
    /// The client that asked.
    pub client: Option<Arc<Client>>,
    /// When the logout began.
    pub requested_at: Timestamp,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
}

/// What the logout app needs to know.
///
/// # Errors
/// [`Unanswerable::Gone`] if the person was logged out or took too long, [`Unanswerable::Unknown`] if the app rejected.
pub async fn read(world: &World<'_>, challenge: &str) -> Result<LogoutQuestion, Unanswerable> {
    let opened = open(world, challenge).await?;
    if is_expired(&world.cx, opened.id) {
        return Err(gone(world, &opened));
    }
    let client = match opened.params.get("client_id") {
        Some(id) => world.client(id, Freshness::ProvedByWrite).await?,
        None => None,
    };
    let requested_at = began(opened.id);
    Ok(LogoutQuestion {
        subject: opened.subject.clone(),
        session_id: opened.session.to_string(),
        request_url: request_path(&opened),
        rp_initiated: opened.params.has("client_id"),
        client,
        requested_at,
        expires_at: requested_at.plus(world.cx.policy.challenge_life),
    })
}

/// Accepts: the person logs out. Returns where the browser goes.
///
/// # Errors
/// As [`read`], except that who took too long is sent round again.
pub async fn accept(world: &World<'_>, challenge: &str) -> Result<String, Unanswerable> {
    let opened = open(world, challenge).await?;
    if is_expired(&world.cx, opened.id) {
        return Ok(request_url(world, &opened));
    }
    let start = format!("{}{PATH}", world.cx.policy.public_url);
    Ok(with_parameter(&start, "logout_verifier", &opened.verifier(&world.cx)))
}

/// Rejects: the person stays logged in, whatever is accepted later.
///
/// # Errors
/// If nobody knows the challenge. One that was used or has expired may be rejected, without effect.
pub async fn reject(world: &World<'_>, challenge: &str) -> Result<(), Unanswerable> {
    let opened = LogoutChallenge::open(&world.cx, Purpose::LogoutChallenge, challenge);
    let opened = opened.ok_or(Unanswerable::Unknown)?;
    if is_expired(&world.cx, opened.id) {
        return Ok(());
    }
    let change = Change::Logout {
        spent: Some(spent(&world.cx, opened.id, Fate::Rejected)),
        session: None,
        notices: Vec::new(),
    };
    match world.store.apply(change).await? {
        Outcome::Applied | Outcome::LostRace => Ok(()),
    }
}

async fn open(world: &World<'_>, challenge: &str) -> Result<LogoutChallenge, Unanswerable> {
    let opened = LogoutChallenge::open(&world.cx, Purpose::LogoutChallenge, challenge);
    let opened = opened.ok_or(Unanswerable::Unknown)?;
    match fate(world, opened.id).await? {
        None => Ok(opened),
        Some(Fate::Used) => Err(gone(world, &opened)),
        Some(Fate::Rejected) => Err(Unanswerable::Unknown),
    }
}

fn gone(world: &World<'_>, opened: &LogoutChallenge) -> Unanswerable {
    Unanswerable::Gone {
        redirect_to: request_url(world, opened),
    }
}

fn request_url(world: &World<'_>, opened: &LogoutChallenge) -> String {
    format!("{}{}", world.cx.policy.public_url, request_path(opened))
}

/// Where the logout can begin again: the client is named instead of the ID token that it showed.
fn request_path(opened: &LogoutChallenge) -> String {
    if opened.params.is_empty() {
        return PATH.to_owned();
    }
    format!("{PATH}?{}", opened.params.encode())
}

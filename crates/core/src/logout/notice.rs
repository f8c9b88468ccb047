//! Back-channel logout: what a client is told, and when it is told again.
//!
//! Implements OpenID Connect Back-Channel Logout 1.0 §2.4 (the logout token, D27), §2.5 and §2.8 (request and response).
//! A notice waits in the database until it is claimed; a server that dies while it sends one leaves it to the next claim.

use std::time::Duration;

use serde_json::json;

use crate::client::Client;
use crate::context::{Cx, Timestamp};
use crate::fault::Failure;
use crate::outgoing::{FetchFailed, Outgoing};
use crate::port::{Change, Freshness, NoticeRecord, Outcome};
use crate::world::World;

/// For how long a client is tried.
pub const PATIENCE: Duration = Duration::from_secs(2 * 3600);
/// For how long a claimed notice is nobody else's. Longer than a request may take.
pub const LEASE: Duration = Duration::from_secs(60);
/// `exp` of a logout token: "preferably at most two minutes in the future" (§4).
const TOKEN_LIFE: Duration = Duration::from_secs(120);
/// Before the second try; each further one waits four times as long.
const FIRST_PAUSE: u64 = 5;
/// The longest pause. The store takes what is due more than 2000 seconds later for put off by a clock that was set back since.
const LONGEST_PAUSE: u64 = 1800;
/// `typ` of the header (§2.4).
const TYP: &str = "logout+jwt";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How an attempt to tell a client went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The client knows.
    Delivered,
    /// The client does not want to be told any more.
    Unwanted,
    /// It is tried again.
    Later(Unheard),
    /// It was tried for too long.
    GivenUp(Unheard),
}

/// Why a client does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// The client, or somebody in its place, answered something else than 200.
    #[error("it answered with status {0} instead of 200")]
    Status(u16),
    /// There was no answer.
    #[error(transparent)]
    Failed(#[from] FetchFailed),
}

/// Tells one client, and writes down how that went. The notice must have been claimed.
///
/// # Errors
/// If the database or the key does not answer: the notice is claimed again when its lease is over.
pub async fn tell(world: &World<'_>, notice: &NoticeRecord) -> Result<Told, Failure> {
    let again = again_at(&world.cx, notice);
    let (told, due_at) = match attempt(world, notice).await? {
        None => (Told::Unwanted, Timestamp::NEVER),
        Some(Ok(())) => (Told::Delivered, Timestamp::NEVER),
        Some(Err(why)) if again < notice.expires_at => (Told::Later(why), again),
        Some(Err(why)) => (Told::GivenUp(why), Timestamp::NEVER),
    };
    let change = Change::RescheduleNotice {
        id: notice.id,
        attempts: notice.attempts,
        due_at,
    };
    match world.store.apply(change).await? {
        Outcome::Applied | Outcome::LostRace => Ok(told),
    }
}

/// Whether the client took the news; none if it has no address for them.
async fn attempt(world: &World<'_>, notice: &NoticeRecord) -> Result<Option<Result<(), Unheard>>, Failure> {
    let client = world.client(&notice.client, Freshness::Latest).await?;
    let Some((client, uri)) = client
        .as_deref()
        .and_then(|client| Some((client, client.backchannel_logout_uri()?)))
    else {
        return Ok(None);
    };
    let token = logout_token(world, client, notice).await?;
    let request = Outgoing::post_form(uri, &[("logout_token", &token)]);
    // §2.8: 200, and 204 from frameworks that answer it in its place.
    Ok(Some(match world.fetch.fetch(request).await {
        Ok(answer) if matches!(answer.status, 200 | 204) => Ok(()),
        Ok(answer) => Err(Unheard::Status(answer.status)),
        Err(failed) => Err(failed.into()),
    }))
}

async fn logout_token(world: &World<'_>, client: &Client, notice: &NoticeRecord) -> Result<String, Failure> {
    let cx = &world.cx;
    let broken = |why: String| Failure::Internal(format!("a logout token cannot be signed: {why}"));
    let until = cx.now.plus(TOKEN_LIFE);
    // §2.4 refers to the algorithm of the client's ID tokens.
    let key = world.keys.signing(cx, client.choices.id_token_alg, until).await?;
    let mut claims = json!({
        "iss": cx.policy.issuer,
        "aud": [notice.client],
        "iat": cx.now.0,
        "exp": until.0,
        "jti": cx.new_id().to_string(),
        "sid": notice.session.to_string(),
        "events": { EVENT: {} },
    });
    // §2.4: "MUST contain either a sub or a sid". A client with an identifier of its own for the person knows the session.
    if client.choices.sector.is_none()
        && let Some(claims) = claims.as_object_mut()
    {
        claims.insert("sub".to_owned(), notice.subject.as_str().into());
    }
    let payload = serde_json::to_vec(&claims).map_err(|error| broken(error.to_string()))?;
    key.sign_jws(TYP, &payload).map_err(|error| broken(error.to_string()))
}

fn again_at(cx: &Cx<'_>, notice: &NoticeRecord) -> Timestamp {
    let factor = 4_u64.saturating_pow(notice.attempts.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    cx.now.plus(Duration::from_secs(pause))
}

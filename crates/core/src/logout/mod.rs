//! Logout: the end of a login session, and the news of it for the clients that have something of the session.
//!
//! OpenID Connect RP-Initiated Logout 1.0, Front-Channel Logout 1.0, Back-Channel Logout 1.0. A request is judged
//! ([`request`]) and, if there is a session to end, the logout app is asked by a sealed challenge ([`challenge`],
//! [`answer`]); the browser comes back with a verifier, and the session ends ([`end`]). Clients with a front-channel URI
//! are loaded in frames of the page that the browser then gets; those with a back-channel URI are written into a queue,
//! so that nothing makes the browser wait ([`notice`]). Nothing is written before the session ends or the app says no.
//!
//! Tokens and consents outlive a logout. Attacks: logout by a foreign page (only an ID token of the session, or the
//! browser's own cookie, ends it, and the person is asked), open redirects (only registered addresses), replay (a
//! challenge is used once, and a client is told once of a session).

pub mod answer;
mod challenge;
mod end;
pub mod notice;
mod request;
#[cfg(test)]
mod tests;

use self::challenge::LogoutChallenge;
use self::end::Ending;
pub use self::end::end_session;
use self::request::LogoutRequest;
use crate::authorize::Browser;
use crate::context::{Cx, Id};
use crate::fault::{Failure, Fault};
use crate::flow::{is_expired, removal, with_parameter};
use crate::params::Params;
use crate::port::{FlowRecord, FlowStep, Freshness};
use crate::seal::{Purpose, open, seal};
use crate::world::World;

/// Where the browser goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// To the logout app, or where people go after a logout.
    Url(String),
    /// There as well, by way of a page with these addresses in frames (Front-Channel Logout §3).
    Frames {
        /// The clients' addresses, with `iss` and `sid`.
        frames: Vec<String>,
        /// Where the page leads.
        next: String,
    },
}

/// The answer to the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Where it goes.
    pub to: Onward,
    /// Whether it forgets the login session.
    pub forgets_session: bool,
    /// Whether notices were queued that may be sent at once.
    pub has_notices: bool,
}

impl Farewell {
    fn url(url: String) -> Self {
        Self {
            to: Onward::Url(url),
            forgets_session: false,
            has_notices: false,
        }
    }
}

/// Answers a request to the logout endpoint: a new one, or one that comes back from the logout app with `verifier`.
///
/// # Errors
/// If the request cannot be accepted; the person is told, as there is no address that may be trusted.
pub async fn logout(
    world: &World<'_>,
    params: &Params,
    verifier: Option<&str>,
    browser: &Browser,
) -> Result<Farewell, Failure> {
    match verifier {
        Some(verifier) => come_back(world, verifier, browser).await,
        None => begin(world, params, browser).await,
    }
}

async fn begin(world: &World<'_>, params: &Params, browser: &Browser) -> Result<Farewell, Failure> {
    let cx = &world.cx;
    let request = LogoutRequest::read(world, params).await?;
    let shown = browser.session_id(cx);
    let session = request.session(shown);
    let known = match session {
        Some(id) => world.store.session(id).await?,
        None => None,
    };
    let known = known.filter(|session| session.remember && session.expires_at > cx.now);
    match (known, session) {
        (Some(known), _) if request.may_skip_page() => {
            at_once(world, &request.ending(known.id, &known.subject), shown).await
        }
        (Some(known), _) => {
            let challenge = LogoutChallenge::new(cx, &request, known);
            let url = with_parameter(&cx.policy.logout_url, "logout_challenge", &challenge.seal(cx));
            Ok(Farewell::url(url))
        }
        // Nothing is left to ask about, but the clients may still think that the person is there.
        (None, Some(id)) if request.is_hinted() => at_once(world, &request.ending(id, request.subject()), shown).await,
        (None, _) => Ok(Farewell::url(request.target)),
    }
}

/// Without a question. A browser that shows another session keeps it.
async fn at_once(world: &World<'_>, ending: &Ending, shown: Option<Id>) -> Result<Farewell, Failure> {
    let farewell = end::end(world, ending, None).await?;
    let farewell = farewell.unwrap_or_else(|| Farewell::url(ending.target.clone()));
    Ok(Farewell {
        forgets_session: shown == Some(ending.session),
        ..farewell
    })
}

async fn come_back(world: &World<'_>, verifier: &str, browser: &Browser) -> Result<Farewell, Failure> {
    let cx = &world.cx;
    let challenge = LogoutChallenge::open(cx, Purpose::LogoutVerifier, verifier).ok_or(Fault::VerifierInvalid)?;
    if is_expired(cx, challenge.id) {
        return Err(Fault::ChallengeExpired.into());
    }
    let target = challenge.target(world).await?;
    // Without an ID token the browser must be the one whose session it is.
    if !challenge.is_hinted && browser.session_id(cx) != Some(challenge.session) {
        return Ok(Farewell::url(target));
    }
    let ending = Ending {
        session: challenge.session,
        subject: challenge.subject.clone(),
        target: target.clone(),
    };
    let spent = spent(cx, challenge.id, Fate::Used);
    match end::end(world, &ending, Some(spent)).await? {
        Some(farewell) => Ok(Farewell {
            forgets_session: true,
            ..farewell
        }),
        None if fate(world, challenge.id).await? == Some(Fate::Rejected) => Err(Fault::VerifierInvalid.into()),
        None => Ok(Farewell::url(target)),
    }
}

/// What became of a challenge. One without a row still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The session ended.
    Used,
    /// The person stays logged in, which is final (D30).
    Rejected,
}

impl Fate {
    fn byte(self) -> u8 {
        match self {
            Self::Used => 1,
            Self::Rejected => 2,
        }
    }
}

/// The row of a challenge that cannot be answered any more.
fn spent(cx: &Cx<'_>, id: Id, fate: Fate) -> FlowRecord {
    FlowRecord {
        id,
        step: FlowStep::Done,
        version: 1,
        sealed: seal(cx.secrets, cx.entropy, Purpose::LogoutAtRest, &id.0, &[fate.byte()]),
        expires_at: removal(cx, id),
    }
}

async fn fate(world: &World<'_>, id: Id) -> Result<Option<Fate>, Failure> {
    let Some(record) = world.store.flow(id, Freshness::Latest).await? else {
        return Ok(None);
    };
    let broken = || Failure::Internal(format!("the logout {id} cannot be read"));
    let plain = open(world.cx.secrets, Purpose::LogoutAtRest, &id.0, &record.sealed).map_err(|_| broken())?;
    let mut fates = [Fate::Used, Fate::Rejected].into_iter();
    let fate = fates.find(|fate| plain == [fate.byte()]).ok_or_else(broken)?;
    Ok(Some(fate))
}

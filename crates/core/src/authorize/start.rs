//! The first hop: a request is judged, and the browser is sent to log in.
//!
//! OpenID Connect Core §3.1.2.1 (`prompt`, `max_age`, `id_token_hint`) and §3.1.2.3. Reads the client and, if the browser
//! shows a session, that; writes nothing.

use super::request::{AuthorizationRequest, Refused};
use super::request_object;
use super::{Browser, CookieChange, Destination, Reply, Stage};
use crate::context::Id;
use crate::fault::{Failure, Fault};
use crate::flow::authentication::Authentication;
use crate::flow::challenge::{KnownSession, LoginChallenge};
use crate::flow::mark::mark;
use crate::flow::with_parameter;
use crate::params::Params;
use crate::port::Freshness;
use crate::world::World;

/// Most bytes that the parameters of a request may have. An `id_token_hint` has a few thousand.
pub(super) const LONGEST: usize = 16 * 1024;

pub(super) async fn start(world: &World<'_>, params: Params, browser: &Browser) -> Result<Reply, Refused> {
    // What is sent comes back in redirects, which browsers and proxies cut off or refuse when they are long.
    if params.size() > LONGEST {
        return Err(Fault::RequestTooLong.into());
    }
    let params = request_object::resolve(world, params).await?;
    if params.size() > LONGEST {
        return Err(Fault::RequestTooLong.into());
    }
    let request = AuthorizationRequest::read(world, params, None, Freshness::Latest).await?;
    to_login(world, request, None, browser).await
}

/// Sends the browser to the login app with a request that was judged.
pub(super) async fn to_login(
    world: &World<'_>,
    request: AuthorizationRequest,
    device: Option<Id>,
    browser: &Browser,
) -> Result<Reply, Refused> {
    let known = match known_session(world, &request, browser).await {
        Ok(known) => known,
        Err(failure) => return Err(request.refuse(failure)),
    };
    let cx = &world.cx;
    let base = if request.prompt.create {
        &cx.policy.registration_url
    } else {
        &cx.policy.login_url
    };
    let challenge = LoginChallenge {
        flow: cx.new_id(),
        known,
        device,
        params: request.params,
    };
    let url = with_parameter(base, "login_challenge", &challenge.seal(cx));
    let mark = mark(cx.secrets, Stage::Login, challenge.flow);
    let cookies = vec![CookieChange::Mark(Stage::Login, challenge.flow, mark)];
    Ok(Reply::to(Destination::Url(url), cookies))
}

/// The session that makes a login superfluous.
async fn known_session(
    world: &World<'_>,
    request: &AuthorizationRequest,
    browser: &Browser,
) -> Result<Option<KnownSession>, Failure> {
    let cx = &world.cx;
    let shown = browser.session_id(cx).filter(|_| !request.prompt.login);
    let session = match shown {
        Some(id) => Authentication::of(world, id).await?.map(|(session, _)| session),
        None => None,
    };
    let known = session
        .filter(|session| session.remember && session.expires_at > cx.now)
        .filter(|session| !request.is_too_old(session.authenticated_at, cx.now))
        .map(|session| KnownSession {
            id: session.id,
            subject: session.subject,
            authenticated_at: session.authenticated_at,
        });
    match &known {
        Some(known) if !request.is_about(cx.policy, &known.subject, known.id) => Err(Fault::SubjectMismatch.into()),
        None if request.prompt.none => Err(Fault::LoginRequired.into()),
        _ => Ok(known),
    }
}

//! The second hop: the browser comes back from the login app and is sent to consent, or at once to the client.
//!
//! OpenID Connect Core §3.1.2.3 and §3.1.2.4, RFC 9700 §4.7. Writes only if the browser's login session changes; the
//! consent challenge is bound to the version of the row that was seen, so that no later answer of the login app slips in.

use std::sync::Arc;
use std::time::Duration;

use super::issue::{Finish, Granted, finish};
use super::request::{AuthorizationRequest, Refused};
use super::{Browser, CookieChange, Destination, Reply, Stage, TRIES, session_cookie};
use crate::context::{Cx, Id, Timestamp};
use crate::fault::{Failure, Fault};
use crate::flow::authentication::Authentication;
use crate::flow::consent::ConsentAccepted;
use crate::flow::handle::{ConsentHandle, Verifier};
use crate::flow::login::{LoginAccepted, LoginAnswer};
use crate::flow::mark::{is_marked, mark};
use crate::flow::{FlowState, is_expired, removal, request_url, with_parameter};
use crate::port::{Change, FlowRecord, FlowStep, Freshness, Outcome, SessionChange, SessionRecord};
use crate::scope;
use crate::seal::Purpose;
use crate::world::World;

/// A login that the browser brought back.
struct Returned {
    record: Arc<FlowRecord>,
    state: FlowState,
    login: LoginAccepted,
    request: AuthorizationRequest,
}

/// What becomes of the browser's session.
struct SessionPlan {
    change: Option<SessionChange>,
    cookie: Option<CookieChange>,
}

pub(super) async fn go_on(world: &World<'_>, verifier: &str, browser: &Browser) -> Result<Reply, Refused> {
    let verifier = Verifier::open(&world.cx, Purpose::LoginVerifier, verifier).ok_or(Fault::VerifierInvalid)?;
    for freshness in TRIES {
        match attempt(world, verifier, browser, freshness).await {
            Ok(Some(reply)) => return Ok(reply),
            Err(refused) if freshness == Freshness::Latest || !refused.is_decision() => return Err(refused),
            Ok(None) | Err(_) => {}
        }
    }
    Err(Fault::Unavailable.into())
}

/// One try on facts of this freshness; nothing if they turn out to be old, or if they are remembered and no write
/// would prove them.
async fn attempt(
    world: &World<'_>,
    verifier: Verifier,
    browser: &Browser,
    freshness: Freshness,
) -> Result<Option<Reply>, Refused> {
    let cx = &world.cx;
    let record = world
        .store
        .flow(verifier.flow, freshness)
        .await
        .map_err(Failure::from)?;
    let record = record.ok_or(Fault::VerifierInvalid)?;
    let state = FlowState::open(cx, &record)?.ok_or(Fault::VerifierInvalid)?;
    let params = state.params()?;
    if is_expired(cx, record.id) {
        return Ok(Some(Reply::url(request_url(world, &params, state.device()))));
    }
    let request = AuthorizationRequest::read(world, params, state.device(), freshness).await?;
    if !is_marked(cx.secrets, Stage::Login, record.id, &browser.login_marks) {
        return Err(request.refuse(Fault::BrowserMismatch));
    }
    // The answer must be the one that this browser was sent back with.
    let answer = match &state.login {
        Some(login) => login.tag()?,
        None => return Err(request.refuse(Fault::VerifierInvalid)),
    };
    if answer != verifier.answer {
        return Err(request.refuse(Fault::VerifierInvalid));
    }
    let login = match (&state.login, record.step) {
        (_, FlowStep::Done | FlowStep::ConsentAnswered) | (None, _) => {
            return Err(request.refuse(Fault::VerifierInvalid));
        }
        (Some(LoginAnswer::Rejected(_)), _) if freshness == Freshness::ProvedByWrite => return Ok(None),
        (Some(LoginAnswer::Rejected(rejection)), _) => {
            let cookies = vec![CookieChange::Unmark(Stage::Login, record.id)];
            let rejected = request.end.reject(world, rejection, "login_request_denied", cookies);
            return rejected.await.map(Some);
        }
        (Some(LoginAnswer::Accepted(login)), _) => login.clone(),
    };
    let session = state.known().filter(|_| login.skip).map_or(record.id, |known| known.id);
    if !request.is_about(cx.policy, &login.subject, session) {
        if freshness == Freshness::ProvedByWrite {
            return Ok(None);
        }
        let refused = Reply::failed(request.refuse(Fault::SubjectMismatch));
        let cookies = vec![CookieChange::EndSession];
        return Ok(Some(Reply { cookies, ..refused }));
    }
    if !request.claims.is_met_by(login.acr.as_deref()) {
        if freshness == Freshness::ProvedByWrite {
            return Ok(None);
        }
        let refused = Reply::failed(request.refuse(Fault::AcrUnmet));
        let cookies = vec![CookieChange::Unmark(Stage::Login, record.id)];
        return Ok(Some(Reply { cookies, ..refused }));
    }
    let returned = Returned {
        record,
        state,
        login,
        request,
    };
    proceed(world, returned, browser).await
}

async fn proceed(world: &World<'_>, returned: Returned, browser: &Browser) -> Result<Option<Reply>, Refused> {
    let plan = match plan_session(&world.cx, &returned, browser) {
        Ok(plan) => plan,
        Err(failure) => return Err(returned.request.refuse(failure)),
    };
    if returned.request.client.skip_consent {
        return without_consent(world, returned, plan).await;
    }
    let skip = match is_covered(world, &returned).await {
        Ok(skip) => skip,
        Err(failure) => return Err(returned.request.refuse(failure)),
    };
    if returned.request.prompt.none && !skip {
        return Err(returned.request.refuse(Fault::ConsentRequired));
    }
    let asked = match keep_session(world, &returned, plan.change).await {
        Ok(Some(asked)) => asked,
        Ok(None) => return Ok(None),
        Err(failure) => return Err(returned.request.refuse(failure)),
    };
    let cx = &world.cx;
    let flow = returned.record.id;
    let handle = ConsentHandle { flow, asked, skip };
    let url = with_parameter(&cx.policy.consent_url, "consent_challenge", &handle.seal(cx));
    let mut cookies = vec![CookieChange::Mark(
        Stage::Consent,
        flow,
        mark(cx.secrets, Stage::Consent, flow),
    )];
    cookies.extend(plan.cookie);
    Ok(Some(Reply::to(Destination::Url(url), cookies)))
}

fn plan_session(cx: &Cx<'_>, returned: &Returned, browser: &Browser) -> Result<SessionPlan, Failure> {
    let login = &returned.login;
    let life = match u64::try_from(login.remember_for) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => cx.policy.session_life,
    };
    let known = returned.state.known().filter(|_| login.skip);
    if let Some(known) = known {
        let extended = login.extend.then_some(known.id);
        return Ok(SessionPlan {
            change: extended.map(|id| SessionChange::Extend(id, cx.now.plus(life))),
            cookie: extended.map(|id| session_cookie(cx, id, life)),
        });
    }
    if login.remember {
        let session = session(cx, returned.record.id, login, life)?;
        return Ok(SessionPlan {
            change: Some(SessionChange::Put(session)),
            cookie: Some(session_cookie(cx, returned.record.id, life)),
        });
    }
    // D4: it does not matter whether the session that the cookie names is still there.
    Ok(SessionPlan {
        change: browser.session_id(cx).map(SessionChange::End),
        cookie: browser.session.is_some().then_some(CookieChange::EndSession),
    })
}

/// A new session has the id of the flow in which the person logged in.
fn session(cx: &Cx<'_>, id: Id, login: &LoginAccepted, life: Duration) -> Result<SessionRecord, Failure> {
    let kept = Authentication {
        acr: login.acr.clone(),
        amr: login.amr.clone(),
        identity_provider_session_id: login.identity_provider_session_id.clone(),
    };
    Ok(SessionRecord {
        id,
        subject: login.subject.clone(),
        authenticated_at: Timestamp(login.authenticated_at),
        remember: true,
        sealed: kept.seal(cx, id)?,
        expires_at: cx.now.plus(life),
    })
}

/// Commits what happens to the session, once. Returns the version that the consent app is asked about; nothing if the
/// facts were old.
async fn keep_session(
    world: &World<'_>,
    returned: &Returned,
    session: Option<SessionChange>,
) -> Result<Option<i64>, Failure> {
    let record = &returned.record;
    if session.is_none() || record.step != FlowStep::LoginAnswered {
        return Ok(Some(record.version));
    }
    let asked = record.version.wrapping_add(1);
    let change = Change::Advance {
        flow: FlowRecord {
            step: FlowStep::ConsentAsked,
            version: asked,
            expires_at: removal(&world.cx, record.id),
            ..FlowRecord::clone(record)
        },
        seen: record.version,
        session,
        issue: None,
        client: Some(returned.request.client.proof()),
    };
    Ok(match world.store.apply(change).await? {
        Outcome::Applied => Some(asked),
        Outcome::LostRace => None,
    })
}

/// Whether an earlier consent covers all that is asked for, so that no page need be shown.
async fn is_covered(world: &World<'_>, returned: &Returned) -> Result<bool, Failure> {
    let request = &returned.request;
    // RFC 8252 §8.6: any app may have taken the address of a public client; its user must see who asks.
    if request.prompt.consent || request.client.is_public() && !request.end.is_exclusive() {
        return Ok(false);
    }
    let remembered = world
        .store
        .remembered(&returned.login.subject, &request.client.id, world.cx.now)
        .await?;
    let Some(earlier) = remembered else {
        return Ok(false);
    };
    let strategy = world.cx.policy.scope_strategy;
    let scopes = request.params.scope();
    let audiences = request.params.audience();
    Ok(scopes
        .iter()
        .all(|wanted| scope::allows(strategy, &earlier.scope, wanted))
        && audiences.iter().all(|wanted| earlier.audience.contains(wanted)))
}

/// `skip_consent`: the operator trusts the client with all that it asks for.
async fn without_consent(world: &World<'_>, returned: Returned, plan: SessionPlan) -> Result<Option<Reply>, Refused> {
    let consent = ConsentAccepted {
        scope: returned.request.params.scope(),
        audience: returned.request.params.audience(),
        ..ConsentAccepted::default()
    };
    let cookie = plan.cookie;
    let granted = Granted {
        record: &returned.record,
        state: &returned.state,
        login: &returned.login,
        consent: &consent,
    };
    match finish(world, &returned.request, &granted, plan.change).await {
        Ok(Finish::Done(mut reply)) => {
            reply.cookies.extend(cookie);
            Ok(Some(reply))
        }
        Ok(Finish::Stale) => Ok(None),
        Err(failure) => Err(returned.request.refuse(failure)),
    }
}

//! The third hop: the browser comes back from the consent app and takes a code to the client.
//!
//! RFC 6749 §4.1.2, RFC 9700 §4.7. The code, its grant and the end of the flow are one write.

use super::issue::{Finish, Granted, finish};
use super::request::{AuthorizationRequest, Refused};
use super::{Browser, CookieChange, Reply, Stage, TRIES};
use crate::fault::{Failure, Fault};
use crate::flow::consent::{ConsentAnswer, may_grant};
use crate::flow::handle::{Verifier, tag};
use crate::flow::login::LoginAnswer;
use crate::flow::mark::is_marked;
use crate::flow::{FlowState, is_expired, request_url};
use crate::port::{FlowRecord, FlowStep, Freshness};
use crate::seal::Purpose;
use crate::world::World;

pub(super) async fn go_on(world: &World<'_>, verifier: &str, browser: &Browser) -> Result<Reply, Refused> {
    let verifier = Verifier::open(&world.cx, Purpose::ConsentVerifier, verifier).ok_or(Fault::VerifierInvalid)?;
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
    let (Some(LoginAnswer::Accepted(login)), Some(consent), FlowStep::ConsentAnswered) =
        (&state.login, &state.consent, record.step)
    else {
        return Err(request.refuse(Fault::VerifierInvalid));
    };
    if !is_marked(cx.secrets, Stage::Consent, record.id, &browser.consent_marks) {
        return Err(request.refuse(Fault::BrowserMismatch));
    }
    // The answer must be the one that this browser was sent back with.
    if tag(consent)? != verifier.answer {
        return Err(request.refuse(Fault::VerifierInvalid));
    }
    let accepted = match consent {
        ConsentAnswer::Accepted(accepted) => accepted,
        ConsentAnswer::Rejected(_) if freshness == Freshness::ProvedByWrite => return Ok(None),
        ConsentAnswer::Rejected(rejection) => {
            let rejected = request
                .end
                .reject(world, rejection, "consent_request_denied", unmark(&record));
            return rejected.await.map(Some);
        }
    };
    // The client may have lost since what it had when the consent app answered.
    if let Err(failure) = may_grant(cx.policy, &request.client, accepted) {
        return Err(request.refuse(failure));
    }
    let granted = Granted {
        record: &record,
        state: &state,
        login,
        consent: accepted,
    };
    match finish(world, &request, &granted, None).await {
        Ok(Finish::Done(reply)) => Ok(Some(reply)),
        Ok(Finish::Stale) => Ok(None),
        Err(failure) => Err(request.refuse(failure)),
    }
}

/// The flow is over for this browser.
pub(super) fn unmark(record: &FlowRecord) -> Vec<CookieChange> {
    vec![
        CookieChange::Unmark(Stage::Login, record.id),
        CookieChange::Unmark(Stage::Consent, record.id),
    ]
}

//! The third hop: the browser comes back from the consent app and takes a code to the client.
//!
//! RFC 6749 §4.1.2, RFC 9700 §4.7. The code, its grant and the end of the flow are one write.

use std::sync::Arc;

use super::issue::{Finish, Granted, finish};
use super::request::{AuthorizationRequest, Refused};
use super::{Browser, CookieChange, Reply, Stage};
use crate::fault::{Failure, Fault};
use crate::flow::consent::ConsentAnswer;
use crate::flow::handle::open_verifier;
use crate::flow::login::LoginAnswer;
use crate::flow::mark::is_marked;
use crate::flow::{FlowState, is_expired, request_url};
use crate::port::{FlowRecord, FlowStep, Freshness};
use crate::seal::Purpose;
use crate::world::World;

pub(super) async fn go_on(world: &World<'_>, verifier: &str, browser: &Browser) -> Result<Reply, Refused> {
    let id = open_verifier(&world.cx, Purpose::ConsentVerifier, verifier).ok_or(Fault::VerifierInvalid)?;
    for freshness in [Freshness::ProvedByWrite, Freshness::Latest, Freshness::Latest] {
        let record = match world.store.flow(id, freshness).await.map_err(Failure::from)? {
            // What this server remembers may be older than the answer that another one took.
            Some(record) if freshness == Freshness::Latest || record.step == FlowStep::ConsentAnswered => record,
            _ if freshness == Freshness::ProvedByWrite => continue,
            _ => return Err(Fault::VerifierInvalid.into()),
        };
        if let Some(reply) = attempt(world, record, browser).await? {
            return Ok(reply);
        }
    }
    Err(Fault::Unavailable.into())
}

/// One try on these facts; nothing if they turn out to be old.
async fn attempt(world: &World<'_>, record: Arc<FlowRecord>, browser: &Browser) -> Result<Option<Reply>, Refused> {
    let cx = &world.cx;
    let state = FlowState::open(cx, &record)?;
    let params = state.params()?;
    if is_expired(cx, record.id) {
        return Ok(Some(Reply::url(request_url(world, &params, state.device()))));
    }
    let request = AuthorizationRequest::read(world, params, state.device(), Freshness::ProvedByWrite).await?;
    let (Some(LoginAnswer::Accepted(login)), Some(consent), FlowStep::ConsentAnswered) =
        (&state.login, &state.consent, record.step)
    else {
        return Err(request.refuse(Fault::VerifierInvalid));
    };
    if !is_marked(cx.secrets, Stage::Consent, record.id, &browser.consent_marks) {
        return Err(request.refuse(Fault::BrowserMismatch));
    }
    let accepted = match consent {
        ConsentAnswer::Accepted(accepted) => accepted,
        ConsentAnswer::Rejected(rejection) => {
            let rejected = request
                .end
                .reject(world, rejection, "consent_request_denied", unmark(&record));
            return rejected.await.map(Some);
        }
    };
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

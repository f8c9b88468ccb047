//! The end of a flow: a grant and its code, in one write with the flow's last step.
//!
//! RFC 6749 §4.1.2, RFC 9207 §2.

use std::sync::Arc;
use std::time::Duration;

use super::consent_answered::unmark;
use super::request::AuthorizationRequest;
use super::{Destination, Reply};
use crate::consented::Consented;
use crate::context::{Cx, Timestamp};
use crate::fault::Failure;
use crate::flow::challenge::began;
use crate::flow::consent::ConsentAccepted;
use crate::flow::login::LoginAccepted;
use crate::flow::{FlowState, removal};
use crate::grant::lives::Lives;
use crate::port::{Change, CodeRecord, FlowRecord, FlowStep, GrantRecord, Issue, Outcome, SessionChange};
use crate::token::opaque::{Fresh, Kind};
use crate::world::World;

/// What a person granted in a flow.
pub(super) struct Granted<'a> {
    pub(super) record: &'a FlowRecord,
    pub(super) state: &'a FlowState,
    pub(super) login: &'a LoginAccepted,
    pub(super) consent: &'a ConsentAccepted,
}

/// How the last step went.
pub(super) enum Finish {
    /// The client has its answer.
    Done(Reply),
    /// The flow is not as it was seen: look again.
    Stale,
}

/// Ends the flow with a code for the client.
pub(super) async fn finish(
    world: &World<'_>,
    request: &AuthorizationRequest,
    granted: &Granted<'_>,
    session: Option<SessionChange>,
) -> Result<Finish, Failure> {
    let cx = &world.cx;
    let flow = granted.record.id;
    let grant = grant(cx, request, granted)?;
    let code = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Code, cx.new_id());
    let record = CodeRecord {
        id: code.id,
        digest: code.digest,
        grant: grant.id,
        redirect_uri: request.params.get("redirect_uri").map(str::to_owned),
        challenge: request.params.get("code_challenge").map(str::to_owned),
        expires_at: cx.now.plus(cx.policy.code_life),
    };
    let change = Change::Advance {
        flow: FlowRecord {
            id: flow,
            step: FlowStep::Done,
            version: granted.record.version.wrapping_add(1),
            sealed: granted.state.finished().seal(cx, flow)?,
            expires_at: removal(cx, flow),
        },
        seen: granted.record.version,
        session,
        issue: Some(Issue {
            grant: Arc::new(grant),
            code: Some(record),
            access: None,
        }),
    };
    if world.store.apply(change).await? == Outcome::LostRace {
        return Ok(Finish::Stale);
    }
    let delivery = request.path.grant(&code.text, &granted.consent.scope);
    Ok(Finish::Done(Reply::to(
        Destination::Client(delivery),
        unmark(granted.record),
    )))
}

/// The grant has the id of its flow: what the consent app knew as `consent_request_id`.
fn grant(cx: &Cx<'_>, request: &AuthorizationRequest, granted: &Granted<'_>) -> Result<GrantRecord, Failure> {
    let (id, login, consent) = (granted.record.id, granted.login, granted.consent);
    let known = granted.state.known().filter(|_| login.skip);
    let claims = &consent.claims;
    let consented = Consented {
        auth_time: login.authenticated_at,
        acr: login.acr.clone(),
        amr: login.amr.clone().unwrap_or_default(),
        nonce: request.params.get("nonce").map(str::to_owned),
        access_token: claims.access_token.clone().unwrap_or_default(),
        id_token: claims.id_token.clone().unwrap_or_default(),
        userinfo: claims.userinfo.clone(),
    };
    let remembered_until = consent.remember.then(|| match u64::try_from(consent.remember_for) {
        Ok(seconds) if seconds > 0 => began(id).plus(Duration::from_secs(seconds)),
        _ => Timestamp::NEVER,
    });
    // The code may be redeemed at its last moment.
    let lives = Lives::authorization_code(cx.policy, &request.client);
    let needed = lives.keep_grant(&consent.scope, cx.now.plus(cx.policy.code_life));
    Ok(GrantRecord {
        id,
        client_id: Arc::clone(&request.client.id),
        subject: login.subject.clone(),
        session_id: Some(known.map_or(id, |known| known.id)),
        scope: consent.scope.clone(),
        audience: consent.audience.clone(),
        sealed: consented.seal(cx, id)?,
        remembered_until,
        created_at: cx.now,
        expires_at: remembered_until.map_or(needed, |until| until.max(needed)),
    })
}

//! The end of a flow: a grant and what the client gets of it, in one write with the flow's last step.
//!
//! RFC 6749 §4.1.2, RFC 9207 §2.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::consent_answered::unmark;
use super::front_channel::FrontChannel;
use super::request::AuthorizationRequest;
use super::response_type::ResponseType;
use super::return_path::Answer;
use super::{Destination, Reply};
use crate::client::Client;
use crate::consented::Consented;
use crate::context::{Cx, Id, Timestamp};
use crate::fault::{Failure, Fault};
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

/// Ends the flow with an answer for the client.
pub(super) async fn finish(
    world: &World<'_>,
    request: &AuthorizationRequest,
    granted: &Granted<'_>,
    session: Option<SessionChange>,
) -> Result<Finish, Failure> {
    let cx = &world.cx;
    let flow = granted.record.id;
    let response_type = ResponseType::of(&request.params).ok_or(Fault::ResponseTypeUnsupported)?;
    let consented = consented(request, granted);
    let grant = grant(cx, (request, response_type), granted, &consented)?;
    let code = response_type.has_code().then(|| code(cx, request, flow));
    let code_text = code.as_ref().map(|(text, _)| text.as_str());
    let front = FrontChannel::make(world, (request, response_type), &grant, &consented, code_text).await?;
    // The answer is complete before anything is committed.
    let (access_life, _) = Lives::implicit(cx.policy, &request.client);
    let delivery = request.path.grant(&Answer {
        code: code_text,
        access_token: front.access.as_ref().map(|access| (access.text.as_str(), access_life)),
        id_token: front.id_token.as_deref(),
        scope: &granted.consent.scope.join(" "),
    });
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
            code: code.map(|(_, record)| record),
            access: front.access.map(|access| access.record),
        }),
    };
    if world.store.apply(change).await? == Outcome::LostRace {
        return Ok(Finish::Stale);
    }
    Ok(Finish::Done(Reply::to(
        Destination::Client(delivery),
        unmark(granted.record),
    )))
}

/// A code for the grant of the flow, which has its id.
fn code(cx: &Cx<'_>, request: &AuthorizationRequest, flow: Id) -> (Zeroizing<String>, CodeRecord) {
    let code = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Code, cx.new_id());
    let record = CodeRecord {
        id: code.id,
        digest: code.digest,
        grant: flow,
        redirect_uri: request.params.get("redirect_uri").map(str::to_owned),
        challenge: request.params.get("code_challenge").map(str::to_owned),
        expires_at: cx.now.plus(cx.policy.code_life),
    };
    (code.text, record)
}

/// Who authenticated how, and the claims of the consent app.
fn consented(request: &AuthorizationRequest, granted: &Granted<'_>) -> Consented {
    let (login, claims) = (granted.login, &granted.consent.claims);
    Consented {
        auth_time: login.authenticated_at,
        acr: login.acr.clone(),
        amr: login.amr.clone().unwrap_or_default(),
        nonce: request.params.get("nonce").map(str::to_owned),
        access_token: claims.access_token.clone().unwrap_or_default(),
        id_token: claims.id_token.clone().unwrap_or_default(),
        userinfo: claims.userinfo.clone(),
    }
}

/// The grant has the id of its flow: what the consent app knew as `consent_request_id`.
fn grant(
    cx: &Cx<'_>,
    (request, response_type): (&AuthorizationRequest, ResponseType),
    granted: &Granted<'_>,
    consented: &Consented,
) -> Result<GrantRecord, Failure> {
    let (id, login, consent) = (granted.record.id, granted.login, granted.consent);
    let known = granted.state.known().filter(|_| login.skip);
    let remembered_until = consent.remember.then(|| match u64::try_from(consent.remember_for) {
        Ok(seconds) if seconds > 0 => began(id).plus(Duration::from_secs(seconds)),
        _ => Timestamp::NEVER,
    });
    let needed = needed_until(cx, &request.client, response_type, &consent.scope);
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

/// How long a grant is kept for the sake of what the client has of it.
fn needed_until(cx: &Cx<'_>, client: &Client, response_type: ResponseType, scope: &[String]) -> Timestamp {
    let (at_once, _) = Lives::implicit(cx.policy, client);
    if !response_type.has_code() {
        return cx.now.plus(at_once);
    }
    // The code may be redeemed at its last moment.
    let lives = Lives::authorization_code(cx.policy, client);
    let redeemed = lives.keep_grant(scope, cx.now.plus(cx.policy.code_life));
    if response_type.has_token() {
        redeemed.max(cx.now.plus(at_once))
    } else {
        redeemed
    }
}

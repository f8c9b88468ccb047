//! The end of a flow: a grant with what the client gets of it, or the approval of a device, in one write with the flow's
//! last step.
//!
//! RFC 6749 §4.1.2 and §4.2.2, RFC 9207 §2, RFC 8628 §3.3.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::consent_answered::unmark;
use super::end::End;
use super::front_channel::FrontChannel;
use super::request::AuthorizationRequest;
use super::response_type::ResponseType;
use super::return_path::{Answer, ReturnPath};
use super::{Destination, Reply};
use crate::consented::{Asked, Consented};
use crate::context::{Cx, Id, Timestamp};
use crate::fault::{Failure, Fault};
use crate::flow::challenge::began;
use crate::flow::consent::ConsentAccepted;
use crate::flow::login::LoginAccepted;
use crate::flow::{FlowState, removal, with_parameter};
use crate::grant::lives::Lives;
use crate::port::{Change, CodeRecord, FlowRecord, FlowStep, GrantRecord, Issue, Outcome, SessionChange};
use crate::subject::pairwise;
use crate::token::opaque::{Fresh, Kind};
use crate::witness::{Parties, Seen};
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
    /// The flow or its client is not as it was seen: look again.
    Stale,
}

/// Ends the flow with an answer for the client, or with the approval of the device.
pub(super) async fn finish(
    world: &World<'_>,
    request: &AuthorizationRequest,
    granted: &Granted<'_>,
    session: Option<SessionChange>,
) -> Result<Finish, Failure> {
    let cx = &world.cx;
    let flow = granted.record.id;
    let consented = consented(cx, request, granted)?;
    let done = FlowRecord {
        id: flow,
        step: FlowStep::Done,
        version: granted.record.version.wrapping_add(1),
        sealed: granted.state.finished().seal(cx, flow)?,
        expires_at: removal(cx, flow),
    };
    let seen = granted.record.version;
    let client = request.client.proof();
    let (change, to) = match &request.end {
        End::Client(path) => {
            let (issue, to) = answer(world, (request, path), granted, &consented).await?;
            let change = Change::Advance {
                flow: done,
                seen,
                session,
                issue: Some(issue),
                client: Some(client),
            };
            (change, to)
        }
        End::Device { id, ends_at } => {
            let lives = Lives::device_code(cx.policy, &request.client);
            let needed = lives.keep_grant(&granted.consent.scope, *ends_at);
            let change = Change::ApproveDevice {
                device: *id,
                flow: done,
                seen,
                session,
                grant: Arc::new(grant(cx, &request.client.id, granted, &consented, needed)?),
                client,
            };
            let url = with_parameter(&cx.policy.device.success_url, "client_id", &request.client.id);
            (change, Destination::Url(url))
        }
    };
    Ok(match world.store.apply(change).await? {
        Outcome::Applied => {
            tell(world, request, granted);
            Finish::Done(Reply::to(to, unmark(granted.record)))
        }
        Outcome::LostRace => Finish::Stale,
    })
}

/// Tells of the tokens that go to the client at once. A code is none.
fn tell(world: &World<'_>, request: &AuthorizationRequest, granted: &Granted<'_>) {
    let response_type = match &request.end {
        End::Client(_) => ResponseType::of(&request.params),
        End::Device { .. } => None,
    };
    let Some(given) = response_type.filter(|given| given.has_token() || given.has_id_token()) else {
        return;
    };
    let format = request.client.access_token_format(world.cx.policy);
    world.witness.see(Seen::Issued {
        to: Parties {
            client: &request.client.id,
            subject: &granted.login.subject,
        },
        grant_type: "implicit",
        access: given.has_token().then_some(format),
        refresh: false,
        id_token: given.has_id_token(),
    });
}

/// What the response type asks for, complete before anything is committed.
async fn answer(
    world: &World<'_>,
    (request, path): (&AuthorizationRequest, &ReturnPath),
    granted: &Granted<'_>,
    consented: &Consented,
) -> Result<(Issue, Destination), Failure> {
    let cx = &world.cx;
    let response_type = ResponseType::of(&request.params).ok_or(Fault::ResponseTypeUnsupported)?;
    let needed = needed_until(cx, request, response_type, &granted.consent.scope);
    let grant = grant(cx, &request.client.id, granted, consented, needed)?;
    let code = response_type.has_code().then(|| code(cx, request, grant.id));
    let code_text = code.as_ref().map(|(text, _)| text.as_str());
    let front = FrontChannel::make(world, (request, path, response_type), &grant, consented, code_text).await?;
    let (access_life, _) = Lives::implicit(cx.policy, &request.client);
    let delivery = path.grant(&Answer {
        code: code_text,
        access_token: front.access.as_ref().map(|access| (access.text.as_str(), access_life)),
        id_token: front.id_token.as_deref(),
        scope: &granted.consent.scope.join(" "),
    });
    let issue = Issue {
        grant: Arc::new(grant),
        code: code.map(|(_, record)| record),
        access: front.access.map(|access| access.record),
    };
    Ok((issue, Destination::Client(delivery)))
}

/// A code for the grant of the flow.
fn code(cx: &Cx<'_>, request: &AuthorizationRequest, grant: Id) -> (Zeroizing<String>, CodeRecord) {
    let code = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Code, cx.new_id());
    let record = CodeRecord {
        id: code.id,
        digest: code.digest,
        grant,
        redirect_uri: request.params.get("redirect_uri").map(str::to_owned),
        challenge: request.params.get("code_challenge").map(str::to_owned),
        expires_at: cx.now.plus(cx.policy.code_life),
    };
    (code.text, record)
}

/// Who authenticated how, what was asked, and the claims of the consent app.
fn consented(cx: &Cx<'_>, request: &AuthorizationRequest, granted: &Granted<'_>) -> Result<Consented, Failure> {
    let (login, consent) = (granted.login, granted.consent);
    let claims = &consent.claims;
    Ok(Consented {
        subject: pairwise(
            cx.policy,
            &request.client,
            &login.subject,
            login.forced_subject.as_deref(),
        )?,
        auth_time: login.authenticated_at,
        acr: login.acr.clone(),
        amr: login.amr.clone().unwrap_or_default(),
        nonce: request.params.get("nonce").map(str::to_owned),
        access_token: claims.access_token.clone().unwrap_or_default(),
        id_token: claims.id_token.clone().unwrap_or_default(),
        userinfo: claims.userinfo.clone(),
        asked: Some(Asked {
            request: request.params.without(&["id_token_hint"]).encode(),
            login_context: login.context.clone().unwrap_or_default(),
            context: consent.context.clone().unwrap_or_default(),
        }),
    })
}

/// The grant has the id of its flow: what the consent app knew as `consent_request_id`. It is kept until then at least.
fn grant(
    cx: &Cx<'_>,
    client_id: &Arc<str>,
    granted: &Granted<'_>,
    consented: &Consented,
    needed: Timestamp,
) -> Result<GrantRecord, Failure> {
    let (id, login, consent) = (granted.record.id, granted.login, granted.consent);
    let known = granted.state.known().filter(|_| login.skip);
    let remembered_until = consent.remember.then(|| match u64::try_from(consent.remember_for) {
        Ok(seconds) if seconds > 0 => began(id).plus(Duration::from_secs(seconds)),
        _ => Timestamp::NEVER,
    });
    Ok(GrantRecord {
        id,
        client_id: Arc::clone(client_id),
        subject: login.subject.clone(),
        session_id: Some(known.map_or(id, |known| known.id)),
        scope: consent.scope.clone(),
        audience: consent.audience.clone(),
        sealed: consented.seal(cx, id)?,
        remembered_until,
        skipped: consent.skip,
        created_at: cx.now,
        expires_at: remembered_until.map_or(needed, |until| until.max(needed)),
    })
}

/// How long a grant is kept for the sake of what the client has of it.
fn needed_until(
    cx: &Cx<'_>,
    request: &AuthorizationRequest,
    response_type: ResponseType,
    scope: &[String],
) -> Timestamp {
    let (at_once, _) = Lives::implicit(cx.policy, &request.client);
    if !response_type.has_code() {
        return cx.now.plus(at_once);
    }
    // The code may be redeemed at its last moment.
    let lives = Lives::authorization_code(cx.policy, &request.client);
    let redeemed = lives.keep_grant(scope, cx.now.plus(cx.policy.code_life));
    if response_type.has_token() {
        redeemed.max(cx.now.plus(at_once))
    } else {
        redeemed
    }
}

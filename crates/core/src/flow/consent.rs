//! The consent request: what the consent app is told, and what it may answer.
//!
//! The shapes are those of Hydra's admin API. What is granted must be registered for the client (D9).

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::handle::{ConsentHandle, Tag, Verifier, tag};
use super::login::{LoginAccepted, LoginAnswer, Rejection};
use super::state::{FlowState, is_expired, removal};
use super::{Unanswerable, request_url, start_url, with_parameter};
use crate::authorize::OidcContext;
use crate::client::Client;
use crate::context::Policy;
use crate::fault::{Failure, Fault};
use crate::port::{Change, FlowRecord, FlowStep, Freshness, Outcome};
use crate::seal::Purpose;
use crate::witness::{Parties, Seen};
use crate::world::World;

/// What the consent app is told about an authorization.
#[derive(Clone, Debug)]
pub struct ConsentRequest {
    /// `consent_request_id`, and the id of the grant that may come of it.
    pub id: String,
    /// `requested_scope`.
    pub scope: Vec<String>,
    /// `requested_access_token_audience`.
    pub audience: Vec<String>,
    /// Whether an earlier consent covers the request, so that no page may be shown.
    pub skip: bool,
    /// Who is asked.
    pub subject: String,
    /// `oidc_context`.
    pub oidc_context: OidcContext,
    /// The client.
    pub client: Arc<Client>,
    /// Where the authorization began.
    pub request_url: String,
    /// `login_session_id`.
    pub session_id: String,
    /// `acr` of the login.
    pub acr: String,
    /// `amr` of the login.
    pub amr: Vec<String>,
    /// What the login app left for the consent app.
    pub context: Value,
}

/// The body of an acceptance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "acceptOAuth2ConsentRequest")]
pub struct ConsentAcceptance {
    /// The granted scopes.
    pub grant_scope: Option<Vec<String>>,
    /// The granted audiences.
    pub grant_access_token_audience: Option<Vec<String>>,
    /// Whether the same need not be asked again.
    pub remember: Option<bool>,
    /// For how many seconds; 0 or nothing for ever.
    pub remember_for: Option<i64>,
    /// Claims for the tokens.
    pub session: Option<SessionClaims>,
    /// JSON that is shown with the consent in lists.
    pub context: Option<Value>,
}

/// The claims that an acceptance carries.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "acceptOAuth2ConsentRequestSession")]
pub struct SessionClaims {
    /// Claims of access tokens, shown by introspection.
    pub access_token: Option<Map<String, Value>>,
    /// Claims of ID tokens.
    pub id_token: Option<Map<String, Value>>,
    /// Claims of userinfo; without it those of ID tokens serve both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo: Option<Map<String, Value>>,
}

/// What the consent app answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ConsentAnswer {
    #[serde(rename = "a")]
    Accepted(ConsentAccepted),
    #[serde(rename = "r")]
    Rejected(Rejection),
}

/// An acceptance with its defaults filled in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ConsentAccepted {
    pub(crate) scope: Vec<String>,
    pub(crate) audience: Vec<String>,
    pub(crate) remember: bool,
    /// Seconds since the authorization began; not positive means for ever.
    pub(crate) remember_for: i64,
    pub(crate) claims: SessionClaims,
    /// What the consent app keeps for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Value>,
    /// Whether an earlier consent covered the request, so that nobody was asked.
    #[serde(default)]
    pub(crate) skip: bool,
}

/// A flow that waits for the consent app, or was answered by it.
struct Asked {
    handle: ConsentHandle,
    record: Arc<FlowRecord>,
    state: FlowState,
}

/// What the consent app needs to know.
///
/// # Errors
/// [`Unanswerable::Gone`] if the challenge was answered or has expired: the browser goes on at the URL given.
pub async fn read(world: &World<'_>, challenge: &str) -> Result<ConsentRequest, Unanswerable> {
    let asked = match ask(world, challenge, Freshness::ProvedByWrite).await {
        Err(Unanswerable::Gone { .. } | Unanswerable::Unknown) => ask(world, challenge, Freshness::Latest).await?,
        asked => asked?,
    };
    let params = asked.state.params()?;
    // Where an answer leads is for the browser that it was given to, not for whoever opens the page again.
    if is_expired(&world.cx, asked.record.id) || asked.record.step == FlowStep::ConsentAnswered {
        return Err(Unanswerable::Gone {
            redirect_to: request_url(world, &params, asked.state.device()),
        });
    }
    let login = accepted_login(&asked.state)?;
    let known = asked.state.known().filter(|_| login.skip);
    let client = client(world, &asked.state, Freshness::ProvedByWrite).await?;
    Ok(ConsentRequest {
        id: asked.record.id.to_string(),
        scope: params.scope(),
        audience: params.audience(),
        skip: asked.handle.skip,
        subject: login.subject.clone(),
        oidc_context: OidcContext::of(&params, &client),
        client,
        request_url: request_url(world, &params, asked.state.device()),
        session_id: known.map_or(asked.record.id, |known| known.id).to_string(),
        acr: login.acr.clone().unwrap_or_default(),
        amr: login.amr.clone().unwrap_or_default(),
        context: login.context.clone().unwrap_or_default(),
    })
}

/// Accepts: the person grants something to the client. Returns where the browser goes.
///
/// # Errors
/// If more is granted than the client is registered for, or the flow has gone on without this answer.
pub async fn accept(world: &World<'_>, challenge: &str, body: ConsentAcceptance) -> Result<String, Unanswerable> {
    let accepted = ConsentAccepted {
        scope: distinct(body.grant_scope.unwrap_or_default()),
        audience: distinct(body.grant_access_token_audience.unwrap_or_default()),
        remember: body.remember.unwrap_or_default(),
        remember_for: body.remember_for.unwrap_or_default(),
        claims: body.session.unwrap_or_default(),
        context: body.context.filter(|context| !context.is_null()),
        skip: ConsentHandle::open(&world.cx, challenge).is_some_and(|handle| handle.skip),
    };
    answer(world, challenge, ConsentAnswer::Accepted(accepted)).await
}

/// Rejects: the person grants nothing. Returns where the browser goes.
///
/// # Errors
/// As [`accept`].
pub async fn reject(world: &World<'_>, challenge: &str, body: Rejection) -> Result<String, Unanswerable> {
    answer(world, challenge, ConsentAnswer::Rejected(body)).await
}

async fn answer(world: &World<'_>, challenge: &str, answer: ConsentAnswer) -> Result<String, Unanswerable> {
    for freshness in [Freshness::ProvedByWrite, Freshness::Latest, Freshness::Latest] {
        let asked = match ask(world, challenge, freshness).await {
            Err(_) if freshness == Freshness::ProvedByWrite => continue,
            asked => asked?,
        };
        if is_expired(&world.cx, asked.record.id) {
            return Ok(request_url(world, &asked.state.params()?, asked.state.device()));
        }
        let mut proof = None;
        if let ConsentAnswer::Accepted(accepted) = &answer {
            let client = client(world, &asked.state, freshness).await?;
            match may_grant(world.cx.policy, &client, accepted) {
                Err(_) if freshness == Freshness::ProvedByWrite => continue,
                judged => judged?,
            }
            proof = Some(client.proof());
        }
        let accepting = proof.as_ref().map(|proof| Arc::clone(&proof.id));
        let state = asked.state.clone().consented(answer.clone(), asked.handle.asked);
        let change = Change::Advance {
            flow: FlowRecord {
                id: asked.record.id,
                step: FlowStep::ConsentAnswered,
                version: asked.record.version.wrapping_add(1),
                sealed: state.seal(&world.cx, asked.record.id)?,
                expires_at: removal(&world.cx, asked.record.id),
            },
            seen: asked.record.version,
            session: None,
            issue: None,
            client: proof,
        };
        if world.store.apply(change).await? == Outcome::Applied {
            tell(world, &asked.state, accepting.as_deref());
            return Ok(onward(world, &asked, tag(&answer)?));
        }
    }
    Err(Failure::from(Fault::Unavailable).into())
}

/// `accepting` is the client that something was granted to.
fn tell(world: &World<'_>, state: &FlowState, accepting: Option<&str>) {
    let Ok(LoginAccepted { subject, .. }) = accepted_login(state) else {
        return;
    };
    if let Some(client) = accepting {
        return world.witness.see(Seen::ConsentAccepted(Parties { client, subject }));
    }
    if let Ok(params) = state.params() {
        let client = params.get("client_id").unwrap_or_default();
        world.witness.see(Seen::ConsentRejected(Parties { client, subject }));
    }
}

/// Finds the flow of a challenge, if the question still stands.
async fn ask(world: &World<'_>, challenge: &str, freshness: Freshness) -> Result<Asked, Unanswerable> {
    let handle = ConsentHandle::open(&world.cx, challenge).ok_or(Unanswerable::Unknown)?;
    let record = world.store.flow(handle.flow, freshness).await?;
    let record = record.ok_or(Unanswerable::Unknown)?;
    let state = FlowState::open(&world.cx, &record)?.ok_or(Unanswerable::Unknown)?;
    let stands = match record.step {
        FlowStep::LoginAnswered | FlowStep::ConsentAsked => record.version == handle.asked,
        FlowStep::ConsentAnswered => state.asked == handle.asked,
        FlowStep::Done => false,
    };
    if stands {
        return Ok(Asked { handle, record, state });
    }
    Err(Unanswerable::Gone {
        redirect_to: request_url(world, &state.params()?, state.device()),
    })
}

async fn client(world: &World<'_>, state: &FlowState, freshness: Freshness) -> Result<Arc<Client>, Unanswerable> {
    let params = state.params()?;
    let id = params.get("client_id").unwrap_or_default();
    let client = world.client(id, freshness).await?;
    client.ok_or(Unanswerable::Unknown)
}

fn accepted_login(state: &FlowState) -> Result<&LoginAccepted, Unanswerable> {
    match &state.login {
        Some(LoginAnswer::Accepted(login)) => Ok(login),
        _ => Err(Unanswerable::Unknown),
    }
}

/// D9: a consent app cannot widen what the operator registered.
pub(crate) fn may_grant(policy: &Policy, client: &Client, accepted: &ConsentAccepted) -> Result<(), Failure> {
    let scopes = accepted
        .scope
        .iter()
        .filter(|scope| !client.may_have_scope(policy, scope));
    let audiences = accepted
        .audience
        .iter()
        .filter(|audience| !client.may_have_audience(audience));
    let too_wide: Vec<&str> = scopes.chain(audiences).map(String::as_str).collect();
    if too_wide.is_empty() {
        return Ok(());
    }
    Err(Fault::GrantTooWide.because(format!("Not registered: {}.", too_wide.join(", "))))
}

/// The same words, each once, in the order in which they came first.
fn distinct(words: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut kept = words;
    kept.retain(|word| !word.is_empty() && seen.insert(word.clone()));
    kept
}

fn onward(world: &World<'_>, asked: &Asked, answer: Tag) -> String {
    let flow = asked.record.id;
    let verifier = Verifier { flow, answer }.seal(&world.cx, Purpose::ConsentVerifier);
    with_parameter(&start_url(world, asked.state.device()), "consent_verifier", &verifier)
}

//! The login request: what the login app is told, and what it may answer.
//!
//! The shapes are those of Hydra's admin API. Reading and answering are idempotent; the answer that counts is the last one
//! before the browser comes back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::authentication::Authentication;
use super::challenge::LoginChallenge;
use super::handle::seal_verifier;
use super::state::{FlowState, is_expired, removal};
use super::{Unanswerable, request_url, with_parameter};
use crate::authorize::OidcContext;
use crate::client::Client;
use crate::fault::Fault;
use crate::port::{Change, FlowRecord, FlowStep, Freshness, Outcome};
use crate::seal::Purpose;
use crate::world::World;

/// What the login app is told about an authorization.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    /// `requested_scope`.
    pub scope: Vec<String>,
    /// `requested_access_token_audience`.
    pub audience: Vec<String>,
    /// Whether the person is logged in already, so that no page may be shown.
    pub skip: bool,
    /// Who that is, or nothing.
    pub subject: String,
    /// `oidc_context`.
    pub oidc_context: OidcContext,
    /// The client.
    pub client: Arc<Client>,
    /// Where the authorization began.
    pub request_url: String,
    /// The id that the login session has or will have.
    pub session_id: String,
}

/// The body of an acceptance.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each field is the member of the body with that name")]
pub struct LoginAcceptance {
    pub subject: Option<String>,
    pub remember: Option<bool>,
    pub remember_for: Option<i64>,
    pub extend_session_lifespan: Option<bool>,
    pub acr: Option<String>,
    pub amr: Option<Vec<String>>,
    pub context: Option<Value>,
    pub identity_provider_session_id: Option<String>,
}

/// The body of a rejection, by the login or the consent app.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each field is the member of the body with that name")]
pub struct Rejection {
    pub error: Option<String>,
    pub error_description: Option<String>,
    pub error_hint: Option<String>,
}

impl Rejection {
    /// `error_description` and `error_hint` as one text.
    #[must_use]
    pub fn text(&self) -> String {
        let parts = [self.error_description.as_deref(), self.error_hint.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// What the login app answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum LoginAnswer {
    #[serde(rename = "a")]
    Accepted(LoginAccepted),
    #[serde(rename = "r")]
    Rejected(Rejection),
}

/// An acceptance with its defaults filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoginAccepted {
    pub(crate) subject: String,
    /// Whether the session that the browser showed goes on.
    pub(crate) skip: bool,
    pub(crate) remember: bool,
    /// Seconds; not positive means the configured life.
    pub(crate) remember_for: i64,
    pub(crate) extend: bool,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Option<Vec<String>>,
    pub(crate) context: Option<Value>,
    pub(crate) identity_provider_session_id: Option<String>,
    /// Seconds since 1970.
    pub(crate) authenticated_at: i64,
}

/// What the login app needs to know.
///
/// # Errors
/// [`Unanswerable::Gone`] if the challenge was answered or has expired: the browser goes on at the URL given.
pub async fn read(world: &World<'_>, challenge: &str) -> Result<LoginRequest, Unanswerable> {
    let cx = &world.cx;
    let opened = LoginChallenge::open(cx, challenge).ok_or(Unanswerable::Unknown)?;
    if is_expired(cx, opened.flow) {
        return Err(gone(world, &opened));
    }
    if let Some(record) = world.store.flow(opened.flow, Freshness::Latest).await? {
        return Err(match record.step {
            FlowStep::LoginAnswered => Unanswerable::Gone {
                redirect_to: onward(world, &opened),
            },
            _ => gone(world, &opened),
        });
    }
    let client_id = opened.params.get("client_id").unwrap_or_default();
    let client = world.client(client_id, Freshness::ProvedByWrite).await?;
    let client = client.ok_or(Unanswerable::Unknown)?;
    let known = opened.known.as_ref();
    Ok(LoginRequest {
        scope: opened.params.scope(),
        audience: opened.params.audience(),
        skip: known.is_some(),
        subject: known.map(|known| known.subject.clone()).unwrap_or_default(),
        oidc_context: OidcContext::of(&opened.params, &client),
        client,
        request_url: request_url(world, &opened.params),
        session_id: known.map_or(opened.flow, |known| known.id).to_string(),
    })
}

/// Accepts: somebody is logged in. Returns where the browser goes.
///
/// # Errors
/// If no subject is named, or the flow has gone on without this answer.
pub async fn accept(world: &World<'_>, challenge: &str, body: LoginAcceptance) -> Result<String, Unanswerable> {
    let opened = LoginChallenge::open(&world.cx, challenge).ok_or(Unanswerable::Unknown)?;
    let subject = body.subject.filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(Fault::SubjectAbsent)?;
    let known = opened.known.as_ref();
    if known.is_some_and(|known| known.subject != subject) {
        // Another person than the one whose session it is: they log in by themselves.
        let mut pairs = opened.params.without(&["prompt"]).pairs().to_vec();
        pairs.push(("prompt".into(), "login".into()));
        return Ok(request_url(world, &crate::params::Params::from_pairs(pairs)));
    }
    let earlier = match known {
        None => Authentication::default(),
        Some(known) => match world.store.session(known.id).await? {
            Some(session) => Authentication::open(&world.cx, &session)?,
            // The session ended while its owner was on the way: they log in again.
            None => return Ok(request_url(world, &opened.params)),
        },
    };
    let accepted = LoginAccepted {
        subject,
        skip: known.is_some(),
        remember: known.is_some() || body.remember.unwrap_or_default(),
        remember_for: body.remember_for.unwrap_or_default(),
        extend: body.extend_session_lifespan.unwrap_or_default(),
        acr: body.acr.filter(|acr| !acr.is_empty()).or(earlier.acr),
        amr: body.amr.filter(|amr| !amr.is_empty()).or(earlier.amr),
        context: body.context.filter(|context| !context.is_null()),
        identity_provider_session_id: body.identity_provider_session_id.filter(|id| !id.is_empty()),
        authenticated_at: known.map_or(world.cx.now, |known| known.authenticated_at).0,
    };
    answer(world, &opened, LoginAnswer::Accepted(accepted)).await
}

/// Rejects: nobody logged in. Returns where the browser goes.
///
/// # Errors
/// As [`accept`].
pub async fn reject(world: &World<'_>, challenge: &str, body: Rejection) -> Result<String, Unanswerable> {
    let opened = LoginChallenge::open(&world.cx, challenge).ok_or(Unanswerable::Unknown)?;
    answer(world, &opened, LoginAnswer::Rejected(body)).await
}

async fn answer(world: &World<'_>, opened: &LoginChallenge, login: LoginAnswer) -> Result<String, Unanswerable> {
    let cx = &world.cx;
    if is_expired(cx, opened.flow) {
        // Whoever sat at the login page for too long is sent round again instead of into an error.
        return Ok(request_url(world, &opened.params));
    }
    let flow = FlowRecord {
        id: opened.flow,
        step: FlowStep::LoginAnswered,
        version: 0,
        sealed: FlowState::answered(opened, login).seal(cx, opened.flow)?,
        expires_at: removal(cx, opened.flow),
    };
    match world.store.apply(Change::AnswerLogin { flow }).await? {
        Outcome::Applied => Ok(onward(world, opened)),
        Outcome::LostRace => Err(gone(world, opened)),
    }
}

fn onward(world: &World<'_>, opened: &LoginChallenge) -> String {
    let verifier = seal_verifier(&world.cx, Purpose::LoginVerifier, opened.flow);
    let start = format!("{}/oauth2/auth", world.cx.policy.public_url);
    with_parameter(&start, "login_verifier", &verifier)
}

fn gone(world: &World<'_>, opened: &LoginChallenge) -> Unanswerable {
    Unanswerable::Gone {
        redirect_to: request_url(world, &opened.params),
    }
}

//! The login request: what the login app is told, and what it may answer.
//!
//! The shapes are those of Hydra's admin API. Reading and answering are idempotent; the answer that counts is the last one
//! before the browser comes back.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::authentication::Authentication;
use super::challenge::LoginChallenge;
use super::handle::{Tag, Verifier, tag};
use super::state::{FlowState, is_expired, removal};
use super::{Unanswerable, request_url, start_url, with_parameter};
use crate::authorize::{OidcContext, Prompt};
use crate::client::Client;
use crate::fault::{Failure, Fault};
use crate::port::{Change, FlowRecord, FlowStep, Freshness, Outcome};
use crate::seal::Purpose;
use crate::witness::{Parties, Seen};
use crate::world::World;

/// Most characters of what a person is called.
const LONGEST_NAME: usize = 255;

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
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "acceptOAuth2LoginRequest")]
pub struct LoginAcceptance {
    /// Who logged in. Required, and for a request with `skip` the same person.
    pub subject: Option<String>,
    /// Whether the browser stays logged in.
    pub remember: Option<bool>,
    /// For how many seconds; 0 or nothing for `ttl.authentication_session`.
    pub remember_for: Option<i64>,
    /// Whether a remembered session begins anew, for `remember_for` seconds.
    pub extend_session_lifespan: Option<bool>,
    /// How surely the person was authenticated.
    pub acr: Option<String>,
    /// How the person was authenticated (RFC 8176).
    pub amr: Option<Vec<String>>,
    /// JSON for the consent app.
    pub context: Option<Value>,
    /// The session at the identity provider.
    pub identity_provider_session_id: Option<String>,
    /// What a client with pairwise subjects calls the person.
    pub force_subject_identifier: Option<String>,
}

/// The body of a rejection, by the login or the consent app.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "rejectOAuth2Request")]
pub struct Rejection {
    /// The code that the client gets; by default `login_request_denied` or `consent_request_denied`.
    pub error: Option<String>,
    /// What happened, for the client.
    pub error_description: Option<String>,
    /// What helps against it; follows the description.
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

impl LoginAnswer {
    /// What a verifier names this answer by. Who accepts the same twice does so at another time: that does not count.
    pub(crate) fn tag(&self) -> Result<Tag, Failure> {
        let mut timeless = self.clone();
        if let Self::Accepted(accepted) = &mut timeless {
            accepted.authenticated_at = 0;
        }
        tag(&timeless)
    }
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
    /// `force_subject_identifier`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forced_subject: Option<String>,
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
    if world.store.flow(opened.flow, Freshness::Latest).await?.is_some() {
        // Where the answer leads is for the browser that it was given to, not for whoever opens the page again.
        return Err(gone(world, &opened));
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
        request_url: request_url(world, &opened.params, opened.device),
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
    require_name("subject", &subject)?;
    require_name(
        "force_subject_identifier",
        body.force_subject_identifier.as_deref().unwrap_or_default(),
    )?;
    let known = opened.known.as_ref();
    // A device's person would have to enter the code again: the login counts, and the session does not go on.
    let known = known.filter(|known| opened.device.is_none() || known.subject == subject);
    if known.is_some_and(|known| known.subject != subject) {
        if Prompt::parse(opened.params.get("prompt").unwrap_or_default()).is_ok_and(|prompt| prompt.none) {
            // No page may be shown, not even to find out who is there.
            let rejection = Rejection {
                error: Some(Fault::LoginRequired.code().as_str().to_owned()),
                error_description: Some(Fault::SubjectMismatch.description().to_owned()),
                error_hint: None,
            };
            return answer(world, &opened, LoginAnswer::Rejected(rejection)).await;
        }
        // Another person than the one whose session it is: they log in by themselves.
        let mut pairs = opened.params.without(&["prompt"]).pairs().to_vec();
        pairs.push(("prompt".into(), "login".into()));
        return Ok(request_url(world, &crate::params::Params::from_pairs(pairs), None));
    }
    let earlier = match known {
        None => Authentication::default(),
        Some(known) => match Authentication::of(world, known.id).await? {
            Some((session, authentication)) if session.expires_at > world.cx.now => authentication,
            // The session ended while its owner was on the way: they log in again.
            _ => return Ok(request_url(world, &opened.params, opened.device)),
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
        forced_subject: body.force_subject_identifier.filter(|subject| !subject.is_empty()),
        authenticated_at: known.map_or(world.cx.now, |known| known.authenticated_at).0,
    };
    answer(world, &opened, LoginAnswer::Accepted(accepted)).await
}

/// What tokens and lists call a person: "It MUST NOT exceed 255 ASCII characters in length" (OpenID Connect Core §2). Longer
/// ones fit no index, and no database keeps a NUL.
fn require_name(member: &str, name: &str) -> Result<(), Failure> {
    if name.chars().count() <= LONGEST_NAME && !name.contains('\0') {
        return Ok(());
    }
    let detail = format!("The member '{member}' is longer than {LONGEST_NAME} characters or contains a NUL character.");
    Err(Fault::AnswerMalformed.because(detail))
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
        return Ok(request_url(world, &opened.params, opened.device));
    }
    let answer = login.tag()?;
    let state = FlowState::answered(opened, login);
    let flow = FlowRecord {
        id: opened.flow,
        step: FlowStep::LoginAnswered,
        version: 0,
        sealed: state.seal(cx, opened.flow)?,
        expires_at: removal(cx, opened.flow),
    };
    match world.store.apply(Change::AnswerLogin { flow }).await? {
        Outcome::Applied => {
            let client = opened.params.get("client_id").unwrap_or_default();
            world.witness.see(match &state.login {
                Some(LoginAnswer::Accepted(LoginAccepted { subject, .. })) => {
                    Seen::LoginAccepted(Parties { client, subject })
                }
                _ => Seen::LoginRejected { client },
            });
            Ok(onward(world, opened, answer))
        }
        Outcome::LostRace => Err(gone(world, opened)),
    }
}

fn onward(world: &World<'_>, opened: &LoginChallenge, answer: Tag) -> String {
    let flow = opened.flow;
    let verifier = Verifier { flow, answer }.seal(&world.cx, Purpose::LoginVerifier);
    let start = start_url(world, opened.device);
    with_parameter(&start, "login_verifier", &verifier)
}

fn gone(world: &World<'_>, opened: &LoginChallenge) -> Unanswerable {
    Unanswerable::Gone {
        redirect_to: request_url(world, &opened.params, opened.device),
    }
}

//! `/admin/oauth2/auth/requests/…`: what the login, consent, logout and device apps read, accept and reject.
//!
//! The shapes are those of Hydra's admin API; what happens is in [`claviger_core::flow`]. A challenge that was used or has
//! expired answers 410 with the absolute URL at which the browser goes on.

use axum::extract::State;
use axum::response::Response;
use claviger_core::api_key::Area;
use claviger_core::authorize::OidcContext;
use claviger_core::client::metadata::Metadata;
use claviger_core::fault::Fault;
use claviger_core::flow::Unanswerable;
use claviger_core::flow::consent::{self, ConsentAcceptance, ConsentRequest};
use claviger_core::flow::device;
use claviger_core::flow::login::{self, LoginAcceptance, LoginRequest, Rejection};
use claviger_core::logout::answer::{self as logout, LogoutQuestion};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::edge::call::Call;
use crate::edge::problem::{Problem, Resource};
use crate::edge::reply;
use crate::edge::router::Routes;
use crate::openapi::admin::requests as about;
use crate::provider::Shared;

/// A challenge opens a login: to read one is not for everybody who may read.
const FLOWS: &[Area] = &[Area::Flows];

/// The endpoints of this module.
#[rustfmt::skip]
pub fn routes(routes: Routes<'_, Shared>) -> Routes<'_, Shared> {
    routes
        .on_for(FLOWS, &Method::GET, "/admin/oauth2/auth/requests/login", read_login, about::read_login)
        .on_for(FLOWS, &Method::PUT, "/admin/oauth2/auth/requests/login/accept", accept_login, about::accept_login)
        .on_for(FLOWS, &Method::PUT, "/admin/oauth2/auth/requests/login/reject", reject_login, about::reject_login)
        .on_for(FLOWS, &Method::GET, "/admin/oauth2/auth/requests/consent", read_consent, about::read_consent)
        .on_for(FLOWS, &Method::PUT, "/admin/oauth2/auth/requests/consent/accept", accept_consent, about::accept_consent)
        .on_for(FLOWS, &Method::PUT, "/admin/oauth2/auth/requests/consent/reject", reject_consent, about::reject_consent)
        .on_for(FLOWS, &Method::GET, "/admin/oauth2/auth/requests/logout", read_logout, about::read_logout)
        .on_for(FLOWS, &Method::PUT, "/admin/oauth2/auth/requests/logout/accept", accept_logout, about::accept_logout)
        .on_for(FLOWS, &Method::PUT, "/admin/oauth2/auth/requests/logout/reject", reject_logout, about::reject_logout)
        .on_for(FLOWS, &Method::PUT, "/admin/oauth2/auth/requests/device/accept", accept_device, about::accept_device)
}

/// Where the browser goes on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2RedirectTo")]
pub(crate) struct Onward {
    /// An absolute URL.
    redirect_to: String,
}

/// The code that a person entered.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "acceptDeviceUserCodeRequest")]
pub(crate) struct DeviceAcceptance {
    /// Case and dashes do not matter. Required.
    user_code: Option<String>,
}

/// A login request as the login app reads it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2LoginRequest")]
pub(crate) struct LoginShown<'a> {
    /// The challenge.
    challenge: &'a str,
    /// The scopes that the client asked for.
    requested_scope: Vec<String>,
    /// The audiences that the client asked for.
    requested_access_token_audience: Vec<String>,
    /// Whether the browser shows a login: accept it without asking, with the same subject.
    skip: bool,
    /// Who is logged in, if `skip`.
    subject: String,
    /// What the client said about the person and the pages.
    oidc_context: OidcContext,
    /// The client.
    client: Metadata,
    /// The authorization request.
    request_url: String,
    /// The id that the login session has or will have.
    session_id: String,
}

/// A consent request as the consent app reads it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2ConsentRequest")]
pub(crate) struct ConsentShown<'a> {
    /// The challenge; empty in lists.
    challenge: &'a str,
    /// The name of this consent in lists.
    consent_request_id: &'a str,
    /// The scopes that the client asked for.
    requested_scope: Vec<String>,
    /// The audiences that the client asked for.
    requested_access_token_audience: Vec<String>,
    /// Whether the same was granted before: accept it without asking.
    skip: bool,
    /// Who logged in.
    subject: String,
    /// What the client said about the person and the pages.
    oidc_context: OidcContext,
    /// The client.
    client: Metadata,
    /// The authorization request.
    request_url: String,
    /// The same as `consent_request_id`.
    login_challenge: &'a str,
    /// The login session.
    login_session_id: String,
    /// From the login app.
    acr: String,
    /// From the login app.
    amr: Vec<String>,
    /// From the login app.
    context: Value,
}

/// A logout request as the logout app reads it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2LogoutRequest")]
pub(crate) struct LogoutShown<'a> {
    /// The challenge.
    challenge: &'a str,
    /// Who is logged in.
    subject: String,
    /// The session.
    sid: String,
    /// The logout request, without its ID token.
    request_url: String,
    /// Whether a client asked for it.
    rp_initiated: bool,
    /// RFC 3339.
    expires_at: String,
    /// RFC 3339.
    requested_at: String,
    /// The client that asked.
    client: Option<Metadata>,
}

async fn read_login(State(provider): State<Shared>, call: Call) -> Response {
    let challenge = challenge(&call, "login_challenge");
    answered(
        async {
            let challenge = challenge?;
            let request = login::read(&provider.world(), &challenge).await?;
            Ok(reply::admin(StatusCode::OK, &login_shown(&challenge, request)?))
        }
        .await,
    )
}

async fn accept_login(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(
        async {
            let challenge = challenge(&call, "login_challenge")?;
            let body: LoginAcceptance = call.json().await.map_err(Problem::from)?;
            Ok(onward(login::accept(&provider.world(), &challenge, body).await?))
        }
        .await,
    )
}

async fn reject_login(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(
        async {
            let challenge = challenge(&call, "login_challenge")?;
            let body: Rejection = call.json().await.map_err(Problem::from)?;
            Ok(onward(login::reject(&provider.world(), &challenge, body).await?))
        }
        .await,
    )
}

async fn read_consent(State(provider): State<Shared>, call: Call) -> Response {
    let challenge = challenge(&call, "consent_challenge");
    answered(
        async {
            let challenge = challenge?;
            let request = consent::read(&provider.world(), &challenge).await?;
            let id = request.id.clone();
            let client = Metadata::of(&request.client).map_err(Problem::from)?;
            let shown = consent_shown(&challenge, &id, request, client);
            Ok(reply::admin(StatusCode::OK, &shown))
        }
        .await,
    )
}

async fn accept_consent(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(
        async {
            let challenge = challenge(&call, "consent_challenge")?;
            let body: ConsentAcceptance = call.json().await.map_err(Problem::from)?;
            Ok(onward(consent::accept(&provider.world(), &challenge, body).await?))
        }
        .await,
    )
}

async fn reject_consent(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(
        async {
            let challenge = challenge(&call, "consent_challenge")?;
            let body: Rejection = call.json().await.map_err(Problem::from)?;
            Ok(onward(consent::reject(&provider.world(), &challenge, body).await?))
        }
        .await,
    )
}

async fn accept_device(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(
        async {
            let challenge = challenge(&call, "device_challenge")?;
            let body: DeviceAcceptance = call.json().await.map_err(Problem::from)?;
            let code = body.user_code.unwrap_or_default();
            Ok(onward(device::accept(&provider.world(), &challenge, &code).await?))
        }
        .await,
    )
}

async fn read_logout(State(provider): State<Shared>, call: Call) -> Response {
    answered(
        async {
            let challenge = logout_challenge(&call)?;
            let question = logout::read(&provider.world(), &challenge).await.map_err(one_404)?;
            Ok(reply::admin(StatusCode::OK, &logout_shown(&challenge, question)?))
        }
        .await,
    )
}

async fn accept_logout(State(provider): State<Shared>, call: Call) -> Response {
    answered(
        async {
            let challenge = logout_challenge(&call)?;
            let accepted = logout::accept(&provider.world(), &challenge).await;
            Ok(onward(accepted.map_err(one_404)?))
        }
        .await,
    )
}

/// The body, if there is one, means nothing.
async fn reject_logout(State(provider): State<Shared>, call: Call) -> Response {
    answered(
        async {
            let challenge = logout_challenge(&call)?;
            logout::reject(&provider.world(), &challenge).await.map_err(one_404)?;
            Ok(reply::no_content())
        }
        .await,
    )
}

/// A challenge that is absent is one that nobody knows.
fn logout_challenge(call: &Call) -> Result<String, Refused> {
    let query = call.query().map_err(Problem::from)?;
    let challenge = query.get("logout_challenge").or_else(|| query.get("challenge"));
    challenge
        .map(str::to_owned)
        .ok_or_else(|| one_404(Unanswerable::Unknown))
}

/// Every unknown logout challenge is answered in one shape (D30).
fn one_404(why: Unanswerable) -> Refused {
    match why {
        Unanswerable::Unknown => Refused::Problem(Resource::Missing.into()),
        why => why.into(),
    }
}

/// Why a login, consent or logout request is not answered with success.
/// Why a login, consent or device request is not answered with success.
enum Refused {
    /// The browser goes on elsewhere.
    Gone(String),
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Unanswerable> for Refused {
    fn from(why: Unanswerable) -> Self {
        match why {
            Unanswerable::Gone { redirect_to } => Self::Gone(redirect_to),
            Unanswerable::Failure(failure) => Self::Problem(failure.into()),
            Unanswerable::Unknown => Self::Problem(
                Resource::Unknown.because("Nobody knows this challenge. Start again from the application."),
            ),
        }
    }
}

fn answered(result: Result<Response, Refused>) -> Response {
    match result {
        Ok(response) => response,
        Err(Refused::Gone(redirect_to)) => reply::admin(StatusCode::GONE, &Onward { redirect_to }),
        Err(Refused::Problem(problem)) => reply::admin_error(&problem),
    }
}

fn onward(redirect_to: String) -> Response {
    reply::admin(StatusCode::OK, &Onward { redirect_to })
}

/// The challenge, under its own name or as `challenge`, which apps for Hydra 1 send.
fn challenge(call: &Call, name: &str) -> Result<String, Problem> {
    let query = call.query()?;
    let challenge = query.get(name).or_else(|| query.get("challenge"));
    Ok(challenge.ok_or(Fault::ChallengeAbsent)?.to_owned())
}

fn logout_shown(challenge: &str, question: LogoutQuestion) -> Result<LogoutShown<'_>, Problem> {
    Ok(LogoutShown {
        challenge,
        subject: question.subject,
        sid: question.session_id,
        request_url: question.request_url,
        rp_initiated: question.rp_initiated,
        expires_at: question.expires_at.rfc3339(),
        requested_at: question.requested_at.rfc3339(),
        client: question.client.as_deref().map(Metadata::of).transpose()?,
    })
}

fn login_shown(challenge: &str, request: LoginRequest) -> Result<LoginShown<'_>, Problem> {
    Ok(LoginShown {
        challenge,
        requested_scope: request.scope,
        requested_access_token_audience: request.audience,
        skip: request.skip,
        subject: request.subject,
        oidc_context: request.oidc_context,
        client: Metadata::of(&request.client)?,
        request_url: request.request_url,
        session_id: request.session_id,
    })
}

pub(super) fn consent_shown<'a>(
    challenge: &'a str,
    id: &'a str,
    request: ConsentRequest,
    client: Metadata,
) -> ConsentShown<'a> {
    ConsentShown {
        challenge,
        consent_request_id: id,
        requested_scope: request.scope,
        requested_access_token_audience: request.audience,
        skip: request.skip,
        subject: request.subject,
        oidc_context: request.oidc_context,
        client,
        request_url: request.request_url,
        login_challenge: id,
        login_session_id: request.session_id,
        acr: request.acr,
        amr: request.amr,
        context: request.context,
    }
}

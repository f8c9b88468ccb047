//! The sample login, consent and logout pages of development mode, at the addresses that stand in for the operator's own.
//!
//! They answer challenges in this process, exactly as an app would over the admin API. Every name is let in, so they exist
//! with `--dev` only.

use axum::extract::State;
use axum::response::Response;
use claviger_core::client::Client;
use claviger_core::client::metadata::Metadata;
use claviger_core::fault::Fault;
use claviger_core::flow::Unanswerable;
use claviger_core::flow::consent::{self, ConsentAcceptance};
use claviger_core::flow::login::{self, LoginAcceptance, Rejection};
use claviger_core::logout::answer;
use claviger_core::params::Params;
use http::StatusCode;

use super::authorize::error_page;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::pages;
use crate::pages::dev::{ACCEPT, Consent, Login, Logout, SCOPE_PREFIX};
use crate::provider::Shared;

const LOGIN: &str = "/oauth2/fallbacks/login";
const CONSENT: &str = "/oauth2/fallbacks/consent";
const LOGOUT: &str = "/oauth2/fallbacks/logout";

/// `GET /oauth2/fallbacks/login` in development mode
pub async fn login(State(provider): State<Shared>, call: Call) -> Response {
    let query = call.query();
    if query.as_ref().is_ok_and(|query| query.get("login_challenge").is_none()) {
        return lost(&call);
    }
    let result = async {
        let query = query?;
        let challenge = query.get("login_challenge").ok_or(Fault::ChallengeAbsent)?;
        let request = login::read(&provider.world(), challenge).await?;
        if request.skip {
            let body = LoginAcceptance {
                subject: Some(request.subject),
                ..LoginAcceptance::default()
            };
            return Ok(reply::found(&login::accept(&provider.world(), challenge, body).await?));
        }
        Ok(login_page(
            challenge,
            &name_of(&request.client)?,
            &request.oidc_context.login_hint,
            "",
        ))
    };
    let answer = result.await;
    answered(&provider, &call, answer)
}

/// `POST /oauth2/fallbacks/login` in development mode
pub async fn log_in(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = call.form().await;
    let result = async {
        let form = form.map_err(Problem::from)?;
        let world = provider.world();
        let challenge = form.get("login_challenge").ok_or(Fault::ChallengeAbsent)?;
        if form.get("answer") != Some(ACCEPT) {
            let onward = login::reject(&world, challenge, denied("The person did not log in.")).await?;
            return Ok(reply::see_other(&onward));
        }
        let Some(name) = form.get("name").map(str::trim).filter(|name| !name.is_empty()) else {
            let request = login::read(&world, challenge).await?;
            return Ok(login_page(challenge, &name_of(&request.client)?, "", "Type a name."));
        };
        let body = LoginAcceptance {
            subject: Some(name.to_owned()),
            remember: Some(is_ticked(&form, "remember")),
            ..LoginAcceptance::default()
        };
        Ok(reply::see_other(&login::accept(&world, challenge, body).await?))
    };
    let answer = result.await;
    answered(&provider, &call, answer)
}

/// `GET /oauth2/fallbacks/consent` in development mode
pub async fn consent(State(provider): State<Shared>, call: Call) -> Response {
    let query = call.query();
    if query
        .as_ref()
        .is_ok_and(|query| query.get("consent_challenge").is_none())
    {
        return lost(&call);
    }
    let result = async {
        let query = query?;
        let challenge = query.get("consent_challenge").ok_or(Fault::ChallengeAbsent)?;
        let request = consent::read(&provider.world(), challenge).await?;
        if request.skip {
            let body = ConsentAcceptance {
                grant_scope: Some(request.scope),
                grant_access_token_audience: Some(request.audience),
                ..ConsentAcceptance::default()
            };
            return Ok(reply::found(
                &consent::accept(&provider.world(), challenge, body).await?,
            ));
        }
        Ok(pages::dev::consent(&Consent {
            action: CONSENT,
            challenge,
            client_name: &name_of(&request.client)?,
            subject: &request.subject,
            scopes: &request.scope,
            audiences: &request.audience,
        }))
    };
    let answer = result.await;
    answered(&provider, &call, answer)
}

/// `POST /oauth2/fallbacks/consent` in development mode
pub async fn give_consent(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = call.form().await;
    let result = async {
        let form = form.map_err(Problem::from)?;
        let world = provider.world();
        let challenge = form.get("consent_challenge").ok_or(Fault::ChallengeAbsent)?;
        if form.get("answer") != Some(ACCEPT) {
            let onward = consent::reject(&world, challenge, denied("The person did not allow access.")).await?;
            return Ok(reply::see_other(&onward));
        }
        let request = consent::read(&world, challenge).await?;
        let ticked = |scope: &String| is_ticked(&form, &format!("{SCOPE_PREFIX}{scope}"));
        let body = ConsentAcceptance {
            grant_scope: Some(request.scope.into_iter().filter(ticked).collect()),
            grant_access_token_audience: Some(request.audience),
            remember: Some(is_ticked(&form, "remember")),
            ..ConsentAcceptance::default()
        };
        Ok(reply::see_other(&consent::accept(&world, challenge, body).await?))
    };
    let answer = result.await;
    answered(&provider, &call, answer)
}

/// `GET /oauth2/fallbacks/logout` in development mode
pub async fn logout(State(provider): State<Shared>, call: Call) -> Response {
    let query = call.query();
    let result = async {
        let query = query?;
        let challenge = query.get("logout_challenge").ok_or(Fault::ChallengeAbsent)?;
        let request = answer::read(&provider.world(), challenge).await?;
        let client_name = request.client.as_deref().map(name_of).transpose()?;
        Ok(pages::dev::logout(&Logout {
            action: LOGOUT,
            challenge,
            subject: &request.subject,
            client_name: client_name.as_deref().unwrap_or_default(),
        }))
    };
    let answer = result.await;
    answered(&provider, &call, answer)
}

/// `POST /oauth2/fallbacks/logout` in development mode
pub async fn log_out(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = call.form().await;
    let result = async {
        let form = form.map_err(Problem::from)?;
        let world = provider.world();
        let challenge = form.get("logout_challenge").ok_or(Fault::ChallengeAbsent)?;
        if form.get("answer") != Some(ACCEPT) {
            answer::reject(&world, challenge).await?;
            let text = "You can close this page, or go back to the application.";
            return Ok(pages::notice(
                StatusCode::OK,
                "You are still logged in",
                text,
                call.id(),
            ));
        }
        Ok(reply::see_other(&answer::accept(&world, challenge).await?))
    };
    let answer = result.await;
    answered(&provider, &call, answer)
}

/// Why a sample page cannot be shown.
pub(super) enum Stop {
    Gone(String),
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

impl From<Unanswerable> for Stop {
    fn from(why: Unanswerable) -> Self {
        match why {
            Unanswerable::Gone { redirect_to } => Self::Gone(redirect_to),
            Unanswerable::Unknown => Self::Problem(Fault::ChallengeUnknown.into()),
            Unanswerable::Failure(failure) => Self::Problem(failure.into()),
        }
    }
}

pub(super) fn answered(provider: &Shared, call: &Call, result: Result<Response, Stop>) -> Response {
    match result {
        Ok(response) => response,
        Err(Stop::Gone(redirect_to)) => reply::see_other(&redirect_to),
        Err(Stop::Problem(problem)) => error_page(&provider.policy, call, &problem),
    }
}

fn login_page(challenge: &str, client_name: &str, name: &str, alert: &str) -> Response {
    pages::dev::login(&Login {
        action: LOGIN,
        challenge,
        client_name,
        name,
        alert,
    })
}

/// Somebody came here without an application.
fn lost(call: &Call) -> Response {
    let text = "Applications send people here to log in. Start at the application.";
    pages::notice(StatusCode::BAD_REQUEST, "Nothing to log in to", text, call.id())
}

fn name_of(client: &Client) -> Result<String, Problem> {
    let name = Metadata::of(client)?.client_name;
    Ok(if name.is_empty() { client.id.to_string() } else { name })
}

fn is_ticked(form: &Params, name: &str) -> bool {
    form.get(name) == Some("on")
}

fn denied(why: &str) -> Rejection {
    Rejection {
        error: Some("access_denied".to_owned()),
        error_description: Some(why.to_owned()),
        error_hint: None,
    }
}

//! `/oauth2/sessions/logout`: the logout endpoint over HTTP.
//!
//! Implements OpenID Connect RP-Initiated Logout 1.0 §2 (GET and POST). What happens is in [`claviger_core::logout`]; here
//! are the cookie, the redirects and the page with the frames of Front-Channel Logout.

use axum::extract::State;
use axum::response::Response;
use claviger_core::authorize::CookieChange;
use claviger_core::logout::{Farewell, Onward, logout};

use super::authorize::error_page;
use super::cookies::Jar;
use crate::edge::call::{Call, Unreadable};
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::pages;
use crate::provider::Shared;

/// `GET /oauth2/sessions/logout` and `POST /oauth2/sessions/logout`
pub async fn end(State(provider): State<Shared>, mut call: Call) -> Response {
    let params = match call.query_or_form().await {
        Ok(params) => params,
        Err(Unreadable::Failure(failure)) => return error_page(&provider.policy, &call, &failure.into()),
        Err(unreadable) => return reply::error_page(&call, &unreadable.into()),
    };
    // The logout app sends the browser back with it, so it is nowhere but in the query.
    let query = call.query().ok();
    let verifier = query.as_ref().and_then(|query| query.get("logout_verifier"));
    let jar = Jar::read(&provider.cookies, &call.headers);
    let answer = logout(&provider.world(), &params, verifier, &jar.browser()).await;
    let farewell = match answer {
        Ok(farewell) => farewell,
        Err(failure) => return error_page(&provider.policy, &call, &Problem::from(failure)),
    };
    if farewell.has_notices {
        provider.notices.wake();
    }
    respond(&provider, &jar, farewell)
}

fn respond(provider: &Shared, jar: &Jar<'_>, farewell: Farewell) -> Response {
    let mut response = match farewell.to {
        Onward::Url(url) => reply::found(&url),
        Onward::Frames { frames, next } => pages::logged_out(&frames, &next),
    };
    if farewell.forgets_session {
        let life = provider.policy.challenge_life;
        jar.write(life, &[CookieChange::EndSession], response.headers_mut());
    }
    response
}

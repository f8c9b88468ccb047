//! `/admin/oauth2/auth/sessions/…`: consents that were given and logins that last.
//!
//! The shapes are those of Hydra's admin API; what they mean is in [`claviger_core::sessions`].

use axum::extract::State;
use axum::response::Response;
use claviger_core::api_key::Area;
use claviger_core::client::metadata::Metadata;
use claviger_core::context::Id;
use claviger_core::fault::Fault;
use claviger_core::flow::consent::SessionClaims;
use claviger_core::logout::end_session;
use claviger_core::port::{Change, GrantQuery, Outcome};
use claviger_core::seal::Purpose;
use claviger_core::sessions::{self, GivenConsent};
use http::header::LINK;
use http::{HeaderValue, Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::clients::X_TOTAL_COUNT;
use super::paging::Page;
use super::requests::{ConsentShown, consent_shown};
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::edge::router::Routes;
use crate::openapi::SessionClaimsShown;
use crate::openapi::admin::sessions as about;
use crate::provider::Shared;
use crate::telemetry::events;

/// The endpoints of this module.
#[rustfmt::skip]
pub fn routes(routes: Routes<'_, Shared>) -> Routes<'_, Shared> {
    routes
        .on_for(&[Area::Read, Area::Flows], &Method::GET, "/admin/oauth2/auth/sessions/consent", list_consents, about::list_consents)
        .on_for(&[Area::Flows], &Method::DELETE, "/admin/oauth2/auth/sessions/consent", end_consents, about::end_consents)
        .on_for(&[Area::Flows], &Method::DELETE, "/admin/oauth2/auth/sessions/login", end_logins, about::end_logins)
}

/// A consent as it is listed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2ConsentSession")]
pub(crate) struct Shown<'a> {
    /// The name of the consent.
    consent_request_id: &'a str,
    /// The granted scopes.
    grant_scope: &'a [String],
    /// The granted audiences.
    grant_access_token_audience: &'a [String],
    /// The claims of the tokens.
    #[schemars(with = "SessionClaimsShown")]
    session: &'a SessionClaims,
    /// Whether the same is not asked again.
    remember: bool,
    /// For how many seconds; 0 for ever.
    remember_for: u64,
    /// RFC 3339.
    handled_at: String,
    /// From the consent app.
    context: &'a Value,
    /// What was asked.
    consent_request: ConsentShown<'a>,
}

async fn list_consents(State(provider): State<Shared>, call: Call) -> Response {
    answered(list(&provider, &call).await)
}

async fn list(provider: &Shared, call: &Call) -> Result<Response, Problem> {
    let (world, params) = (provider.world(), call.query()?);
    let subject = params.get("subject").ok_or(Fault::SubjectMissing)?;
    let page = Page::parse(&world.cx, Purpose::ConsentPage, &params, provider.v1_paths)?;
    let session = match params.get("login_session_id").map(Id::parse) {
        // There is no session of that name, and so no consent in it.
        Some(None) => return Ok(reply::admin(StatusCode::OK, &[(); 0])),
        session => session.flatten(),
    };
    let query = GrantQuery {
        subject: subject.to_owned(),
        session,
        at: world.cx.now,
        after: page.after().and_then(Id::parse),
        offset: page.offset(),
        limit: page.limit(),
    };
    let mut given = sessions::consents(&world, &query).await?;
    let total = world.store.count_grants(&query).await?;
    let surplus = page.cut(&mut given);
    let last = given.last().map(|consent| consent.request.id.as_str());
    // As in Hydra, an empty list has no links.
    let links = last.and_then(|last| page.links(&world.cx, call.uri.path(), (surplus, Some(last)), total));
    let all = given.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
    let mut response = reply::admin(StatusCode::OK, &all);
    let headers = response.headers_mut();
    headers.insert(X_TOTAL_COUNT, HeaderValue::from(total));
    if let Some(links) = links.and_then(|links| HeaderValue::from_str(&links).ok()) {
        headers.insert(LINK, links);
    }
    Ok(response)
}

/// The challenge is not shown again: it was answered.
fn shown(consent: &GivenConsent) -> Result<Shown<'_>, Problem> {
    let id = consent.request.id.as_str();
    Ok(Shown {
        consent_request_id: id,
        grant_scope: &consent.scope,
        grant_access_token_audience: &consent.audience,
        session: &consent.claims,
        remember: consent.remember,
        remember_for: consent.remember_for,
        handled_at: consent.handled_at.rfc3339(),
        context: &consent.context,
        consent_request: consent_shown("", id, consent.request.clone(), Metadata::of(&consent.request.client)?),
    })
}

async fn end_consents(State(provider): State<Shared>, call: Call) -> Response {
    let ending = async {
        let query = call.query()?;
        if let Some(change) = sessions::consents_to_end(&query)? {
            apply(&provider, change).await?;
            events::consents_revoked(query.get("client"), query.get("subject"));
        }
        Ok(reply::no_content())
    };
    answered(ending.await)
}

async fn end_logins(State(provider): State<Shared>, call: Call) -> Response {
    let ending = async {
        let query = call.query()?;
        match (query.get("sid"), query.get("subject")) {
            (Some(sid), _) => {
                if let Some(sid) = Id::parse(sid)
                    && end_session(&provider.world(), sid).await?
                {
                    provider.notices.wake();
                }
            }
            (None, Some(subject)) => {
                let subject = subject.to_owned();
                apply(&provider, Change::EndSessions { subject }).await?;
            }
            (None, None) => return Err(Fault::SessionsUnnamed.into()),
        }
        Ok(reply::no_content())
    };
    answered(ending.await)
}

/// What is gone already need not be ended.
async fn apply(provider: &Shared, change: Change) -> Result<(), Problem> {
    match provider.store.apply(change).await? {
        Outcome::Applied | Outcome::LostRace => Ok(()),
    }
}

fn answered(answer: Result<Response, Problem>) -> Response {
    answer.unwrap_or_else(|problem| reply::admin_error(&problem))
}

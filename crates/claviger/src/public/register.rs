//! `/oauth2/register`: clients that register and manage themselves, where the operator enabled it.
//!
//! Implements RFC 7591 §3 and RFC 7592 §2 over HTTP; the limits are in [`claviger_core::client::registration`]. A wrong
//! token is told apart from nothing else, by a challenge of RFC 6750 §3 (D12); `Location` is the client's own address
//! (D13). Attacks: tokens in the query (it is not read), answers kept by caches.

use axum::extract::State;
use axum::response::Response;
use claviger_core::client::metadata::Metadata;
use claviger_core::client::registration;
use claviger_core::fault::Fault;
use claviger_core::params::Params;
use claviger_core::userinfo::bearer;
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use zeroize::Zeroizing;

use crate::edge::call::{Call, Unreadable};
use crate::edge::problem::{Problem, Resource};
use crate::edge::reply;
use crate::edge::router::Routes;
use crate::edge::segments::Segments;
use crate::openapi::public::oidc as about;
use crate::provider::{Provider, Shared};

/// Adds the endpoints to the public port's table.
#[must_use]
pub fn routes(routes: Routes<'_, Shared>) -> Routes<'_, Shared> {
    routes
        .on(&Method::POST, "/oauth2/register", create, about::register)
        .on(&Method::GET, "/oauth2/register/{id}", read, about::read_registration)
        .on(
            &Method::PUT,
            "/oauth2/register/{id}",
            replace,
            about::replace_registration,
        )
        .on(
            &Method::DELETE,
            "/oauth2/register/{id}",
            delete,
            about::delete_registration,
        )
}

/// `POST /oauth2/register`
pub async fn create(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(
        async {
            admit(&provider, &call)?;
            let metadata = metadata(&provider, &mut call).await?;
            let created = registration::register(&provider.world(), metadata).await?;
            let mut response = reply::protocol(StatusCode::CREATED, &created);
            if let Ok(location) = HeaderValue::from_str(&created.registration_client_uri) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        .await,
    )
}

/// `GET /oauth2/register/{id}`
pub async fn read(State(provider): State<Shared>, Segments(id): Segments<String>, call: Call) -> Response {
    answered(
        async {
            let token = token(&provider, &call)?;
            let client = registration::read(&provider.world(), &id, &token).await?;
            Ok(reply::protocol(StatusCode::OK, &client))
        }
        .await,
    )
}

/// `PUT /oauth2/register/{id}`
pub async fn replace(State(provider): State<Shared>, Segments(id): Segments<String>, mut call: Call) -> Response {
    answered(
        async {
            let token = token(&provider, &call)?;
            let metadata = metadata(&provider, &mut call).await?;
            let client = registration::replace(&provider.world(), &id, &token, metadata).await?;
            Ok(reply::protocol(StatusCode::OK, &client))
        }
        .await,
    )
}

/// `DELETE /oauth2/register/{id}`
pub async fn delete(State(provider): State<Shared>, Segments(id): Segments<String>, call: Call) -> Response {
    answered(
        async {
            let token = token(&provider, &call)?;
            registration::delete(&provider.world(), &id, &token).await?;
            Ok(reply::no_content())
        }
        .await,
    )
}

/// Without the operator's leave there is nothing at these addresses.
fn require_enabled(provider: &Provider) -> Result<(), Problem> {
    if provider.policy.dynamic_registration {
        return Ok(());
    }
    Err(Resource::NotFound.because("Clients cannot register themselves at this server."))
}

/// Before the body is looked at: who may not register learns nothing about metadata.
fn admit(provider: &Provider, call: &Call) -> Result<(), Problem> {
    require_enabled(provider)?;
    let none = Params::default();
    let token = match bearer(call.header(&AUTHORIZATION), &none) {
        Ok(token) => Some(token),
        Err(Fault::BearerMissing) => None,
        Err(other) => return Err(other.into()),
    };
    Ok(registration::admit(&provider.policy, token)?)
}

fn token(provider: &Provider, call: &Call) -> Result<Zeroizing<String>, Problem> {
    require_enabled(provider)?;
    let none = Params::default();
    let token = bearer(call.header(&AUTHORIZATION), &none)?;
    Ok(Zeroizing::new(token.to_owned()))
}

async fn metadata(provider: &Provider, call: &mut Call) -> Result<Metadata, Problem> {
    require_enabled(provider)?;
    call.json().await.map_err(|unreadable| match unreadable {
        Unreadable::Json(fault) => Fault::ClientMetadataInvalid.because(fault.to_string()).into(),
        other => other.into(),
    })
}

fn answered(answer: Result<Response, Problem>) -> Response {
    answer.unwrap_or_else(|problem| reply::bearer_error(&problem))
}

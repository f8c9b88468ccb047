//! `/admin/clients`: the registered clients.
//!
//! Hydra's shapes, with what it does wrong done right: `Location` is escaped once (D13), a patch that makes no sense is
//! 400 (D35), and no client can take the id of another one. Bodies are JSON whatever their `Content-Type`.

use axum::extract::State;
use axum::response::Response;
use claviger_core::api_key::Area;
use claviger_core::client::metadata::{LifespansRequest, Metadata};
use claviger_core::client::patch::Patch;
use claviger_core::client::registry::{self, RegistryError};
use claviger_core::port::ClientQuery;
use claviger_core::seal::Purpose;
use http::header::{HeaderName, LINK, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::paging::Page;
use super::unreadable;
use crate::edge::call::Call;
use crate::edge::problem::{Problem, Resource};
use crate::edge::reply;
use crate::edge::router::Routes;
use crate::edge::segments::Segments;
use crate::openapi::admin::clients as about;
use crate::provider::Shared;

pub(super) const X_TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// What stands for itself in a path segment: the unreserved characters of RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const READ: &[Area] = &[Area::Read, Area::Clients];
const MANAGE: &[Area] = &[Area::Clients];

/// Adds the endpoints to the admin port's table.
#[must_use]
#[rustfmt::skip]
pub fn routes(routes: Routes<'_, Shared>) -> Routes<'_, Shared> {
    routes
        .on_for(READ, &Method::GET, "/admin/clients", list, about::list)
        .on_for(MANAGE, &Method::POST, "/admin/clients", create, about::create)
        .on_for(READ, &Method::GET, "/admin/clients/{id}", read, about::read)
        .on_for(MANAGE, &Method::PUT, "/admin/clients/{id}", replace, about::replace)
        .on_for(MANAGE, &Method::PATCH, "/admin/clients/{id}", patch, about::patch)
        .on_for(MANAGE, &Method::DELETE, "/admin/clients/{id}", delete, about::delete)
        .on_for(MANAGE, &Method::PUT, "/admin/clients/{id}/lifespans", set_lifespans, about::set_lifespans)
        .on_for(MANAGE, &Method::POST, "/admin/clients/{id}/secrets/rotate", rotate_secret, about::rotate_secret)
        .on_for(MANAGE, &Method::DELETE, "/admin/clients/{id}/secrets/rotate", end_older_secrets, about::end_older_secrets)
}

async fn list(State(provider): State<Shared>, call: Call) -> Response {
    answered(list_page(&provider, call).await)
}

async fn list_page(provider: &Shared, call: Call) -> Result<Response, Problem> {
    let world = provider.world();
    let params = call.query()?;
    let page = Page::parse(&world.cx, Purpose::ClientPage, &params, provider.v1_paths)?;
    let text = |name| params.get(name).map(str::to_owned);
    let query = ClientQuery {
        name: text("client_name"),
        owner: text("owner"),
        after: page.after().map(str::to_owned),
        offset: page.offset(),
        limit: page.limit(),
    };
    let mut clients = registry::list(&world, &query).await?;
    let total = world.store.count_clients().await?;
    let surplus = page.cut(&mut clients);
    let last = clients.last().map(|client| client.client_id.as_str());
    let links = page.links(&world.cx, call.uri.path(), (surplus, last), total);
    let mut response = reply::admin(StatusCode::OK, &clients);
    let headers = response.headers_mut();
    headers.insert(X_TOTAL_COUNT, HeaderValue::from(total));
    if let Some(links) = links.and_then(|links| HeaderValue::from_str(&links).ok()) {
        headers.insert(LINK, links);
    }
    Ok(response)
}

async fn create(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(create_from(&provider, &mut call).await)
}

async fn create_from(provider: &Shared, call: &mut Call) -> Result<Response, Problem> {
    let metadata: Metadata = call.json().await.map_err(unreadable)?;
    let created = registry::create(&provider.world(), metadata).await?;
    let mut response = reply::admin(StatusCode::CREATED, &created);
    // RFC 9110 §10.2.2: relative to where the client was sent, which may be the path of version 1.
    let id = utf8_percent_encode(&created.client_id, SEGMENT);
    if let Ok(location) = HeaderValue::from_str(&format!("{}/{id}", call.uri.path())) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn read(State(provider): State<Shared>, Segments(id): Segments<String>) -> Response {
    let reading = async { Ok(registry::read(&provider.world(), &id).await?) };
    shown(reading.await)
}

async fn replace(State(provider): State<Shared>, Segments(id): Segments<String>, mut call: Call) -> Response {
    let replacing = async {
        let metadata: Metadata = call.json().await.map_err(unreadable)?;
        Ok(registry::replace(&provider.world(), &id, metadata).await?)
    };
    shown(replacing.await)
}

async fn patch(State(provider): State<Shared>, Segments(id): Segments<String>, mut call: Call) -> Response {
    let patching = async {
        let document: Value = call.json().await.map_err(unreadable)?;
        let patch = Patch::parse(document).map_err(RegistryError::from)?;
        Ok(registry::patch(&provider.world(), &id, &patch).await?)
    };
    shown(patching.await)
}

async fn set_lifespans(State(provider): State<Shared>, Segments(id): Segments<String>, mut call: Call) -> Response {
    let setting = async {
        let lifespans: LifespansRequest = call.json().await.map_err(unreadable)?;
        Ok(registry::set_lifespans(&provider.world(), &id, lifespans).await?)
    };
    shown(setting.await)
}

async fn rotate_secret(State(provider): State<Shared>, Segments(id): Segments<String>) -> Response {
    let rotating = async { Ok(registry::rotate_secret(&provider.world(), &id).await?) };
    shown(rotating.await)
}

async fn end_older_secrets(State(provider): State<Shared>, Segments(id): Segments<String>) -> Response {
    let ending = async { Ok(registry::end_older_secrets(&provider.world(), &id).await?) };
    shown(ending.await)
}

async fn delete(State(provider): State<Shared>, Segments(id): Segments<String>) -> Response {
    let deleting = async { Ok(registry::delete(&provider.world(), &id).await?) };
    answered(deleting.await.map(|()| reply::no_content()))
}

fn shown(answer: Result<Metadata, Problem>) -> Response {
    answered(answer.map(|client| reply::admin(StatusCode::OK, &client)))
}

fn answered(answer: Result<Response, Problem>) -> Response {
    answer.unwrap_or_else(|problem| reply::admin_error(&problem))
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let resource = match error {
            RegistryError::Failure(failure) => return Self::Failure(failure),
            RegistryError::Unknown => Resource::Missing,
            RegistryError::Exists => Resource::Exists,
            RegistryError::Contended => Resource::Conflict,
            RegistryError::Patch(_)
            | RegistryError::WrongType { .. }
            | RegistryError::Renamed
            | RegistryError::Secretless => Resource::Malformed,
        };
        resource.because(error.to_string())
    }
}

#[cfg(test)]
mod tests;

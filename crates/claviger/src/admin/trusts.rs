//! `/admin/trust/grants/jwt-bearer/issuers`: whose assertions are grants (RFC 7523 §2.1), in Hydra's shapes.

use axum::extract::State;
use axum::response::Response;
use claviger_core::api_key::Area;
use claviger_core::context::Id;
use claviger_core::port::TrustQuery;
use claviger_core::seal::Purpose;
use claviger_core::trust::{self, TrustRequest};
use http::header::{LINK, LOCATION};
use http::{HeaderValue, Method, StatusCode};

use super::paging::Page;
use super::unreadable;
use crate::edge::call::Call;
use crate::edge::problem::{Problem, Resource};
use crate::edge::reply;
use crate::edge::router::Routes;
use crate::edge::segments::Segments;
use crate::openapi::admin::trusts as about;
use crate::provider::Shared;

/// Adds the endpoints to the admin port's table.
#[must_use]
#[rustfmt::skip]
pub fn routes(routes: Routes<'_, Shared>) -> Routes<'_, Shared> {
    routes
        .on_for(&[Area::Read, Area::Keys], &Method::GET, "/admin/trust/grants/jwt-bearer/issuers", list, about::list)
        .on_for(&[Area::Keys], &Method::POST, "/admin/trust/grants/jwt-bearer/issuers", create, about::create)
        .on_for(&[Area::Read, Area::Keys], &Method::GET, "/admin/trust/grants/jwt-bearer/issuers/{id}", read, about::read)
        .on_for(&[Area::Keys], &Method::DELETE, "/admin/trust/grants/jwt-bearer/issuers/{id}", delete, about::delete)
}

async fn list(State(provider): State<Shared>, call: Call) -> Response {
    answered(list_page(&provider, call).await)
}

async fn list_page(provider: &Shared, call: Call) -> Result<Response, Problem> {
    let world = provider.world();
    let params = call.query()?;
    let page = Page::parse(&world.cx, Purpose::TrustPage, &params, provider.v1_paths)?;
    let after = page.after();
    let after = after.map(|id| Id::parse(id).ok_or_else(malformed)).transpose()?;
    let query = TrustQuery {
        issuer: params.get("issuer").map(str::to_owned),
        after,
        offset: page.offset(),
        limit: page.limit(),
    };
    let mut trusts = trust::list(&world, &query).await?;
    // Nobody counts them: as many as were skipped and found, the surplus one among them.
    let total = u64::from(page.offset()).saturating_add(trusts.len() as u64);
    let surplus = page.cut(&mut trusts);
    let last = trusts.last().map(|trust| trust.id.as_str());
    let links = page.links(&world.cx, call.uri.path(), (surplus, last), total);
    let mut response = reply::admin(StatusCode::OK, &trusts);
    if let Some(links) = links.and_then(|links| HeaderValue::from_str(&links).ok()) {
        response.headers_mut().insert(LINK, links);
    }
    Ok(response)
}

async fn create(State(provider): State<Shared>, mut call: Call) -> Response {
    answered(create_from(&provider, &mut call).await)
}

async fn create_from(provider: &Shared, call: &mut Call) -> Result<Response, Problem> {
    let request: TrustRequest = call.json().await.map_err(unreadable)?;
    let created = trust::create(&provider.world(), request).await?;
    let created = created.ok_or(Resource::Exists)?;
    let mut response = reply::admin(StatusCode::CREATED, &created);
    // RFC 9110 §10.2.2: relative to where the request was sent, which may be the path of version 1.
    if let Ok(location) = HeaderValue::from_str(&format!("{}/{}", call.uri.path(), created.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn read(State(provider): State<Shared>, Segments(id): Segments<String>) -> Response {
    let reading = async {
        let trust = trust::read(&provider.world(), parse(&id)?).await?;
        Ok(reply::admin(StatusCode::OK, &trust.ok_or(Resource::Missing)?))
    };
    answered(reading.await)
}

async fn delete(State(provider): State<Shared>, Segments(id): Segments<String>) -> Response {
    let deleting = async {
        if trust::delete(&provider.world(), parse(&id)?).await? {
            Ok(reply::no_content())
        } else {
            Err(Resource::Missing.into())
        }
    };
    answered(deleting.await)
}

fn parse(id: &str) -> Result<Id, Problem> {
    Id::parse(id).ok_or_else(malformed)
}

fn malformed() -> Problem {
    Resource::Malformed.because("The id is not a UUID. Send one that this list shows.")
}

fn answered(answer: Result<Response, Problem>) -> Response {
    answer.unwrap_or_else(|problem| reply::admin_error(&problem))
}

//! `/version`: the release that runs.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use crate::edge::call::Call;
use crate::edge::reply;

/// The release, as `claviger version` and the metrics name it.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
struct Version {
    version: &'static str,
}

/// `GET /admin/version`
pub async fn show(_: Call) -> Response {
    reply::admin(StatusCode::OK, &Version { version: VERSION })
}

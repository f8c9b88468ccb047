//! `/version`: the release that runs.

use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::edge::call::Call;
use crate::edge::reply;

/// The release, as `claviger version` and the metrics name it.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// The commit and the time of the build. A build sets the two variables; a build by hand does not know.
pub(crate) const BUILD: (&str, &str) = (
    match option_env!("CLAVIGER_GIT_HASH") {
        Some(hash) => hash,
        None => "undefined",
    },
    match option_env!("CLAVIGER_BUILD_TIME") {
        Some(time) => time,
        None => "undefined",
    },
);

/// The release that runs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "version")]
pub(crate) struct Version {
    /// As `claviger version` prints it.
    version: &'static str,
}

/// `GET /admin/version`
pub async fn show(_: Call) -> Response {
    reply::admin(StatusCode::OK, &Version { version: VERSION })
}

//! `/metrics/prometheus`: everything that is counted, in the text format of Prometheus, version 0.0.4.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode};

use crate::edge::call::Call;
use crate::edge::reply;
use crate::provider::Shared;
use crate::telemetry::metrics::CONTENT_TYPE;

/// `GET /admin/metrics/prometheus`
pub async fn show(State(provider): State<Shared>, _: Call) -> Response {
    let text = HeaderValue::from_static(CONTENT_TYPE);
    reply::with_type(StatusCode::OK, text, Body::from(provider.metrics.exposition()))
}

//! `/oauth2/fallbacks/…`: pages that stand in for the operator's own, and name the setting that is missing.

use axum::response::Response;
use claviger_core::params::Params;
use http::StatusCode;

use crate::edge::call::Call;
use crate::edge::request_id::RequestId;
use crate::pages::{self, ErrorText, Fallback};

/// `GET /oauth2/fallbacks/login`
pub async fn login(_: Call) -> Response {
    pages::fallback(Fallback::Login)
}

/// `GET /oauth2/fallbacks/consent`
pub async fn consent(_: Call) -> Response {
    pages::fallback(Fallback::Consent)
}

/// `GET /oauth2/fallbacks/logout`
pub async fn logout(_: Call) -> Response {
    pages::fallback(Fallback::Logout)
}

/// `GET /oauth2/fallbacks/device`
pub async fn device(_: Call) -> Response {
    pages::fallback(Fallback::Device)
}

/// `GET /oauth2/fallbacks/device/done`
pub async fn device_done(_: Call) -> Response {
    pages::fallback(Fallback::DeviceDone)
}

/// `GET /oauth2/fallbacks/logout/callback`
pub async fn logout_done(_: Call) -> Response {
    pages::fallback(Fallback::LogoutDone)
}

/// `GET /oauth2/fallbacks/error`: shows the error that the query carries. As in Hydra, the status is 500.
pub async fn error(call: Call) -> Response {
    // An address that somebody has edited is still an address of an error page.
    let params = call.query().unwrap_or_else(|_| Params::from_pairs(Vec::new()));
    let text = |name| params.get(name).unwrap_or_default();
    let shown = ErrorText {
        error: text("error"),
        description: text("error_description"),
        hint: text("error_hint"),
        debug: text("error_debug"),
    };
    // The log knows the request that failed, not the one that shows it.
    let failed = RequestId::parse(text("request_id"));
    pages::error(StatusCode::INTERNAL_SERVER_ERROR, &shown, failed.unwrap_or(call.id()))
}

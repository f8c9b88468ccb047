//! The tables of all endpoints, a line for each.
//!
//! To add an endpoint, write its handler in `public` or `admin` and name it here. What Hydra 1 has
//! besides is in [`v1`].

use std::sync::Arc;

use axum::Router;
use claviger_core::api_key::Area;
use http::Method;

use crate::admin::{clients, introspect, key_sets, metrics, requests, sessions, tokens, trusts, version};
use crate::edge::router::Routes;
use crate::health;
use crate::provider::Shared;
use crate::public::{
    authorize, dev, dev_device, device, discovery, fallback, introspect as introspection, jwks, logout, register,
    revoke, token, userinfo,
};
use crate::v1;

const PUBLIC_PROBES: &[&str] = &["/health/alive", "/health/ready"];
const ADMIN_PROBES: &[&str] = &["/admin/health/alive", "/admin/health/ready"];

const METRICS: &[Area] = &[Area::Read, Area::Metrics];

/// The public port. Health probes are left out of the request log if `quiet`.
#[rustfmt::skip]
#[must_use]
pub fn public(provider: &Shared, quiet: bool) -> Router {
    let routes = Routes::public(&provider.metrics)
        .limited(provider.limiter.clone())
        .behind(provider.public_proxies.clone())
        .quiet(if quiet { PUBLIC_PROBES } else { &[] })
        .on(&Method::GET, "/health/alive", health::alive)
        .on(&Method::GET, "/health/ready", health::ready)
        .on(&Method::GET, "/.well-known/jwks.json", jwks::jwks)
        .on(&Method::GET, "/.well-known/openid-configuration", discovery::show)
        .on(&Method::GET, "/.well-known/oauth-authorization-server", discovery::show)
        .on(&Method::GET, "/.well-known/oauth-authorization-server/{*path}", discovery::show_at_path)
        .on(&Method::GET, "/oauth2/auth", authorize::authorization)
        .on(&Method::POST, "/oauth2/auth", authorize::authorization)
        .on(&Method::POST, "/oauth2/token", token::post)
        .on(&Method::POST, "/oauth2/device/auth", device::begin)
        .on(&Method::GET, "/oauth2/device/verify", device::verify)
        .on(&Method::POST, "/oauth2/introspect", introspection::post)
        .on(&Method::POST, "/oauth2/revoke", revoke::post)
        .on(&Method::GET, "/userinfo", userinfo::get)
        .on(&Method::POST, "/userinfo", userinfo::post)
        .on(&Method::GET, "/oauth2/sessions/logout", logout::end)
        .on(&Method::POST, "/oauth2/sessions/logout", logout::end)
        .on(&Method::GET, "/oauth2/fallbacks/logout/callback", fallback::logout_done)
        .on(&Method::GET, "/oauth2/fallbacks/device/done", fallback::device_done)
        .on(&Method::GET, "/oauth2/fallbacks/error", fallback::error);
    // A sample page lets everybody in: it is there only where development mode has no page of the operator's to send to.
    let policy = &provider.policy;
    let is_sample = |url: &str, path: &str| policy.dev && url == format!("{}{path}", policy.public_url);
    let routes = if is_sample(&policy.login_url, "/oauth2/fallbacks/login") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/login", dev::login)
            .on(&Method::POST, "/oauth2/fallbacks/login", dev::log_in)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/login", fallback::login)
    };
    let routes = if is_sample(&policy.consent_url, "/oauth2/fallbacks/consent") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/consent", dev::consent)
            .on(&Method::POST, "/oauth2/fallbacks/consent", dev::give_consent)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/consent", fallback::consent)
    };
    let routes = if is_sample(&policy.logout_url, "/oauth2/fallbacks/logout") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/logout", dev::logout)
            .on(&Method::POST, "/oauth2/fallbacks/logout", dev::log_out)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/logout", fallback::logout)
    };
    let routes = if is_sample(&policy.device.verification_url, "/oauth2/fallbacks/device") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/device", dev_device::show)
            .on(&Method::POST, "/oauth2/fallbacks/device", dev_device::enter)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/device", fallback::device)
    };
    let routes = register::routes(routes);
    let routes = if provider.v1_paths { v1::public(routes) } else { routes };
    routes.finish(provider.clone())
}

/// The admin port. Health probes are left out of the request log if `quiet`.
#[rustfmt::skip]
#[must_use]
pub fn admin(provider: &Shared, quiet: bool, v1_paths: bool) -> Router {
    let routes = Routes::admin(&provider.metrics, v1_paths)
        .guarded(Arc::clone(&provider.admission))
        .quiet(if quiet { ADMIN_PROBES } else { &[] })
        .on_for_all(&Method::GET, "/admin/health/alive", health::alive)
        .on_for_all(&Method::GET, "/admin/health/ready", health::ready)
        .on_for(METRICS, &Method::GET, "/admin/version", version::show)
        .on_for(METRICS, &Method::GET, "/admin/metrics/prometheus", metrics::show)
        .on_for(&[Area::Keys], &Method::GET, "/admin/keys/{set}", key_sets::read)
        .on_for(&[Area::Keys], &Method::POST, "/admin/keys/{set}", key_sets::create)
        .on_for(&[Area::Keys], &Method::PUT, "/admin/keys/{set}", key_sets::replace)
        .on_for(&[Area::Keys], &Method::DELETE, "/admin/keys/{set}", key_sets::delete)
        .on_for(&[Area::Keys], &Method::GET, "/admin/keys/{set}/{kid}", key_sets::read_key)
        .on_for(&[Area::Keys], &Method::PUT, "/admin/keys/{set}/{kid}", key_sets::put_key)
        .on_for(&[Area::Keys], &Method::DELETE, "/admin/keys/{set}/{kid}", key_sets::delete_key)
        .on_for(&[Area::Introspect], &Method::POST, "/admin/oauth2/introspect", introspect::post)
        .on_for(&[Area::Clients], &Method::DELETE, "/admin/oauth2/tokens", tokens::delete);
    let routes = requests::routes(clients::routes(routes));
    let routes = trusts::routes(sessions::routes(routes));
    let routes = if v1_paths { v1::admin(routes) } else { routes };
    routes.finish(provider.clone())
}

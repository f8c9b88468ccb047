//! The tables of all endpoints, a line for each.
//!
//! To add an endpoint, write its handler in `public` or `admin` and its description in `openapi`, and name both here. What
//! Hydra 1 has besides is in [`v1`].

use std::sync::Arc;

use axum::Router;
use claviger_core::api_key::Area;
use http::Method;

use crate::admin::{clients, introspect, key_sets, metrics, requests, sessions, tokens, trusts, version};
use crate::edge::cross_site::Guard;
use crate::edge::router::Routes;
use crate::health;
use crate::openapi::admin::{about as about_admin, keys as about_key_sets, server as about};
use crate::openapi::public::{about as about_public, browser, oidc, pages, token as about_token};
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
pub fn public(provider: &Shared, quiet: bool) -> Router {
    let about = about_public(&provider.policy.public_url);
    public_table(provider, quiet).finish_described(provider.clone(), &about)
}

#[rustfmt::skip]
pub(crate) fn public_table(provider: &Shared, quiet: bool) -> Routes<'_, Shared> {
    let routes = Routes::public(&provider.metrics)
        .limited(provider.limiter.clone())
        .behind(provider.public_proxies.clone())
        .quiet(if quiet { PUBLIC_PROBES } else { &[] })
        .on(&Method::GET, "/health/alive", health::alive, about::alive)
        .on(&Method::GET, "/health/ready", health::ready, about::ready)
        .on(&Method::GET, "/.well-known/jwks.json", jwks::jwks, oidc::jwks)
        .on(&Method::GET, "/.well-known/openid-configuration", discovery::show, oidc::discover)
        .on(&Method::GET, "/.well-known/oauth-authorization-server", discovery::show, oidc::discover_oauth)
        .on(&Method::GET, "/.well-known/oauth-authorization-server/{*path}", discovery::show_at_path, oidc::discover_oauth_at_path)
        .on(&Method::GET, "/oauth2/auth", authorize::authorization, browser::authorize)
        .on(&Method::POST, "/oauth2/auth", authorize::authorization, browser::authorize_by_form)
        .on(&Method::POST, "/oauth2/token", token::post, about_token::token)
        .on(&Method::POST, "/oauth2/device/auth", device::begin, about_token::device)
        .on(&Method::GET, "/oauth2/device/verify", device::verify, browser::verify_device)
        .on(&Method::POST, "/oauth2/introspect", introspection::post, about_token::introspect)
        .on(&Method::POST, "/oauth2/revoke", revoke::post, about_token::revoke)
        .on(&Method::GET, "/userinfo", userinfo::get, oidc::userinfo_by_get)
        .on(&Method::POST, "/userinfo", userinfo::post, oidc::userinfo_by_post)
        .on(&Method::GET, "/oauth2/sessions/logout", logout::end, browser::logout)
        .on(&Method::POST, "/oauth2/sessions/logout", logout::end, browser::logout_by_form)
        .on(&Method::GET, "/oauth2/fallbacks/logout/callback", fallback::logout_done, pages::logout_done)
        .on(&Method::GET, "/oauth2/fallbacks/device/done", fallback::device_done, pages::device_done)
        .on(&Method::GET, "/oauth2/fallbacks/error", fallback::error, pages::error);
    // A sample page lets everybody in: it is there only where development mode has no page of the operator's to send to.
    let policy = &provider.policy;
    let is_sample = |url: &str, path: &str| policy.dev && url == format!("{}{path}", policy.public_url);
    let routes = if is_sample(&policy.login_url, "/oauth2/fallbacks/login") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/login", dev::login, pages::sample_login)
            .on(&Method::POST, "/oauth2/fallbacks/login", dev::log_in, pages::sample_log_in)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/login", fallback::login, pages::login)
    };
    let routes = if is_sample(&policy.consent_url, "/oauth2/fallbacks/consent") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/consent", dev::consent, pages::sample_consent)
            .on(&Method::POST, "/oauth2/fallbacks/consent", dev::give_consent, pages::sample_give_consent)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/consent", fallback::consent, pages::consent)
    };
    let routes = if is_sample(&policy.logout_url, "/oauth2/fallbacks/logout") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/logout", dev::logout, pages::sample_logout)
            .on(&Method::POST, "/oauth2/fallbacks/logout", dev::log_out, pages::sample_log_out)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/logout", fallback::logout, pages::logout)
    };
    let routes = if is_sample(&policy.device.verification_url, "/oauth2/fallbacks/device") {
        routes
            .on(&Method::GET, "/oauth2/fallbacks/device", dev_device::show, pages::sample_device)
            .on(&Method::POST, "/oauth2/fallbacks/device", dev_device::enter, pages::sample_enter_code)
    } else {
        routes.on(&Method::GET, "/oauth2/fallbacks/device", fallback::device, pages::device)
    };
    routes.group(policy.dynamic_registration, |routes| {
        let routes = register::routes(routes);
        if provider.v1_paths { v1::public(routes) } else { routes }
    })
}

/// The admin port, behind the guard against web pages where it listens. Health probes are left out of the request log if
/// `quiet`.
pub fn admin(provider: &Shared, quiet: bool, v1_paths: bool, guard: Option<Arc<Guard>>) -> Router {
    admin_table(provider, quiet, v1_paths, guard).finish_described(provider.clone(), &about_admin())
}

#[rustfmt::skip]
pub(crate) fn admin_table(provider: &Shared, quiet: bool, v1_paths: bool, guard: Option<Arc<Guard>>) -> Routes<'_, Shared> {
    let routes = Routes::admin(&provider.metrics, v1_paths)
        .guarded(Arc::clone(&provider.admission))
        .shut_to_pages(guard)
        .behind(provider.admin_proxies.clone())
        .quiet(if quiet { ADMIN_PROBES } else { &[] })
        .on_for_all(&Method::GET, "/admin/health/alive", health::alive, about::alive)
        .on_for_all(&Method::GET, "/admin/health/ready", health::ready, about::ready)
        .on_for(METRICS, &Method::GET, "/admin/version", version::show, about::version)
        .on_for(METRICS, &Method::GET, "/admin/metrics/prometheus", metrics::show, about::metrics)
        .on_for(&[Area::Keys], &Method::GET, "/admin/keys/{set}", key_sets::read, about_key_sets::read)
        .on_for(&[Area::Keys], &Method::POST, "/admin/keys/{set}", key_sets::create, about_key_sets::create)
        .on_for(&[Area::Keys], &Method::PUT, "/admin/keys/{set}", key_sets::replace, about_key_sets::replace)
        .on_for(&[Area::Keys], &Method::DELETE, "/admin/keys/{set}", key_sets::delete, about_key_sets::delete)
        .on_for(&[Area::Keys], &Method::GET, "/admin/keys/{set}/{kid}", key_sets::read_key, about_key_sets::read_key)
        .on_for(&[Area::Keys], &Method::PUT, "/admin/keys/{set}/{kid}", key_sets::put_key, about_key_sets::put_key)
        .on_for(&[Area::Keys], &Method::DELETE, "/admin/keys/{set}/{kid}", key_sets::delete_key, about_key_sets::delete_key)
        .on_for(&[Area::Introspect], &Method::POST, "/admin/oauth2/introspect", introspect::post, about::introspect)
        .on_for(&[Area::Clients], &Method::DELETE, "/admin/oauth2/tokens", tokens::delete, about::delete_tokens);
    let routes = requests::routes(clients::routes(routes));
    let routes = trusts::routes(sessions::routes(routes));
    if v1_paths { v1::admin(routes) } else { routes }
}

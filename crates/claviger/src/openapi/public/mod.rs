//! What the document of the public port says.

pub mod browser;
pub mod oidc;
pub mod pages;
pub mod token;

use serde_json::{Value, json};

use super::document::About;

/// The document as a whole, for a server that is reached at this URL.
#[must_use]
pub fn about(public_url: &str) -> About {
    About {
        pattern: "/.well-known/openapi.json",
        title: "Claviger public API",
        text: "For clients, browsers and resource servers: OAuth 2.0 and OpenID Connect. What is enabled is listed, and nothing else.\n\n\
               A parameter that is sent twice is refused; `audience` and `resource` may repeat. A parameter without a value counts as absent. \
               Forms are `application/x-www-form-urlencoded`. A `GET` address answers `HEAD` as well.\n\n\
               Every answer has the header `X-Request-Id`; its value is in the log. An address that does not exist answers 404, a \
               method that it does not take 405: `genericError`, a text or a page, by `Accept`.",
        server: public_url.to_owned(),
        security,
        areas: None,
        describe: oidc::document,
    }
}

const BASIC: &str = "client_secret_basic";
const ACCESS_TOKEN: &str = "access_token";
const INITIAL_TOKEN: &str = "initial_access_token";
const REGISTRATION_TOKEN: &str = "registration_access_token";

fn security() -> Value {
    json!({
        BASIC: {
            "type": "http", "scheme": "basic",
            "description": "A client's id and secret, each form-encoded before (RFC 6749 §2.3.1). Clients that are registered for another method send `client_id` with `client_secret`, or `client_assertion` with `client_assertion_type`, in the form instead; public ones send `client_id` alone.",
        },
        ACCESS_TOKEN: {
            "type": "http", "scheme": "bearer",
            "description": "An access token (RFC 6750 §2.1).",
        },
        INITIAL_TOKEN: {
            "type": "http", "scheme": "bearer",
            "description": "What the operator gave to those who may register clients, if it takes one (RFC 7591 §3).",
        },
        REGISTRATION_TOKEN: {
            "type": "http", "scheme": "bearer",
            "description": "The newest `registration_access_token` of the client (RFC 7592 §1.2).",
        },
    })
}

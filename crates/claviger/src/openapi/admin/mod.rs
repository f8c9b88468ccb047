//! What the document of the admin port says.

pub mod clients;
pub mod keys;
pub mod requests;
pub mod server;
pub mod sessions;
pub mod trusts;

use claviger_core::api_key::Area;
use serde_json::json;

use super::document::About;
use super::operation::API_KEY;

/// The document as a whole.
#[must_use]
pub fn about() -> About {
    About {
        pattern: "/admin/openapi.json",
        title: "Claviger admin API",
        text: "For the operator's own programs: clients, keys, and what the login, consent, logout and device apps ask and answer. \
               Where `serve.admin` asks for API keys, each endpoint names the areas that open it; a key is sent as bearer token. \
               Elsewhere no key is looked at: keep the port where only your programs reach it.\n\n\
               Every path works without `/admin` too, where programs made for version 1 look for it, as long as \
               `serve.admin.v1_paths` is on; health, version and metrics do in any case. Those addresses are not repeated here. \
               A `GET` address answers `HEAD` as well.\n\n\
               Bodies are JSON whatever their `Content-Type`. Unknown members are ignored, and `null` and an empty text mean the \
               same as an absent member. A parameter that is sent twice is refused.\n\n\
               Every answer has the header `X-Request-Id`; its value is in the log. An address that does not exist answers 404, a \
               method that it does not take 405, both with `genericError` or a text, by `Accept`.",
        server: "/".to_owned(),
        security: || json!({API_KEY: {"type": "http", "scheme": "bearer", "description": "An API key, where the port asks for one."}}),
        areas: Some(&[Area::Read]),
        describe: server::document,
    }
}

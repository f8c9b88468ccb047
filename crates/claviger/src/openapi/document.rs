//! The document of one port.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use claviger_core::api_key::Area;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::schemas::Schemas;
use crate::admin::version::VERSION;
use crate::edge::reply::{self, ErrorBody, Nested};

/// What the document says about the port as a whole.
#[derive(Clone, Debug)]
pub struct About {
    /// Where the document is served.
    pub pattern: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What holds for every endpoint.
    pub text: &'static str,
    /// The URL that the paths follow.
    pub server: String,
    /// How callers say who they are: members of `securitySchemes`.
    pub security: fn() -> Value,
    /// Which keys open the document, where keys are asked for.
    pub areas: Option<&'static [Area]>,
    /// The description of the document's own endpoint.
    pub describe: fn(Operation<'_>) -> Operation<'_>,
}

/// A line of the route table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub pattern: &'static str,
    /// What the document says about it.
    pub listing: Listing,
    /// Which API keys open it, besides those for everything; none if it asks for no key.
    pub areas: Option<&'static [Area]>,
    /// Whether there is a limit to how often one address may ask.
    pub is_limited: bool,
}

impl Entry {
    /// The line of the document itself.
    #[must_use]
    pub fn of_document(about: &About) -> Self {
        Self {
            method: "GET",
            pattern: about.pattern,
            listing: Listing::Described(about.describe),
            areas: about.areas,
            is_limited: false,
        }
    }
}

/// What the document says about a route.
#[derive(Clone, Copy, Debug)]
pub enum Listing {
    /// All about it.
    Described(fn(Operation<'_>) -> Operation<'_>),
    /// That it is another address of this path.
    AlsoOf(&'static str),
    /// Nothing: the settings of this server close it.
    Closed,
}

/// The chapters, in the order of the reference.
const TAGS: [(&str, &str); 6] = [
    (
        "oAuth2",
        "OAuth 2.0: authorization, tokens, clients, and what the login and consent apps ask and answer.",
    ),
    ("oidc", "OpenID Connect: discovery, userinfo, logout, registration."),
    ("wellknown", "The keys that verify what this server signs."),
    ("jwk", "Key sets."),
    (
        "metadata",
        "The server itself: health, version, metrics, this document.",
    ),
    ("pages", "Pages that stand in for the operator's own."),
];

/// The document, written when it is first asked for.
#[derive(Clone)]
pub struct Served {
    about: Arc<About>,
    entries: Arc<[Entry]>,
    written: Arc<OnceLock<Bytes>>,
}

impl Served {
    /// The document of a complete table.
    #[must_use]
    pub fn new(about: About, entries: &[Entry]) -> Self {
        Self {
            about: Arc::new(about),
            entries: entries.into(),
            written: Arc::default(),
        }
    }

    /// The answer that carries it. It holds no secret, and pages that show it may come from anywhere.
    #[must_use]
    pub fn answer(&self) -> Response {
        let written = self.written.get_or_init(|| {
            let mut text = document(&self.about, &self.entries).0.to_string();
            text.push('\n');
            text.into()
        });
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        let body = Body::from(written.clone());
        reply::readable_anywhere(reply::with_type(StatusCode::OK, json, body))
    }
}

/// The document, and the names in it that mean two things.
pub(super) fn document(about: &About, entries: &[Entry]) -> (Value, Vec<String>) {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for entry in entries {
        let Listing::Described(describe) = entry.listing else {
            continue;
        };
        let mut operation = describe(Operation::new(&mut schemas));
        if let Some(areas) = entry.areas {
            operation = operation.asks_for_key(areas);
        }
        if entry.is_limited {
            operation = operation.limited();
        }
        let mut operation = operation.finish();
        let others = entries.iter().filter(|other| {
            other.method == entry.method && matches!(other.listing, Listing::AlsoOf(of) if of == entry.pattern)
        });
        for other in others {
            add_to_description(&mut operation, &format!("Also at `{}`.", other.pattern));
        }
        let path = paths
            .entry(entry.pattern.replace("{*", "{"))
            .or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(entry.method.to_ascii_lowercase(), operation);
        }
    }
    let responses = common_answers(&mut schemas);
    let used: Vec<Value> = TAGS
        .iter()
        .filter(|(name, _)| is_used(&paths, name))
        .map(|(name, text)| json!({"name": name, "description": text}))
        .collect();
    let (schemas, twice) = schemas.finish();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "description": about.text,
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": about.server}],
        "tags": used,
        "paths": paths,
        "components": {"schemas": schemas, "responses": responses, "securitySchemes": (about.security)()},
    });
    (document, twice)
}

fn is_used(paths: &Map<String, Value>, tag: &str) -> bool {
    let mut operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
    operations.any(|operation| operation.pointer("/tags/0").and_then(Value::as_str) == Some(tag))
}

fn add_to_description(operation: &mut Value, text: &str) {
    if let Some(members) = operation.as_object_mut() {
        let before = members.get("description").and_then(Value::as_str).unwrap_or_default();
        let whole = format!("{before} {text}").trim().to_owned();
        members.insert("description".into(), whole.into());
    }
}

/// The answers that many endpoints share.
fn common_answers(schemas: &mut Schemas) -> Value {
    let error = schemas.written::<ErrorBody<'_>>();
    let nested = schemas.written::<Nested>();
    let with =
        |text: &str, schema: &Value| json!({"description": text, "content": {"application/json": {"schema": schema}}});
    let mut unavailable = with(
        "`temporarily_unavailable`: the database is away. Try again, nothing is wrong with the request.",
        &error,
    );
    if let Some(answer) = unavailable.as_object_mut() {
        let after = json!({"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}});
        answer.insert("headers".into(), after);
    }
    let mut too_many = with("Too many requests from this address, in a page or in JSON.", &error);
    if let Some(answer) = too_many.as_object_mut() {
        let after = json!({"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}});
        answer.insert("headers".into(), after);
        if let Some(content) = answer.get_mut("content").and_then(Value::as_object_mut) {
            content.insert("text/html".into(), json!({"schema": {"type": "string"}}));
        }
    }
    json!({
        "tooManyRequests": too_many,
        "keyMissing": with("The port asks for an API key, and this is none that is in force.", &error),
        "keyForOtherAreas": with("The API key is for other areas.", &error),
        "slowBody": with("The body did not arrive in time.", &error),
        "tooLarge": with("The body is too large: forms may have 128 KiB, JSON documents 2 MiB.", &error),
        "serverError": with("`server_error`: tell the operator the request id.", &error),
        "unavailable": unavailable,
        "notFound": with("There is nothing at this address.", &nested),
        "methodNotAllowed": with("The address does not take the method; the header `Allow` names those it takes.", &nested),
    })
}

//! The JSON Schema of configuration files, `docs/claviger.schema.json`, written from the table of settings.
//!
//! Implements JSON Schema draft 7, which editors know best. What it cannot say, such as what an address is or how settings
//! depend on each other, is left to the start.

use serde_json::{Map, Value, json};

use super::keys::{self, Effect, Key, Standing};
use super::kind::Kind;

/// One duration, or several in a row.
const DURATION: &str = "^([0-9]+(ns|us|ms|s|m|h))+$";
const URL: &str = "^[hH][tT][tT][pP][sS]?://";

/// The schema as text.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

fn schema() -> Value {
    let mut root = group("", keys::all().collect());
    let head = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of Claviger",
    });
    if let (Some(root), Value::Object(head)) = (root.as_object_mut(), head) {
        root.extend(head);
    }
    root
}

/// The settings below `path`. A group whose lines are all commented out is nothing in YAML.
fn group(path: &str, keys: Vec<&'static Key>) -> Value {
    let mut properties = Map::new();
    for key in &keys {
        let name = name_below(path, key.path);
        if properties.contains_key(name) {
            continue;
        }
        let child = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let described = if child == key.path {
            setting(key)
        } else {
            let inside = |other: &&&Key| {
                other
                    .path
                    .strip_prefix(&child)
                    .is_some_and(|rest| rest.starts_with('.'))
            };
            group(&child, keys.iter().filter(inside).copied().collect())
        };
        properties.insert(name.to_owned(), described);
    }
    let kind = if path.is_empty() {
        json!("object")
    } else {
        json!(["object", "null"])
    };
    json!({ "type": kind, "additionalProperties": false, "properties": properties })
}

fn name_below<'k>(path: &str, key: &'k str) -> &'k str {
    let rest = key.strip_prefix(path).unwrap_or(key).trim_start_matches('.');
    rest.split('.').next().unwrap_or(rest)
}

fn setting(key: &Key) -> Value {
    let mut schema = kind(key.kind);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), description(key).into());
        let default = key.default_value();
        if !default.is_null() {
            schema.insert("default".to_owned(), default);
        }
    }
    schema
}

fn description(key: &Key) -> String {
    let standing = match key.standing {
        Standing::Works | Standing::Moot => String::new(),
        Standing::NotYet => format!(" No effect: {}.", key.reason),
        Standing::Withheld => format!(" Refused: {}.", key.reason),
    };
    let effect = match key.effect {
        Effect::Hot => "without a restart",
        Effect::Start => "at the next start",
    };
    format!(
        "{}{standing} Environment: {}. A change takes effect {effect}.",
        key.doc,
        key.env_name()
    )
}

fn kind(kind: Kind) -> Value {
    let list = |items: Value| json!({ "type": "array", "items": items });
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int(min, i64::MAX) => json!({ "type": "integer", "minimum": min }),
        Kind::Int(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Ratio => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Text | Kind::Dsn | Kind::Host => json!({ "type": "string" }),
        Kind::Secret => json!({ "type": "string", "writeOnly": true }),
        // Bytes are counted, not characters, so few characters may be enough.
        Kind::Secrets => json!({ "type": "array", "items": { "type": "string", "minLength": 4 }, "writeOnly": true }),
        Kind::Url => json!({ "type": "string", "pattern": URL }),
        Kind::Page => json!({ "anyOf": [
            { "type": "string", "pattern": URL },
            { "type": "string", "pattern": r"^/([^/\\][^\\]*)?$" },
        ] }),
        Kind::Duration => json!({ "type": "string", "pattern": DURATION }),
        Kind::DurationOrNever => json!({ "anyOf": [
            { "type": "string", "pattern": DURATION },
            { "enum": [-1, "-1"] },
        ] }),
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
        Kind::Texts | Kind::Networks => list(json!({ "type": "string" })),
        Kind::SomeOf(words) => list(json!({ "type": "string", "enum": words })),
        Kind::Prefix => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{0,32}$" }),
        Kind::CookieName => json!({ "type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" }),
        Kind::CookieAttribute => json!({ "type": "string", "pattern": "^[!-:<-~]*$" }),
        Kind::Hook => json!({ "anyOf": [ { "type": "string", "pattern": URL }, hook() ] }),
        Kind::Headers => json!({ "type": "object", "additionalProperties": { "type": "string" }, "writeOnly": true }),
    }
}

fn hook() -> Value {
    let config = json!({
        "type": "object",
        "required": ["in", "name", "value"],
        "properties": {
            "in": { "type": "string", "enum": ["header", "cookie"] },
            "name": { "type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" },
            "value": { "type": "string", "pattern": "^[!-:<-~]*$", "writeOnly": true },
        },
    });
    let auth = json!({
        "type": ["object", "null"],
        "required": ["type", "config"],
        "properties": { "type": { "type": "string", "enum": ["api_key"] }, "config": config },
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["url"],
        "properties": { "url": { "type": "string", "pattern": URL }, "auth": auth },
    })
}

#[cfg(test)]
mod tests;

//! Configuration files: YAML, JSON and TOML, told apart by their extension.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::error::ConfigError;
use super::lines::{self, Lines};

/// Reads a file as a tree of values, with the lines that they stand in.
pub(super) fn read(path: &Path) -> Result<(Value, Lines), ConfigError> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let parse = match extension.as_str() {
        "yaml" | "yml" => yaml,
        "json" => json,
        "toml" => toml,
        _ => return Err(ConfigError::Extension { path: path.to_owned() }),
    };
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    let lines = match extension.as_str() {
        "toml" => lines::of_toml(&text),
        // All JSON is YAML.
        _ => lines::of_yaml(&text),
    };
    let tree = parse(&text).map_err(|Position { line, column, message }| ConfigError::Syntax {
        path: path.to_owned(),
        line,
        column,
        // Parsers add pictures of the place; the first line says what is wrong.
        message: message.lines().next().unwrap_or("syntax error").to_owned(),
    })?;
    Ok((tree, lines))
}

struct Position {
    line: u64,
    column: u64,
    message: String,
}

/// The only place that knows the YAML library, which is young.
fn yaml(text: &str) -> Result<Value, Position> {
    if text
        .lines()
        .all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location();
        let message = error
            .without_snippet()
            .render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let end = place.and_then(|_| message.rfind(" at line ")).unwrap_or(message.len());
        Position {
            line: place.map_or(1, |place| place.line()),
            column: place.map_or(1, |place| place.column()),
            message: message.get(..end).unwrap_or(&message).to_owned(),
        }
    })
}

fn json(text: &str) -> Result<Value, Position> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let end = message.rfind(" at line ").unwrap_or(message.len());
        Position {
            line: error.line() as u64,
            column: error.column() as u64,
            message: message.get(..end).unwrap_or(&message).to_owned(),
        }
    })
}

fn toml(text: &str) -> Result<Value, Position> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() as u64 + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() as u64 + 1,
            message: error.message().to_owned(),
        }
    })
}

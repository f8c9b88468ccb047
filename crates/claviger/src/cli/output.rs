//! What the newer commands print: `--format` and `--quiet`.

use std::str::FromStr;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::failure::Failure;
use super::{columns, yaml};

/// The value of `--format`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// One line of JSON.
    Json,
    /// JSON over several lines.
    JsonPretty,
    /// YAML, with the members of the JSON.
    Yaml,
    /// One part of the JSON, named by dots: `items.#.client_id`.
    JsonPath(String),
    /// One part of the JSON, named by an RFC 6901 pointer.
    JsonPointer(String),
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("jsonpath", path)) => Ok(Self::JsonPath(path.to_owned())),
            Some(("jsonpointer", pointer)) => Ok(Self::JsonPointer(pointer.to_owned())),
            _ => match text {
                "table" => Ok(Self::Table),
                "json" => Ok(Self::Json),
                "json-pretty" => Ok(Self::JsonPretty),
                "yaml" => Ok(Self::Yaml),
                _ => Err("known are table, json, json-pretty, yaml, jsonpath=PATH and jsonpointer=POINTER".to_owned()),
            },
        }
    }
}

/// JSON whose outermost members may be in an order of their own.
#[derive(Debug)]
pub(crate) enum Document {
    /// Members sorted by name.
    Plain(Value),
    /// Members in the order given.
    Ordered(Vec<(&'static str, Value)>),
}

impl Document {
    fn value(&self) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Ordered(members) => members.iter().map(|(name, value)| (*name, value.clone())).collect(),
        }
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::Ordered(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// A result, in every shape that it can be asked for.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) header: &'static [&'static str],
    pub(crate) layout: Layout,
    /// What `--quiet` prints, a line each.
    pub(crate) ids: Vec<String>,
    pub(crate) document: Document,
}

/// How a table lies.
#[derive(Debug)]
pub(crate) enum Layout {
    /// One line for each column.
    Record(Vec<String>),
    /// One line for each row; rows may be of unequal length.
    Table(Vec<Vec<String>>),
}

impl Report {
    /// The text for standard output, ending with a newline.
    pub(crate) fn render(&self, format: &Format, quiet: bool) -> Result<String, Failure> {
        if quiet {
            return Ok(self.ids.iter().map(|id| format!("{id}\n")).collect());
        }
        match format {
            Format::Table => Ok(self.table()),
            Format::Json => Ok(line(&serde_json::to_string(&self.document))),
            Format::JsonPretty => Ok(line(&serde_json::to_string_pretty(&self.document))),
            Format::Yaml => Ok(yaml::render(&self.document)),
            Format::JsonPath(path) => part(dotted(&self.document.value(), path), path),
            Format::JsonPointer(pointer) => part(self.document.value().pointer(pointer).cloned(), pointer),
        }
    }

    fn table(&self) -> String {
        match &self.layout {
            Layout::Record(values) => columns::record(self.header, values),
            Layout::Table(rows) => {
                let header = self.header.iter().map(|name| (*name).to_owned()).collect();
                columns::tabbed(&std::iter::once(header).chain(rows.iter().cloned()).collect::<Vec<_>>())
            }
        }
    }
}

/// Strings, numbers and maps with string keys always serialize.
fn line(json: &serde_json::Result<String>) -> String {
    format!("{}\n", json.as_deref().unwrap_or_default())
}

fn part(value: Option<Value>, path: &str) -> Result<String, Failure> {
    let missing = || {
        Failure::input(format!(
            "The result has no part {path:?}. Look at it with --format json-pretty"
        ))
    };
    let value = value.ok_or_else(missing)?;
    Ok(line(&serde_json::to_string_pretty(&value)))
}

/// Names and positions between dots; `#` stands for each element, and at the end for their number.
fn dotted(value: &Value, path: &str) -> Option<Value> {
    let Some((first, rest)) = path.split_once('.') else {
        return match value {
            Value::Array(items) if path == "#" => Some(items.len().into()),
            _ => step(value, path).cloned(),
        };
    };
    match value {
        Value::Array(items) if first == "#" => Some(items.iter().filter_map(|item| dotted(item, rest)).collect()),
        _ => dotted(step(value, first)?, rest),
    }
}

fn step<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    }
}

/// Drops what says nothing: `null`, and where `empty_too`, empty lists.
pub(super) fn prune(value: Value, empty_too: bool) -> Value {
    let Value::Object(members) = value else { return value };
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let says_something = |value: &Value| !(value.is_null() || empty_too && is_empty(value));
    Value::Object(members.into_iter().filter(|(_, value)| says_something(value)).collect())
}

/// The text of a member, or nothing.
pub(super) fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The texts of a member that is a list.
pub(super) fn list(value: &Value, name: &str) -> Vec<String> {
    let items = value.get(name).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

/// Indented JSON of the older commands: a tab for each level.
pub(super) fn tab_indented(value: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    // Writing JSON values to memory cannot fail.
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter));
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> Report {
        let document = Document::Ordered(vec![
            ("items", json!([{ "id": "a" }, { "id": "b" }])),
            ("a_last", json!(true)),
        ]);
        let rows = vec![vec!["a".to_owned()], vec!["b".to_owned()]];
        Report {
            header: &["ID"],
            layout: Layout::Table(rows),
            ids: vec!["a".into(), "b".into()],
            document,
        }
    }

    fn rendered(format: &str) -> String {
        report().render(&format.parse().unwrap(), false).unwrap()
    }

    #[test]
    fn members_keep_the_order_they_were_given_in() {
        assert_eq!(
            rendered("json"),
            "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"a_last\":true}\n"
        );
        assert_eq!(rendered("yaml"), "items:\n- id: a\n- id: b\na_last: true\n");
    }

    #[test]
    fn a_path_walks_names_positions_and_every_element() {
        assert_eq!(rendered("jsonpath=items.#.id"), "[\n  \"a\",\n  \"b\"\n]\n");
        assert_eq!(rendered("jsonpath=items.1.id"), "\"b\"\n");
        assert_eq!(rendered("jsonpath=items.#"), "2\n");
        assert_eq!(rendered("jsonpointer=/items/0/id"), "\"a\"\n");
    }

    #[test]
    fn a_part_that_is_not_there_is_an_error() {
        assert!(report().render(&Format::JsonPath("nope".into()), false).is_err());
        assert!(report().render(&Format::JsonPointer("/nope".into()), false).is_err());
    }

    #[test]
    fn quiet_prints_ids_whatever_the_format() {
        assert_eq!(report().render(&Format::Json, true).unwrap(), "a\nb\n");
    }
}

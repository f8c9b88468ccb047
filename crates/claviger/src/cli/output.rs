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

/// Names and positions between dots, as GJSON writes them; `#` stands for each element, and at the end for their number;
/// `#(name=="text")` for the first element with this member and `#(name=="text")#` for all of them. A dot of a name is `\.`.
fn dotted(value: &Value, path: &str) -> Option<Value> {
    let (first, rest) = split_step(path);
    let of_all = |items: Vec<&Value>| match rest {
        Some(rest) => items.into_iter().filter_map(|item| dotted(item, rest)).collect(),
        None => items.into_iter().cloned().collect(),
    };
    match value {
        Value::Array(items) if first == "#" => match rest {
            Some(_) => Some(of_all(items.iter().collect())),
            None => Some(items.len().into()),
        },
        Value::Array(items) if first.starts_with("#(") => {
            let (query, is_all) = match first.strip_suffix('#') {
                Some(query) => (query, true),
                None => (first, false),
            };
            let (name, wanted) = query.strip_prefix("#(")?.strip_suffix(')')?.split_once("==")?;
            let wanted: Value = serde_json::from_str(wanted.trim()).ok()?;
            let mut found = items
                .iter()
                .filter(|item| dotted(item, name.trim()).is_some_and(|value| value == wanted));
            match (is_all, rest) {
                (true, _) => Some(of_all(found.collect())),
                (false, Some(rest)) => dotted(found.next()?, rest),
                (false, None) => found.next().cloned(),
            }
        }
        Value::Array(items) => go_on(items.get(first.parse::<usize>().ok()?)?, rest),
        _ => go_on(value.get(first.replace("\\.", "."))?, rest),
    }
}

fn go_on(value: &Value, rest: Option<&str>) -> Option<Value> {
    rest.map_or_else(|| Some(value.clone()), |rest| dotted(value, rest))
}

/// The path up to the first dot that is neither escaped nor in parentheses, and what is behind it. What is quoted in parentheses
/// does not end them.
fn split_step(path: &str) -> (&str, Option<&str>) {
    let (mut is_escaped, mut is_inside, mut is_quoted) = (false, false, false);
    for (at, c) in path.char_indices() {
        match c {
            '.' if !is_escaped && !is_inside => {
                let (first, rest) = path.split_at(at);
                return (first, rest.strip_prefix('.'));
            }
            '"' if is_inside && !is_escaped => is_quoted = !is_quoted,
            '(' if !is_quoted => is_inside = true,
            ')' if !is_quoted => is_inside = false,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    (path, None)
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
    fn a_path_finds_elements_by_a_member_and_names_with_dots() {
        let value = json!({
            "items": [
                {"id": "a", "n": 1, "of": {"kind": "x.y"}}, {"id": "b", "n": 2, "of": {"kind": "z"}},
                {"id": "c", "n": 2, "of": {"kind": "z"}},
            ],
            "https://a.example/claim": {"v.1": true},
            "apps": [{"name": "Shop (EU) v1.2", "id": "s"}, {"name": "say \"v1.2)\".", "id": "q"}],
        });
        for (path, found) in [
            (r#"items.#(id=="b").n"#, Some(json!(2))),
            (r#"items.#(n==2)#.id"#, Some(json!(["b", "c"]))),
            (r#"items.#(of.kind=="x.y").id"#, Some(json!("a"))),
            (r#"items.#(id=="b")"#, Some(value["items"][1].clone())),
            (r#"items.#(n==7)#"#, Some(json!([]))),
            (r#"items.#(n==7).id"#, None),
            (r#"items.#(n=2).id"#, None),
            (r#"items.#(n==2)###.id"#, None),
            (r#"apps.#(name=="Shop (EU) v1.2").id"#, Some(json!("s"))),
            (r#"apps.#(name=="say \"v1.2)\".").id"#, Some(json!("q"))),
            (r"https://a\.example/claim.v\.1", Some(json!(true))),
            ("items.3", None),
        ] {
            assert_eq!(dotted(&value, path), found, "{path}");
        }
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

//! JSON written as YAML 1.1/1.2 block style.
//!
//! A scalar stays plain only where no YAML reader could take it for anything but a string; all others are written
//! as JSON strings, which YAML has in common with JSON.

use serde_json::Value;

use super::output::Document;

/// The document, ending with a newline.
pub(super) fn render(document: &Document) -> String {
    let mut text = String::new();
    match document {
        Document::Plain(value) => block(&mut text, value, 0),
        Document::Ordered(members) => {
            for (name, value) in members {
                member(&mut text, name, value, 0);
            }
        }
    }
    text
}

fn block(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                member(text, name, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                entry(text, item, depth);
            }
        }
        _ => {
            indent(text, depth);
            text.push_str(&scalar(value));
            text.push('\n');
        }
    }
}

fn member(text: &mut String, name: &str, value: &Value, depth: usize) {
    indent(text, depth);
    text.push_str(&string(name));
    text.push(':');
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            block(text, value, depth + 1);
        }
        // A sequence under a key may stand at the key's own depth, and by custom does.
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(text, value, depth);
        }
        _ => text.push_str(&format!(" {}\n", scalar(value))),
    }
}

/// The first line of a nested block shares the line of the dash.
fn entry(text: &mut String, item: &Value, depth: usize) {
    let mut nested = String::new();
    block(&mut nested, item, depth + 1);
    indent(text, depth);
    text.push_str("- ");
    text.push_str(nested.trim_start_matches(' '));
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        other => other.to_string(),
    }
}

fn string(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf",
    ];
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == '/');
    // A UUID may start with a digit and still can be no number once it has two letters that are not an exponent.
    let is_uuid = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./:@~+ ".contains(c);
    (starts_well || is_uuid)
        && text.chars().all(harmless)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(value: Value) -> String {
        render(&Document::Plain(value))
    }

    #[test]
    fn a_string_that_reads_as_something_else_is_quoted() {
        for text in [
            "",
            "true",
            "No",
            "12",
            "1e3",
            "2026-11-23T22:22:44Z",
            "a: b",
            "# x",
            "- x",
            "a #b",
            "x:",
            "é",
        ] {
            assert_eq!(yaml(json!({ "k": text })), format!("k: {}\n", json!(text)));
        }
        assert_eq!(
            yaml(json!({ "k": "https://a.example/cb" })),
            "k: https://a.example/cb\n"
        );
    }

    #[test]
    fn nested_values_are_indented_and_empty_ones_stay_on_their_line() {
        let value = json!({ "items": [{ "a": 1, "b": ["x"] }, {}], "map": { "c": null }, "none": [] });
        assert_eq!(
            yaml(value),
            "items:\n- a: 1\n  b:\n  - x\n- {}\nmap:\n  c: null\nnone: []\n"
        );
    }
}

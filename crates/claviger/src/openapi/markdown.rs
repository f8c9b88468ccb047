//! The HTTP reference, `docs/http.md`, written from the documents of both ports.

use std::fmt::Write as _;

use serde_json::{Map, Value};

const INTRODUCTION: &str = "\
# HTTP reference

This page is written from the route tables and the types of the code, as are the OpenAPI 3.1 documents that a server answers
with at `/.well-known/openapi.json` (public port) and `/admin/openapi.json` (admin port), under its own settings. With the settings
of this page they are [openapi/public.json](openapi/public.json) and [openapi/admin.json](openapi/admin.json).
[integrate.md](integrate.md) tells how the calls make a flow.

Wherever the database is asked, 503 with `temporarily_unavailable` and `Retry-After` means that it is away, and 500 with
`server_error` that the operator should see the log. A body that does not arrive is 408, one that is too large (forms 128 KiB,
JSON documents 2 MiB) 413. These are not repeated below.
";

/// The text of `docs/http.md`.
pub(super) fn reference(public: &Value, admin: &Value) -> String {
    let mut text = String::from(INTRODUCTION);
    port(&mut text, "Public port", public);
    port(&mut text, "Admin port", admin);
    text.push_str("\n## Types\n");
    let mut types = Map::new();
    for document in [public, admin] {
        let schemas = document["components"]["schemas"].as_object().unwrap();
        types.extend(schemas.clone());
    }
    for (name, schema) in &types {
        described_type(&mut text, name, schema);
    }
    text
}

fn port(text: &mut String, title: &str, document: &Value) {
    write!(
        text,
        "\n## {title}\n\n{}\n",
        document["info"]["description"].as_str().unwrap()
    )
    .unwrap();
    for tag in document["tags"].as_array().unwrap() {
        write!(
            text,
            "\n### {}\n",
            tag["description"].as_str().unwrap().trim_end_matches('.')
        )
        .unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in ["get", "post", "put", "patch", "delete"] {
                let operation = &operations[method];
                if operation["tags"][0] == tag["name"] {
                    endpoint(text, method, path, operation);
                }
            }
        }
    }
}

fn endpoint(text: &mut String, method: &str, path: &str, operation: &Value) {
    write!(text, "\n#### {} `{path}`\n\n", method.to_uppercase()).unwrap();
    write!(text, "{}.", operation["summary"].as_str().unwrap()).unwrap();
    if let Some(about) = operation["description"].as_str() {
        write!(text, " {about}").unwrap();
    }
    writeln!(text, " `{}`", operation["operationId"].as_str().unwrap()).unwrap();
    if let Some(schemes) = operation["security"].as_array() {
        let names: Vec<String> = schemes
            .iter()
            .flat_map(|scheme| scheme.as_object().unwrap().keys())
            .map(|name| format!("`{name}`"))
            .collect();
        write!(text, "\nAuthentication: {}\n", names.join(", ")).unwrap();
    }
    parameters(text, operation);
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if body.is_object() {
        write!(text, "\nBody: {}\n", type_of(body)).unwrap();
    }
    text.push_str("\n| Status | Body | Meaning |\n|---|---|---|\n");
    for (status, answer) in operation["responses"].as_object().unwrap() {
        if answer["$ref"].is_string() {
            continue;
        }
        let bodies: Vec<String> = answer["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(media_type, content)| match media_type.as_str() {
                "application/json" => type_of(&content["schema"]),
                other => other.to_owned(),
            })
            .collect();
        let mut meaning = answer["description"].as_str().unwrap().to_owned();
        for (name, header) in answer["headers"].as_object().into_iter().flatten() {
            write!(meaning, " `{name}`: {}", lower(header["description"].as_str().unwrap())).unwrap();
        }
        writeln!(text, "| {status} | {} | {} |", bodies.join(", "), cell(&meaning)).unwrap();
    }
}

fn parameters(text: &mut String, operation: &Value) {
    let mut rows = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let needed = parameter["in"] == "query" && parameter["required"] == true;
        let place = parameter["in"].as_str().unwrap().to_owned() + if needed { ", required" } else { "" };
        rows.push((
            parameter["name"].as_str().unwrap(),
            place,
            parameter["description"].as_str().unwrap(),
        ));
    }
    let form = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    let needed = form["required"].as_array();
    for (name, field) in form["properties"].as_object().into_iter().flatten() {
        let is_needed = needed.is_some_and(|all| all.contains(&Value::from(name.as_str())));
        let place = if is_needed { "form, required" } else { "form" };
        rows.push((name, place.to_owned(), field["description"].as_str().unwrap()));
    }
    if rows.is_empty() {
        return;
    }
    text.push_str("\n| Parameter | In | Meaning |\n|---|---|---|\n");
    for (name, place, meaning) in rows {
        writeln!(text, "| `{name}` | {place} | {} |", cell(meaning)).unwrap();
    }
}

fn described_type(text: &mut String, name: &str, schema: &Value) {
    write!(text, "\n### {name}\n").unwrap();
    if let Some(about) = schema["description"].as_str() {
        write!(text, "\n{}\n", about.replace('\n', " ")).unwrap();
    }
    for (word, members) in [("One of", &schema["oneOf"]), ("Any of", &schema["anyOf"])] {
        if let Some(members) = members.as_array() {
            let all: Vec<String> = members.iter().map(type_of).collect();
            write!(text, "\n{word}: {}\n", all.join("; ")).unwrap();
        }
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    text.push_str("\n| Member | Type | Meaning |\n|---|---|---|\n");
    let required = schema["required"].as_array();
    for (member, schema) in properties {
        // Where nothing is required, nothing need be said.
        let is_optional = required.is_some_and(|all| !all.contains(&Value::from(member.as_str())));
        let mark = if is_optional { ", optional" } else { "" };
        let meaning = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
        writeln!(text, "| `{member}` | {}{mark} | {} |", type_of(schema), cell(&meaning)).unwrap();
    }
}

/// What a schema is, in a few words.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    for choice in [&schema["oneOf"], &schema["anyOf"]] {
        if let Some(members) = choice.as_array() {
            return members.iter().map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    let named = |name: &str| match name {
        "array" => format!("list of {}", type_of(&schema["items"])),
        "object" => match schema["properties"].as_object() {
            Some(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, of)| format!("`{name}`: {}", type_of(of)))
                    .collect();
                format!("object with {}", members.join(", "))
            }
            None => "object".to_owned(),
        },
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => named(name),
        Value::Array(names) => names
            .iter()
            .map(|name| named(name.as_str().unwrap()))
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "any JSON".to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().collect::<String>() + chars.as_str())
        .unwrap_or_default()
}

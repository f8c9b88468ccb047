//! JSON objects in which every member name is unique.
//!
//! RFC 7515 §4 and RFC 7519 §4 let a recipient reject duplicate names or take the last one. Two programs that choose
//! differently read two different tokens from the same signed text, so duplicates are refused here, at any depth.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are not a JSON object with unique names.
#[derive(Debug, thiserror::Error)]
#[error("the text is not a JSON object with unique member names: {0}")]
pub struct JsonError(#[from] serde_json::Error);

/// Reads a JSON object and refuses one that names a member twice.
///
/// # Errors
/// If the bytes are not UTF-8, not JSON, not an object, or name a member twice.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let Unique(value) = serde_json::from_slice(bytes)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError(de::Error::custom("an object was expected"))),
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(de::Error::custom("a member appears twice"));
            }
            let Unique(value) = members.next_value()?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod rfc7515_4 {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_named_twice_is_refused_at_any_depth() {
        for text in [
            r#"{"alg":"RS256","alg":"HS256"}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[{"b":1,"\u0062":1}]}"#,
        ] {
            assert!(parse_object(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn only_an_object_is_accepted_and_only_alone() {
        for text in ["[]", "\"a\"", "1", "null", "", "{", "{} {}", "{\"a\":1,}"] {
            assert!(parse_object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse_object(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_as_it_was(strings in proptest::collection::btree_map(".*", ".*", 0..8), n: i64, x: f64) {
            let mut members: Map<String, Value> =
                strings.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
            members.insert("n".into(), n.into());
            members.insert("x".into(), serde_json::json!([x, null, true, {"u": u64::MAX}]));
            let text = serde_json::to_vec(&members)?;
            let expected: Map<String, Value> = serde_json::from_slice(&text)?;
            prop_assert_eq!(parse_object(&text)?, expected);
        }
    }
}

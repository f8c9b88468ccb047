//! JSON as clients of Hydra send it.
//!
//! They are used to a decoder that ignores unknown members and the case of known ones, takes `null` for "not given",
//! and stops reading after the first value. What is lenient is the reading of structures that we define; free-form
//! values (session claims, metadata) are taken over as they are.
//!
//! Structures to be read must not use `#[serde(flatten)]`: it hides their members' names from the decoder.

use std::fmt;

use serde::Deserialize as _;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::{Map, Value};

/// Why a JSON body could not be read. Names the place, and never repeats what stood there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    #[error("The request body is empty. Send a JSON object.")]
    Empty,
    #[error("The request body is not JSON: line {line}, column {column}.")]
    Syntax { line: usize, column: usize },
    #[error("The member '{path}' is wrong: {reason}.")]
    Member { path: String, reason: String },
    #[error("The request body is wrong: {reason}.")]
    Document { reason: String },
}

/// Reads the first JSON value of `bytes`. `null` reads as `{}`; nesting is bounded at 128 levels.
pub fn lenient_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonFault> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(JsonFault::Empty);
    }
    // What follows the first value is ignored, so `end` is not called.
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let document = Value::deserialize(&mut parser).map_err(|error| JsonFault::Syntax {
        line: error.line(),
        column: error.column(),
    })?;

    serde_path_to_error::deserialize(Lenient(document)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().0;
        if path == "." {
            JsonFault::Document { reason }
        } else {
            JsonFault::Member { path, reason }
        }
    })
}

/// A value that is read leniently where its reader knows what to expect.
struct Lenient(Value);

impl<'de> Deserializer<'de> for Lenient {
    type Error = Wrong;

    /// Scalars, and everything whose reader expects nothing in particular: taken over as it is.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::String(value) => visitor.visit_string(value),
            free => free.deserialize_any(visitor).map_err(|error| Wrong(error.to_string())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let members = match self.0 {
            Value::Object(members) => members,
            Value::Null => Map::new(),
            other => return Err(de::Error::invalid_type(kind_of(&other), &"an object")),
        };
        visitor.visit_map(Members::of_struct(members, fields))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::of_map(members)),
            Value::Null => visitor.visit_map(Members::of_map(Map::new())),
            other => Err(de::Error::invalid_type(kind_of(&other), &"an object")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            other => Err(de::Error::invalid_type(kind_of(&other), &"an array")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            // The reference consent app sends `"grant_scope":[null]` when no box is ticked.
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_string(text),
            other => Err(de::Error::invalid_type(kind_of(&other), &"a string")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(Self(value)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        // serde_json passes its own raw values through a newtype with a private name.
        if name.starts_with('$') {
            return self
                .0
                .deserialize_newtype_struct(name, visitor)
                .map_err(|error| Wrong(error.to_string()));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => {
                let text: StrDeserializer<'_, Wrong> = text.as_str().into_deserializer();
                text.deserialize_enum(name, variants, visitor)
            }
            other => Err(de::Error::invalid_type(kind_of(&other), &"a string")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier
    }
}

/// The members of an object, and the one whose name was read and whose value comes next.
struct Members {
    rest: serde_json::map::IntoIter,
    value: Option<Value>,
}

impl Members {
    fn of_map(members: Map<String, Value>) -> Self {
        Self {
            rest: members.into_iter(),
            value: None,
        }
    }

    /// Names as the structure spells them, and `null` as if it had not been sent.
    fn of_struct(members: Map<String, Value>, fields: &'static [&'static str]) -> Self {
        let mut known = Map::new();
        let mut otherwise_spelled = Vec::new();
        for (name, value) in members.into_iter().filter(|(_, value)| !value.is_null()) {
            if fields.contains(&name.as_str()) {
                known.insert(name, value);
            } else if let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(&name)) {
                otherwise_spelled.push((*field, value));
            }
        }
        for (field, value) in otherwise_spelled {
            known.entry(field).or_insert(value);
        }
        Self::of_map(known)
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Wrong;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        seed.deserialize(Lenient(self.value.take().unwrap_or_default()))
    }
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Wrong;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.0.next().map(|item| seed.deserialize(Lenient(item))).transpose()
    }
}

fn kind_of(value: &Value) -> Unexpected<'static> {
    Unexpected::Other(match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    })
}

/// An error of the decoder, which names kinds of values and not the values: they may be secrets.
#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Str(_) | Unexpected::Char(_) => "a string",
            Unexpected::Seq => "an array",
            Unexpected::Map => "an object",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Other(kind) => kind,
            _ => "something else",
        };
        Self(format!("it is {found} where {expected} belongs"))
    }

    fn invalid_value(_found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self(format!("its value is not {expected}"))
    }

    fn unknown_variant(_found: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("its value is none of {}", expected.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Accept {
        subject: String,
        remember: bool,
        remember_for: i64,
        grant_scope: Vec<String>,
        acr: Option<String>,
        context: Value,
        session: Session,
        labels: BTreeMap<String, String>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Session {
        id_token: Map<String, Value>,
    }

    fn read(text: &str) -> Result<Accept, JsonFault> {
        lenient_json(text.as_bytes())
    }

    fn subject(name: &str) -> Accept {
        Accept {
            subject: name.into(),
            ..Accept::default()
        }
    }

    #[test]
    fn what_hydra_reads_is_read() {
        let table = [
            (r#"{"subject":"a","unknown":[1,{"x":null}]}"#, subject("a")),
            (r#"{"SUBJECT":"a"}"#, subject("a")),
            (r#"{"SUBJECT":"a","subject":"b"}"#, subject("b")),
            (r#"{"subject":"b","Subject":"a"}"#, subject("b")),
            (r#"{"subject":"a","subject":"b"}"#, subject("b")),
            (
                r#"{"subject":"a","remember":null,"grant_scope":null,"session":null,"labels":null}"#,
                subject("a"),
            ),
            (r#"{"subject":"a"} trailing"#, subject("a")),
            (r#"{"subject":"a"}{"subject":"b"}"#, subject("a")),
            ("null", Accept::default()),
            (" {}", Accept::default()),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_null_scope_is_an_empty_string() {
        assert_eq!(
            read(r#"{"grant_scope":[null,"openid"]}"#).unwrap().grant_scope,
            ["", "openid"]
        );
    }

    #[test]
    fn free_form_values_keep_their_nulls_and_their_names() {
        let accept = read(r#"{"context":{"A":null,"a":[null]},"session":{"ID_Token":{"Sub":null}}}"#).unwrap();
        assert_eq!(accept.context, json!({"A": null, "a": [null]}));
        assert_eq!(Value::Object(accept.session.id_token), json!({"Sub": null}));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path_and_never_repeated() {
        let table = [
            (r#"{"remember":"hunter2"}"#, "remember"),
            (r#"{"remember_for":1.5}"#, "remember_for"),
            (r#"{"remember_for":"3600"}"#, "remember_for"),
            (r#"{"subject":7}"#, "subject"),
            (r#"{"grant_scope":"openid"}"#, "grant_scope"),
            (r#"{"grant_scope":["openid",["hunter2"]]}"#, "grant_scope[1]"),
            (r#"{"session":{"id_token":"hunter2"}}"#, "session.id_token"),
            (r#"{"session":[]}"#, "session"),
        ];
        for (text, expected) in table {
            let Err(JsonFault::Member { path, reason }) = read(text) else {
                panic!("{text} was read")
            };
            assert_eq!(path, expected);
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn an_empty_body_and_text_that_is_not_json_are_refused() {
        assert_eq!(read(" \n"), Err(JsonFault::Empty));
        assert_eq!(read("{\"subject\":"), Err(JsonFault::Syntax { line: 1, column: 11 }));
        assert!(matches!(read("[]"), Err(JsonFault::Document { .. })));
        assert!(matches!(
            lenient_json::<Accept>(b"{\"subject\":\"\xff\"}"),
            Err(JsonFault::Syntax { .. })
        ));
    }

    #[test]
    fn bottomless_nesting_is_refused() {
        let deep = format!("{{\"context\":{}", "[".repeat(100_000));
        assert!(matches!(read(&deep), Err(JsonFault::Syntax { .. })));
    }
}

//! The text of what is sent.
//!
//! A whole change, or all that a batch asks, is one text of many statements, so that it is one round trip: the protocol
//! cannot send prepared statements without waiting for each answer. Values are written as numbers, `NULL` and
//! hexadecimal literals only. No character of a value can be understood as SQL, whatever the server's settings are.

use std::borrow::Cow;
use std::fmt::Write as _;

use claviger_core::context::Id;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Number(i64),
    Bytes(Cow<'a, [u8]>),
}

macro_rules! values {
    ($($value:expr),* $(,)?) => { [$(crate::mysql::sql::Value::from($value)),*] };
}
pub(super) use values;

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i16> for Value<'_> {
    fn from(number: i16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Number(flag.into())
    }
}

impl From<Id> for Value<'_> {
    fn from(id: Id) -> Self {
        Self::Bytes(Cow::Owned(id.0.to_vec()))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(Cow::Borrowed(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Bytes(Cow::Owned(text.into_bytes()))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value<'_> {
    pub(super) fn write(&self, text: &mut String) {
        // Writing into a string does not fail.
        let _ = match self {
            Self::Null => text.write_str("NULL"),
            Self::Number(number) => write!(text, "{number}"),
            Self::Bytes(bytes) => {
                text.push_str("x'");
                for byte in bytes.iter() {
                    let _ = write!(text, "{byte:02x}");
                }
                text.write_str("'")
            }
        };
    }
}

/// Adds a statement, in which `?1` is the first value.
pub(super) fn write(text: &mut String, statement: &str, values: &[Value<'_>]) {
    let mut parts = statement.split('?');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let value = number
            .parse::<usize>()
            .ok()
            .and_then(|number| values.get(number.checked_sub(1)?));
        value.unwrap_or(&Value::Null).write(text);
        text.push_str(rest);
    }
    text.push(';');
}

/// One statement.
pub(super) fn statement(statement: &str, values: &[Value<'_>]) -> String {
    let mut text = String::with_capacity(statement.len() + 64 * values.len());
    write(&mut text, statement, values);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_value_reaches_the_text() {
        let text = statement("SELECT ?1, ?2, ?10", &values!["a'\\;--?1\0", None::<i64>]);
        assert_eq!(text, "SELECT x'61275c3b2d2d3f3100', NULL, NULL;");
    }

    #[test]
    fn values_are_named_by_number_and_may_repeat() {
        let all = values![-1_i64, true, "", Id([255; 16])];
        assert_eq!(
            statement("?4 ?1?2 ?3", &all),
            "x'ffffffffffffffffffffffffffffffff' -11 x'';"
        );
    }
}

//! JSON Pointer: the places that a patch names.
//!
//! Implements RFC 6901 §3 and §4. Deviates: objects on the way to a new member are made.

use serde_json::{Map, Value};

/// Most steps of one pointer.
pub(super) const MOST_STEPS: usize = 32;

const NOT_THERE: &str = "names something that is not there";

/// A JSON Pointer (RFC 6901), unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer(Vec<String>);

impl Pointer {
    /// None if the text is no pointer, points at the whole document, or is far too long.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let steps = text.strip_prefix('/')?;
        let steps: Option<Vec<String>> = steps.split('/').map(unescaped).collect();
        steps.filter(|steps| steps.len() <= MOST_STEPS).map(Self)
    }

    /// The member of the document's top level that this is, or is in.
    pub(super) fn member(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether this points into what `other` points at.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self != other && self.0.starts_with(&other.0)
    }

    pub(super) fn get<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(items) => items.get(index(step)?),
            _ => None,
        })
    }

    /// The value that holds the last step, with objects made where nothing was.
    fn parent<'v>(&self, document: &'v mut Value) -> Result<(&'v mut Value, &str), &'static str> {
        let (last, way) = self.0.split_last().ok_or(NOT_THERE)?;
        let mut value = document;
        for step in way {
            value = match value {
                Value::Object(members) => members
                    .entry(step.as_str())
                    .or_insert_with(|| Value::Object(Map::new())),
                Value::Array(items) => index(step).and_then(|index| items.get_mut(index)).ok_or(NOT_THERE)?,
                _ => return Err("leads through something that is neither an object nor an array"),
            };
        }
        Ok((value, last))
    }

    pub(super) fn add(&self, document: &mut Value, value: Value) -> Result<(), &'static str> {
        match self.parent(document)? {
            (Value::Object(members), name) => {
                members.insert(name.to_owned(), value);
            }
            (Value::Array(items), "-") => items.push(value),
            (Value::Array(items), step) => {
                let index = index(step).filter(|index| *index <= items.len()).ok_or(NOT_THERE)?;
                items.insert(index, value);
            }
            _ => return Err(NOT_THERE),
        }
        Ok(())
    }

    pub(super) fn replace(&self, document: &mut Value, value: Value) -> Result<(), &'static str> {
        match self.parent(document)? {
            (Value::Object(members), name) => {
                members.insert(name.to_owned(), value);
            }
            (Value::Array(items), step) => {
                let old = index(step).and_then(|index| items.get_mut(index)).ok_or(NOT_THERE)?;
                *old = value;
            }
            _ => return Err(NOT_THERE),
        }
        Ok(())
    }

    pub(super) fn remove(&self, document: &mut Value) -> Result<Value, &'static str> {
        match self.parent(document)? {
            (Value::Object(members), name) => members.remove(name).ok_or(NOT_THERE),
            (Value::Array(items), step) => {
                let index = index(step).filter(|index| *index < items.len()).ok_or(NOT_THERE)?;
                Ok(items.remove(index))
            }
            _ => Err(NOT_THERE),
        }
    }
}

/// `~1` stands for `/` and `~0` for `~`; no other escape exists.
fn unescaped(step: &str) -> Option<String> {
    let mut text = String::with_capacity(step.len());
    let mut parts = step.split('~');
    text.push_str(parts.next()?);
    for part in parts {
        let (escaped, rest) = match part.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', part.strip_prefix('1')?),
        };
        text.push(escaped);
        text.push_str(rest);
    }
    Some(text)
}

/// "Digits without leading zeros" (RFC 6901 §4).
fn index(step: &str) -> Option<usize> {
    let is_number = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    step.parse().ok().filter(|_| is_number)
}

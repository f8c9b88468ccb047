//! JSON Patch on a client's metadata.
//!
//! Implements RFC 6902 §4 and RFC 6901 §4. Deviates, as clients of Hydra rely on it: `replace` of a member that is not
//! there adds it, and objects on the way to a new member are made.
//! Attacks: copies of copies that grow without end, or nest deeper than the stack (both are bounded).

use serde_json::{Map, Value};

use super::pointer::{MOST_STEPS, Pointer};
use super::validate::is_deeper_than;

/// Most operations of one patch.
const MOST_OPERATIONS: usize = 1000;
/// Most bytes of the document while it is copied within.
const LARGEST: usize = 4 << 20;

/// Why a patch cannot be applied. Operations are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The body is something else.
    #[error("A JSON Patch is an array of at most {MOST_OPERATIONS} operations.")]
    NotAPatch,
    /// One operation is malformed or does not fit the document.
    #[error("Operation {number} of the patch {reason}.")]
    Operation {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A sequence of operations, read but not applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch(Vec<Operation>);

#[derive(Clone, Debug, PartialEq)]
enum Operation {
    Add(Pointer, Value),
    Remove(Pointer),
    Replace(Pointer, Value),
    Move(Pointer, Pointer),
    Copy(Pointer, Pointer),
    Test(Pointer, Value),
}

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// [`PatchError`] naming the first operation that makes no sense.
    pub fn parse(document: Value) -> Result<Self, PatchError> {
        let Value::Array(operations) = document else {
            return Err(PatchError::NotAPatch);
        };
        if operations.len() > MOST_OPERATIONS {
            return Err(PatchError::NotAPatch);
        }
        let numbered = operations.into_iter().zip(1..);
        numbered
            .map(|(operation, number)| {
                Operation::parse(operation).map_err(|reason| PatchError::Operation { number, reason })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an operation reads or changes a member of the document's top level, or something in it.
    #[must_use]
    pub fn touches(&self, is_named: impl Fn(&str) -> bool) -> bool {
        let pointers = self.0.iter().flat_map(|operation| match operation {
            Operation::Add(path, _)
            | Operation::Remove(path)
            | Operation::Replace(path, _)
            | Operation::Test(path, _) => [Some(path), None],
            Operation::Move(from, path) | Operation::Copy(from, path) => [Some(from), Some(path)],
        });
        pointers.flatten().any(|pointer| is_named(pointer.member()))
    }

    /// Applies all operations in order.
    ///
    /// # Errors
    /// [`PatchError`] naming the first operation that does not fit; the document is of no use then.
    pub fn apply(&self, document: &mut Value) -> Result<(), PatchError> {
        for (operation, number) in self.0.iter().zip(1..) {
            let done = operation.apply(document).and_then(|()| operation.leave_sound(document));
            done.map_err(|reason| PatchError::Operation { number, reason })?;
        }
        Ok(())
    }
}

impl Operation {
    fn parse(operation: Value) -> Result<Self, &'static str> {
        let Value::Object(mut members) = operation else {
            return Err("is not an object");
        };
        let path = pointer(&members, "path")?;
        let op = members.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut value = || members.remove("value").ok_or("has no member 'value'");
        Ok(match op.as_str() {
            "add" => Self::Add(path, value()?),
            "replace" => Self::Replace(path, value()?),
            "test" => Self::Test(path, value()?),
            "remove" => Self::Remove(path),
            "move" => Self::Move(pointer(&members, "from")?, path),
            "copy" => Self::Copy(pointer(&members, "from")?, path),
            _ => return Err("has no 'op' that is add, remove, replace, move, copy or test"),
        })
    }

    fn apply(&self, document: &mut Value) -> Result<(), &'static str> {
        match self {
            Self::Add(path, value) => path.add(document, value.clone()),
            Self::Remove(path) => path.remove(document).map(drop),
            Self::Replace(path, value) => path.replace(document, value.clone()),
            Self::Test(path, value) if path.get(document) == Some(value) => Ok(()),
            Self::Test(..) => Err("tests for a value that is not there"),
            // "The 'from' location MUST NOT be a proper prefix of the 'path' location" (RFC 6902 §4.4).
            Self::Move(from, path) if path.is_within(from) => Err("moves a value into itself"),
            Self::Move(from, path) => {
                let value = from.remove(document)?;
                path.add(document, value)
            }
            Self::Copy(from, path) => {
                let value = from.get(document).ok_or("copies from where nothing is")?.clone();
                path.add(document, value)
            }
        }
    }

    /// What was sent is bounded by the size of the request, what is made of it only here.
    fn leave_sound(&self, document: &Value) -> Result<(), &'static str> {
        if !matches!(self, Self::Copy(..) | Self::Move(..)) {
            return Ok(());
        }
        if is_deeper_than(DEEPEST_DOCUMENT, document) {
            return Err("nests values too deep");
        }
        if size(document) > LARGEST {
            return Err("makes the client too large");
        }
        Ok(())
    }
}

fn pointer(members: &Map<String, Value>, name: &str) -> Result<Pointer, &'static str> {
    let text = members.get(name).and_then(Value::as_str);
    text.and_then(Pointer::parse)
        .ok_or("needs a 'path', and a 'from' if it moves or copies; both are JSON Pointers, as /client_name is")
}

/// Levels that a document can have without a copy: those of a pointer, and those that a JSON parser reads.
const DEEPEST_DOCUMENT: usize = MOST_STEPS + 128;

/// About the bytes that a value has as text.
fn size(value: &Value) -> usize {
    const OVERHEAD: usize = 4;
    OVERHEAD
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size).sum(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| name.len() + OVERHEAD + size(value))
                .sum(),
            _ => OVERHEAD,
        }
}

#[cfg(test)]
mod rfc6902 {
    use serde_json::json;

    use super::*;

    fn patched(document: &Value, patch: Value) -> Result<Value, PatchError> {
        let mut document = document.clone();
        Patch::parse(patch)?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn the_examples_of_the_appendix_hold() {
        let table = [
            (
                json!({"foo": "bar"}),
                json!([{"op": "add", "path": "/baz", "value": "qux"}]),
                json!({"baz": "qux", "foo": "bar"}),
            ),
            (
                json!({"foo": ["bar", "baz"]}),
                json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
                json!({"foo": ["bar", "qux", "baz"]}),
            ),
            (
                json!({"baz": "qux", "foo": "bar"}),
                json!([{"op": "remove", "path": "/baz"}]),
                json!({"foo": "bar"}),
            ),
            (
                json!({"foo": ["bar", "qux", "baz"]}),
                json!([{"op": "remove", "path": "/foo/1"}]),
                json!({"foo": ["bar", "baz"]}),
            ),
            (
                json!({"baz": "qux"}),
                json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
                json!({"baz": "boo"}),
            ),
            (
                json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
                json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
                json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
            ),
            (
                json!({"foo": ["all", "grass", "cows", "eat"]}),
                json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
                json!({"foo": ["all", "cows", "eat", "grass"]}),
            ),
            (
                json!({"baz": "qux", "foo": ["a", 2, "c"]}),
                json!([{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}]),
                json!({"baz": "qux", "foo": ["a", 2, "c"]}),
            ),
            (
                json!({"foo": "bar"}),
                json!([{"op": "add", "path": "/child", "value": {"grandchild": {}}}]),
                json!({"foo": "bar", "child": {"grandchild": {}}}),
            ),
            (
                json!({"foo": "bar"}),
                json!([{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}]),
                json!({"foo": "bar", "baz": "qux"}),
            ),
            (
                json!({"/": 9, "~1": 10}),
                json!([{"op": "test", "path": "/~01", "value": 10}]),
                json!({"/": 9, "~1": 10}),
            ),
            (
                json!({"foo": ["bar"]}),
                json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
                json!({"foo": ["bar", ["abc", "def"]]}),
            ),
            (
                json!({"foo": 1}),
                json!([{"op": "copy", "from": "/foo", "path": "/bar"}]),
                json!({"foo": 1, "bar": 1}),
            ),
            (
                json!({"foo": 1}),
                json!([{"op": "add", "path": "/foo", "value": null}]),
                json!({"foo": null}),
            ),
        ];
        for (document, patch, expected) in table {
            assert_eq!(patched(&document, patch.clone()), Ok(expected), "{patch}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_counted() {
        let document = json!({"foo": ["a"], "text": "t"});
        let fine = json!({"op": "test", "path": "/text", "value": "t"});
        for bad in [
            json!(1),
            json!({}),
            json!({"op": "explode", "path": "/foo"}),
            json!({"op": "add", "path": "/foo"}),
            json!({"op": "add", "path": "foo", "value": 1}),
            json!({"op": "add", "path": "", "value": {}}),
            json!({"op": "add", "path": "/a~2", "value": 1}),
            json!({"op": "add", "path": "/foo/2", "value": 1}),
            json!({"op": "add", "path": "/foo/00", "value": 1}),
            json!({"op": "add", "path": "/text/a", "value": 1}),
            json!({"op": "add", "path": "/text/a/b", "value": 1}),
            json!({"op": "replace", "path": "/foo/-", "value": 1}),
            json!({"op": "remove", "path": "/nope"}),
            json!({"op": "remove", "path": "/foo/1"}),
            json!({"op": "test", "path": "/text", "value": "u"}),
            json!({"op": "test", "path": "/nope", "value": null}),
            json!({"op": "copy", "path": "/foo"}),
            json!({"op": "copy", "from": "/nope", "path": "/foo"}),
            json!({"op": "move", "from": "/foo", "path": "/foo/0"}),
        ] {
            let refusal = patched(&document, json!([fine, bad]));
            assert!(
                matches!(refusal, Err(PatchError::Operation { number: 2, .. })),
                "{bad}: {refusal:?}"
            );
        }
        for bad in [json!({}), json!(null), json!("[]")] {
            assert_eq!(Patch::parse(bad), Err(PatchError::NotAPatch));
        }
    }

    #[test]
    fn what_hydra_tolerates_is_tolerated() {
        let replaced = patched(&json!({}), json!([{"op": "replace", "path": "/a", "value": 1}]));
        assert_eq!(replaced, Ok(json!({"a": 1})));
        let nested = patched(&json!({}), json!([{"op": "add", "path": "/metadata/a/b", "value": 1}]));
        assert_eq!(nested, Ok(json!({"metadata": {"a": {"b": 1}}})));
        assert_eq!(patched(&json!({"a": 1}), json!([])), Ok(json!({"a": 1})));
    }

    #[test]
    fn copies_of_copies_end() {
        let copies = |path: fn(usize) -> String| -> Value {
            (0..500)
                .map(|number| json!({"op": "copy", "from": "/m", "path": path(number)}))
                .collect()
        };
        let refused_as = |patch, expected| {
            let refusal = patched(&json!({"m": {"text": "x"}}), patch);
            assert!(
                matches!(refusal, Err(PatchError::Operation { reason, .. }) if reason == expected),
                "{expected}"
            );
        };
        refused_as(copies(|_| "/m/a".to_owned()), "nests values too deep");
        refused_as(copies(|number| format!("/m/{number}")), "makes the client too large");
    }
}

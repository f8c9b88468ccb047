//! The tables of JSON documents: each member without a value, of every wrong type, too long, with a NUL.

use claviger_e2e::{Http, Request};
use serde_json::{Value, json};

use crate::table::{long, told};

/// What a member is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Text,
    List,
    Flag,
    Number,
    Object,
    /// Anything goes.
    Free,
}

/// One member, and what is answered without it, with an empty value, with one that is far too long and with a NUL in it, and
/// with each of these values, which are JSON.
pub(crate) struct Member {
    name: &'static str,
    kind: Kind,
    answers: [&'static str; 4],
    others: &'static [(&'static str, &'static str)],
}

pub(crate) const fn member(
    name: &'static str,
    kind: Kind,
    answers: [&'static str; 4],
    others: &'static [(&'static str, &'static str)],
) -> Member {
    Member {
        name,
        kind,
        answers,
        others,
    }
}

/// An endpoint that takes a document.
pub(crate) struct Document {
    pub(crate) name: &'static str,
    /// The answer to the document as it should be.
    pub(crate) good: &'static str,
    /// The answer to a member of the wrong type, and to what is no document at all.
    pub(crate) malformed: &'static str,
    pub(crate) members: &'static [Member],
}

impl Kind {
    fn empty(self) -> Value {
        match self {
            Self::Text => json!(""),
            Self::List => json!([]),
            Self::Object | Self::Free => json!({}),
            Self::Flag => json!(false),
            Self::Number => json!(0),
        }
    }

    /// A value with this text in it.
    fn holding(self, text: &str) -> Value {
        match self {
            Self::List => json!([text]),
            Self::Object | Self::Free => json!({ "x": text }),
            _ => json!(text),
        }
    }

    fn wrong(self) -> Vec<Value> {
        let all = [
            (Self::Text, json!("text")),
            (Self::Number, json!(7)),
            (Self::Flag, json!(true)),
            (Self::List, json!(["text"])),
            (Self::Object, json!({"x": 1})),
        ];
        let mut wrong: Vec<Value> = all
            .into_iter()
            .filter(|(kind, _)| *kind != self && self != Self::Free)
            .map(|(_, value)| value)
            .collect();
        if self == Self::List {
            wrong.push(json!([7]));
            wrong.push(json!([["text"]]));
        }
        if self == Self::Number {
            wrong.push(json!(1.5));
            wrong.push(json!(1e30));
        }
        wrong
    }
}

/// Goes through a document's table, and tells every answer that is another one. `request` may be sent any number of times.
pub(crate) async fn check(document: &Document, request: impl Fn() -> Request, good: &Value) {
    let mut wrong = Vec::new();
    let mut one = async |name: &str, what: &str, body: Vec<u8>, expected: &str| {
        let answer = Http::new().send(request().body("application/json", body)).await;
        if told(&answer) != expected {
            let text: String = answer.text().chars().take(200).collect();
            wrong.push(format!("{name} {what:.60}: {}, not {expected}; {text}", told(&answer)));
        }
    };
    for Member {
        name,
        kind,
        answers: [absent, empty, over, nul],
        others,
    } in document.members
    {
        let with = |value: Value| {
            let mut body = good.clone();
            body[*name] = value;
            body.to_string().into_bytes()
        };
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(*name);
        one(name, "absent", without.to_string().into_bytes(), absent).await;
        // As if it were absent, unless the table says something else.
        if others.iter().all(|(value, _)| *value != "null") {
            one(name, "null", with(Value::Null), absent).await;
        }
        one(name, "empty", with(kind.empty()), empty).await;
        one(name, "long", with(kind.holding(&long())), over).await;
        one(name, "NUL", with(kind.holding("text\0text")), nul).await;
        for value in kind.wrong() {
            one(
                name,
                &format!("of a wrong type: {value}"),
                with(value),
                document.malformed,
            )
            .await;
        }
        for (value, expected) in *others {
            one(name, value, with(serde_json::from_str(value).unwrap()), expected).await;
        }
        // A text that is no text: broken UTF-8, and half of a character.
        if *kind == Kind::Text {
            for broken in [&b"\"\xff\""[..], b"\"\\ud800\""] {
                let mut body = format!("{{\"{name}\":").into_bytes();
                body.extend_from_slice(broken);
                body.push(b'}');
                one(name, "broken UTF-8", body, document.malformed).await;
            }
        }
    }
    for body in ["", "{", "[]", "7", "\"text\"", "{\"a\":1"] {
        one("the document", body, body.into(), document.malformed).await;
    }
    one(
        "all",
        "as it should be, after all that",
        good.to_string().into(),
        document.good,
    )
    .await;
    assert!(wrong.is_empty(), "{}:\n{}", document.name, wrong.join("\n"));
}

//! What was said over HTTP in this process, kept from when a test asks for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::Answer;

static KEPT: Mutex<Option<Vec<Value>>> = Mutex::new(None);

/// From now on every exchange of every [`crate::Http`] is kept.
pub fn begin() {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get_or_insert_default();
}

/// The exchanges with the server at this base URL so far, in the form that `node/openapi.mjs` reads.
#[must_use]
pub fn with(base: &str) -> Vec<Value> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let all = kept.iter().flatten();
    let base = format!("{base}/");
    all.filter(|exchange| exchange["url"].as_str().is_some_and(|url| url.starts_with(&base)))
        .cloned()
        .collect()
}

pub(crate) fn keep(method: &str, url: &str, sent: &Bytes, answer: &Answer) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(kept) = kept.as_mut() else {
        return;
    };
    let headers: BTreeMap<&str, &str> = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    kept.push(json!({
        "method": method, "url": url, "status": answer.status, "headers": headers, "body": answer.text(),
        "sent": serde_json::from_slice::<Value>(sent).ok(),
    }));
}

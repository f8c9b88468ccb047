//! What the operator's apps and other servers answer: login and consent, the token hook, the document of a sector.

use claviger::edge::lenient::lenient_json;
use claviger_core::flow::consent::ConsentAcceptance;
use claviger_core::flow::login::{LoginAcceptance, Rejection};
use serde_json::{Map, Value, json};

use crate::stage::{REDIRECT_URI, STAGE};

/// What a login or consent app sends: whatever it is, the browser comes back, or the app is told what is wrong.
pub fn acceptance(data: &[u8]) {
    if let Ok(body) = lenient_json::<LoginAcceptance>(data) {
        STAGE.accept(body);
    }
    if let Ok(body) = lenient_json::<Rejection>(data) {
        STAGE.reject(body);
    }
    let _ = lenient_json::<ConsentAcceptance>(data);
}

/// What a token hook answers: a token is issued only if it is nothing, or an object.
pub fn hook(data: &[u8]) {
    if STAGE.issues(data) {
        assert!(data.is_empty() || serde_json::from_slice::<Map<String, Value>>(data).is_ok());
    }
}

/// The document of a sector: a client belongs to it if its redirect URI is listed, and not otherwise.
pub fn sector(data: &[u8]) {
    let client = json!({
        "client_id": "sectored", "redirect_uris": [REDIRECT_URI], "subject_type": "pairwise",
        "sector_identifier_uri": "https://sector.example/uris",
    });
    let is_registered = STAGE.register_told(&client, data);
    STAGE.forget("sectored");
    let listed = serde_json::from_slice::<Vec<String>>(data).unwrap_or_default();
    assert_eq!(is_registered, listed.iter().any(|uri| uri == REDIRECT_URI));
}

//! The audit log: who changed what, and what looks like an attack. Lines have the target `audit`.
//!
//! Changes on the admin port are always written. Events that strangers can cause are bounded: so many a second, and the
//! next line says how many were left out; the metric counts them all. Lines carry names and ids, never a token, code,
//! challenge or secret.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::Response;
use http::header::LOCATION;
use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::edge::admission::Actor;
use crate::edge::request_id::RequestId;

/// The target of audit lines.
pub const TARGET: &str = "audit";
/// Most characters of an object's name.
const LONGEST_OBJECT: usize = 300;
/// Most lines in one second about what strangers do.
const MOST_A_SECOND: u32 = 20;

/// Query parameters that say what an admin request is about. Others are not written.
const SELECTORS: [&str; 6] = ["client_id", "subject", "client", "sid", "consent_request_id", "all"];

/// Refusals that are worth a line, by their names in the table of faults, and the event that they are.
pub(crate) const FAULTS: &[(&str, &str)] = &[
    ("ClientUnknown", "client.authentication_failed"),
    ("ClientSchemeUnsupported", "client.authentication_failed"),
    ("ClientAssertion", "client.authentication_failed"),
    ("ClientMethodUnregistered", "client.authentication_failed"),
    ("ClientSecretExpired", "client.secret_expired"),
    ("ClientAssertionUsed", "client.assertion_reused"),
    ("AssertionUsed", "grant.assertion_reused"),
    ("AssertionUntrusted", "grant.assertion_untrusted"),
    ("CodeUsed", "grant.code_reused"),
    ("VerifierWrong", "grant.code_verifier_wrong"),
    ("RefreshTokenUsed", "grant.refresh_token_reused"),
    ("DeviceCodeUsed", "grant.device_code_reused"),
    ("RegistrationTokenInvalid", "registration.token_invalid"),
    ("InitialTokenInvalid", "registration.token_invalid"),
    ("BrowserMismatch", "flow.browser_mismatch"),
    ("UserCodeUnknown", "device.user_code_wrong"),
    ("UserCodeGuessed", "device.user_code_guessed"),
    ("UserCodesGuessed", "device.user_codes_guessed"),
    ("AddressTooFast", "address.rate_limited"),
];

/// The event that a refusal is, if it is one.
pub(crate) fn event_of(fault: &str) -> Option<&'static str> {
    FAULTS.iter().find(|(name, _)| *name == fault).map(|(_, event)| *event)
}

/// What an admin request is about: the ids in its path, and what its query selects.
#[must_use]
pub(crate) fn object(pattern: &str, uri: &Uri) -> String {
    let parts = |path: &'_ str| -> Vec<String> {
        let path = path.strip_prefix("/admin").unwrap_or(path);
        path.split('/').map(str::to_owned).collect()
    };
    let (names, values) = (parts(pattern), parts(uri.path()));
    let ids = names
        .iter()
        .zip(&values)
        .filter(|(name, _)| name.starts_with('{'))
        .map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned());
    let selected = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).filter_map(selector);
    let mut object = ids.chain(selected).collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = object.char_indices().nth(LONGEST_OBJECT) {
        object.truncate(end);
    }
    object
}

/// A challenge opens a login, so only a piece of its digest is written: enough to see which lines belong together.
fn selector((name, value): (Cow<'_, str>, Cow<'_, str>)) -> Option<String> {
    if SELECTORS.contains(&&*name) {
        return Some(format!("{name}={value}"));
    }
    name.ends_with("_challenge").then(|| {
        let digest = digest(&SHA256, value.as_bytes());
        let start: String = digest
            .as_ref()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{name}#{start}")
    })
}

/// What was made has its id in the answer.
fn made(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let id = location.rsplit('/').next()?;
    Some(percent_decode_str(id).decode_utf8_lossy().into_owned())
}

/// Writes the line of a request that changes something, or would have.
pub(crate) fn change(
    actor: &Actor,
    (method, pattern): (&Method, &str),
    object: &str,
    response: &Response,
    (refusal, id): (Option<&str>, RequestId),
) {
    let status = response.status();
    let outcome = match status.as_u16() {
        200..=399 => "applied",
        400..=499 => "refused",
        _ => "failed",
    };
    let made = made(response).filter(|_| object.is_empty());
    let object = made.as_deref().unwrap_or(object);
    let (key, key_id, certificate, address) = who(actor);
    tracing::info!(
        target: TARGET,
        event = "admin.change",
        action = %format_args!("{method} {pattern}"),
        object,
        outcome,
        status = status.as_u16(),
        error = refusal,
        key,
        key_id,
        certificate,
        address,
        request_id = %id,
        "admin change"
    );
}

type Who<'a> = (Option<&'a str>, Option<String>, Option<&'a str>, Option<String>);

fn who(actor: &Actor) -> Who<'_> {
    (
        actor.key.as_ref().map(|key| key.name.as_str()),
        actor.key.as_ref().map(|key| key.id.to_string()),
        actor.certificate.as_deref(),
        actor.address.map(|address| address.to_string()),
    )
}

/// Lets so many lines of each event pass in a second, so that the noise of one hides no other.
#[derive(Debug, Default)]
pub struct Volume(Mutex<HashMap<&'static str, Window>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    written: u32,
    left_out: u64,
}

impl Volume {
    /// How many lines of the event were left out before this one; none if it is left out too.
    fn admit(&self, event: &'static str, now: Instant) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(event).or_insert(Window {
            began: now,
            written: 0,
            left_out: 0,
        });
        if now.saturating_duration_since(window.began) >= Duration::from_secs(1) {
            (window.began, window.written) = (now, 0);
        }
        if window.written >= MOST_A_SECOND {
            window.left_out += 1;
            return None;
        }
        window.written += 1;
        Some(std::mem::take(&mut window.left_out))
    }

    /// Writes the line of an event that a stranger caused.
    pub(crate) fn event(
        &self,
        event: &'static str,
        actor: &Actor,
        action: (&Method, &str),
        client: Option<&str>,
        id: RequestId,
    ) {
        let Some(left_out) = self.admit(event, Instant::now()) else {
            return;
        };
        let (key, key_id, certificate, address) = who(actor);
        let (method, pattern) = action;
        tracing::info!(
            target: TARGET,
            event,
            action = %format_args!("{method} {pattern}"),
            client,
            key,
            key_id,
            certificate,
            address,
            left_out = (left_out > 0).then_some(left_out),
            request_id = %id,
            "security event"
        );
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::fault::Fault;

    use super::*;

    #[test]
    fn every_fault_that_is_written_is_one() {
        for (name, _) in FAULTS {
            assert!(Fault::ALL.iter().any(|fault| fault.name() == *name), "{name}");
        }
    }

    #[test]
    fn an_object_is_named_by_path_and_selectors_on_both_paths() {
        let named = |pattern, uri: &'static str| object(pattern, &Uri::from_static(uri));
        assert_eq!(named("/admin/clients/{id}", "/admin/clients/a%2Fb"), "a/b");
        assert_eq!(named("/admin/clients/{id}/lifespans", "/clients/a/lifespans"), "a");
        assert_eq!(named("/admin/keys/{set}/{kid}", "/admin/keys/s/k?x=y"), "s k");
        let sessions = "/admin/oauth2/auth/sessions/consent";
        assert_eq!(
            named(
                sessions,
                "/oauth2/auth/sessions/consent?subject=ada&client=app&token=secret"
            ),
            "subject=ada client=app"
        );
        let long = format!("/admin/clients/{}", "x".repeat(1000)).parse::<Uri>().unwrap();
        assert_eq!(object("/admin/clients/{id}", &long).len(), LONGEST_OBJECT);
    }

    #[test]
    fn a_challenge_is_recognizable_and_not_usable() {
        let pattern = "/admin/oauth2/auth/requests/login/accept";
        let of = |challenge: &str| {
            object(
                pattern,
                &format!("{pattern}?login_challenge={challenge}").parse().unwrap(),
            )
        };
        assert!(of("verySecret").starts_with("login_challenge#") && !of("verySecret").contains("verySecret"));
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn what_strangers_cause_is_bounded_and_what_was_left_out_is_told() {
        let (volume, start) = (Volume::default(), Instant::now());
        for _ in 0..MOST_A_SECOND {
            assert_eq!(volume.admit("one", start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(volume.admit("one", start), None);
        }
        let later = start + Duration::from_secs(2);
        assert_eq!(volume.admit("one", later), Some(1000));
        assert_eq!(volume.admit("one", later), Some(0));
    }
}

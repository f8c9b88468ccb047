//! How values of the protocol are written into columns, the same in every database.

use claviger_core::port::{FlowRecord, Owner};

/// A scope list in one column (RFC 6749 §3.3: scopes have no space).
pub(crate) fn join_scope(scope: &[String]) -> String {
    scope.join(" ")
}

pub(crate) fn split_scope(text: &str) -> Vec<String> {
    split(text, ' ')
}

/// Audiences in one column. They are URIs or names and have no line break, but some have spaces.
pub(crate) fn join_audience(audience: &[String]) -> String {
    audience.join("\n")
}

pub(crate) fn split_audience(text: &str) -> Vec<String> {
    split(text, '\n')
}

/// Scope and audience of an access token of a grant, where they are not the grant's.
pub(crate) fn narrowing(owner: &Owner) -> (Option<String>, Option<String>) {
    match owner {
        Owner::Grant { scope, audience, .. } => {
            (scope.as_deref().map(join_scope), audience.as_deref().map(join_audience))
        }
        Owner::Client { scope, audience, .. } => (Some(join_scope(scope)), Some(join_audience(audience))),
    }
}

fn split(text: &str, separator: char) -> Vec<String> {
    text.split(separator)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The version of a flow that the login app just answered.
///
/// It is drawn from the sealed bytes, which never repeat, so that whoever wrote the row knows it without asking, and two
/// answers to one challenge differ. The upper bits stay free: later writes add one.
pub(crate) fn answered_version(flow: &FlowRecord) -> i64 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &flow.sealed);
    let number = digest
        .as_ref()
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    i64::try_from(number >> 2).unwrap_or(i64::MAX >> 2) + 1
}

/// A positive number that no other draw has: a serial number, or the first version of a client.
///
/// A counter of the database would do on one server only: those of a cluster may repeat numbers after a failover.
/// Without randomness it is zero, which the unique index of serial numbers refuses the second time.
pub(crate) fn drawn() -> i64 {
    let mut bytes = [0; 8];
    // Nothing is drawn if this fails, and the bytes stay zero.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    // The upper bits stay free: later writes add one.
    i64::try_from(u64::from_be_bytes(bytes) >> 2).unwrap_or(i64::MAX >> 2)
}

/// Bits of a client's version that count its changes; those above hold its serial number, so that a client made again
/// under the same id never has a version that it had before.
pub(crate) const VERSION_BITS: u32 = 32;

#[cfg(test)]
mod tests {
    use claviger_core::context::{Id, Timestamp};
    use claviger_core::port::FlowStep;

    use super::*;

    fn flow(sealed: &[u8]) -> FlowRecord {
        FlowRecord {
            id: Id([1; 16]),
            step: FlowStep::LoginAnswered,
            version: 0,
            sealed: sealed.to_vec(),
            expires_at: Timestamp(0),
        }
    }

    #[test]
    fn two_answers_to_one_challenge_have_different_versions() {
        assert_ne!(answered_version(&flow(b"one")), answered_version(&flow(b"two")));
        assert_eq!(answered_version(&flow(b"one")), answered_version(&flow(b"one")));
        assert!(answered_version(&flow(b"one")) > 0);
    }

    #[test]
    fn empty_lists_come_back_empty() {
        assert!(split_scope(&join_scope(&[])).is_empty());
        assert_eq!(
            split_audience(&join_audience(&["a b".into(), "c".into()])),
            ["a b", "c"]
        );
    }
}

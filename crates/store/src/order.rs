//! In which order the members of a batch run, and their answers in the order in which they came.

use claviger_core::context::Id;
use claviger_core::port::{ApiKeyRecord, Change, TrustRecord};

use crate::coalesce::Answer;

/// In which order a batch runs: every server takes the locks of a table in the order of its keys, so that two batches
/// wait for each other in one direction only.
pub(crate) fn order(change: &Change) -> (u8, Vec<u8>) {
    let row = |kind: u8, id: &Id| (kind, id.0.to_vec());
    match change {
        Change::CreateClient(client) | Change::UpdateClient(client) => (0, client.id.as_bytes().to_vec()),
        Change::DeleteClient(id) | Change::RevokeClientAccess { client: id, .. } => (0, id.as_bytes().to_vec()),
        Change::SeedKey { key, .. } | Change::AddKey(key) | Change::PutKey(key) => (1, key.set.as_bytes().to_vec()),
        Change::ReplaceKeySet { set, .. }
        | Change::NeedKey { set, .. }
        | Change::RetireKey { set, .. }
        | Change::DeleteKey { set, .. }
        | Change::DeleteKeySet(set) => (1, set.as_bytes().to_vec()),
        Change::AnswerLogin { flow } | Change::Advance { flow, .. } => row(2, &flow.id),
        Change::EndSession(id) => row(3, id),
        Change::EndSessions { subject } => (3, subject.as_bytes().to_vec()),
        Change::Logout { spent, session, .. } => match (spent, session) {
            (Some(flow), _) => row(2, &flow.id),
            (None, Some(session)) => row(3, session),
            (None, None) => (8, Vec::new()),
        },
        Change::Redeem { code, .. } | Change::BurnCode { code, .. } => row(4, code),
        Change::Rotate { old, .. } => row(5, old),
        Change::Issue { access, .. } => row(6, &access.id),
        Change::RevokeAccess(id) => row(6, id),
        Change::RevokeGrant(id) | Change::EndGrant(id) => row(7, id),
        Change::RevokeGrants { subject, .. } => (7, subject.as_bytes().to_vec()),
        Change::RescheduleNotice { id, .. } => row(8, id),
        Change::UseAssertion(assertion)
        | Change::IssueGrant {
            assertion: Some(assertion),
            ..
        } => (9, assertion.digest.0.to_vec()),
        Change::IssueGrant { grant, .. } => row(9, &grant.id),
        Change::CreateTrust(TrustRecord { id, .. }) | Change::DeleteTrust(id) => row(10, id),
        Change::CreateApiKey(ApiKeyRecord { id, .. }) | Change::RevokeApiKey(id) | Change::UseApiKey { id, .. } => {
            row(12, id)
        }
        Change::BeginDevice { device, .. } => row(11, &device.id),
        Change::PollDevice { device, .. }
        | Change::DenyDevice(device)
        | Change::ApproveDevice { device, .. }
        | Change::RedeemDevice { device, .. } => row(11, device),
    }
}

/// Sorts a batch, and says where each member was.
pub(crate) fn sorted<T, K: Ord>(batch: &mut Vec<T>, key: impl Fn(&T) -> K) -> Vec<usize> {
    let mut members: Vec<_> = batch.drain(..).enumerate().collect();
    members.sort_by_cached_key(|(_, member)| key(member));
    let (positions, members): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    *batch = members;
    positions
}

/// Answers in the order of the questions.
pub(crate) fn restored<A>(answers: Vec<Answer<A>>, positions: &[usize]) -> Vec<Answer<A>> {
    let mut pairs: Vec<_> = positions.iter().zip(answers).collect();
    pairs.sort_by_key(|(position, _)| **position);
    pairs.into_iter().map(|(_, answer)| answer).collect()
}

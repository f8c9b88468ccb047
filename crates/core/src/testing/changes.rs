//! The rows of the store in memory, and what each change does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::context::{Id, Timestamp};
use crate::port::*;

/// The number of changes that a client counts under one serial number.
const VERSIONS: i64 = 1 << 32;

/// Every table. A used code has its time, a used refresh token also its successor.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) clients: BTreeMap<String, ClientRecord>,
    pub(crate) flows: BTreeMap<Id, FlowRecord>,
    pub(crate) sessions: BTreeMap<Id, SessionRecord>,
    pub(crate) grants: BTreeMap<Id, GrantRecord>,
    pub(crate) codes: BTreeMap<Id, (CodeRecord, Option<Timestamp>)>,
    pub(crate) access: BTreeMap<Id, AccessRecord>,
    pub(crate) refreshes: BTreeMap<Id, (RefreshRecord, Option<(Timestamp, Id)>)>,
    pub(crate) notices: BTreeMap<Id, NoticeRecord>,
    /// Grants whose tokens are dead.
    ended: BTreeSet<Id>,
    pub(crate) devices: BTreeMap<Id, DeviceFacts>,
    pub(crate) keys: Vec<KeyRecord>,
    pub(crate) assertions: BTreeMap<[u8; 32], Timestamp>,
    pub(crate) trusts: BTreeMap<Id, TrustRecord>,
    pub(crate) api_keys: BTreeMap<Id, ApiKeyRecord>,
    seeds: Vec<(String, String, String)>,
    serial: i64,
}

/// A predicate that failed. The caller undoes what was done before it.
pub(super) struct Lost;

pub(super) fn require(holds: bool) -> Result<(), Lost> {
    if holds { Ok(()) } else { Err(Lost) }
}

impl State {
    /// The grant, unless its tokens are dead.
    pub(super) fn grant(&self, id: Id) -> Option<Arc<GrantRecord>> {
        let grant = self.grants.get(&id).filter(|grant| !self.ended.contains(&grant.id));
        grant.cloned().map(Arc::new)
    }

    pub(super) fn apply(&mut self, change: Change) -> Outcome {
        match self.change(change) {
            Ok(()) => Outcome::Applied,
            Err(Lost) => Outcome::LostRace,
        }
    }

    fn change(&mut self, change: Change) -> Result<(), Lost> {
        match change {
            Change::Issue { access, client } => {
                self.prove(&client)?;
                self.access.insert(access.id, access);
                Ok(())
            }
            Change::IssueGrant {
                grant,
                access,
                client,
                assertion,
            } => {
                self.prove(&client)?;
                assertion.map_or(Ok(()), |assertion| self.use_assertion(assertion))?;
                self.grants.insert(grant.id, GrantRecord::clone(&grant));
                self.access.insert(access.id, access);
                Ok(())
            }
            Change::UseAssertion(assertion) => self.use_assertion(assertion),
            Change::AnswerLogin { flow } => self.answer_login(flow),
            Change::Advance {
                flow,
                seen,
                session,
                issue,
                client,
            } => {
                client.map_or(Ok(()), |client| self.prove(&client))?;
                self.advance(flow, seen, session, issue)
            }
            Change::Redeem {
                code,
                at,
                access,
                refresh,
                client,
                resealed,
            } => {
                self.prove(&client)?;
                let grant = self.use_code(code, at)?;
                require(self.grant(grant).is_some())?;
                self.reseal(grant, resealed);
                self.access.insert(access.id, access);
                self.refreshes
                    .extend(refresh.map(|refresh| (refresh.id, (refresh, None))));
                Ok(())
            }
            Change::BurnCode { code, at } => self.use_code(code, at).map(drop),
            Change::BeginDevice { .. }
            | Change::PollDevice { .. }
            | Change::DenyDevice(_)
            | Change::ApproveDevice { .. }
            | Change::RedeemDevice { .. } => self.change_device(change),
            Change::Rotate {
                old,
                at,
                access,
                refresh,
                client,
                keep_grant,
                resealed,
            } => {
                self.prove(&client)?;
                let grant = self.rotate(old, at, access, refresh)?;
                grant.expires_at = grant.expires_at.max(keep_grant);
                if let Some(sealed) = resealed {
                    grant.sealed = sealed;
                }
                Ok(())
            }
            Change::RevokeGrant(id) => {
                self.revoke(|grant| grant.id == id);
                Ok(())
            }
            Change::RevokeAccess(id) => {
                self.access.remove(&id);
                Ok(())
            }
            Change::EndSession(id) => {
                self.sessions.remove(&id);
                Ok(())
            }
            Change::RevokeGrants { .. }
            | Change::EndGrant(_)
            | Change::EndSessions { .. }
            | Change::Logout { .. }
            | Change::RescheduleNotice { .. } => self.end(change),
            other => self.administer(other),
        }
    }

    /// Consents, logins and notices.
    fn end(&mut self, change: Change) -> Result<(), Lost> {
        match change {
            Change::RevokeGrants { subject, client } => {
                let is_theirs =
                    |grant: &GrantRecord| client.as_deref().is_none_or(|client| client == &*grant.client_id);
                self.revoke(|grant| grant.subject == subject && is_theirs(grant));
                Ok(())
            }
            Change::EndGrant(id) => {
                self.revoke(|grant| grant.id == id && grant.remembered_until.is_none());
                self.ended.insert(id);
                Ok(())
            }
            Change::EndSessions { subject } => {
                self.sessions.retain(|_, session| session.subject != subject);
                Ok(())
            }
            Change::Logout {
                spent,
                session,
                notices,
            } => self.log_out(spent, session, notices),
            Change::RescheduleNotice { id, attempts, due_at } => {
                let notice = self.notices.get_mut(&id).ok_or(Lost)?;
                require(notice.attempts == attempts)?;
                notice.due_at = due_at;
                Ok(())
            }
            other => panic!("{other:?} is no end"),
        }
    }

    fn administer(&mut self, change: Change) -> Result<(), Lost> {
        match change {
            Change::CreateClient(client) => {
                require(!self.clients.contains_key(&client.id))?;
                self.serial += 1;
                let version = self.serial * VERSIONS + 1;
                self.clients
                    .insert(client.id.clone(), ClientRecord { version, ..client });
            }
            Change::UpdateClient(client) => {
                let known = self.clients.get(&client.id).ok_or(Lost)?;
                require(known.version == client.version - 1)?;
                self.clients.insert(client.id.clone(), client);
            }
            Change::DeleteClient(id) => {
                self.clients.remove(&id).ok_or(Lost)?;
                self.revoke(|grant| *grant.client_id == *id);
                self.access
                    .retain(|_, access| !matches!(&access.owner, Owner::Client { id: owner, .. } if **owner == *id));
            }
            Change::RevokeClientAccess { client, up_to } => {
                let grants = &self.grants;
                self.access.retain(|id, access| {
                    let owner = match &access.owner {
                        Owner::Grant { id, .. } => grants.get(id).map(|grant| &grant.client_id),
                        Owner::Client { id, .. } => Some(id),
                    };
                    *id > up_to || owner.is_none_or(|owner| **owner != *client)
                });
            }
            Change::SeedKey { key, alg } => {
                let seed = (key.set.clone(), key.kid.clone(), alg);
                require(!self.seeds.iter().any(|(set, _, alg)| (set, alg) == (&seed.0, &seed.2)))?;
                self.seeds.push(seed);
                self.keys.push(key);
            }
            Change::AddKey(key) => {
                require(!self.keys.iter().any(|known| is_same(known, &key)))?;
                self.keys.push(key);
            }
            Change::PutKey(key) => {
                self.keys.retain(|known| !is_same(known, &key));
                self.keys.push(key);
            }
            Change::ReplaceKeySet { set, keys } => {
                self.drop_keys(|key| key.set == set);
                self.keys.extend(keys.into_iter().rev());
            }
            Change::NeedKey { set, kid, until } => {
                let mut keys = self.keys.iter_mut();
                let key = keys.find(|key| key.set == set && key.kid == kid).ok_or(Lost)?;
                key.needed_until = key.needed_until.max(until);
            }
            Change::RetireKey { set, kid, needed_until } => {
                let is_it = |key: &KeyRecord| key.set == set && key.kid == kid && key.needed_until == needed_until;
                require(self.keys.iter().any(is_it))?;
                self.drop_keys(is_it);
            }
            Change::DeleteKey { set, kid } => self.drop_keys(|key| key.set == set && key.kid == kid),
            Change::DeleteKeySet(set) => self.drop_keys(|key| key.set == set),
            Change::CreateTrust(trust) => {
                let names = |trust: &TrustRecord| (trust.issuer.clone(), trust.subject.clone(), trust.kid.clone());
                require(!self.trusts.values().any(|known| names(known) == names(&trust)))?;
                self.trusts.insert(trust.id, trust);
            }
            Change::CreateApiKey(key) => {
                require(!self.api_keys.values().any(|known| known.name == key.name))?;
                self.api_keys.insert(key.id, key);
            }
            Change::RevokeApiKey(id) => drop(self.api_keys.remove(&id).ok_or(Lost)?),
            Change::UseApiKey { id, at } => {
                if let Some(key) = self.api_keys.get_mut(&id) {
                    key.last_used_at = key.last_used_at.max(Some(at));
                }
            }
            Change::DeleteTrust(id) => drop(self.trusts.remove(&id).ok_or(Lost)?),
            other => panic!("{other:?} is no administration"),
        }
        Ok(())
    }

    fn use_assertion(&mut self, assertion: UsedAssertion) -> Result<(), Lost> {
        let earlier = self.assertions.insert(assertion.digest.0, assertion.expires_at);
        require(earlier.is_none())
    }

    fn drop_keys(&mut self, is_doomed: impl Fn(&KeyRecord) -> bool) {
        for key in self.keys.iter().filter(|key| is_doomed(key)) {
            self.seeds.retain(|(set, kid, _)| (set, kid) != (&key.set, &key.kid));
        }
        self.keys.retain(|key| !is_doomed(key));
    }

    pub(super) fn prove(&self, client: &ClientProof) -> Result<(), Lost> {
        let known = self.clients.get(&*client.id).ok_or(Lost)?;
        require(known.version == client.version)
    }

    fn answer_login(&mut self, flow: FlowRecord) -> Result<(), Lost> {
        let known = self.flows.get(&flow.id);
        require(known.is_none_or(|known| known.step == FlowStep::LoginAnswered))?;
        let drawn = flow
            .sealed
            .iter()
            .fold(7_u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(*byte));
        let answered = FlowRecord {
            step: FlowStep::LoginAnswered,
            version: i64::from(drawn) + 1,
            ..flow
        };
        self.flows.insert(answered.id, answered);
        Ok(())
    }

    pub(super) fn advance(
        &mut self,
        flow: FlowRecord,
        seen: i64,
        session: Option<SessionChange>,
        issue: Option<Issue>,
    ) -> Result<(), Lost> {
        let known = self.flows.get(&flow.id).ok_or(Lost)?;
        require(known.version == seen)?;
        let version = seen + 1;
        self.flows.insert(flow.id, FlowRecord { version, ..flow });
        match session {
            None => {}
            Some(SessionChange::Put(session)) => drop(self.sessions.insert(session.id, session)),
            Some(SessionChange::Extend(id, until)) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.expires_at = until;
                }
            }
            Some(SessionChange::End(id)) => drop(self.sessions.remove(&id)),
        }
        if let Some(issue) = issue {
            self.access.extend(issue.access.map(|access| (access.id, access)));
            self.put_grant(GrantRecord::clone(&issue.grant), issue.code);
        }
        Ok(())
    }

    pub(super) fn reseal(&mut self, grant: Id, sealed: Option<Vec<u8>>) {
        if let (Some(grant), Some(sealed)) = (self.grants.get_mut(&grant), sealed) {
            grant.sealed = sealed;
        }
    }

    /// Also how a test sets the scene for a redemption.
    pub(crate) fn put_grant(&mut self, grant: GrantRecord, code: impl Into<Option<CodeRecord>>) {
        self.codes.extend(code.into().map(|code| (code.id, (code, None))));
        self.put_granted(grant);
    }

    pub(super) fn put_granted(&mut self, grant: GrantRecord) {
        if !self.clients.contains_key(&*grant.client_id) {
            return;
        }
        if grant.remembered_until.is_some() {
            let earlier = self.grants.values_mut();
            for earlier in
                earlier.filter(|earlier| (&earlier.subject, &earlier.client_id) == (&grant.subject, &grant.client_id))
            {
                earlier.remembered_until = None;
            }
        }
        self.grants.insert(grant.id, grant);
    }

    fn use_code(&mut self, id: Id, at: Timestamp) -> Result<Id, Lost> {
        let (code, used_at) = self.codes.get_mut(&id).ok_or(Lost)?;
        require(used_at.is_none())?;
        *used_at = Some(at);
        Ok(code.grant)
    }

    fn rotate(
        &mut self,
        old: Id,
        at: Timestamp,
        access: AccessRecord,
        refresh: RefreshRecord,
    ) -> Result<&mut GrantRecord, Lost> {
        let (presented, used) = self.refreshes.get_mut(&old).ok_or(Lost)?;
        require(used.is_none())?;
        *used = Some((at, refresh.id));
        let grant = self.grants.get_mut(&presented.grant).ok_or(Lost)?;
        require(!self.ended.contains(&grant.id))?;
        self.access.remove(&old);
        self.access.insert(access.id, access);
        self.refreshes.insert(refresh.id, (refresh, None));
        Ok(grant)
    }

    fn log_out(
        &mut self,
        spent: Option<FlowRecord>,
        session: Option<Id>,
        notices: Vec<NoticeRecord>,
    ) -> Result<(), Lost> {
        if let Some(spent) = spent {
            require(!self.flows.contains_key(&spent.id))?;
            self.flows.insert(spent.id, spent);
        }
        session.and_then(|session| self.sessions.remove(&session));
        for notice in notices {
            let is_same = |other: &NoticeRecord| (&other.session, &other.client) == (&notice.session, &notice.client);
            if !self.notices.values().any(is_same) {
                self.notices.insert(notice.id, notice);
            }
        }
        Ok(())
    }

    pub(super) fn claim(&mut self, now: Timestamp, lease: Timestamp, limit: usize) -> Vec<NoticeRecord> {
        let due = self
            .notices
            .values_mut()
            .filter(|notice| notice.due_at <= now && notice.expires_at > now);
        let claimed = due.take(limit).map(|notice| {
            notice.attempts += 1;
            notice.due_at = lease;
            notice.clone()
        });
        claimed.collect()
    }

    fn revoke(&mut self, is_doomed: impl Fn(&GrantRecord) -> bool) {
        self.grants.retain(|_, grant| !is_doomed(grant));
    }

    pub(super) fn purge(&mut self, now: Timestamp, limit: usize) -> u64 {
        expire(&mut self.flows, now, limit, |flow| flow.expires_at)
            + expire(&mut self.sessions, now, limit, |session| session.expires_at)
            + expire(&mut self.codes, now, limit, |(code, _)| code.expires_at)
            + expire(&mut self.access, now, limit, |access| access.expires_at)
            + expire(&mut self.refreshes, now, limit, |(refresh, _)| refresh.expires_at)
            + expire(&mut self.grants, now, limit, |grant| grant.expires_at)
            + expire(&mut self.notices, now, limit, |notice| notice.expires_at)
            + expire(&mut self.assertions, now, limit, |expires_at| *expires_at)
            + expire(&mut self.devices, now, limit, |facts| facts.device.expires_at)
    }
}

fn is_same(one: &KeyRecord, other: &KeyRecord) -> bool {
    (&one.set, &one.kid) == (&other.set, &other.kid)
}

fn expire<K: Copy + Ord, T>(
    rows: &mut BTreeMap<K, T>,
    now: Timestamp,
    limit: usize,
    end: impl Fn(&T) -> Timestamp,
) -> u64 {
    let expired: Vec<K> = rows
        .iter()
        .filter(|(_, row)| end(row) <= now)
        .map(|(id, _)| *id)
        .take(limit)
        .collect();
    for id in &expired {
        rows.remove(id);
    }
    expired.len() as u64
}

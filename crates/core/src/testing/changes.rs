//! The rows of the store in memory, and what each change does to them.

use std::collections::BTreeMap;
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
    pub(crate) keys: Vec<KeyRecord>,
    seeds: Vec<(String, String, String)>,
    serial: i64,
}

/// A predicate that failed. The caller undoes what was done before it.
struct Lost;

fn require(holds: bool) -> Result<(), Lost> {
    if holds { Ok(()) } else { Err(Lost) }
}

impl State {
    pub(super) fn grant(&self, id: Id) -> Option<Arc<GrantRecord>> {
        self.grants.get(&id).cloned().map(Arc::new)
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
            Change::AnswerLogin { flow } => self.answer_login(flow),
            Change::Advance {
                flow,
                seen,
                session,
                issue,
            } => self.advance(flow, seen, session, issue),
            Change::Redeem {
                code,
                at,
                access,
                refresh,
                client,
            } => {
                self.prove(&client)?;
                let grant = self.use_code(code, at)?;
                require(self.grants.contains_key(&grant))?;
                self.access.insert(access.id, access);
                self.refreshes
                    .extend(refresh.map(|refresh| (refresh.id, (refresh, None))));
                Ok(())
            }
            Change::BurnCode { code, at } => self.use_code(code, at).map(drop),
            Change::Rotate {
                old,
                at,
                access,
                refresh,
                client,
                keep_grant,
            } => {
                self.prove(&client)?;
                self.rotate(old, at, access, refresh, keep_grant)
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
            other => self.administer(other),
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
            Change::DeleteKey { set, kid } => self.drop_keys(|key| key.set == set && key.kid == kid),
            Change::DeleteKeySet(set) => self.drop_keys(|key| key.set == set),
            other => panic!("{other:?} is no administration"),
        }
        Ok(())
    }

    fn drop_keys(&mut self, is_doomed: impl Fn(&KeyRecord) -> bool) {
        for key in self.keys.iter().filter(|key| is_doomed(key)) {
            self.seeds.retain(|(set, kid, _)| (set, kid) != (&key.set, &key.kid));
        }
        self.keys.retain(|key| !is_doomed(key));
    }

    fn prove(&self, client: &ClientProof) -> Result<(), Lost> {
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

    fn advance(
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

    /// Also how a test sets the scene for a redemption.
    pub(crate) fn put_grant(&mut self, grant: GrantRecord, code: impl Into<Option<CodeRecord>>) {
        self.codes.extend(code.into().map(|code| (code.id, (code, None))));
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
        keep_grant: Timestamp,
    ) -> Result<(), Lost> {
        let (presented, used) = self.refreshes.get_mut(&old).ok_or(Lost)?;
        require(used.is_none())?;
        *used = Some((at, refresh.id));
        let grant = self.grants.get_mut(&presented.grant).ok_or(Lost)?;
        grant.expires_at = grant.expires_at.max(keep_grant);
        self.access.remove(&old);
        self.access.insert(access.id, access);
        self.refreshes.insert(refresh.id, (refresh, None));
        Ok(())
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
    }
}

fn is_same(one: &KeyRecord, other: &KeyRecord) -> bool {
    (&one.set, &one.kid) == (&other.set, &other.kid)
}

fn expire<T>(rows: &mut BTreeMap<Id, T>, now: Timestamp, limit: usize, end: impl Fn(&T) -> Timestamp) -> u64 {
    let expired: Vec<Id> = rows
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

//! The statements of each change to clients, keys and trusts.

use aws_lc_rs::digest::{Context, SHA256};
use claviger_core::port::{ApiKeyRecord, Change, ClientRecord, KeyRecord, TrustRecord};

use super::script::Script;
use super::sql::values;
use super::statements;
use crate::columns::{drawn, join_scope};

pub(super) fn apply(script: &mut Script, change: &Change) {
    match change {
        Change::CreateClient(client) => create_client(script, client),
        Change::UpdateClient(client) => script.predicate(
            statements::UPDATE_CLIENT,
            &values![
                &client.id,
                client.version,
                &client.name,
                &client.owner,
                &client.document,
                client.updated_at.0,
            ],
        ),
        Change::DeleteClient(id) => {
            script.run(statements::NOTE_REMOVAL, &values![id]);
            script.predicate(statements::DELETE_CLIENT, &values![id]);
        }
        Change::SeedKey { key, alg } => add_key(script, key, Some(alg)),
        Change::AddKey(key) => add_key(script, key, None),
        Change::PutKey(key) => {
            script.run(statements::LAST_KEY, &values![&key.set]);
            put_key(script, key, 1);
        }
        Change::ReplaceKeySet { set, keys } => {
            script.run(statements::LAST_KEY, &values![set]);
            script.run(statements::DELETE_KEY_SET, &values![set]);
            // The first key of the list is the newest.
            for (number, key) in (1..).zip(keys.iter().rev()) {
                put_key(script, key, number);
            }
        }
        Change::NeedKey { set, kid, until } => {
            // Until then it may be needed already, so that nothing changes.
            script.run(statements::LOCK_KEY, &values![set, kid]);
            script.run(statements::NEED_KEY, &values![set, kid, until.0]);
        }
        Change::RetireKey { set, kid, needed_until } => {
            script.predicate(statements::RETIRE_KEY, &values![set, kid, needed_until.0]);
        }
        Change::CreateApiKey(key) => create_api_key(script, key),
        Change::RevokeApiKey(id) => script.predicate(statements::REVOKE_API_KEY, &values![*id]),
        Change::UseApiKey { id, at } => script.run(statements::USE_API_KEY, &values![*id, at.0]),
        Change::DeleteKey { set, kid } => script.run(statements::DELETE_KEY, &values![set, kid]),
        Change::DeleteKeySet(set) => script.run(statements::DELETE_KEY_SET, &values![set]),
        Change::CreateTrust(trust) => create_trust(script, trust),
        Change::DeleteTrust(id) => script.predicate(statements::DELETE_TRUST, &values![*id]),
        _ => script.text.push_str("SET @ok = 0;"),
    }
}

/// Serial and first version are drawn, as no counter is the same on all servers of a cluster.
fn create_client(script: &mut Script, client: &ClientRecord) {
    let values = values![
        drawn(),
        drawn(),
        &client.id,
        &client.name,
        &client.owner,
        &client.document,
        client.created_at.0,
        client.updated_at.0,
    ];
    script.predicate(statements::CREATE_CLIENT, &values);
}

fn add_key(script: &mut Script, key: &KeyRecord, seed: Option<&str>) {
    script.run(statements::LAST_KEY, &values![&key.set]);
    let KeyRecord { set, kid, sealed, .. } = key;
    let (created, needed) = (key.created_at.0, key.needed_until.0);
    let values = values![set, kid, seed, sealed, created, key.signs_from.0, needed];
    script.predicate(statements::ADD_KEY, &values);
}

fn put_key(script: &mut Script, key: &KeyRecord, number: i64) {
    let KeyRecord { set, kid, sealed, .. } = key;
    let (created, needed) = (key.created_at.0, key.needed_until.0);
    let values = values![set, kid, sealed, created, key.signs_from.0, needed, number];
    script.run(statements::PUT_KEY, &values);
}

fn create_api_key(script: &mut Script, key: &ApiKeyRecord) {
    let values = values![
        key.id,
        &key.name,
        &key.digest.0[..],
        join_scope(&key.scope),
        key.created_at.0,
        key.expires_at.0,
    ];
    script.predicate(statements::CREATE_API_KEY, &values);
}

fn create_trust(script: &mut Script, trust: &TrustRecord) {
    let subject = trust.subject.as_deref().unwrap_or_default();
    let identity = identity([&trust.issuer, subject, &trust.kid]);
    let values = values![
        trust.id,
        &identity[..],
        &trust.issuer,
        subject,
        &trust.kid,
        join_scope(&trust.scope),
        &trust.key,
        trust.created_at.0,
        trust.expires_at.0,
    ];
    script.predicate(statements::CREATE_TRUST, &values);
}

/// What must not repeat, whatever its length.
fn identity(parts: [&str; 3]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        context.update(&length.to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().to_vec()
}

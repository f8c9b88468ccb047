//! Devices that wait for a person (RFC 8628).

use std::sync::Arc;

use claviger_core::port::*;

use crate::races::{TASKS, race};
use crate::records::*;
use crate::scene::{Scene, answered, applied, lost};

fn device(client: &str) -> DeviceRecord {
    let id = id();
    DeviceRecord {
        id,
        digest: digest(id),
        user_code: digest(id),
        client_id: client.into(),
        scope: vec!["openid".to_owned(), "offline".to_owned()],
        audience: vec!["https://api.example/".to_owned()],
        interval: 5,
        ends_at: NOW,
        expires_at: LATER,
    }
}

fn begin(device: &DeviceRecord, client: &ClientRecord) -> Change {
    Change::BeginDevice {
        device: device.clone(),
        client: proof(client),
    }
}

fn approve(device: &DeviceRecord, flow: &FlowRecord, grant: &GrantRecord, client: &ClientRecord) -> Change {
    Change::ApproveDevice {
        device: device.id,
        flow: FlowRecord {
            step: FlowStep::Done,
            version: flow.version + 1,
            ..flow.clone()
        },
        seen: flow.version,
        session: None,
        grant: Arc::new(grant.clone()),
        client: proof(client),
    }
}

fn redeem(device: &DeviceRecord, refresh: &RefreshRecord, client: &ClientRecord) -> Change {
    Change::RedeemDevice {
        device: device.id,
        access: access_with(refresh),
        refresh: Some(refresh.clone()),
        client: proof(client),
        resealed: None,
    }
}

async fn begun(scene: &Scene) -> (ClientRecord, DeviceRecord) {
    let client = scene.client("app").await;
    let device = device("app");
    applied(&*scene.store(), begin(&device, &client)).await;
    (client, device)
}

/// A device that a person approved.
async fn approved(scene: &Scene) -> (ClientRecord, DeviceRecord, GrantRecord) {
    let (client, device) = begun(scene).await;
    let flow = answered(&*scene.store(), flow()).await;
    let grant = grant("app");
    applied(&*scene.store(), approve(&device, &flow, &grant, &client)).await;
    (client, device, grant)
}

async fn read(scene: &Scene, device: &DeviceRecord) -> DeviceFacts {
    scene.store().device(device.id).await.unwrap().unwrap()
}

pub(crate) async fn a_device_is_found_by_both_its_codes(scene: &Scene) {
    let (_, device) = begun(scene).await;
    let expected = DeviceFacts {
        device: device.clone(),
        state: DeviceState::Pending,
        polled_at: None,
        grant: None,
    };
    assert_eq!(read(scene, &device).await, expected);
    let found = scene.store().device_by_user_code(device.user_code).await.unwrap();
    assert_eq!(found, Some(expected));
    assert_eq!(scene.store().device(id()).await.unwrap(), None);
    assert_eq!(scene.store().device_by_user_code(digest(id())).await.unwrap(), None);
}

pub(crate) async fn a_user_code_names_one_device_only(scene: &Scene) {
    let (client, first) = begun(scene).await;
    let second = DeviceRecord {
        user_code: first.user_code,
        ..device("app")
    };
    lost(&*scene.store(), begin(&second, &client)).await;
    assert_eq!(scene.store().device(second.id).await.unwrap(), None);
    assert_eq!(read(scene, &first).await.device, first);
}

pub(crate) async fn a_device_needs_the_client_as_it_is(scene: &Scene) {
    let client = scene.client("app").await;
    let outdated = ClientRecord {
        version: client.version + 1,
        ..client.clone()
    };
    let device = device("app");
    lost(&*scene.store(), begin(&device, &outdated)).await;
    applied(&*scene.store(), begin(&device, &client)).await;
    applied(&*scene.store(), Change::DeleteClient("app".to_owned())).await;
    assert_eq!(scene.store().device(device.id).await.unwrap(), None);
    scene.client("app").await;
    assert_eq!(scene.store().device(device.id).await.unwrap(), None);
}

pub(crate) async fn a_poll_is_noted_and_the_interval_only_grows(scene: &Scene) {
    let (_, device) = begun(scene).await;
    for (interval, expected) in [(5, 5), (10, 10), (5, 10)] {
        let poll = Change::PollDevice {
            device: device.id,
            at: NOW,
            interval,
        };
        applied(&*scene.store(), poll).await;
        let facts = read(scene, &device).await;
        assert_eq!((facts.polled_at, facts.device.interval), (Some(NOW), expected));
    }
}

pub(crate) async fn an_approved_device_has_its_grant_and_the_flow_is_over(scene: &Scene) {
    let store = scene.store();
    let (client, device) = begun(scene).await;
    let flow = answered(&*store, flow()).await;
    let (grant, session) = (grant("app"), session());
    let Change::ApproveDevice {
        device: id,
        flow: done,
        seen,
        grant: given,
        client: proof,
        ..
    } = approve(&device, &flow, &grant, &client)
    else {
        unreachable!()
    };
    let change = Change::ApproveDevice {
        device: id,
        flow: done,
        seen,
        session: Some(SessionChange::Put(session.clone())),
        grant: given,
        client: proof,
    };
    applied(&*store, change).await;
    let facts = read(scene, &device).await;
    assert_eq!(
        (facts.state, facts.grant.as_deref()),
        (DeviceState::Approved, Some(&grant))
    );
    assert_eq!(store.session(session.id).await.unwrap(), Some(session));
    let flow = store.flow(flow.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(flow.step, FlowStep::Done);
}

pub(crate) async fn an_answer_for_a_device_is_given_once(scene: &Scene) {
    let store = scene.store();
    let (client, device, _) = approved(scene).await;
    lost(&*store, Change::DenyDevice(device.id)).await;
    let flow = answered(&*store, flow()).await;
    let other = grant("app");
    lost(&*store, approve(&device, &flow, &other, &client)).await;
    // Nothing of it is done: the flow stands where it stood.
    let found = store.flow(flow.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!((found.step, found.version), (FlowStep::LoginAnswered, flow.version));
    assert_ne!(read(scene, &device).await.grant.unwrap().id, other.id);
}

pub(crate) async fn a_flow_that_moved_on_approves_nothing(scene: &Scene) {
    let store = scene.store();
    let (client, device) = begun(scene).await;
    let flow = answered(&*store, flow()).await;
    let outdated = FlowRecord {
        version: flow.version + 1,
        ..flow
    };
    lost(&*store, approve(&device, &outdated, &grant("app"), &client)).await;
    assert_eq!(read(scene, &device).await.state, DeviceState::Pending);
}

pub(crate) async fn a_denied_device_gets_nothing(scene: &Scene) {
    let store = scene.store();
    let (client, device) = begun(scene).await;
    applied(&*store, Change::DenyDevice(device.id)).await;
    lost(&*store, Change::DenyDevice(device.id)).await;
    lost(&*store, redeem(&device, &refresh(id()), &client)).await;
    assert_eq!(read(scene, &device).await.state, DeviceState::Denied);
}

pub(crate) async fn a_device_is_redeemed_once_for_both_tokens(scene: &Scene) {
    let store = scene.store();
    let (client, device, grant) = approved(scene).await;
    let refresh = refresh(grant.id);
    applied(&*store, redeem(&device, &refresh, &client)).await;
    let access = store.access(refresh.id).await.unwrap().unwrap();
    assert_eq!(access.access, access_with(&refresh));
    assert_eq!(access.grant.as_deref(), Some(&grant));
    let facts = store.refresh(refresh.id, Freshness::Latest).await.unwrap().unwrap();
    assert_eq!(facts.refresh, refresh);
    lost(&*store, redeem(&device, &crate::records::refresh(grant.id), &client)).await;
    assert_eq!(read(scene, &device).await.state, DeviceState::Used);
}

pub(crate) async fn a_device_is_not_redeemed_without_its_grant_or_by_an_outdated_client(scene: &Scene) {
    let store = scene.store();
    let (client, device, grant) = approved(scene).await;
    let outdated = ClientRecord {
        version: client.version + 1,
        ..client.clone()
    };
    lost(&*store, redeem(&device, &refresh(grant.id), &outdated)).await;
    applied(&*store, Change::RevokeGrant(grant.id)).await;
    lost(&*store, redeem(&device, &refresh(grant.id), &client)).await;
    assert_eq!(read(scene, &device).await.grant, None);
}

pub(crate) async fn an_expired_device_is_removed(scene: &Scene) {
    let (_, device) = begun(scene).await;
    assert_eq!(scene.store().purge(device.ends_at, 10).await.unwrap().rows, 0);
    assert_eq!(scene.store().purge(device.expires_at, 10).await.unwrap().rows, 1);
    assert_eq!(scene.store().device(device.id).await.unwrap(), None);
}

pub(crate) async fn of_64_polls_on_two_servers_one_gets_the_tokens(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let (client, device, grant) = approved(scene).await;
    let refreshes: Vec<_> = (0..TASKS).map(|_| refresh(grant.id)).collect();
    let changes = refreshes.iter().map(|refresh| redeem(&device, refresh, &client));
    let winners = race(&stores, changes.collect()).await;
    assert_eq!(winners.len(), 1, "{winners:?}");
    for (position, refresh) in refreshes.iter().enumerate() {
        let has_tokens = winners.contains(&position);
        assert_eq!(scene.store().access(refresh.id).await.unwrap().is_some(), has_tokens);
    }
}

pub(crate) async fn of_64_answers_and_polls_on_two_servers_one_answer_counts(scene: &Scene) {
    let (stores, _second) = scene.stores().await;
    let (client, device) = begun(scene).await;
    let mut changes = Vec::new();
    for task in 0..TASKS {
        let flow = answered(&*scene.store(), flow()).await;
        changes.push(match task % 4 {
            0 => Change::DenyDevice(device.id),
            1 => Change::PollDevice {
                device: device.id,
                at: NOW,
                interval: 5,
            },
            _ => approve(&device, &flow, &grant("app"), &client),
        });
    }
    let winners = race(&stores, changes).await;
    let answers: Vec<_> = winners.into_iter().filter(|task| task % 4 != 1).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let facts = read(scene, &device).await;
    let expected = match answers[0] % 4 {
        0 => DeviceState::Denied,
        _ => DeviceState::Approved,
    };
    assert_eq!(
        (facts.state, facts.grant.is_some()),
        (expected, expected == DeviceState::Approved)
    );
}

pub(crate) async fn a_client_that_changed_has_no_device_approved(scene: &Scene) {
    let store = scene.store();
    let (client, device) = begun(scene).await;
    let flow = answered(&*store, flow()).await;
    let newer = ClientRecord {
        version: client.version + 1,
        ..client.clone()
    };
    applied(&*store, Change::UpdateClient(newer)).await;
    lost(&*store, approve(&device, &flow, &grant("app"), &client)).await;
    assert_eq!(read(scene, &device).await.state, DeviceState::Pending);
}

//! Records to write, each with ids of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_core::context::{Id, Timestamp};
use claviger_core::port::*;

/// The present of every test.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);
/// When what the builders make expires.
pub(crate) const LATER: Timestamp = Timestamp(NOW.0 + 3600);

pub(crate) fn id() -> Id {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Id(bytes)
}

pub(crate) fn digest(id: Id) -> Digest {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&id.0);
    Digest(bytes)
}

pub(crate) fn client(id: &str) -> ClientRecord {
    ClientRecord {
        id: id.to_owned(),
        version: 1,
        name: format!("{id} name"),
        owner: "nobody".to_owned(),
        document: r#"{"scope":"openid"}"#.to_owned(),
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn flow() -> FlowRecord {
    let id = id();
    FlowRecord {
        id,
        step: FlowStep::LoginAnswered,
        version: 0,
        sealed: id.0.to_vec(),
        expires_at: LATER,
    }
}

pub(crate) fn session() -> SessionRecord {
    SessionRecord {
        id: id(),
        subject: "ada".to_owned(),
        authenticated_at: NOW,
        remember: true,
        sealed: vec![1, 2, 3],
        expires_at: LATER,
    }
}

pub(crate) fn grant(client: &str) -> GrantRecord {
    GrantRecord {
        id: id(),
        client_id: client.into(),
        subject: "ada".to_owned(),
        session_id: Some(id()),
        scope: vec!["openid".to_owned(), "offline".to_owned()],
        audience: vec!["https://api.example/".to_owned(), "second audience".to_owned()],
        sealed: vec![0, 255, 10],
        remembered_until: None,
        skipped: false,
        created_at: NOW,
        expires_at: LATER,
    }
}

pub(crate) fn code(grant: &GrantRecord) -> CodeRecord {
    let id = id();
    CodeRecord {
        id,
        digest: digest(id),
        grant: grant.id,
        redirect_uri: Some("https://app.example/callback".to_owned()),
        challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
        expires_at: LATER,
    }
}

pub(crate) fn refresh(grant: Id) -> RefreshRecord {
    let id = id();
    RefreshRecord {
        id,
        digest: digest(id),
        grant,
        issued_at: NOW,
        expires_at: LATER,
    }
}

/// The access token that goes with a refresh token has its id.
pub(crate) fn access_with(refresh: &RefreshRecord) -> AccessRecord {
    AccessRecord {
        id: refresh.id,
        digest: digest(refresh.id),
        ..access(refresh.grant)
    }
}

pub(crate) fn access(grant: Id) -> AccessRecord {
    let id = id();
    AccessRecord {
        id,
        digest: digest(id),
        owner: Owner::Grant {
            id: grant,
            scope: None,
            audience: None,
        },
        issued_at: NOW,
        expires_at: LATER,
    }
}

pub(crate) fn own_access(client: &str) -> AccessRecord {
    AccessRecord {
        owner: Owner::Client {
            id: client.into(),
            scope: vec!["read".to_owned(), "write".to_owned()],
            audience: vec!["api".to_owned()],
            sealed: Some(b"claims of the hook".to_vec()),
        },
        ..access(id())
    }
}

pub(crate) fn key(set: &str, kid: &str) -> KeyRecord {
    KeyRecord {
        set: set.to_owned(),
        kid: kid.to_owned(),
        sealed: kid.as_bytes().to_vec(),
        created_at: NOW,
        signs_from: Timestamp(NOW.0 + 60),
        needed_until: Timestamp(NOW.0 + 3600),
    }
}

pub(crate) fn proof(client: &ClientRecord) -> ClientProof {
    ClientProof {
        id: client.id.as_str().into(),
        version: client.version,
    }
}

/// What the end of an authorization gives.
pub(crate) fn at_once(grant: GrantRecord, code: Option<CodeRecord>, access: Option<AccessRecord>) -> Issue {
    Issue {
        grant: Arc::new(grant),
        code,
        access,
    }
}

/// A flow that ends in this step with a grant and its code.
pub(crate) fn consented(grant: GrantRecord, code: CodeRecord, flow: &FlowRecord) -> Change {
    Change::Advance {
        flow: FlowRecord {
            step: FlowStep::Done,
            version: flow.version + 1,
            ..flow.clone()
        },
        seen: flow.version,
        session: None,
        issue: Some(at_once(grant, Some(code), None)),
        client: None,
    }
}

/// The same step of a flow, decided on this client.
pub(crate) fn relying_on(client: &ClientRecord, change: Change) -> Change {
    match change {
        Change::Advance {
            flow,
            seen,
            session,
            issue,
            ..
        } => Change::Advance {
            flow,
            seen,
            session,
            issue,
            client: Some(proof(client)),
        },
        other => panic!("{other:?} is no step of a flow"),
    }
}

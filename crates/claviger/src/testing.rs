//! Equipment for tests of endpoints: a provider over a database in memory, clients, and tokens that were issued before.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest as _, Request};
use axum::response::Response;
use claviger_core::client_auth::secret::digest_generated;
use claviger_core::consented::Consented;
use claviger_core::context::Timestamp;
use claviger_core::port::{
    AccessRecord, Change, ClientProof, ClientRecord, CodeRecord, FlowRecord, FlowStep, Freshness, GrantRecord, Issue,
    Outcome, Owner, RefreshRecord,
};
use claviger_core::secrets::Secrets;
use claviger_core::token::opaque::{Fresh, Kind};
use claviger_store::{Database, Options, open_sqlite};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::config::{self, Purpose, Sources};
use crate::edge::call::Call;
use crate::keys::KeyRing;
use crate::openapi::Operation;
use crate::provider::{Provider, Shared};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The description of a route of a test.
pub(crate) fn plain(operation: Operation<'_>) -> Operation<'_> {
    operation
}

/// A provider with its database.
pub(crate) struct Stage {
    pub(crate) provider: Shared,
    database: Database,
}

/// An access token and the refresh token that was issued with it.
pub(crate) struct Pair {
    pub(crate) access: Fresh,
    pub(crate) refresh: Fresh,
}

impl Stage {
    /// With these settings, given as environment variables.
    pub(crate) async fn new(env: &[(&str, &str)]) -> Self {
        Self::at(None, env).await
    }

    /// The same with its database in a file.
    pub(crate) async fn at(file: Option<&Path>, env: &[(&str, &str)]) -> Self {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = config::load(Sources {
            env: env.collect(),
            purpose: Purpose::Show,
            ..Sources::default()
        });
        let settings = settings.expect("the settings are valid");
        let database = open_sqlite(file, Options::default()).await.expect("the database opens");
        database.migrate(&|_| ()).await.expect("a new database can be migrated");
        let policy = config::policy(&settings);
        let secrets = Secrets::derive(&[SECRET]).expect("the secret is long enough");
        // Made at once, unlike RSA.
        let ring = KeyRing::new(database.store(), claviger_jose::Alg::ES256, &[]);
        let provider = Provider::new(database.store(), ring, policy, secrets, &settings);
        Self {
            provider: Arc::new(provider),
            database,
        }
    }

    /// From now on the database does not answer.
    pub(crate) async fn go_down(&self) {
        self.database.close().await;
    }

    /// Registers a client with the secret `secret`, to be sent by HTTP Basic.
    pub(crate) async fn client(&self, id: &str) -> ClientProof {
        let now = self.provider.cx().now;
        let document = json!({
            "id": id, "secrets": [digest_generated(self.provider.cx().entropy, "secret")],
            "auth_method": "client_secret_basic", "redirect_uris": [], "grant_types": [], "response_types": [],
            "scope": [], "audience": [], "skip_consent": false,
        });
        self.apply(Change::CreateClient(ClientRecord {
            id: id.to_owned(),
            version: 1,
            name: String::new(),
            owner: String::new(),
            document: document.to_string(),
            created_at: now,
            updated_at: now,
        }))
        .await;
        let client = self.provider.store.client(id, Freshness::Latest).await;
        let client = client.expect("the store answers").expect("the client was registered");
        ClientProof {
            id: id.into(),
            version: client.version,
        }
    }

    /// What `alice` granted to the client with the scope `openid`: an access token for an hour, and a refresh token.
    pub(crate) async fn granted(&self, client: &ClientProof) -> Pair {
        let cx = self.provider.cx();
        let (grant, flow) = (cx.new_id(), cx.new_id());
        let until = Timestamp(cx.now.0 + 3600);
        let consented = Consented {
            auth_time: cx.now.0,
            ..Consented::default()
        };
        let record = GrantRecord {
            id: grant,
            client_id: client.id.clone(),
            subject: "alice".to_owned(),
            session_id: None,
            scope: vec!["openid".to_owned()],
            audience: Vec::new(),
            sealed: consented.seal(&cx, grant).expect("a session can be sealed"),
            remembered_until: None,
            skipped: false,
            created_at: cx.now,
            expires_at: until,
        };
        let code = self.fresh(Kind::Code);
        self.consent(flow, record, &code, until).await;
        let pair = Pair {
            access: self.fresh(Kind::Access),
            refresh: self.fresh(Kind::Refresh),
        };
        self.apply(Change::Redeem {
            code: code.id,
            at: cx.now,
            access: access(
                &pair.access,
                Owner::Grant {
                    id: grant,
                    scope: None,
                    audience: None,
                },
                cx.now,
            ),
            refresh: Some(RefreshRecord {
                id: pair.refresh.id,
                digest: pair.refresh.digest,
                grant,
                issued_at: cx.now,
                expires_at: until,
            }),
            client: client.clone(),
            resealed: None,
        })
        .await;
        pair
    }

    /// An access token of the client itself, with the scope `openid`.
    pub(crate) async fn own_token(&self, client: &ClientProof) -> Fresh {
        let token = self.fresh(Kind::Access);
        let owner = Owner::Client {
            id: client.id.clone(),
            scope: vec!["openid".to_owned()],
            audience: Vec::new(),
            sealed: None,
        };
        self.apply(Change::Issue {
            access: access(&token, owner, self.provider.cx().now),
            client: client.clone(),
        })
        .await;
        token
    }

    async fn consent(&self, flow: claviger_core::context::Id, grant: GrantRecord, code: &Fresh, until: Timestamp) {
        let flow = FlowRecord {
            id: flow,
            step: FlowStep::Done,
            version: 0,
            sealed: Vec::new(),
            expires_at: until,
        };
        self.apply(Change::AnswerLogin { flow: flow.clone() }).await;
        let answered = self.provider.store.flow(flow.id, Freshness::Latest).await;
        let seen = answered.expect("the store answers").expect("the flow is there").version;
        let code = CodeRecord {
            id: code.id,
            digest: code.digest,
            grant: grant.id,
            redirect_uri: None,
            challenge: None,
            expires_at: until,
        };
        self.apply(Change::Advance {
            flow,
            seen,
            session: None,
            issue: Some(Issue {
                grant: Arc::new(grant),
                code: Some(code),
                access: None,
            }),
            client: None,
        })
        .await;
    }

    fn fresh(&self, kind: Kind) -> Fresh {
        let cx = self.provider.cx();
        Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, kind, cx.new_id())
    }

    async fn apply(&self, change: Change) {
        let outcome = self.provider.store.apply(change).await.expect("the store answers");
        assert_eq!(outcome, Outcome::Applied);
    }
}

fn access(token: &Fresh, owner: Owner, now: Timestamp) -> AccessRecord {
    AccessRecord {
        id: token.id,
        digest: token.digest,
        owner,
        issued_at: now,
        expires_at: Timestamp(now.0 + 3600),
    }
}

/// A request with a form, on behalf of a client of [`Stage::client`] if one is named.
pub(crate) async fn form(client: Option<&str>, body: &str) -> Call {
    let mut request = Request::builder()
        .method("POST")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(id) = client {
        request = request.header(AUTHORIZATION, basic(id, "secret"));
    }
    call(request.body(Body::from(body.to_owned())).expect("a request")).await
}

/// The header of HTTP Basic.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    format!("Basic {credentials}")
}

/// A request as a handler gets it.
pub(crate) async fn call(request: Request) -> Call {
    let Ok(call) = Call::from_request(request, &()).await;
    call
}

/// What goes over the wire: status, the header with this name, and the body as JSON, null if it is empty.
pub(crate) async fn sent(response: Response, header: &str) -> (u16, String, Value) {
    let status = response.status().as_u16();
    let header = response
        .headers()
        .get(header)
        .map(|value| value.to_str().expect("ASCII"));
    let header = header.unwrap_or_default().to_owned();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("the body is whole")
        .to_bytes();
    (status, header, serde_json::from_slice(&body).unwrap_or_default())
}

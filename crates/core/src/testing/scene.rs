//! What many tests begin with: a client, and a code that a person's consent led to.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Desk, now};
use crate::client::{AuthMethod, Client};
use crate::client_auth::secret::digest_generated;
use crate::consented::Consented;
use crate::context::Timestamp;
use crate::params::Params;
use crate::port::{Change, ClientRecord, CodeRecord, Freshness, GrantRecord, Outcome, Store as _};
use crate::token::opaque::{Fresh, Kind};

/// A `code_verifier` (RFC 7636 appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The S256 challenge of a verifier.
pub(crate) fn challenge(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

/// Parameters of a request.
pub(crate) fn form(pairs: &[(&str, &str)]) -> Params {
    Params::from_pairs(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

impl Desk {
    /// A confidential client with every grant and scope, before it is registered. Its secret is `secret`.
    pub(crate) fn draft(&self, id: &str) -> Client {
        let words = |list: &str| list.split(' ').map(str::to_owned).collect();
        Client {
            id: id.into(),
            version: 0,
            secrets: vec![digest_generated(self.cx().entropy, "secret")],
            auth_method: AuthMethod::ClientSecretPost,
            redirect_uris: words("https://app.example/callback"),
            grant_types: words("authorization_code refresh_token client_credentials"),
            response_types: words("code"),
            scope: words("openid offline profile"),
            audience: words("https://api.example"),
            skip_consent: false,
            registration: None,
            lifespans: crate::client::Lifespans::default(),
            choices: crate::client::Choices::default(),
            display: serde_json::Map::new(),
            created_at: super::START,
            updated_at: super::START,
            last_proven: crate::client_auth::LastProven::default(),
        }
    }

    /// Registers a client, or changes a registered one.
    pub(crate) fn register(&self, draft: &Client) -> Arc<Client> {
        let known = now(self.store.client(&draft.id, Freshness::Latest)).expect("the store answers");
        let record = ClientRecord {
            id: draft.id.to_string(),
            version: known.as_ref().map_or(0, |known| known.version + 1),
            name: String::new(),
            owner: String::new(),
            document: serde_json::to_string(draft).expect("a client is JSON"),
            created_at: draft.created_at,
            updated_at: draft.updated_at,
        };
        self.apply(match known {
            None => Change::CreateClient(record),
            Some(_) => Change::UpdateClient(record),
        });
        let client = now(self.world().client(&draft.id, Freshness::Latest)).expect("the store answers");
        client.expect("the client is registered")
    }

    /// Applies a change that cannot lose.
    pub(crate) fn apply(&self, change: Change) {
        let text = format!("{change:?}");
        let outcome = now(self.store.apply(change)).expect("the store answers");
        assert_eq!(outcome, Outcome::Applied, "{text}");
    }

    /// What `alice` granted to `client`, before it is stored.
    pub(crate) fn consent(&self, client: &Client, scope: &str, consented: &Consented) -> GrantRecord {
        let cx = self.cx();
        let id = cx.new_id();
        GrantRecord {
            id,
            client_id: Arc::clone(&client.id),
            subject: "alice".to_owned(),
            session_id: Some(cx.new_id()),
            scope: scope.split(' ').map(str::to_owned).collect(),
            audience: vec!["https://api.example".to_owned()],
            sealed: consented.seal(&cx, id).expect("a session can be sealed"),
            remembered_until: None,
            skipped: false,
            created_at: cx.now,
            expires_at: Timestamp(cx.now.0 + 86_400),
        }
    }

    /// A code for the grant, as the authorization endpoint stores it, with the redirect URI of [`Desk::draft`].
    pub(crate) fn code(&self, grant: &GrantRecord, challenge: Option<&str>) -> Fresh {
        let cx = self.cx();
        let fresh = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Code, cx.new_id());
        let code = CodeRecord {
            id: fresh.id,
            digest: fresh.digest,
            grant: grant.id,
            redirect_uri: Some("https://app.example/callback".to_owned()),
            challenge: challenge.map(str::to_owned),
            expires_at: cx.now.plus(cx.policy.code_life),
        };
        self.store.state().put_grant(grant.clone(), code);
        fresh
    }
}

//! The token endpoint as its clients see it: a request, then tokens or a refusal, and what is left behind.

mod client_credentials;
mod clocks;
mod codes;
mod facts;
mod hooks;
mod id_tokens;
mod jwt_bearer;
mod lifespans;
mod pkce;
mod refresh;
mod requests;
mod rotation;
mod system_secrets;

use std::time::Duration;

use serde::Deserialize;

use super::lives::Lives;
use super::run;
use crate::client::Client;
use crate::client_auth::Credentials;
use crate::consented::Consented;
use crate::context::Id;
use crate::fault::{Failure, Fault};
use crate::port::{AccessRecord, GrantRecord, RefreshRecord};
use crate::seal::{Purpose, seal};
use crate::testing::{Desk, form, now};
use crate::token::lookup::KnownAccess;
use crate::token::opaque::{Fresh, Kind, Presented};

const CALLBACK: &str = "https://app.example/callback";

/// A registered client, and the server that it talks to.
struct Scene {
    desk: Desk,
    client: Client,
}

/// A successful answer, read as a client reads it.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    access_token: String,
    expires_in: u64,
    id_token: Option<String>,
    refresh_token: Option<String>,
    scope: String,
    token_type: String,
}

type Answer = Result<Tokens, Failure>;

impl Tokens {
    fn refresh(&self) -> &str {
        self.refresh_token.as_deref().expect("there is a refresh token")
    }

    /// Both opaque tokens.
    fn pair(&self) -> (&str, &str) {
        (&self.access_token, self.refresh())
    }
}

/// Why there are no tokens.
fn refused(answer: Answer) -> Fault {
    match answer {
        Err(failure) => failure.fault(),
        Ok(tokens) => panic!("not refused but {tokens:?}"),
    }
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Client)) -> Self {
        let desk = Desk::new();
        let mut client = desk.draft("app");
        change(&mut client);
        desk.register(&client);
        Self { desk, client }
    }

    /// Changes the registered client.
    fn change(&mut self, change: impl FnOnce(&mut Client)) {
        change(&mut self.client);
        self.desk.register(&self.client);
    }

    /// What `alice` granted, to be kept as long as the authorization endpoint says.
    fn grant(&self, scope: &str) -> GrantRecord {
        let grant = self.desk.consent(&self.client, scope, &Consented::default());
        let cx = self.desk.cx();
        let lives = Lives::authorization_code(cx.policy, &self.client);
        GrantRecord {
            expires_at: lives.keep_grant(&grant.scope, cx.now.plus(cx.policy.code_life)),
            ..grant
        }
    }

    /// What a grant seals, damaged so that no answer can be made of it.
    fn damaged(&self, grant: Id) -> Vec<u8> {
        let cx = self.desk.cx();
        seal(cx.secrets, cx.entropy, Purpose::GrantAtRest, &grant.0, b"no JSON")
    }

    /// A code for a new grant.
    fn code(&self, scope: &str) -> Fresh {
        self.desk.code(&self.grant(scope), None)
    }

    /// A request of the client with its secret, unless the request brings other credentials.
    fn ask(&self, pairs: &[(&str, &str)]) -> Answer {
        let mut all = vec![("client_id", "app")];
        if !self.client.is_public() {
            all.push(("client_secret", "secret"));
        }
        all.retain(|(name, _)| !pairs.iter().any(|(other, _)| other == name));
        all.extend_from_slice(pairs);
        let credentials = Credentials {
            authorization: None,
            params: &form(&all),
        };
        let response = now(run(&self.desk.world(), &credentials))?;
        let text = serde_json::to_string(&response).expect("an answer is JSON");
        Ok(serde_json::from_str(&text).expect("an answer has the members of RFC 6749 and no other"))
    }

    /// Asks with these parameters; those of `changed` take their place.
    fn ask_with(&self, pairs: &[(&str, &str)], changed: &[(&str, &str)]) -> Answer {
        let mut all = pairs.to_vec();
        all.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        all.extend_from_slice(changed);
        self.ask(&all)
    }

    fn redeem(&self, code: &str, changed: &[(&str, &str)]) -> Answer {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ];
        self.ask_with(&pairs, changed)
    }

    fn refresh(&self, token: &str, changed: &[(&str, &str)]) -> Answer {
        self.ask_with(&[("grant_type", "refresh_token"), ("refresh_token", token)], changed)
    }

    fn for_itself(&self, changed: &[(&str, &str)]) -> Answer {
        self.ask_with(&[("grant_type", "client_credentials")], changed)
    }

    /// The tokens of a new grant.
    fn tokens(&self, scope: &str) -> Tokens {
        let code = self.code(scope);
        self.redeem(&code.text, &[]).expect("the code is good")
    }

    /// Whether the access token still opens anything.
    fn lives(&self, access: &str) -> bool {
        let world = self.desk.world();
        let known = now(KnownAccess::find(&world, access)).expect("the store answers");
        known.is_some_and(|known| known.lives(world.cx.now))
    }

    fn access(&self, text: &str) -> AccessRecord {
        let id = self.id(Kind::Access, text);
        self.desk.store.state().access[&id].clone()
    }

    fn refresh_record(&self, text: &str) -> RefreshRecord {
        let id = self.id(Kind::Refresh, text);
        self.desk.store.state().refreshes[&id].0.clone()
    }

    fn id(&self, kind: Kind, text: &str) -> Id {
        let presented = Presented::recognize(&self.desk.secrets, kind, text);
        presented.expect("a token of ours").id
    }

    fn pass(&self, seconds: u64) {
        self.desk.advance(Duration::from_secs(seconds));
    }

    /// Reads and writes since the last call.
    fn traffic(&self) -> (usize, usize) {
        (self.desk.store.reads(), self.desk.store.writes())
    }
}

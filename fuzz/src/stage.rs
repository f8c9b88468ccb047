//! A provider over a database in memory: for parsers that only a whole use case shows.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use claviger::config::{Purpose, Sources, load, policy};
use claviger::edge::lenient::lenient_json;
use claviger::keys::KeyRing;
use claviger::provider::Provider;
use claviger_core::authorize::{Browser, Delivery, Destination, Reply, authorize, refuse_unreadable};
use claviger_core::client::metadata::Metadata;
use claviger_core::client::registry;
use claviger_core::client_auth::{Credentials, authenticate};
use claviger_core::fault::{Failure, Fault};
use claviger_core::flow::Unanswerable;
use claviger_core::flow::login::{self, LoginAcceptance, Rejection};
use claviger_core::grant;
use claviger_core::outgoing::{Answer, Fetch, FetchFailed, Outgoing};
use claviger_core::params::{Params, ParamsError};
use claviger_core::port::Freshness;
use claviger_core::secrets::Secrets;
use claviger_core::world::{Slow, World};
use claviger_jose::Alg;
use claviger_store::{Options, open_sqlite};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The secret of `app` and `poster`.
pub(crate) const SECRET: &str = "correct horse";
/// Where `app`, `loose` and `strict` may be answered.
pub(crate) const REDIRECT_URI: &str = "https://app.example/callback";
/// The credentials of `app` as a header.
const APP: &str = "Basic YXBwOmNvcnJlY3QraG9yc2U=";
const LOGIN: &str = "https://op.example/login";

pub(crate) static STAGE: LazyLock<Stage> = LazyLock::new(Stage::new);

/// The provider and what runs it.
pub(crate) struct Stage {
    runtime: Runtime,
    provider: Provider,
}

/// What became of an authorization request.
#[derive(Debug)]
pub(crate) enum End {
    /// The person is asked to log in.
    Login,
    /// The client is told an error, at this address.
    Client(String),
    /// A page, because there is nobody to be told.
    Page,
}

/// Takes no job: a slow hash would only slow the search down, and decides nothing that is looked for.
struct Never;

#[async_trait]
impl Slow for Never {
    async fn run(&self, _: Box<dyn FnOnce() + Send>) -> bool {
        false
    }
}

/// Answers whoever asks with the same bytes.
struct Told<'a>(&'a [u8]);

#[async_trait]
impl Fetch for Told<'_> {
    async fn fetch(&self, _: Outgoing) -> Result<Answer, FetchFailed> {
        Ok(Answer {
            status: 200,
            body: self.0.to_vec(),
        })
    }
}

impl Stage {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        let provider = runtime.block_on(provider());
        let stage = Self { runtime, provider };
        for (id, more) in [
            (
                "app",
                json!({"client_secret": SECRET, "grant_types": ["authorization_code", "client_credentials"]}),
            ),
            (
                "poster",
                json!({"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post"}),
            ),
            ("loose", json!({"request_object_signing_alg": "none"})),
            ("strict", json!({})),
        ] {
            let mut document = json!({"client_id": id, "redirect_uris": [REDIRECT_URI], "scope": "openid read"});
            document
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            assert!(stage.register(&document), "{id} is registered");
        }
        // From now on the right secrets are known without a slow hash.
        for fields in [vec![], vec![("client_id", "poster"), ("client_secret", SECRET)]] {
            let params = Params::from_pairs(owned(&fields));
            let authorization = fields.is_empty().then_some(APP);
            let shown = Credentials {
                authorization,
                params: &params,
            };
            let world = stage.provider.world();
            let proven = stage.runtime.block_on(authenticate(&world, &shown, Freshness::Latest));
            assert!(proven.is_ok(), "the secret is right");
        }
        stage
    }

    fn world(&self) -> World<'_> {
        World {
            slow: &Never,
            ..self.provider.world()
        }
    }

    /// Registers a client, if its metadata can be.
    pub(crate) fn register(&self, document: &Value) -> bool {
        self.register_where(&self.provider.world(), document)
    }

    /// The same where every document that is fetched for it is `told`.
    pub(crate) fn register_told(&self, document: &Value, told: &[u8]) -> bool {
        let world = self.provider.world();
        self.register_where(
            &World {
                fetch: &Told(told),
                ..world
            },
            document,
        )
    }

    fn register_where(&self, world: &World<'_>, document: &Value) -> bool {
        let bytes = serde_json::to_vec(document).expect("it is JSON");
        let Ok(metadata) = lenient_json::<Metadata>(&bytes) else {
            return false;
        };
        self.runtime.block_on(registry::create(world, metadata)).is_ok()
    }

    /// Whether `app` gets a token although the token hook answers this.
    pub(crate) fn issues(&self, told: &[u8]) -> bool {
        let world = World {
            fetch: &Told(told),
            ..self.world()
        };
        let params = Params::from_pairs(owned(&[("grant_type", "client_credentials")]));
        let shown = Credentials {
            authorization: Some(APP),
            params: &params,
        };
        match self.runtime.block_on(grant::run(&world, &shown)) {
            Ok(_) => true,
            Err(failure) => {
                assert_eq!(failure.fault(), Fault::HookFailed, "{failure}");
                false
            }
        }
    }

    /// Accepts a login with this: the browser comes back, or the app is told what is wrong.
    pub(crate) fn accept(&self, body: LoginAcceptance) {
        let (world, challenge) = (self.world(), self.challenge());
        let answer = login::accept(&world, &challenge, body);
        Self::answered(self.runtime.block_on(answer));
    }

    pub(crate) fn reject(&self, body: Rejection) {
        let (world, challenge) = (self.world(), self.challenge());
        let answer = login::reject(&world, &challenge, body);
        Self::answered(self.runtime.block_on(answer));
    }

    fn answered(answer: Result<String, Unanswerable>) {
        match answer {
            Ok(url) => assert!(url.starts_with("https://op.example/oauth2/auth?"), "{url}"),
            Err(Unanswerable::Failure(failure)) => refused(&failure),
            Err(error) => panic!("a fresh challenge can be answered: {error}"),
        }
    }

    /// Of somebody who is asked to log in.
    fn challenge(&self) -> String {
        let params = [
            ("client_id", "app"),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT_URI),
            ("state", "0123456789abcdef"),
        ];
        let (world, params) = (self.world(), Params::from_pairs(owned(&params)));
        let reply = self.runtime.block_on(authorize(&world, params, &Browser::default()));
        let Destination::Url(url) = reply.to else {
            panic!("nobody is asked to log in");
        };
        let (_, challenge) = url.split_once("login_challenge=").expect("a challenge is in it");
        challenge.to_owned()
    }

    pub(crate) fn forget(&self, id: &str) {
        let _ = self.runtime.block_on(registry::delete(&self.world(), id));
    }

    /// The client that these credentials prove, if they prove any. What is wrong with them is never ours.
    pub(crate) fn proves(&self, authorization: Option<&str>, params: &Params) -> Option<String> {
        let shown = Credentials { authorization, params };
        let world = self.world();
        match self.runtime.block_on(authenticate(&world, &shown, Freshness::Latest)) {
            Ok(proven) => Some(proven.client.id.to_string()),
            Err(failure) => {
                refused(&failure);
                None
            }
        }
    }

    /// Sends a browser that has no cookies to the authorization endpoint.
    pub(crate) fn authorize(&self, params: &Params) -> End {
        let world = self.world();
        Self::end(
            self.runtime
                .block_on(authorize(&world, params.clone(), &Browser::default())),
        )
    }

    /// What becomes of a request that is refused because it cannot be read.
    pub(crate) fn refuse(&self, encoded: &[u8], error: ParamsError) -> End {
        let world = self.world();
        Self::end(self.runtime.block_on(refuse_unreadable(&world, encoded, error.into())))
    }

    fn end(reply: Reply) -> End {
        reply.failure.iter().for_each(refused);
        match reply.to {
            Destination::Url(url) => {
                assert!(url.starts_with(LOGIN), "{url}");
                End::Login
            }
            Destination::Client(Delivery::Redirect(to) | Delivery::Form { action: to, .. }) => {
                assert!(
                    reply.failure.is_some(),
                    "nobody has logged in, and there is an answer: {to}"
                );
                End::Client(to)
            }
            Destination::ErrorPage(failure) => {
                refused(&failure);
                End::Page
            }
        }
    }
}

/// A refusal, and none of a failure of ours.
fn refused(failure: &Failure) {
    assert!(matches!(failure, Failure::Refused(..)), "{failure}");
    assert_ne!(failure.fault(), Fault::Internal, "{failure}");
}

pub(crate) fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    pairs.collect()
}

async fn provider() -> Provider {
    let env = [
        ("URLS_SELF_ISSUER", "https://op.example/"),
        ("URLS_LOGIN", LOGIN),
        ("OAUTH2_TOKEN_HOOK", "https://hook.example/"),
        ("OIDC_SUBJECT_IDENTIFIERS_SUPPORTED_TYPES", "public,pairwise"),
        ("OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT", "a salt of the fuzzer"),
    ];
    let settings = load(Sources {
        env: owned(&env).into_iter().collect(),
        purpose: Purpose::Show,
        ..Sources::default()
    });
    let settings = settings.expect("the settings are valid");
    let database = open_sqlite(None, Options::default()).await.expect("the database opens");
    database.migrate(&|_| ()).await.expect("a new database can be migrated");
    let secrets = Secrets::derive(&["a secret of the fuzzer"]).expect("the secret is long enough");
    let ring = KeyRing::new(Arc::clone(&database.store()), Alg::ES256, &[]);
    Provider::new(database.store(), ring, policy(&settings), secrets, &settings)
}

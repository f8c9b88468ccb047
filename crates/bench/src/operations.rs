//! The operations that are measured: what each sends, and what proves that it worked.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::ValueEnum;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;

use crate::flow::{CALLBACK, Flow, SCOPE};
use crate::http::{Answer, Call, Failure, Link, Origin};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// How many access tokens are kept for introspection and revocation. A fast run gives more than are needed.
const MOST_TOKENS: usize = 500_000;

/// What can be measured, in the order in which it is: what one gives the next ones use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Operation {
    Health,
    ClientCredentials,
    Introspection,
    CodeFlow,
    Userinfo,
    Refresh,
    Revocation,
}

impl Operation {
    /// The name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::ClientCredentials => "client_credentials",
            Self::Introspection => "introspection",
            Self::CodeFlow => "code flow",
            Self::Userinfo => "userinfo",
            Self::Refresh => "refresh",
            Self::Revocation => "revocation",
        }
    }
}

/// A client of the server, with the headers of its form requests ready to send.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    headers: [(HeaderName, HeaderValue); 2],
}

impl Client {
    /// A POST of a form, authenticated with `client_secret_basic` (RFC 6749 §2.3.1).
    pub(crate) fn form<'a>(&'a self, path: &'a str, body: Bytes) -> Call<'a> {
        Call {
            method: Method::POST,
            path,
            headers: &self.headers,
            body,
        }
    }

    /// Registers a client through the admin API. Its secret lives as long as the run.
    async fn register(admin: &mut Link, grants: &[&str]) -> Result<Self, Failure> {
        let secret = "bench-secret-0123456789";
        let asked = serde_json::json!({
            "client_name": "bench",
            "client_secret": secret,
            "grant_types": grants,
            "response_types": ["code"],
            "redirect_uris": [CALLBACK],
            "scope": SCOPE,
            "token_endpoint_auth_method": "client_secret_basic",
        });
        let call = Call {
            method: Method::POST,
            path: "/admin/clients",
            headers: &[(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(asked.to_string()),
        };
        let answer = admin.expect(&call, StatusCode::CREATED).await?;
        let missing = || Failure::Missing {
            request: call.name(),
            missing: "client_id",
            shown: String::from("the client that was created"),
        };
        let created: Registered = serde_json::from_slice(&answer.body).map_err(|_| missing())?;
        let id: String = form_urlencoded::byte_serialize(created.client_id.as_bytes()).collect();
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let basic = HeaderValue::from_str(&basic).map_err(|_| missing())?;
        Ok(Self {
            id: created.client_id,
            headers: [(AUTHORIZATION, basic), (CONTENT_TYPE, FORM)],
        })
    }
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
}

/// The tokens of one answer of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenAnswer {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
}

#[derive(Deserialize)]
struct TokenMembers<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    refresh_token: Option<Cow<'a, str>>,
}

/// Reads an answer of the token endpoint (RFC 6749 §5.1).
pub(crate) fn token_answer(call: &Call<'_>, answer: &Answer) -> Result<TokenAnswer, Failure> {
    let members: Result<TokenMembers<'_>, _> = serde_json::from_slice(&answer.body);
    // The body is not shown: it may hold a token.
    let members = members.map_err(|_| Failure::Missing {
        request: call.name(),
        missing: "access_token",
        shown: String::from("the answer"),
    })?;
    Ok(TokenAnswer {
        access: members.access_token.into_owned(),
        refresh: members.refresh_token.map(Cow::into_owned),
    })
}

/// The server under test, and what earlier operations left for later ones.
pub(crate) struct Bench {
    pub(crate) public: Arc<Origin>,
    pub(crate) admin: Arc<Origin>,
    machine: Client,
    web: Client,
    /// Access tokens of client_credentials.
    tokens: Mutex<Vec<String>>,
    /// Tokens of code flows.
    grants: Mutex<Vec<TokenAnswer>>,
    users: AtomicUsize,
}

impl Bench {
    /// Registers the two clients.
    pub(crate) async fn prepare(public: Origin, admin: Origin) -> Result<Self, Failure> {
        let admin = Arc::new(admin);
        let mut link = Link::new(Arc::clone(&admin));
        Ok(Self {
            public: Arc::new(public),
            admin,
            machine: Client::register(&mut link, &["client_credentials"]).await?,
            web: Client::register(&mut link, &["authorization_code", "refresh_token"]).await?,
            tokens: Mutex::default(),
            grants: Mutex::default(),
            users: AtomicUsize::default(),
        })
    }

    /// What `operation` uses up or reads, and how much of it there is.
    pub(crate) fn stock(&self, operation: Operation) -> Option<(Operation, usize)> {
        let stock = match operation {
            Operation::Health | Operation::ClientCredentials | Operation::CodeFlow => return None,
            Operation::Introspection | Operation::Revocation => {
                (Operation::ClientCredentials, locked(&self.tokens).len())
            }
            Operation::Userinfo | Operation::Refresh => (Operation::CodeFlow, locked(&self.grants).len()),
        };
        Some(stock)
    }

    /// Up to `most` requests of an operation that reads the same tokens again and again.
    pub(crate) fn pool(&self, operation: Operation, most: usize) -> Pool {
        let mut pool = Pool::default();
        if operation == Operation::Introspection {
            let tokens = locked(&self.tokens);
            pool.forms = tokens
                .iter()
                .rev()
                .take(most)
                .map(|token| form("token", token))
                .collect();
        }
        if operation == Operation::Userinfo {
            let bearer = |grant: &TokenAnswer| HeaderValue::from_str(&format!("Bearer {}", grant.access)).ok();
            let grants = locked(&self.grants);
            let bearers = grants.iter().rev().filter_map(bearer);
            pool.bearers = bearers.take(most).map(|bearer| (AUTHORIZATION, bearer)).collect();
        }
        pool
    }

    fn keep_token(&self, token: String) {
        let mut tokens = locked(&self.tokens);
        if tokens.len() < MOST_TOKENS {
            tokens.push(token);
        }
    }
}

/// Requests that are made ready before the clock runs.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    forms: Vec<Bytes>,
    bearers: Vec<(HeaderName, HeaderValue)>,
}

/// What became of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Done,
    /// There is no token left to use up.
    OutOfTokens,
}

/// One of the clients that load the server at the same moment, with its own connections.
pub(crate) struct Worker {
    bench: Arc<Bench>,
    pool: Arc<Pool>,
    public: Link,
    admin: Link,
    /// Which request of the pool comes next.
    next: usize,
    /// The newest refresh token of this worker's chain.
    refresh: Option<String>,
}

impl Worker {
    /// `index` spreads the workers over the pool.
    pub(crate) fn new(bench: &Arc<Bench>, pool: &Arc<Pool>, index: usize) -> Self {
        Self {
            public: Link::new(Arc::clone(&bench.public)),
            admin: Link::new(Arc::clone(&bench.admin)),
            bench: Arc::clone(bench),
            pool: Arc::clone(pool),
            next: index.wrapping_mul(7919),
            refresh: None,
        }
    }

    /// Performs the operation once.
    pub(crate) async fn perform(&mut self, operation: Operation) -> Result<Turn, Failure> {
        self.next = self.next.wrapping_add(1);
        match operation {
            Operation::Health => self.health().await,
            Operation::ClientCredentials => self.client_credentials().await,
            Operation::Introspection => self.introspection().await,
            Operation::CodeFlow => self.code_flow().await,
            Operation::Userinfo => self.userinfo().await,
            Operation::Refresh => self.refresh().await,
            Operation::Revocation => self.revocation().await,
        }
    }

    async fn health(&mut self) -> Result<Turn, Failure> {
        self.public.expect(&Call::get("/health/alive"), StatusCode::OK).await?;
        Ok(Turn::Done)
    }

    async fn client_credentials(&mut self) -> Result<Turn, Failure> {
        let body = Bytes::from_static(b"grant_type=client_credentials");
        let call = self.bench.machine.form("/oauth2/token", body);
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        let tokens = token_answer(&call, &answer)?;
        self.bench.keep_token(tokens.access);
        Ok(Turn::Done)
    }

    async fn introspection(&mut self) -> Result<Turn, Failure> {
        let Some(form) = nth(&self.pool.forms, self.next) else {
            return Ok(Turn::OutOfTokens);
        };
        let call = Call {
            method: Method::POST,
            path: "/admin/oauth2/introspect",
            headers: &[(CONTENT_TYPE, FORM)],
            body: form.clone(),
        };
        let answer = self.admin.expect(&call, StatusCode::OK).await?;
        holds(&call, &answer, "\"active\":true")
    }

    async fn userinfo(&mut self) -> Result<Turn, Failure> {
        let Some(bearer) = nth(&self.pool.bearers, self.next) else {
            return Ok(Turn::OutOfTokens);
        };
        let call = Call {
            headers: std::slice::from_ref(bearer),
            ..Call::get("/userinfo")
        };
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        holds(&call, &answer, "\"sub\":\"bench-user-")
    }

    async fn code_flow(&mut self) -> Result<Turn, Failure> {
        let user = self.bench.users.fetch_add(1, Ordering::Relaxed);
        let mut flow = Flow {
            public: &mut self.public,
            admin: &mut self.admin,
            origin: &self.bench.public,
            client: &self.bench.web,
        };
        let tokens = flow.run(user).await?;
        locked(&self.bench.grants).push(tokens);
        Ok(Turn::Done)
    }

    async fn refresh(&mut self) -> Result<Turn, Failure> {
        let begun = self.refresh.take();
        let Some(token) = begun.or_else(|| locked(&self.bench.grants).pop()?.refresh) else {
            return Ok(Turn::OutOfTokens);
        };
        let body = form_urlencoded::Serializer::new(String::from("grant_type=refresh_token"))
            .append_pair("refresh_token", &token)
            .finish();
        let call = self.bench.web.form("/oauth2/token", Bytes::from(body));
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        // A server that does not rotate expects the same token again.
        self.refresh = token_answer(&call, &answer)?.refresh.or(Some(token));
        Ok(Turn::Done)
    }

    async fn revocation(&mut self) -> Result<Turn, Failure> {
        let Some(token) = locked(&self.bench.tokens).pop() else {
            return Ok(Turn::OutOfTokens);
        };
        let call = self.bench.machine.form("/oauth2/revoke", form("token", &token));
        self.public.expect(&call, StatusCode::OK).await?;
        Ok(Turn::Done)
    }
}

/// The same element again after every round.
fn nth<T>(all: &[T], turn: usize) -> Option<&T> {
    all.get(turn.checked_rem(all.len())?)
}

fn form(name: &str, value: &str) -> Bytes {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    Bytes::from(form)
}

/// An answer that counts as a success only when it says this. Both servers write JSON without spaces.
fn holds(call: &Call<'_>, answer: &Answer, wanted: &'static str) -> Result<Turn, Failure> {
    let found = answer
        .body
        .windows(wanted.len())
        .any(|window| window == wanted.as_bytes());
    if found {
        return Ok(Turn::Done);
    }
    Err(Failure::Missing {
        request: call.name(),
        missing: wanted,
        shown: answer.shown(),
    })
}

/// A worker that panicked while it held the lock has left whole tokens behind.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The operations that are measured: what each sends, and what proves that it worked.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use clap::ValueEnum;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use crate::client::{FORM, token_answer};
use crate::flow::Flow;
use crate::http::{Answer, Call, Failure, Link};
use crate::stock::{Bench, Pool, form, locked};

/// What can be measured, in the order in which it is: what one gives the next ones use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    Health,
    Discovery,
    Jwks,
    ClientCredentials,
    JwtRs256,
    JwtEs256,
    Introspection,
    CodeFlow,
    Userinfo,
    Refresh,
    Device,
    Logout,
    Revocation,
}

impl Operation {
    /// The name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Discovery => "discovery",
            Self::Jwks => "JWKS",
            Self::ClientCredentials => "client_credentials",
            Self::JwtRs256 => "client_credentials, RS256",
            Self::JwtEs256 => "client_credentials, ES256",
            Self::Introspection => "introspection",
            Self::CodeFlow => "code flow",
            Self::Userinfo => "userinfo",
            Self::Refresh => "refresh",
            Self::Device => "device flow",
            Self::Logout => "login and logout",
            Self::Revocation => "revocation",
        }
    }

    /// Whether it can be asked at a constant rate for as long as one likes: it uses up nothing.
    pub(crate) fn is_endless(self) -> bool {
        self != Self::Revocation
    }

    /// Whether a server with another signing algorithm than that of the others performs it.
    pub(crate) fn needs_es256(self) -> bool {
        self == Self::JwtEs256
    }
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
    /// `index` spreads the workers over the pool, and over the servers.
    pub(crate) fn new(bench: &Arc<Bench>, pool: &Arc<Pool>, index: usize) -> Self {
        let place = bench.place(index);
        Self {
            public: Link::new(Arc::clone(&place.public)),
            admin: Link::new(Arc::clone(&place.admin)),
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
            Operation::Health => self.get("/health/alive", "").await,
            Operation::Discovery => self.get("/.well-known/openid-configuration", "\"issuer\"").await,
            Operation::Jwks => self.get("/.well-known/jwks.json", "\"keys\"").await,
            Operation::ClientCredentials => self.client_credentials().await,
            Operation::JwtRs256 => self.signed("RS256").await,
            Operation::JwtEs256 => self.signed("ES256").await,
            Operation::Introspection => self.introspection().await,
            Operation::CodeFlow => self.code_flow().await,
            Operation::Userinfo => self.userinfo().await,
            Operation::Refresh => self.refresh().await,
            Operation::Device => self.device().await,
            Operation::Logout => self.logout().await,
            Operation::Revocation => self.revocation().await,
        }
    }

    async fn get(&mut self, path: &str, wanted: &'static str) -> Result<Turn, Failure> {
        let call = Call::get(path);
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        if wanted.is_empty() {
            return Ok(Turn::Done);
        }
        holds(&call, &answer, wanted)
    }

    async fn client_credentials(&mut self) -> Result<Turn, Failure> {
        let call = self.bench.clients.machine.own_token();
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        let tokens = token_answer(&call, &answer)?;
        self.bench.stock.keep_token(tokens.access);
        Ok(Turn::Done)
    }

    /// A JWT by this algorithm, or it does not count.
    async fn signed(&mut self, alg: &'static str) -> Result<Turn, Failure> {
        let call = self.bench.clients.signed.own_token();
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        let tokens = token_answer(&call, &answer)?;
        if algorithm(&tokens.access).as_deref() == Some(alg) {
            return Ok(Turn::Done);
        }
        Err(Failure::Missing {
            request: call.name(),
            missing: alg,
            shown: String::from("the header of the access token"),
        })
    }

    async fn introspection(&mut self) -> Result<Turn, Failure> {
        let Some(form) = nth(&self.pool.forms, self.next) else {
            return Ok(Turn::OutOfTokens);
        };
        // A server that lets nobody in without credentials finds them; the admin port of Hydra asks for none.
        let unauthenticated = [(CONTENT_TYPE, FORM)];
        let mut call = self
            .bench
            .clients
            .machine
            .form("/admin/oauth2/introspect", form.clone());
        if !self.bench.authenticates_introspection {
            call.headers = &unauthenticated;
        }
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
        let user = self.bench.stock.new_user();
        let tokens = self.flow().run(user).await?;
        locked(&self.bench.stock.grants).push(tokens);
        Ok(Turn::Done)
    }

    async fn device(&mut self) -> Result<Turn, Failure> {
        let user = self.bench.stock.new_user();
        self.flow().device(user).await?;
        Ok(Turn::Done)
    }

    async fn logout(&mut self) -> Result<Turn, Failure> {
        let user = self.bench.stock.new_user();
        self.flow().log_in_and_out(user).await?;
        Ok(Turn::Done)
    }

    fn flow(&mut self) -> Flow<'_> {
        Flow {
            public: &mut self.public,
            admin: &mut self.admin,
            origin: self.bench.issuer(),
            clients: &self.bench.clients,
        }
    }

    async fn refresh(&mut self) -> Result<Turn, Failure> {
        let begun = self.refresh.take();
        let Some(token) = begun.or_else(|| locked(&self.bench.stock.grants).pop()?.refresh) else {
            return Ok(Turn::OutOfTokens);
        };
        let body = form_urlencoded::Serializer::new(String::from("grant_type=refresh_token"))
            .append_pair("refresh_token", &token)
            .finish();
        let call = self.bench.clients.web.form("/oauth2/token", Bytes::from(body));
        let answer = self.public.expect(&call, StatusCode::OK).await?;
        // A server that does not rotate expects the same token again.
        self.refresh = token_answer(&call, &answer)?.refresh.or(Some(token));
        Ok(Turn::Done)
    }

    async fn revocation(&mut self) -> Result<Turn, Failure> {
        let Some(token) = locked(&self.bench.stock.tokens).pop() else {
            return Ok(Turn::OutOfTokens);
        };
        let call = self.bench.clients.machine.form("/oauth2/revoke", form("token", &token));
        self.public.expect(&call, StatusCode::OK).await?;
        Ok(Turn::Done)
    }
}

/// The same element again after every round.
fn nth<T>(all: &[T], turn: usize) -> Option<&T> {
    all.get(turn.checked_rem(all.len())?)
}

/// The `alg` of a signed token (RFC 7515 §4.1.1).
fn algorithm(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Header = serde_json::from_slice(&header).ok()?;
    Some(header.alg)
}

/// An answer that counts as a success only when it says this. All servers write JSON without spaces.
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

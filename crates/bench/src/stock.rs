//! The servers under test, and what earlier operations left for later ones.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::client::{Clients, TokenAnswer};
use crate::http::{Failure, Link, Origin};
use crate::operations::Operation;

/// How many access tokens are kept for introspection and revocation. A fast run gives more than are needed.
const MOST_TOKENS: usize = 500_000;

/// The two ports of one server.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) public: Arc<Origin>,
    pub(crate) admin: Arc<Origin>,
}

/// Servers that share their database, clients of them, and tokens.
pub(crate) struct Bench {
    /// At least one. The workers take them in turn.
    places: Vec<Place>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) stock: Arc<Stock>,
    /// Whether the introspection endpoint asks for credentials, as RFC 7662 §2.1 has it.
    pub(crate) authenticates_introspection: bool,
}

/// Tokens that work.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    /// Access tokens of client_credentials.
    pub(crate) tokens: Mutex<Vec<String>>,
    /// Tokens of code flows.
    pub(crate) grants: Mutex<Vec<TokenAnswer>>,
    /// Access tokens of people that were put into the database by other ways than a flow.
    pub(crate) granted: Mutex<Vec<String>>,
    users: AtomicUsize,
}

impl Bench {
    /// Registers the clients.
    pub(crate) async fn prepare(public: Origin, admin: Origin) -> Result<Self, Failure> {
        let place = Place {
            public: Arc::new(public),
            admin: Arc::new(admin),
        };
        let mut link = Link::new(Arc::clone(&place.admin));
        Ok(Self {
            clients: Arc::new(Clients::register(&mut link).await?),
            places: vec![place],
            stock: Arc::default(),
            authenticates_introspection: false,
        })
    }

    /// The same clients and tokens at other servers.
    pub(crate) fn at(&self, places: Vec<Place>) -> Self {
        Self {
            places,
            clients: Arc::clone(&self.clients),
            stock: Arc::clone(&self.stock),
            authenticates_introspection: self.authenticates_introspection,
        }
    }

    /// The same servers and clients, without tokens.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            stock: Arc::default(),
            ..self.at(self.places.clone())
        }
    }

    pub(crate) fn place(&self, index: usize) -> &Place {
        let turn = index.checked_rem(self.places.len()).unwrap_or_default();
        #[expect(
            clippy::indexing_slicing,
            reason = "there is at least one, and the turn is a remainder"
        )]
        &self.places[turn]
    }

    pub(crate) fn issuer(&self) -> &Origin {
        &self.place(0).public
    }

    /// What `operation` uses up or reads, and how much of it there is.
    pub(crate) fn stock(&self, operation: Operation) -> Option<(Operation, usize)> {
        let stock = match operation {
            Operation::Introspection | Operation::Revocation => {
                (Operation::ClientCredentials, locked(&self.stock.tokens).len())
            }
            Operation::Userinfo => {
                let there = locked(&self.stock.grants).len() + locked(&self.stock.granted).len();
                (Operation::CodeFlow, there)
            }
            Operation::Refresh => (Operation::CodeFlow, locked(&self.stock.grants).len()),
            _ => return None,
        };
        Some(stock)
    }

    /// Up to `most` requests of an operation that reads the same tokens again and again.
    pub(crate) fn pool(&self, operation: Operation, most: usize) -> Pool {
        let mut pool = Pool::default();
        if operation == Operation::Introspection {
            let tokens = locked(&self.stock.tokens);
            let newest = tokens.iter().rev().take(most);
            pool.forms = newest.map(|token| form("token", token)).collect();
        }
        if operation == Operation::Userinfo {
            let (granted, grants) = (locked(&self.stock.granted), locked(&self.stock.grants));
            let of_flows = grants.iter().rev().map(|grant| &grant.access);
            let bearer = |token| HeaderValue::from_str(&format!("Bearer {token}")).ok();
            let bearers = granted.iter().chain(of_flows).filter_map(bearer);
            pool.bearers = bearers.take(most).map(|bearer| (AUTHORIZATION, bearer)).collect();
        }
        pool
    }
}

impl Stock {
    pub(crate) fn keep_token(&self, token: String) {
        let mut tokens = locked(&self.tokens);
        if tokens.len() < MOST_TOKENS {
            tokens.push(token);
        }
    }

    pub(crate) fn new_user(&self) -> usize {
        self.users.fetch_add(1, Ordering::Relaxed)
    }
}

/// Requests that are made ready before the clock runs.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) forms: Vec<Bytes>,
    pub(crate) bearers: Vec<(HeaderName, HeaderValue)>,
}

pub(crate) fn form(name: &str, value: &str) -> Bytes {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    Bytes::from(form)
}

/// A worker that panicked while it held the lock has left whole tokens behind.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

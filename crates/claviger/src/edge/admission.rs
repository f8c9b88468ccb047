//! Who may use the admin port: keys, each for its areas, where the settings ask for them.
//!
//! Implements RFC 6750 §2.1 (the header, and nothing else) and §3 (`WWW-Authenticate`, `invalid_token`,
//! `insufficient_scope`). A key is read from the database for each request, so that one that was revoked anywhere is
//! refused everywhere at once. Attacks: guessing (256 bits, compared in constant time), a key in a URL (not read), a login
//! app's key used for private keys (areas), strangers on a port without keys (the server does not start there).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Request;
use axum::response::Response;
use claviger_core::api_key::{self, Admitted, Area};
use claviger_core::port::{Change, Store};
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::call::Arrival;
use super::problem::{Problem, Resource};
use super::reply;
use crate::provider;

/// The guard of the admin port.
pub struct Admission {
    store: Arc<dyn Store>,
    asks_for_keys: bool,
    /// Whether a note of a key's use is under way; one at a time is enough.
    is_noting: Arc<AtomicBool>,
}

/// Who made an admin request, as far as can be known.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    pub(crate) key: Option<Admitted>,
    /// The subject of the client certificate.
    pub(crate) certificate: Option<Arc<str>>,
    pub(crate) address: Option<IpAddr>,
}

impl Actor {
    /// Whoever comes to the public port.
    pub(super) fn stranger(address: Option<IpAddr>) -> Self {
        Self {
            address,
            ..Self::default()
        }
    }
}

impl Admission {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, asks_for_keys: bool) -> Arc<Self> {
        Arc::new(Self {
            store,
            asks_for_keys,
            is_noting: Arc::default(),
        })
    }

    /// Whether the routes that are for keys ask for one.
    pub(super) fn asks_for_keys(&self) -> bool {
        self.asks_for_keys
    }

    /// Who asks, and the key that they show where one is asked for. The request is not kept: its body could not wait for the
    /// database.
    pub(super) fn hear(
        &self,
        request: &Request,
        (arrival, address): (&Arrival, Option<IpAddr>),
        areas: Option<&[Area]>,
    ) -> (Actor, Option<Zeroizing<String>>) {
        let actor = Actor {
            key: None,
            certificate: arrival.certificate.clone(),
            address,
        };
        // A header that was sent twice means nothing.
        let mut headers = request.headers().get_all(AUTHORIZATION).iter();
        let shown = match (headers.next(), headers.next()) {
            (Some(header), None) if self.asks_for_keys && areas.is_some() => header.to_str().ok().and_then(bearer),
            _ => None,
        };
        (actor, shown.map(|shown| Zeroizing::new(shown.to_owned())))
    }

    /// Adds the key to the actor, and gives the answer if they may not do this.
    pub(super) async fn judge(
        &self,
        actor: &mut Actor,
        shown: Option<Zeroizing<String>>,
        areas: &[Area],
    ) -> Result<(), Response> {
        let Some(shown) = shown else {
            let why = "The admin port asks for an API key. Send one in the header Authorization, after the word Bearer; \
                       'claviger create api-key' makes one.";
            return Err(reply::key_refused(&Resource::Unauthorized.because(why), "Bearer"));
        };
        match api_key::admit(&*self.store, provider::now(), &shown).await {
            Ok(Some(key)) => self.open(key, areas, actor).map_err(|refused| *refused),
            Ok(None) => Err(reply::key_refused(
                &Resource::Unauthorized.because(
                    "The API key is unknown, expired or revoked. 'claviger list api-keys' shows those in force.",
                ),
                "Bearer error=\"invalid_token\"",
            )),
            Err(error) => Err(reply::admin_error(&Problem::from(error))),
        }
    }

    fn open(&self, key: Admitted, areas: &[Area], actor: &mut Actor) -> Result<(), Box<Response>> {
        let opens = key.opens(areas);
        if key.is_notable {
            self.note(&key);
        }
        actor.key = Some(key);
        if opens {
            return Ok(());
        }
        let wanted: Vec<_> = areas.iter().map(|area| area.name()).collect();
        let wanted = if wanted.is_empty() {
            Area::Everything.name().to_owned()
        } else {
            wanted.join(" or ")
        };
        let scope = areas.last().map_or(Area::Everything.name(), |area| area.name());
        let why = format!("The API key is not for this. It takes one with the scope {wanted}.");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        Err(Box::new(reply::key_refused(
            &Resource::Forbidden.because(why),
            &challenge,
        )))
    }

    /// Beside the request, and no more than one at a time: the time of the last use is a service to people.
    fn note(&self, key: &Admitted) {
        if self.is_noting.swap(true, Ordering::AcqRel) {
            return;
        }
        let (store, is_noting) = (Arc::clone(&self.store), Arc::clone(&self.is_noting));
        let change = Change::UseApiKey {
            id: key.id,
            at: provider::now(),
        };
        tokio::spawn(async move {
            if let Err(error) = store.apply(change).await {
                tracing::debug!(%error, "the use of an API key was not noted");
            }
            is_noting.store(false, Ordering::Release);
        });
    }
}

/// The token of a header, whatever the case of the scheme (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

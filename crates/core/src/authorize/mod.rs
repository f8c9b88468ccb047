//! The authorization endpoint, a browser's way through it in three hops.
//!
//! RFC 6749 §3.1, §4.1 and §4.2, OpenID Connect Core §3.1.2, §3.2 and §3.3, RFC 7636, RFC 9207. First hop: the request is judged and the
//! browser goes to the login app ([`start`]). Second: it comes back with a login verifier and goes to the consent app
//! ([`login_answered`]). Third: it comes back with a consent verifier and goes to the client with a code, tokens or both
//! ([`consent_answered`], [`issue`]). For a device the way begins and ends elsewhere ([`device`], RFC 8628 §3.3).
//!
//! Nothing here trusts what the browser repeats: from the second hop on, the request is the one that was stored.

mod checks;
mod claims;
mod consent_answered;
mod device;
mod end;
mod front_channel;
mod issue;
mod login_answered;
pub(crate) mod prompt;
mod request;
mod request_object;
pub mod response_mode;
pub mod response_type;
mod return_path;
mod start;
#[cfg(test)]
mod tests;
mod unreadable;

use std::time::Duration;

use crate::context::{Cx, Id};
use crate::fault::Failure;
pub use crate::flow::mark::Stage;
use crate::params::Params;
use crate::port::Freshness;
use crate::seal::{Purpose, open_text, seal_text};
use crate::world::World;

pub use self::device::verify_device;
pub use self::prompt::OidcContext;
pub(crate) use self::prompt::{Prompt, hint};
use self::request::Refused;
pub use self::response_mode::Delivery;
pub use self::return_path::ReturnPath;
pub(crate) use self::return_path::{is_allowed_in_clear, is_registered, is_secure, is_this_machine};
pub use self::unreadable::refuse_unreadable;

/// One try on remembered facts, then these on the latest ones. Only a write proves what is remembered, so whatever is
/// answered without one, refusals above all, is decided on the latest facts.
const TRIES: [Freshness; 3] = [Freshness::ProvedByWrite, Freshness::Latest, Freshness::Latest];

/// What the browser showed besides the request.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    /// The value of the session cookie.
    pub session: Option<String>,
    /// The values of all cookies that mark a login on its way.
    pub login_marks: Vec<String>,
    /// The values of all cookies that mark a consent on its way.
    pub consent_marks: Vec<String>,
    /// The values of all cookies that mark a visit of the page for user codes.
    pub device_marks: Vec<String>,
}

impl Browser {
    /// The login session that the cookie names, which may have ended long ago.
    pub(crate) fn session_id(&self, cx: &Cx<'_>) -> Option<Id> {
        let bytes = open_text(cx.secrets, Purpose::SessionCookie, self.session.as_deref()?).ok()?;
        Some(Id(bytes.try_into().ok()?))
    }
}

/// Where the browser goes.
#[derive(Debug)]
pub enum Destination {
    /// To the login app, the consent app, or here again.
    Url(String),
    /// To the client, with its answer.
    Client(Delivery),
    /// To the error page: there is no client that may be told.
    ErrorPage(Failure),
}

/// What happens to the browser's cookies.
#[derive(Debug, PartialEq, Eq)]
pub enum CookieChange {
    /// Mark the browser as the one of this flow.
    Mark(Stage, Id, String),
    /// The flow is over for this browser.
    Unmark(Stage, Id),
    /// Keep a login session.
    Session {
        /// The value.
        value: String,
        /// How long.
        life: Duration,
    },
    /// Forget the login session.
    EndSession,
}

/// The answer to the browser.
#[derive(Debug)]
pub struct Reply {
    /// Where it goes.
    pub to: Destination,
    /// What it remembers.
    pub cookies: Vec<CookieChange>,
    /// Why the request failed, if it did. The log wants to know even what a client is told.
    pub failure: Option<Failure>,
}

impl Reply {
    fn to(to: Destination, cookies: Vec<CookieChange>) -> Self {
        Self {
            to,
            cookies,
            failure: None,
        }
    }

    fn url(url: String) -> Self {
        Self::to(Destination::Url(url), Vec::new())
    }

    fn failed(refused: Refused) -> Self {
        match refused {
            Refused::Here(failure) => Self::to(Destination::ErrorPage(failure), Vec::new()),
            Refused::There(path, failure) => Self {
                to: Destination::Client(path.refuse(&failure)),
                cookies: Vec::new(),
                failure: Some(failure),
            },
        }
    }
}

/// Answers a request to the authorization endpoint, whichever hop it is.
pub async fn authorize(world: &World<'_>, mut params: Params, browser: &Browser) -> Reply {
    let verifier = |name: &str| params.get(name).map(str::trim).filter(|text| !text.is_empty());
    let reply = if let Some(verifier) = verifier("login_verifier") {
        login_answered::go_on(world, verifier, browser).await
    } else if let Some(verifier) = verifier("consent_verifier") {
        consent_answered::go_on(world, verifier, browser).await
    } else {
        params.remove(&["login_verifier", "consent_verifier"]);
        start::start(world, params, browser).await
    };
    reply.unwrap_or_else(Reply::failed)
}

/// The cookie of a login session.
fn session_cookie(cx: &Cx<'_>, session: Id, life: Duration) -> CookieChange {
    CookieChange::Session {
        value: seal_text(cx.secrets, cx.entropy, Purpose::SessionCookie, &session.0),
        life,
    }
}

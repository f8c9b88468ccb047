//! The `logout_challenge`: a logout request as a short sealed text, and in the same form the `logout_verifier`.
//!
//! The ID token of the request stays outside: it was judged, it is long, and the client's id says as much.

use super::request::{LogoutRequest, target};
use crate::context::{Cx, Id, Timestamp};
use crate::fault::Failure;
use crate::flow::challenge::{KnownSession, LoginChallenge};
use crate::params::Params;
use crate::port::{Freshness, SessionRecord};
use crate::seal::Purpose;
use crate::world::World;

/// What stands in the packed parameters for an ID token that was judged.
const JUDGED: (&str, &str) = ("id_token_hint", "1");
/// The parameters that are kept.
const KEPT: [&str; 3] = ["post_logout_redirect_uri", "state", "ui_locales"];

/// A logout that waits for the logout app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogoutChallenge {
    /// Tells when it began.
    pub(super) id: Id,
    /// The session that is to end.
    pub(super) session: Id,
    /// Whose session it is.
    pub(super) subject: String,
    /// Whether an ID token of the session was shown.
    pub(super) is_hinted: bool,
    /// `client_id`, and what else is needed of the request.
    pub(super) params: Params,
    authenticated_at: Timestamp,
}

impl LogoutChallenge {
    pub(super) fn new(cx: &Cx<'_>, request: &LogoutRequest, session: SessionRecord) -> Self {
        let client = request.client.as_ref();
        let mut pairs: Vec<(String, String)> = client
            .map(|client| ("client_id".to_owned(), client.id.to_string()))
            .into_iter()
            .collect();
        for name in KEPT {
            pairs.extend(
                request
                    .params
                    .get(name)
                    .map(|value| (name.to_owned(), value.to_owned())),
            );
        }
        Self {
            id: cx.new_id(),
            session: session.id,
            subject: session.subject,
            is_hinted: request.is_hinted(),
            params: Params::from_pairs(pairs),
            authenticated_at: session.authenticated_at,
        }
    }

    /// The challenge for the URL.
    pub(super) fn seal(&self, cx: &Cx<'_>) -> String {
        self.packed().seal_for(cx, Purpose::LogoutChallenge)
    }

    /// The value that brings the browser back when the app accepted.
    pub(super) fn verifier(&self, cx: &Cx<'_>) -> String {
        self.packed().seal_for(cx, Purpose::LogoutVerifier)
    }

    /// Opens either, whatever its age.
    pub(super) fn open(cx: &Cx<'_>, purpose: Purpose, text: &str) -> Option<Self> {
        let packed = LoginChallenge::open_for(cx, purpose, text)?;
        let known = packed.known?;
        Some(Self {
            id: packed.flow,
            session: known.id,
            subject: known.subject,
            is_hinted: packed.params.has(JUDGED.0),
            params: packed.params.without(&[JUDGED.0]),
            authenticated_at: known.authenticated_at,
        })
    }

    /// Where the browser goes in the end. An address that is not registered any more is not visited.
    pub(super) async fn target(&self, world: &World<'_>) -> Result<String, Failure> {
        let client = match self.params.get("client_id") {
            Some(id) => world.client(id, Freshness::Latest).await?,
            None => None,
        };
        match target(world, &self.params, client.as_deref()) {
            Err(Failure::Refused(..)) => Ok(world.cx.policy.post_logout_url.clone()),
            target => target,
        }
    }

    fn packed(&self) -> LoginChallenge {
        let mut pairs = self.params.pairs().to_vec();
        if self.is_hinted {
            pairs.push((JUDGED.0.to_owned(), JUDGED.1.to_owned()));
        }
        LoginChallenge {
            flow: self.id,
            known: Some(KnownSession {
                id: self.session,
                subject: self.subject.clone(),
                authenticated_at: self.authenticated_at,
            }),
            device: None,
            params: Params::from_pairs(pairs),
        }
    }
}

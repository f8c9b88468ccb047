//! How the owner of a login session authenticated: what the session remembers for later authorizations, sealed.

use serde::{Deserialize, Serialize};

use crate::context::{Cx, Id};
use crate::fault::Failure;
use crate::port::SessionRecord;
use crate::seal::{Purpose, open, seal};
use crate::world::World;

/// What the login app said when the session began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Authentication {
    pub(crate) acr: Option<String>,
    pub(crate) amr: Option<Vec<String>>,
    #[serde(rename = "idp")]
    pub(crate) identity_provider_session_id: Option<String>,
}

impl Authentication {
    pub(crate) fn seal(&self, cx: &Cx<'_>, session: Id) -> Result<Vec<u8>, Failure> {
        let plain = serde_json::to_vec(self).map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(seal(cx.secrets, cx.entropy, Purpose::SessionAtRest, &session.0, &plain))
    }

    /// The session with this id, unless it ended.
    pub(crate) async fn of(world: &World<'_>, session: Id) -> Result<Option<(SessionRecord, Self)>, Failure> {
        let Some(session) = world.store.session(session).await? else {
            return Ok(None);
        };
        Ok(Self::open(&world.cx, &session)?.map(|authentication| (session, authentication)))
    }

    /// None if the session's secret is no longer configured: then it counts as ended.
    fn open(cx: &Cx<'_>, session: &SessionRecord) -> Result<Option<Self>, Failure> {
        let opened = open(cx.secrets, Purpose::SessionAtRest, &session.id.0, &session.sealed);
        let Ok(plain) = opened else { return Ok(None) };
        serde_json::from_slice(&plain)
            .map(Some)
            .map_err(|error| Failure::Internal(format!("the session {} cannot be read: {error}", session.id)))
    }
}

//! How the owner of a login session authenticated: what the session remembers for later authorizations, sealed.

use serde::{Deserialize, Serialize};

use crate::context::{Cx, Id};
use crate::fault::Failure;
use crate::port::SessionRecord;
use crate::seal::{Purpose, open, seal};

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

    pub(crate) fn open(cx: &Cx<'_>, session: &SessionRecord) -> Result<Self, Failure> {
        let broken = |why: &str| Failure::Internal(format!("the session {} cannot be read: {why}", session.id));
        let plain = open(cx.secrets, Purpose::SessionAtRest, &session.id.0, &session.sealed)
            .map_err(|error| broken(&error.to_string()))?;
        serde_json::from_slice(&plain).map_err(|error| broken(&error.to_string()))
    }
}

//! What the row of a flow holds in its sealed part.

use serde::{Deserialize, Serialize};

use super::challenge::{KnownSession, LoginChallenge, began};
use super::consent::ConsentAnswer;
use super::login::LoginAnswer;
use crate::context::{Cx, Id, Timestamp};
use crate::fault::Failure;
use crate::params::Params;
use crate::port::FlowRecord;
use crate::seal::{Purpose, open, seal};

/// Request, login answer and consent answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FlowState {
    /// The authorization request, encoded.
    #[serde(rename = "r")]
    request: String,
    /// The session that the browser showed: id, subject, time of authentication.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    known: Option<(String, String, i64)>,
    /// The device for which the person answers.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// What the login app answered. None once the flow is done, as nothing of it is needed then.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<LoginAnswer>,
    /// What the consent app answered.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) consent: Option<ConsentAnswer>,
    /// The version about which the consent app was asked, once it has answered.
    #[serde(rename = "v", default)]
    pub(crate) asked: i64,
}

impl FlowState {
    /// The state after the login app answered.
    pub(crate) fn answered(challenge: &LoginChallenge, login: LoginAnswer) -> Self {
        Self {
            request: challenge.params.encode(),
            known: challenge
                .known
                .as_ref()
                .map(|known| (known.id.to_string(), known.subject.clone(), known.authenticated_at.0)),
            device: challenge.device.map(|device| device.to_string()),
            login: Some(login),
            consent: None,
            asked: 0,
        }
    }

    /// The state after the consent app answered what it was asked about the version `asked`.
    pub(crate) fn consented(self, consent: ConsentAnswer, asked: i64) -> Self {
        Self {
            consent: Some(consent),
            asked,
            ..self
        }
    }

    /// The state of a finished flow: only where it began is kept, for people who come back to it.
    pub(crate) fn finished(&self) -> Self {
        Self {
            request: self.request.clone(),
            known: None,
            device: self.device.clone(),
            login: None,
            consent: None,
            asked: self.asked,
        }
    }

    /// The authorization request.
    pub(crate) fn params(&self) -> Result<Params, Failure> {
        Ok(Params::parse(self.request.as_bytes())?)
    }

    /// The device for which the person answers, if there is one.
    pub(crate) fn device(&self) -> Option<Id> {
        Id::parse(self.device.as_deref()?)
    }

    /// The session that the browser showed when it began.
    pub(crate) fn known(&self) -> Option<KnownSession> {
        let (id, subject, at) = self.known.as_ref()?;
        Some(KnownSession {
            id: Id::parse(id)?,
            subject: subject.clone(),
            authenticated_at: Timestamp(*at),
        })
    }

    pub(crate) fn seal(&self, cx: &Cx<'_>, flow: Id) -> Result<Vec<u8>, Failure> {
        let plain = serde_json::to_vec(self).map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(seal(cx.secrets, cx.entropy, Purpose::FlowAtRest, &flow.0, &plain))
    }

    /// None if the flow's secret is no longer configured: then it counts as unknown.
    pub(crate) fn open(cx: &Cx<'_>, record: &FlowRecord) -> Result<Option<Self>, Failure> {
        let opened = open(cx.secrets, Purpose::FlowAtRest, &record.id.0, &record.sealed);
        let Ok(plain) = opened else { return Ok(None) };
        serde_json::from_slice(&plain)
            .map(Some)
            .map_err(|error| Failure::Internal(format!("the flow {} cannot be read: {error}", record.id)))
    }
}

/// Whether a flow is too old to go on (`ttl.login_consent_request`).
pub(crate) fn is_expired(cx: &Cx<'_>, flow: Id) -> bool {
    began(flow).plus(cx.policy.challenge_life) < cx.now
}

/// When the row may go: long enough after the flow's end that a late visitor still learns where to begin again.
pub(crate) fn removal(cx: &Cx<'_>, flow: Id) -> Timestamp {
    began(flow).plus(cx.policy.challenge_life.saturating_mul(2))
}

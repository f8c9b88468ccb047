//! What a client chose about the tokens and answers that it gets.
//!
//! `access_token_strategy` is an addition of Hydra's admin API.

use serde::{Deserialize, Serialize};

use super::metadata::Metadata;
use crate::token::access::Format;

/// The choices of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// `access_token_strategy`; none means the operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Format>,
}

impl Choices {
    /// Takes the choices out of metadata whose forms were checked.
    pub(super) fn take(metadata: &mut Metadata) -> Self {
        Self {
            access_token: Format::named(&std::mem::take(&mut metadata.access_token_strategy)),
        }
    }

    /// Puts them back.
    pub(super) fn show(&self, metadata: &mut Metadata) {
        if let Some(format) = self.access_token {
            format.as_str().clone_into(&mut metadata.access_token_strategy);
        }
    }
}

//! Secrets and tokens that a person passes to a command.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A value that is never shown unless asked for, and gone from memory when it is not used any more.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret(String);

impl Secret {
    /// The value itself, for a request or for the person who is to have it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

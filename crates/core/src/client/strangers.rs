//! What strangers may have who register a client (RFC 7591 §5), and who may register at all (§3).

use aws_lc_rs::digest::{SHA256, digest};

use crate::port::Digest;

/// Members that are the operator's unless [`Strangers::members`] names them. `lifespans` stands for all thirteen.
pub const MEMBERS: [&str; 6] = [
    "audience",
    "owner",
    "allowed_cors_origins",
    "metadata",
    "access_token_strategy",
    "lifespans",
];

/// What the operator decided about strangers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// Grant types that they may register for.
    pub grant_types: Vec<String>,
    /// Those of [`MEMBERS`] that they may decide.
    pub members: Vec<String>,
    /// The tokens that let somebody register; none means that everybody may.
    pub initial_tokens: Vec<InitialToken>,
}

/// The digest of a token that lets somebody register (RFC 7591 §3, "initial access token").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialToken(Digest);

impl InitialToken {
    /// That of `token`.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(Digest(bytes))
    }
}

impl Strangers {
    /// Whether who presents `token`, or none, may register. Which one it is takes no part in how long this takes.
    #[must_use]
    pub fn admit(&self, token: Option<&str>) -> bool {
        let presented = token.map(InitialToken::of);
        let known = self.initial_tokens.iter();
        self.initial_tokens.is_empty() || known.fold(false, |found, known| found | (presented.as_ref() == Some(known)))
    }

    /// Whether strangers decide this member.
    pub(super) fn decide(&self, member: &str) -> bool {
        self.members.iter().any(|known| known == member)
    }
}

//! `response_type`: what the client gets at the authorization endpoint itself.
//!
//! OAuth 2.0 Multiple Response Type Encoding Practices §3 and §5, OpenID Connect Core §3.2 and §3.3. What is not a code
//! passes through the browser, where more can read it (RFC 9700 §2.1.2): those types work for clients that are registered
//! for them, and no others.

use crate::client::Client;
use crate::params::Params;

/// Every response type that works, its words sorted, in the order in which discovery lists them.
pub const ALL: [&str; 7] = [
    "code",
    "code id_token",
    "code id_token token",
    "code token",
    "id_token",
    "id_token token",
    "token",
];

/// A response type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseType {
    name: &'static str,
}

impl ResponseType {
    /// The type that a request names; its words come in any order (§3 of the encoding practices).
    pub(crate) fn of(params: &Params) -> Option<Self> {
        let mut words: Vec<&str> = params.get("response_type")?.split_ascii_whitespace().collect();
        words.sort_unstable();
        let sorted = words.join(" ");
        let name = ALL.into_iter().find(|name| *name == sorted)?;
        Some(Self { name })
    }

    fn has(self, word: &str) -> bool {
        self.name.split(' ').any(|other| other == word)
    }

    /// Whether the answer has a code.
    pub(crate) fn has_code(self) -> bool {
        self.has("code")
    }

    /// Whether the answer has an ID token.
    pub(crate) fn has_id_token(self) -> bool {
        self.has("id_token")
    }

    /// Whether the answer has an access token.
    pub(crate) fn has_token(self) -> bool {
        self.has("token")
    }

    /// Whether the answer has nothing that the query of a URL must not carry (§3 of the encoding practices).
    pub(crate) fn is_for_query(self) -> bool {
        !self.has_id_token() && !self.has_token()
    }

    /// Whether the client is registered for the type, and for the grant types that it stands for.
    pub(crate) fn is_registered(self, client: &Client) -> bool {
        let is_implicit = self.has_token() || !self.has_code();
        client.response_types.iter().any(|registered| registered == self.name)
            && (!self.has_code() || client.has_grant_type("authorization_code"))
            && (!is_implicit || client.has_grant_type("implicit"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::form;

    fn named(text: &str) -> Option<&'static str> {
        ResponseType::of(&form(&[("response_type", text)])).map(|found| found.name)
    }

    #[test]
    fn the_order_of_the_words_does_not_matter() {
        assert_eq!(named("token id_token code"), Some("code id_token token"));
        assert_eq!(named("id_token code"), Some("code id_token"));
    }

    #[test]
    fn other_words_and_repeated_ones_are_unknown() {
        for text in ["none", "code code", "Code", "code none", ""] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for name in ALL {
            assert_eq!(named(name), Some(name));
        }
    }
}

//! What a client registered for logout.
//!
//! OpenID Connect RP-Initiated Logout §3.1, Front-Channel Logout §2, Back-Channel Logout §2.2.

use serde_json::Value;

use super::Client;

impl Client {
    /// Whether `uri` is one of `post_logout_redirect_uris`, to the letter.
    #[must_use]
    pub fn may_leave_to(&self, uri: &str) -> bool {
        let registered = self.display.get("post_logout_redirect_uris").and_then(Value::as_array);
        registered.is_some_and(|all| all.iter().any(|registered| registered.as_str() == Some(uri)))
    }

    /// `frontchannel_logout_uri`.
    #[must_use]
    pub fn frontchannel_logout_uri(&self) -> Option<&str> {
        self.text("frontchannel_logout_uri")
    }

    /// `backchannel_logout_uri`.
    #[must_use]
    pub fn backchannel_logout_uri(&self) -> Option<&str> {
        self.text("backchannel_logout_uri")
    }

    /// `skip_logout_consent`: whether the operator trusts the client to have asked the person.
    #[must_use]
    pub fn skips_logout_page(&self) -> bool {
        self.display.get("skip_logout_consent") == Some(&Value::Bool(true))
    }

    fn text(&self, name: &str) -> Option<&str> {
        let text = self.display.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    }
}

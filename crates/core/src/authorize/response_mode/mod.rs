//! Response modes: how an authorization response reaches the client. One file and one line here for each.
//!
//! OAuth 2.0 Multiple Response Type Encoding Practices §2.1.

mod form_post;
mod query;

/// An authorization response on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The browser is redirected to this URL.
    Redirect(String),
    /// The browser posts a form.
    Form {
        /// The client's redirect URI.
        action: String,
        /// The parameters.
        fields: Vec<(String, String)>,
    },
}

/// One response mode.
#[derive(Debug)]
pub struct ResponseMode {
    /// The value of `response_mode`.
    pub name: &'static str,
    deliver: fn(redirect_uri: &str, fields: Vec<(String, String)>) -> Delivery,
}

/// Every mode that works, the default of `response_type=code` first.
pub const ALL: [&ResponseMode; 2] = [&query::MODE, &form_post::MODE];

impl ResponseMode {
    /// The mode with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|mode| mode.name == name)
    }

    /// The mode of a request that names none.
    #[must_use]
    pub fn default_of_code() -> &'static Self {
        &query::MODE
    }

    pub(super) fn deliver(&self, redirect_uri: &str, fields: Vec<(String, String)>) -> Delivery {
        (self.deliver)(redirect_uri, fields)
    }
}

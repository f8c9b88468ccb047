//! Response modes: how an authorization response reaches the client. One file and one line here for each.
//!
//! OAuth 2.0 Multiple Response Type Encoding Practices §2.1.

mod form_post;
mod fragment;
mod query;

use super::response_type::ResponseType;

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

/// Every mode that works.
pub const ALL: [&ResponseMode; 3] = [&query::MODE, &fragment::MODE, &form_post::MODE];

impl ResponseMode {
    /// The mode with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|mode| mode.name == name)
    }

    /// The mode of a request that names none (§2.1 and §5 of the encoding practices).
    pub(super) fn default_of(response_type: Option<ResponseType>) -> &'static Self {
        match response_type {
            Some(response_type) if !response_type.is_for_query() => &fragment::MODE,
            _ => &query::MODE,
        }
    }

    /// Whether an answer of this type may go by this mode: a query ends in logs and in the `Referer` of the next page.
    pub(super) fn suits(&self, response_type: Option<ResponseType>) -> bool {
        self.name != query::MODE.name || response_type.is_none_or(ResponseType::is_for_query)
    }

    pub(super) fn deliver(&self, redirect_uri: &str, fields: Vec<(String, String)>) -> Delivery {
        (self.deliver)(redirect_uri, fields)
    }
}

//! `form_post`: parameters in a form that the browser posts (OAuth 2.0 Form Post Response Mode §2).

use super::{Delivery, ResponseMode};

pub(super) const MODE: ResponseMode = ResponseMode {
    name: "form_post",
    deliver,
};

fn deliver(redirect_uri: &str, fields: Vec<(String, String)>) -> Delivery {
    Delivery::Form {
        action: redirect_uri.to_owned(),
        fields,
    }
}

//! `query`: parameters in the query of the redirect URI (RFC 6749 §4.1.2), whose own query stays (§3.1.2).

use super::{Delivery, ResponseMode};

pub(super) const MODE: ResponseMode = ResponseMode { name: "query", deliver };

fn deliver(redirect_uri: &str, fields: Vec<(String, String)>) -> Delivery {
    let separator = match redirect_uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Delivery::Redirect(format!("{redirect_uri}{separator}{query}"))
}

#[cfg(test)]
mod rfc6749_3_1_2 {
    use super::*;

    fn delivered(uri: &str) -> Delivery {
        deliver(uri, vec![("code".into(), "a b&c".into())])
    }

    #[test]
    fn the_query_of_the_redirect_uri_stays() {
        for (uri, expected) in [
            ("https://a/cb", "https://a/cb?code=a+b%26c"),
            ("https://a/cb?", "https://a/cb?code=a+b%26c"),
            ("https://a/cb?x=1", "https://a/cb?x=1&code=a+b%26c"),
            ("com.example.app:/cb", "com.example.app:/cb?code=a+b%26c"),
        ] {
            assert_eq!(delivered(uri), Delivery::Redirect(expected.into()));
        }
    }
}

//! `fragment`: parameters behind the `#` of the redirect URI, which no server sees (OAuth 2.0 Multiple Response Type
//! Encoding Practices §2.1, RFC 6749 §4.2.2).

use super::{Delivery, ResponseMode};

pub(super) const MODE: ResponseMode = ResponseMode {
    name: "fragment",
    deliver,
};

/// A redirect URI has no fragment of its own: none is registered with one (RFC 6749 §3.1.2).
fn deliver(redirect_uri: &str, fields: Vec<(String, String)>) -> Delivery {
    let fragment = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Delivery::Redirect(format!("{redirect_uri}#{fragment}"))
}

#[cfg(test)]
mod rfc6749_4_2_2 {
    use super::*;

    #[test]
    fn the_query_of_the_redirect_uri_stays() {
        let fields = vec![("access_token".into(), "a b&c".into())];
        let expected = Delivery::Redirect("https://a/cb?x=1#access_token=a+b%26c".into());
        assert_eq!(deliver("https://a/cb?x=1", fields), expected);
    }
}

//! base64url without padding, strictly (RFC 7515 §2): no padding, no white space, no stray bits at the end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The text of `bytes`.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends the text of `bytes` to `text`.
pub(crate) fn push(text: &mut String, bytes: impl AsRef<[u8]>) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// The bytes of `text`, if it is the one text that [`encode`] would write for them.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod rfc7515_2 {
    use super::*;

    #[test]
    fn only_the_canonical_text_of_bytes_is_accepted() {
        assert_eq!(decode("AQAB"), Some(vec![1, 0, 1]));
        for text in ["AQA=", "AQ==", "AQ B", "A+", "A/", "AR", "AQAB\n", "A"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}

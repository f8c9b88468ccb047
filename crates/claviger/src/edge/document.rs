//! Answers that were written once and are sent as they are, until they change: discovery and the published keys.
//!
//! Implements RFC 9110 §8.8.3 (`ETag`) and §13.1.2 (`If-None-Match`): who has the document already gets 304 and no body.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::call::Call;
use super::reply;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A JSON document and the tag that tells it from others.
#[derive(Debug, Clone)]
pub struct Document {
    body: Bytes,
    tag: HeaderValue,
}

impl Document {
    /// The document with these bytes.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
        let hex = digest.as_ref().iter().take(12).map(|byte| format!("{byte:02x}"));
        let tag = format!("\"{}\"", hex.collect::<String>());
        Self {
            // Hexadecimal digits in quotes are a header.
            tag: HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\"")),
            body,
        }
    }

    /// What is sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The document, for scripts of every page too, or 304.
    #[must_use]
    pub fn answer(&self, call: &Call) -> Response {
        let mut response = if self.is_known(call) {
            reply::not_modified()
        } else {
            reply::with_type(StatusCode::OK, JSON, Body::from(self.body.clone()))
        };
        response.headers_mut().insert(ETAG, self.tag.clone());
        reply::readable_anywhere(response)
    }

    fn is_known(&self, call: &Call) -> bool {
        matches!(call.method, Method::GET | Method::HEAD) && names(&call.headers, self.tag.as_bytes())
    }
}

/// Whether `If-None-Match` names this tag, by the weak comparison of §8.8.3.2, or any.
fn names(headers: &HeaderMap, tag: &[u8]) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|header| {
        let mut listed = header.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        listed.any(|listed| listed == b"*" || listed.strip_prefix(b"W/").unwrap_or(listed) == tag)
    })
}

#[cfg(test)]
mod tests {
    use axum::extract::{FromRequest as _, Request};
    use http_body_util::BodyExt as _;

    use super::*;

    async fn ask(document: &Document, known: &str) -> (StatusCode, HeaderMap, Bytes) {
        let request = Request::builder()
            .header(IF_NONE_MATCH, known)
            .body(Body::empty())
            .unwrap();
        let Ok(call) = Call::from_request(request, &()).await;
        let (parts, body) = document.answer(&call).into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn rfc9110_13_1_2_who_has_the_document_gets_no_body() {
        let document = Document::new(Bytes::from_static(b"{}"));
        let (status, headers, body) = ask(&document, "\"other\"").await;
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"{}"[..]));
        let tag = headers[ETAG].to_str().unwrap();
        for known in [tag.to_owned(), format!("\"a\", W/{tag}"), "*".to_owned()] {
            let (status, headers, body) = ask(&document, &known).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert_eq!(headers[ETAG].to_str().unwrap(), tag);
            assert!(!headers.contains_key(http::header::CONTENT_TYPE));
        }
    }

    #[tokio::test]
    async fn rfc9110_8_8_3_another_document_has_another_tag() {
        let (one, two) = (
            Document::new(Bytes::from_static(b"1")),
            Document::new(Bytes::from_static(b"2")),
        );
        let (_, headers, _) = ask(&one, "-").await;
        let (status, ..) = ask(&two, headers[ETAG].to_str().unwrap()).await;
        assert_eq!(status, StatusCode::OK);
    }
}

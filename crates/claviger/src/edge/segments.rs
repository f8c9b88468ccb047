//! The parts of a path that a route leaves open.

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Resource;
use super::reply;

/// The open segments of a path, decoded: one as text, several as a tuple. An encoded `/` is part of its segment.
#[derive(Debug)]
pub struct Segments<T>(pub T);

impl<T, S> FromRequestParts<S> for Segments<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        // Names are UTF-8 without NUL, which not every database can hold, so nothing has another name.
        let may_name = !parts.uri.path().contains("%00");
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segments)) if may_name => Ok(Self(segments)),
            _ => Err(reply::admin_error(&Resource::NotFound.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt as _;
    use tower_service::Service as _;

    use super::*;

    async fn ask(path: &str) -> (StatusCode, String) {
        let handler = |Segments((one, other)): Segments<(String, String)>| async move { format!("{one} and {other}") };
        let mut router: Router = Router::new().route("/{one}/{other}", get(handler));
        let Ok(response) = router.call(Request::get(path).body(Body::empty()).unwrap()).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_encoded_slash_does_not_end_a_segment() {
        assert_eq!(ask("/a%2Fb/c%20d").await, (StatusCode::OK, "a/b and c d".to_owned()));
    }

    #[tokio::test]
    async fn a_segment_that_is_not_utf_8_or_has_a_nul_names_nothing() {
        for path in ["/a/%FF", "/a/b%00c", "/%00/b"] {
            let (status, body) = ask(path).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
            assert!(body.starts_with("{\"error\":"), "{body}");
        }
    }
}

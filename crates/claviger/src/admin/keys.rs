//! `/admin/keys`: the key sets of the server.
//!
//! Hydra's shapes (`{"keys":[…]}`, private members included), with what it does not check checked: `use`, `alg`, and
//! that a key can do what it is for (D33). The path's `kid` of a PUT counts only if the body has none.

use axum::response::Response;
use claviger_jose::Jwk;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::unreadable;
use crate::edge::call::Call;
use crate::edge::problem::{Problem, Resource};
use crate::edge::reply;
use crate::keys::sets::{KeySets, NewKey, SetError};

#[derive(Serialize)]
struct SetResponse<'a> {
    keys: &'a [Jwk],
}

/// `GET /admin/keys/{set}`
///
/// # Errors
/// 404 `Not Found` if the set has no key.
pub async fn read_set(sets: &KeySets<'_>, set: &str) -> Result<Response, Problem> {
    let keys = sets.read(set).await?;
    Ok(reply::admin(StatusCode::OK, &SetResponse { keys: &keys }))
}

/// `POST /admin/keys/{set}`: makes a key.
///
/// # Errors
/// 400 for what is not supported, 409 for a `kid` that is taken.
pub async fn create(sets: &KeySets<'_>, set: &str, call: &mut Call) -> Result<Response, Problem> {
    let wanted: NewKey = call.json().await.map_err(unreadable)?;
    let key = sets.create(set, &wanted).await?;
    let mut response = reply::admin(StatusCode::CREATED, &SetResponse { keys: &[key] });
    let base = sets.cx.policy.issuer.trim_end_matches('/');
    let location = format!("{base}/keys/{}", utf8_percent_encode(set, SEGMENT));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// What stands for itself in a path segment: the unreserved characters of RFC 3986 §2.3.
const SEGMENT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `PUT /admin/keys/{set}`: replaces a set, or empties it.
///
/// # Errors
/// 400 if any key is unusable; then nothing is changed.
pub async fn replace_set(sets: &KeySets<'_>, set: &str, call: &mut Call) -> Result<Response, Problem> {
    let body = call.bytes().await?;
    let keys = sets.replace(set, &body).await?;
    Ok(reply::admin(StatusCode::OK, &SetResponse { keys: &keys }))
}

/// `DELETE /admin/keys/{set}`
///
/// # Errors
/// Only if the database does not answer.
pub async fn delete_set(sets: &KeySets<'_>, set: &str) -> Result<Response, Problem> {
    sets.delete(set).await?;
    Ok(reply::no_content())
}

/// `GET /admin/keys/{set}/{kid}`: a set of one key.
///
/// # Errors
/// 404 `Unable to locate the resource`.
pub async fn read_key(sets: &KeySets<'_>, set: &str, kid: &str) -> Result<Response, Problem> {
    let key = sets.read_key(set, kid).await?;
    Ok(reply::admin(StatusCode::OK, &SetResponse { keys: &[key] }))
}

/// `PUT /admin/keys/{set}/{kid}`: inserts or replaces one key.
///
/// # Errors
/// 400 if the key is unusable.
pub async fn put_key(sets: &KeySets<'_>, set: &str, kid: &str, call: &mut Call) -> Result<Response, Problem> {
    let body = call.bytes().await?;
    let key = sets.put(set, kid, &body).await?;
    Ok(reply::admin(StatusCode::OK, &key))
}

/// `DELETE /admin/keys/{set}/{kid}`
///
/// # Errors
/// Only if the database does not answer.
pub async fn delete_key(sets: &KeySets<'_>, set: &str, kid: &str) -> Result<Response, Problem> {
    sets.delete_key(set, kid).await?;
    Ok(reply::no_content())
}

impl From<SetError> for Problem {
    fn from(error: SetError) -> Self {
        let resource = match error {
            SetError::Keys(error) => return Self::Failure(error.into()),
            SetError::UnknownKey => return Resource::Missing.into(),
            SetError::Exists => return Resource::Exists.into(),
            SetError::UnknownSet => Resource::Unknown,
            SetError::UnsupportedAlg(_) => Resource::BadRequest,
            _ => Resource::Malformed,
        };
        resource.because(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::{FromRequest as _, Request};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::keys::testing::{Server, Shelf};

    async fn call(body: impl Into<Body>) -> Call {
        let Ok(call) = Call::from_request(Request::new(body.into()), &()).await;
        call
    }

    /// What goes over the wire: status, `Location`, body.
    async fn sent(answer: Result<Response, Problem>) -> (u16, Option<String>, Value) {
        let response = answer.unwrap_or_else(|problem| reply::admin_error(&problem));
        let location = response
            .headers()
            .get(LOCATION)
            .map(|value| value.to_str().expect("ASCII").to_owned());
        let status = response.status().as_u16();
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("the body is whole")
            .to_bytes();
        (status, location, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn refused(answer: Result<Response, Problem>) -> (u16, String) {
        let (status, _, body) = sent(answer).await;
        (
            status,
            body["error"].as_str().expect("a refusal has a title").to_owned(),
        )
    }

    #[tokio::test]
    async fn a_key_is_created_with_a_location_and_its_private_members() {
        let server = Server::new(&Shelf::new());
        let mut call = call(r#"{"alg":"ES256","use":"sig","kid":"k"}"#).await;
        let (status, location, body) = sent(create(&server.sets(), "a set", &mut call).await).await;
        assert_eq!(
            (status, location.as_deref()),
            (201, Some("http://127.0.0.1:4444/keys/a%20set"))
        );
        let key = &body["keys"][0];
        assert_eq!(
            (&key["kid"], &key["alg"], &key["use"]),
            (&json!("k"), &json!("ES256"), &json!("sig"))
        );
        assert!(key["d"].is_string());

        let (status, _, read) = sent(read_key(&server.sets(), "a set", "k").await).await;
        assert_eq!((status, &read), (200, &body));
        let (status, _, read) = sent(read_set(&server.sets(), "a set").await).await;
        assert_eq!((status, &read), (200, &body));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_in_hydras_words() {
        let server = Server::new(&Shelf::new());
        assert_eq!(
            refused(read_set(&server.sets(), "s").await).await,
            (404, "Not Found".into())
        );
        let missing = (404, "Unable to locate the resource".to_owned());
        assert_eq!(refused(read_key(&server.sets(), "s", "k").await).await, missing);
        assert_eq!(sent(delete_set(&server.sets(), "s").await).await.0, 204);
        assert_eq!(sent(delete_key(&server.sets(), "s", "k").await).await.0, 204);
    }

    #[tokio::test]
    async fn refusals_have_the_titles_that_programs_compare() {
        let server = Server::new(&Shelf::new());
        let malformed = "The request was malformed or contained invalid parameters";
        let table = [
            ("{", malformed),
            ("", malformed),
            (r#"{"alg":7}"#, malformed),
            (r#"{"alg":"ES256","use":"foo"}"#, malformed),
            ("{}", "Bad Request"),
            (r#"{"alg":"HS1"}"#, "Bad Request"),
        ];
        for (body, title) in table {
            let mut call = call(body).await;
            let refusal = refused(create(&server.sets(), "s", &mut call).await).await;
            assert_eq!(refusal, (400, title.to_owned()), "{body}");
        }
        for expected in [201, 409] {
            let mut call = call(r#"{"alg":"EdDSA","kid":"k"}"#).await;
            assert_eq!(sent(create(&server.sets(), "s", &mut call).await).await.0, expected);
        }
    }

    #[tokio::test]
    async fn a_set_is_replaced_and_emptied() {
        let server = Server::new(&Shelf::new());
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "k", "use": "sig", "alg": "EdDSA", "custom": {"kept": true},
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let body = json!({ "keys": [key] });
        let mut replacing = call(body.to_string()).await;
        assert_eq!(
            sent(replace_set(&server.sets(), "s", &mut replacing).await).await,
            (200, None, body.clone())
        );
        assert_eq!(sent(read_set(&server.sets(), "s").await).await, (200, None, body));
        let mut putting = call(key.to_string()).await;
        assert_eq!(
            sent(put_key(&server.sets(), "s", "other", &mut putting).await).await,
            (200, None, key)
        );
        let mut emptying = call(r#"{"keys":[]}"#).await;
        assert_eq!(sent(replace_set(&server.sets(), "s", &mut emptying).await).await.0, 200);
        assert_eq!(refused(read_set(&server.sets(), "s").await).await.0, 404);
    }

    #[tokio::test]
    async fn d33_keys_that_cannot_do_what_they_are_for_are_refused() {
        let server = Server::new(&Shelf::new());
        let off_curve = json!({
            "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        });
        for body in [off_curve.to_string(), r#"{"kty":"EC"}"#.into(), "{".into(), "[]".into()] {
            let mut putting = call(body.clone()).await;
            assert_eq!(
                refused(put_key(&server.sets(), "s", "k", &mut putting).await).await.0,
                400,
                "{body}"
            );
            let mut replacing = call(format!("{{\"keys\":[{body}]}}")).await;
            let refusal = refused(replace_set(&server.sets(), "s", &mut replacing).await).await;
            assert_eq!(refusal.0, 400, "{body}");
        }
    }

    #[tokio::test]
    async fn d5_a_database_that_is_away_is_503() {
        let server = Server::new(&Shelf::new());
        server.store.down.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(
            refused(read_set(&server.sets(), "s").await).await,
            (503, "temporarily_unavailable".into())
        );
    }
}

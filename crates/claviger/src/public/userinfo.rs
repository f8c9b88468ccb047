//! `/userinfo`: claims about the person who granted an access token.
//!
//! Implements OpenID Connect Core §5.3 and RFC 6750 §2 and §3 over HTTP.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use claviger_core::params::Params;
use claviger_core::token::lookup::KnownAccess;
use claviger_core::userinfo::{UserInfo, bearer, userinfo};
use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderValue, StatusCode};

use super::client;
use crate::edge::call::{Call, Unreadable};
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// OpenID Connect Core §5.3.2.
const JWT: HeaderValue = HeaderValue::from_static("application/jwt");

/// `GET /userinfo`
pub async fn get(State(provider): State<Shared>, call: Call) -> Response {
    told(&provider, &call, &Params::default()).await
}

/// `POST /userinfo`
pub async fn post(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = match call.form().await {
        Ok(form) => form,
        // Only a form can carry a token (RFC 6750 §2.2); what else is in a body does not concern us.
        Err(Unreadable::NotAForm) => Params::default(),
        Err(unreadable) => return reply::bearer_error(&unreadable.into()),
    };
    told(&provider, &call, &form).await
}

async fn told(provider: &Provider, call: &Call, form: &Params) -> Response {
    let answer = answer(provider, call, form).await;
    let response = answer.unwrap_or_else(|problem| reply::bearer_error(&problem));
    if !call.headers.contains_key(ORIGIN) {
        return response;
    }
    let client = client_of(provider, call, form).await;
    client::readable(provider, call, client.as_deref(), response).await
}

async fn answer(provider: &Provider, call: &Call, form: &Params) -> Result<Response, Problem> {
    let token = bearer(call.header(&AUTHORIZATION), form)?;
    Ok(match userinfo(&provider.world(), token).await? {
        UserInfo::Plain(claims) => reply::admin(StatusCode::OK, &claims),
        UserInfo::Signed(token) => reply::with_type(StatusCode::OK, JWT, Body::from(token)),
    })
}

/// The client that the token was issued to, whose pages may read even that it has expired.
async fn client_of(provider: &Provider, call: &Call, form: &Params) -> Option<Arc<str>> {
    let token = bearer(call.header(&AUTHORIZATION), form).ok()?;
    let known = KnownAccess::find(&provider.world(), token).await.ok()??;
    Some(known.client_id().clone())
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Stage, call, form, sent};

    async fn got(stage: &Stage, uri: &str, authorization: &str) -> (u16, String, Value) {
        let request = Request::builder().uri(uri).header(AUTHORIZATION, authorization);
        let call = call(request.body(Body::empty()).expect("a request")).await;
        sent(get(State(stage.provider.clone()), call).await, "www-authenticate").await
    }

    #[tokio::test]
    async fn the_person_is_told_to_who_has_the_token() {
        let stage = Stage::new(&[]).await;
        let token = stage.granted(&stage.client("app").await).await.access;
        let (status, _, claims) = got(&stage, "/userinfo", &format!("Bearer {}", &*token.text)).await;
        assert_eq!(
            (status, &claims["sub"], &claims["aud"]),
            (200, &json!("alice"), &json!(["app"]))
        );
        let posted = form(None, &format!("access_token={}", &*token.text)).await;
        let posted = post(State(stage.provider.clone()), posted).await;
        assert_eq!(sent(posted, "-").await, (200, String::new(), claims));
    }

    #[tokio::test]
    async fn a_token_in_the_query_is_not_looked_at() {
        let stage = Stage::new(&[]).await;
        let token = stage.granted(&stage.client("app").await).await.access;
        let uri = format!("/userinfo?access_token={}", &*token.text);
        let (status, challenge, _) = got(&stage, &uri, "").await;
        assert_eq!((status, challenge.as_str()), (401, "Bearer"));
    }

    #[tokio::test]
    async fn a_token_in_header_and_form_is_refused() {
        let stage = Stage::new(&[]).await;
        let twice = Request::builder()
            .method("POST")
            .header("content-type", "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, "Bearer a")
            .body(Body::from("access_token=a"))
            .expect("a request");
        let twice = call(twice).await;
        let (status, _, body) = sent(post(State(stage.provider.clone()), twice).await, "-").await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));
    }

    #[tokio::test]
    async fn a_body_that_is_no_form_does_not_matter() {
        let stage = Stage::new(&[]).await;
        let token = stage.granted(&stage.client("app").await).await.access;
        let request = Request::builder()
            .method("POST")
            .header("content-type", "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", &*token.text))
            .body(Body::from("{}"))
            .expect("a request");
        let response = post(State(stage.provider.clone()), call(request).await).await;
        assert_eq!(response.status(), StatusCode::OK);
    }

    /// RFC 6750 §3.
    #[tokio::test]
    async fn d25_the_challenge_says_what_is_wrong_with_the_token() {
        let stage = Stage::new(&[]).await;
        let client = stage.client("app").await;
        let refresh = stage.granted(&client).await.refresh;
        let own = stage.own_token(&client).await;
        let cases = [
            ("nonsense", 401, "invalid_token"),
            (&refresh.text, 401, "invalid_token"),
            (&own.text, 403, "insufficient_scope"),
        ];
        for (token, expected, error) in cases {
            let (status, challenge, body) = got(&stage, "/userinfo", &format!("Bearer {token}")).await;
            assert_eq!((status, &body["error"]), (expected, &json!(error)));
            assert!(
                challenge.starts_with(&format!("Bearer error=\"{error}\"")),
                "{challenge}"
            );
        }
    }
}

//! `/admin/oauth2/tokens` and `/oauth2/flush`: the end of a client's access tokens, and of rows that have expired.

use axum::extract::State;
use axum::response::Response;
use claviger_core::context::{Id, Timestamp};
use claviger_core::fault::Fault;
use claviger_core::port::{Change, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

/// Rows of each kind that one round removes.
const ROUND: u32 = 1_000;
/// Rounds of one request. What is left goes with the next one, or by the server itself in the background.
const MOST_ROUNDS: u32 = 100;

/// `DELETE /admin/oauth2/tokens?client_id=`: ends the access tokens of a client. Its refresh tokens live on.
pub async fn delete(State(provider): State<Shared>, call: Call) -> Response {
    match end_access(&provider, &call).await {
        Ok(()) => reply::no_content(),
        Err(problem) => reply::admin_error(&problem),
    }
}

async fn end_access(provider: &Provider, call: &Call) -> Result<(), Problem> {
    let query = call.query()?;
    let client = query.get("client_id").ok_or(Fault::ClientIdAbsent)?;
    let change = Change::RevokeClientAccess {
        client: client.to_owned(),
        up_to: Id::last_of(provider.cx().millis),
    };
    match provider.store.apply(change).await? {
        Outcome::Applied | Outcome::LostRace => Ok(()),
    }
}

/// The body of a flush, as the command line of Hydra 1 sends it.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "flushInactiveOAuth2TokensRequest")]
pub(crate) struct FlushRequest {
    /// RFC 3339: what expired later stays.
    #[serde(rename = "notAfter", default)]
    not_after: Option<String>,
}

/// `POST /oauth2/flush`: removes expired rows now.
pub async fn flush(State(provider): State<Shared>, mut call: Call) -> Response {
    match remove_expired(&provider, &mut call).await {
        Ok(()) => reply::no_content(),
        Err(problem) => reply::admin_error(&problem),
    }
}

async fn remove_expired(provider: &Provider, call: &mut Call) -> Result<(), Problem> {
    let request: FlushRequest = call.json().await?;
    let now = provider.cx().now;
    let until = match request.not_after {
        Some(text) => now.min(time(&text)?),
        None => now,
    };
    for _ in 0..MOST_ROUNDS {
        let purged = provider.store.purge(until, ROUND).await?;
        if purged.rows == 0 || purged.busy {
            break;
        }
    }
    Ok(())
}

fn time(text: &str) -> Result<Timestamp, Problem> {
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        Problem::from(Fault::AnswerMalformed.because("The member notAfter is not a time such as 2030-01-31T12:00:00Z."))
    })?;
    Ok(Timestamp(time.as_second()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use claviger_core::port::{FlowRecord, FlowStep, Freshness};
    use serde_json::json;

    use super::*;
    use crate::testing::{Stage, call, sent};

    async fn delete_for(stage: &Stage, query: &str) -> u16 {
        let request = Request::builder().uri(format!("/admin/oauth2/tokens{query}"));
        let call = call(request.body(Body::empty()).expect("a request")).await;
        delete(State(stage.provider.clone()), call).await.status().as_u16()
    }

    #[tokio::test]
    async fn the_access_tokens_of_a_client_end_and_its_refresh_tokens_live_on() {
        let stage = Stage::new(&[]).await;
        let (client, other) = (stage.client("app").await, stage.client("other").await);
        let pair = stage.granted(&client).await;
        let (own, others) = (stage.own_token(&client).await, stage.own_token(&other).await);
        assert_eq!(delete_for(&stage, "?client_id=app").await, 204);
        let store = &stage.provider.store;
        for dead in [pair.access.id, own.id] {
            assert_eq!(store.access(dead).await.expect("the store answers"), None);
        }
        assert!(store.access(others.id).await.expect("the store answers").is_some());
        let refresh = store.refresh(pair.refresh.id, Freshness::Latest).await;
        assert!(
            refresh
                .expect("the store answers")
                .is_some_and(|facts| facts.grant.is_some())
        );
    }

    #[tokio::test]
    async fn a_client_must_be_named_but_need_not_exist() {
        let stage = Stage::new(&[]).await;
        assert_eq!(delete_for(&stage, "?client_id=nobody").await, 204);
        assert_eq!(delete_for(&stage, "").await, 400);
    }

    /// Stores flows that ended one and three hours ago, and says which of them are left.
    async fn flush_with(body: &str) -> (u16, [bool; 2]) {
        let stage = Stage::new(&[]).await;
        let store = &stage.provider.store;
        let now = stage.provider.cx().now.0;
        for hours in [1_u8, 3] {
            let flow = FlowRecord {
                id: Id([hours; 16]),
                step: FlowStep::LoginAnswered,
                version: 0,
                sealed: Vec::new(),
                expires_at: Timestamp(now - i64::from(hours) * 3600),
            };
            let outcome = store.apply(Change::AnswerLogin { flow }).await;
            assert_eq!(outcome.expect("the store answers"), Outcome::Applied);
        }
        let call = call(Request::new(Body::from(body.to_owned()))).await;
        let (status, _, _) = sent(flush(State(stage.provider.clone()), call).await, "-").await;
        let mut left = [false; 2];
        for (left, hours) in left.iter_mut().zip([1, 3]) {
            let flow = store.flow(Id([hours; 16]), Freshness::Latest).await;
            *left = flow.expect("the store answers").is_some();
        }
        (status, left)
    }

    #[tokio::test]
    async fn a_flush_removes_what_had_expired_by_the_time_that_it_names() {
        assert_eq!(flush_with("{}").await, (204, [false, false]));
        let now = jiff::Timestamp::now();
        let earlier = now - jiff::SignedDuration::from_hours(2);
        let body = json!({"notAfter": earlier.to_string()}).to_string();
        assert_eq!(flush_with(&body).await, (204, [true, false]));
        let later = now + jiff::SignedDuration::from_hours(2);
        let body = json!({"notAfter": later.to_string()}).to_string();
        assert_eq!(flush_with(&body).await, (204, [false, false]));
    }

    #[tokio::test]
    async fn a_flush_whose_body_means_nothing_removes_nothing() {
        for body in ["", "{", r#"{"notAfter":"yesterday"}"#, r#"{"notAfter":7}"#] {
            assert_eq!(flush_with(body).await, (400, [true, true]), "{body}");
        }
    }
}

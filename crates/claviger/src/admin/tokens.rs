//! `/admin/oauth2/tokens`: the end of a client's access tokens.

use axum::extract::State;
use axum::response::Response;
use claviger_core::context::Id;
use claviger_core::fault::Fault;
use claviger_core::port::{Change, Outcome};

use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::provider::{Provider, Shared};

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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use claviger_core::port::Freshness;

    use super::*;
    use crate::testing::{Stage, call};

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
}

//! What only Hydra 1.11 has: its paths, its flush, and its way to count pages. One switch (`serve.admin.v1_paths`) takes
//! all of it away.
//!
//! Nothing else here knows of Hydra 1. Where it does the same thing in another way, the way of Hydra 2 is what its
//! programs get, and they take it.

use axum::extract::State;
use axum::response::Response;
use claviger_core::api_key::Area;
use claviger_core::context::Timestamp;
use claviger_core::fault::Fault;
use claviger_core::params::Params;
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::edge::router::Routes;
use crate::openapi::admin::server as about;
use crate::provider::{Provider, Shared};
use crate::public::register;

/// Before every path of Hydra 2's admin port, and before none of Hydra 1's.
const ADMIN_PREFIX: &str = "/admin";
/// Rows of each kind that one round removes.
const ROUND: u32 = 1_000;
/// Rounds of one request. What is left goes with the next one, or by the server itself in the background.
const MOST_ROUNDS: u32 = 100;

/// Where programs for Hydra 1 look for a route of the admin port.
#[must_use]
pub fn path(pattern: &'static str) -> Option<&'static str> {
    pattern.strip_prefix(ADMIN_PREFIX)
}

/// Adds what Hydra 2 has no more to the admin port's table.
#[must_use]
pub fn admin(routes: Routes<'_, Shared>) -> Routes<'_, Shared> {
    routes.on_for(
        &[Area::Clients],
        &Method::POST,
        "/admin/oauth2/flush",
        flush,
        about::flush,
    )
}

/// Adds the paths of registration that Hydra 1 documents, and its programs call, to the public port's table.
#[must_use]
pub fn public(routes: Routes<'_, Shared>) -> Routes<'_, Shared> {
    routes
        .also(&Method::POST, "/connect/register", register::create, "/oauth2/register")
        .also(
            &Method::GET,
            "/connect/register/{id}",
            register::read,
            "/oauth2/register/{id}",
        )
        .also(
            &Method::PUT,
            "/connect/register/{id}",
            register::replace,
            "/oauth2/register/{id}",
        )
        .also(
            &Method::DELETE,
            "/connect/register/{id}",
            register::delete,
            "/oauth2/register/{id}",
        )
}

/// `limit` and `offset`, if a list is asked for that is counted. What cannot be read is left out, as in Hydra 1.
#[must_use]
pub fn count(params: &Params) -> Option<(Option<u32>, u32)> {
    let number = |name| params.get(name).and_then(|text| text.parse::<u32>().ok());
    let is_asked = params.has("limit") || params.has("offset");
    is_asked.then(|| (number("limit"), number("offset").unwrap_or_default()))
}

/// A link to another part of a list that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is to the part that was asked for.
    pub rel: &'static str,
    limit: u64,
    offset: u64,
}

impl Link {
    /// Its parameters.
    #[must_use]
    pub fn target(&self) -> [(&'static str, String); 2] {
        [("limit", self.limit.to_string()), ("offset", self.offset.to_string())]
    }
}

/// Whole pages from the beginning: the first page names what follows, the last one what came before, and a list of one
/// page names itself.
#[must_use]
pub fn links(size: u32, offset: u64, total: u64) -> Vec<Link> {
    let size = u64::from(size);
    let to = |rel, limit: u64, offset: u64| Link { rel, limit, offset };
    if total <= size {
        return vec![to("first", total, 0)];
    }
    let here = offset / size * size;
    let last = (total - 1) / size * size;
    let mut links = Vec::new();
    if here > 0 {
        links.push(to("first", size, 0));
    }
    if here < last {
        links.push(to("next", size, here + size));
    }
    if here > 0 {
        links.push(to("prev", size, (here - size).min(last)));
    }
    if here < last {
        links.push(to("last", size, last));
    }
    links
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
async fn flush(State(provider): State<Shared>, mut call: Call) -> Response {
    match remove_expired(&provider, &mut call).await {
        Ok(()) => reply::no_content(),
        Err(problem) => reply::admin_error(&problem),
    }
}

async fn remove_expired(provider: &Provider, call: &mut Call) -> Result<(), Problem> {
    let request: FlushRequest = call.json().await?;
    let now = provider.cx().now;
    let earlier = request
        .not_after
        .as_deref()
        .map(time)
        .transpose()?
        .filter(|time| *time < now);
    for _ in 0..MOST_ROUNDS {
        let purged = match earlier {
            Some(earlier) => provider.store.purge_older(earlier, ROUND).await?,
            None => provider.store.purge(now, ROUND).await?,
        };
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
    use claviger_core::context::Id;
    use claviger_core::port::{Change, FlowRecord, FlowStep, Freshness, Outcome};
    use serde_json::json;

    use super::*;
    use crate::testing::{Stage, call, sent};

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

    proptest::proptest! {
        /// Whoever follows the links sees every page once and stays in the list.
        #[test]
        fn links_of_counted_lists_lead_through_the_whole_list(size in 1..50_u32, total in 0..2_000_u64, offset: u32) {
            let mut seen = 0;
            let mut next = Some(0);
            while let Some(at) = next {
                seen += u64::from(size).min(total - at);
                next = links(size, at, total).iter().find(|link| link.rel == "next").map(|link| link.offset);
            }
            proptest::prop_assert_eq!(seen, total);
            for link in links(size, u64::from(offset), total) {
                proptest::prop_assert!(link.offset < total.max(1) && link.offset % u64::from(size) == 0, "{:?}", link);
            }
        }

        #[test]
        fn counts_of_any_shape_are_read(limit in "[0-9+ -]{0,12}|.{0,4}", offset in "[0-9+ -]{0,12}|.{0,4}") {
            let params = Params::from_pairs(vec![("limit".to_owned(), limit.clone()), ("offset".to_owned(), offset)]);
            let (size, _) = count(&params).expect("it is asked for");
            proptest::prop_assert!(size.is_none_or(|size| limit.ends_with(&size.to_string())));
        }
    }
}

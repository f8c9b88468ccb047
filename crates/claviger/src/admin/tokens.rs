//! `/admin/oauth2/tokens` and `/oauth2/flush`: the end of a client's access tokens, and of rows that have expired.

use axum::extract::State;
use axum::response::Response;
use claviger_core::context::{Id, Timestamp};
use claviger_core::fault::Fault;
use claviger_core::port::{Change, Outcome};
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
#[derive(Deserialize)]
struct FlushRequest {
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

//! Authorization requests that cannot be read whole: a parameter was repeated, or is no percent-encoded UTF-8.
//!
//! RFC 6749 §4.1.2.1: the client hears of it, unless the client or its address is what cannot be read.

use super::Reply;
use super::end::End;
use super::request::Refused;
use super::start::LONGEST;
use crate::fault::Failure;
use crate::params::Params;
use crate::port::Freshness;
use crate::world::World;

/// Answers such a request, whose parameters were sent as `encoded`.
pub async fn refuse_unreadable(world: &World<'_>, encoded: &[u8], failure: Failure) -> Reply {
    let refused = match end(world, encoded).await {
        Some(end) => end.refuse(failure),
        None => Refused::Here(failure),
    };
    Reply::failed(refused)
}

/// Where the client is told, by what is certain.
async fn end(world: &World<'_>, encoded: &[u8]) -> Option<End> {
    let params = Params::certain(encoded, &["client_id", "redirect_uri"])?;
    if params.size() > LONGEST {
        return None;
    }
    let client = world.client(params.get("client_id")?, Freshness::Latest).await.ok()??;
    End::find(world, &client, &params, None).await.ok()
}

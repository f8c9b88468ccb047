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
        Ok(Some(end)) => end.refuse(failure),
        Ok(None) => Refused::Here(failure),
        Err(other) => Refused::Here(other),
    };
    Reply::failed(refused)
}

/// Where the client is told, by what is certain. An error if the database does not say who it is.
async fn end(world: &World<'_>, encoded: &[u8]) -> Result<Option<End>, Failure> {
    let Some(params) =
        Params::certain(encoded, &["client_id", "redirect_uri"]).filter(|params| params.size() <= LONGEST)
    else {
        return Ok(None);
    };
    let Some(id) = params.get("client_id") else {
        return Ok(None);
    };
    let Some(client) = world.client(id, Freshness::Latest).await? else {
        return Ok(None);
    };
    Ok(End::find(world, &client, &params, None).await.ok())
}

#[cfg(test)]
mod rfc6749_4_1_2_1 {
    use super::*;
    use crate::authorize::{Delivery, Destination};
    use crate::fault::Fault;
    use crate::params::ParamsError;
    use crate::testing::{Desk, now};

    fn answered(desk: &Desk, query: &[u8]) -> Destination {
        let failure = Failure::from(ParamsError::Repeated("state".to_owned()));
        now(refuse_unreadable(&desk.world(), query, failure)).to
    }

    #[test]
    fn the_client_is_told_unless_the_database_does_not_say_who_it_is() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let uri = &client.redirect_uris[0];
        let query = format!("client_id=app&redirect_uri={uri}&response_type=code&state=a&state=b");
        let told = answered(&desk, query.as_bytes());
        assert!(matches!(&told, Destination::Client(Delivery::Redirect(to)) if to.starts_with(uri.as_str())));
        let flood = format!("{query}{}", "&x=1".repeat(200));
        let here = answered(&desk, flood.as_bytes());
        assert!(matches!(here, Destination::ErrorPage(failure) if failure.fault() != Fault::Internal));
        desk.store.go_down();
        let away = answered(&desk, query.as_bytes());
        assert!(matches!(away, Destination::ErrorPage(Failure::Store(_))));
    }
}

//! Which client sent a form to the public port.

use claviger_core::client_auth::{Authenticated, Credentials, authenticate};
use claviger_core::fault::Fault;
use claviger_core::params::Params;
use claviger_core::port::Freshness;
use claviger_core::world::World;
use http::header::AUTHORIZATION;

use crate::edge::call::Call;
use crate::edge::problem::Problem;

/// What the sender of `form` shows to prove which client it is.
pub(super) fn credentials<'a>(call: &'a Call, form: &'a Params) -> Result<Credentials<'a>, Problem> {
    if form.is_empty() {
        return Err(Fault::EmptyRequest.into());
    }
    if call.headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(Fault::CredentialsTwice.into());
    }
    Ok(Credentials {
        authorization: call.header(&AUTHORIZATION),
        params: form,
    })
}

/// The client that sent `form`, as the database has it now.
pub(super) async fn sender(world: &World<'_>, call: &Call, form: &Params) -> Result<Authenticated, Problem> {
    let credentials = credentials(call, form)?;
    Ok(authenticate(world, &credentials, Freshness::Latest).await?)
}

//! Which client sent a form to the public port.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_core::client::metadata::Metadata;
use claviger_core::client_auth::{Authenticated, Credentials, authenticate};
use claviger_core::fault::Fault;
use claviger_core::params::Params;
use claviger_core::port::Freshness;
use claviger_core::world::World;
use http::header::{AUTHORIZATION, ORIGIN};
use zeroize::Zeroizing;

use crate::edge::call::Call;
use crate::edge::cors::ClientOrigins;
use crate::edge::problem::Problem;
use crate::provider::Provider;

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

/// The client that the sender says it is, for the audit log.
pub(super) fn presented(call: &Call, form: &Params) -> Option<String> {
    if let Some(id) = form.get("client_id") {
        return Some(id.to_owned());
    }
    let (scheme, credentials) = call.header(&AUTHORIZATION)?.split_once(' ')?;
    let credentials = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
    let end = credentials.iter().position(|byte| *byte == b':')?;
    let id = String::from_utf8_lossy(credentials.get(..end)?).into_owned();
    scheme.eq_ignore_ascii_case("basic").then_some(id)
}

/// The client that sent `form`, as the database has it now.
pub(super) async fn sender(world: &World<'_>, call: &Call, form: &Params) -> Result<Authenticated, Problem> {
    let credentials = credentials(call, form)?;
    Ok(authenticate(world, &credentials, Freshness::Latest).await?)
}

/// The answer with the origins whose pages may read it, as the client that `id` names lists them now. Whoever names a
/// client gets that client's pages only, so it need not be authenticated.
pub(super) async fn readable(provider: &Provider, call: &Call, id: Option<&str>, mut response: Response) -> Response {
    let (Some(id), true) = (id, call.headers.contains_key(ORIGIN)) else {
        return response;
    };
    if let Ok(Some(client)) = provider.world().client(id, Freshness::Latest).await
        && let Ok(metadata) = Metadata::of(&client)
    {
        response
            .extensions_mut()
            .insert(ClientOrigins(metadata.allowed_cors_origins));
    }
    response
}

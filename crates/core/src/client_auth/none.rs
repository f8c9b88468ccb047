//! `none`: a public client says who it is and proves nothing.
//!
//! Implements RFC 6749 §2.1 and §3.2.1 ("A client MAY use the "client_id" request parameter to identify itself").

use super::{Credentials, Presented, Shown};
use crate::client::AuthMethod;
use crate::fault::Failure;

/// A `client_id` in the form and nothing else.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the table of methods holds one type of function"
)]
pub(super) fn read(credentials: &Credentials<'_>) -> Result<Option<Presented>, Failure> {
    let params = credentials.params;
    let has_assertion = params.has("client_assertion") || params.has("client_assertion_type");
    let is_alone = credentials.authorization.is_none() && params.get("client_secret").is_none() && !has_assertion;
    let id = params.get("client_id");
    Ok(id.filter(|_| is_alone).map(|id| Presented {
        method: AuthMethod::None,
        id: id.to_owned(),
        shown: Shown::Nothing,
    }))
}

//! `client_secret_post`: id and secret in the form.
//!
//! Implements RFC 6749 §2.3.1 ("including the client credentials in the request-body").

use zeroize::Zeroizing;

use super::{Credentials, Presented, Shown};
use crate::client::AuthMethod;
use crate::fault::Failure;

/// A `client_secret` in the form.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the table of methods holds one type of function"
)]
pub(super) fn read(credentials: &Credentials<'_>) -> Result<Option<Presented>, Failure> {
    let params = credentials.params;
    Ok(params.get("client_secret").map(|secret| Presented {
        method: AuthMethod::ClientSecretPost,
        id: params.get("client_id").unwrap_or_default().to_owned(),
        shown: Shown::Secret(Zeroizing::new(secret.to_owned())),
    }))
}

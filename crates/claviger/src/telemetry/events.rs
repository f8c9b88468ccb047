//! What came to pass, as events of the span that it happened in, under the names and with the attributes that Hydra's have.
//!
//! They have the target of spans, which the log never shows: without a collector nobody listens, and each costs a look at
//! a flag. A token, code or secret is in none.

use claviger_core::witness::{Parties, Seen, Witness};

use super::trace::TARGET;

/// Writes events of the current span.
pub(crate) struct SpanEvents;

/// An event whose name is Hydra's.
macro_rules! event {
    ($name:literal $(, $attribute:ident = $value:expr)*) => {
        tracing::info!(target: TARGET, $($attribute = $value,)* $name)
    };
}

impl Witness for SpanEvents {
    fn see(&self, seen: Seen<'_>) {
        match seen {
            Seen::LoginAccepted(Parties { client, subject }) => {
                event!("OAuth2LoginAccepted", OAuth2ClientID = client, OAuth2Subject = subject);
            }
            Seen::LoginRejected { client } => event!("OAuth2LoginRejected", OAuth2ClientID = client),
            Seen::ConsentAccepted(Parties { client, subject }) => {
                event!(
                    "OAuth2ConsentAccepted",
                    OAuth2ClientID = client,
                    OAuth2Subject = subject
                );
            }
            Seen::ConsentRejected(Parties { client, subject }) => {
                event!(
                    "OAuth2ConsentRejected",
                    OAuth2ClientID = client,
                    OAuth2Subject = subject
                );
            }
            Seen::UserCodeAccepted { client } => event!("OAuth2DeviceUserCodeAccepted", OAuth2ClientID = client),
            Seen::ClientCreated { client, name } => {
                event!("OAuth2ClientCreated", OAuth2ClientID = client, OAuth2ClientName = name);
            }
            Seen::ClientUpdated { client, name } => {
                event!("OAuth2ClientUpdated", OAuth2ClientID = client, OAuth2ClientName = name);
            }
            Seen::ClientDeleted { client } => event!("OAuth2ClientDeleted", OAuth2ClientID = client),
            Seen::Issued {
                to: Parties { client, subject },
                grant_type,
                access,
                refresh,
                id_token,
            } => {
                if let Some(format) = access {
                    event!(
                        "OAuth2AccessTokenIssued",
                        OAuth2ClientID = client,
                        OAuth2Subject = subject,
                        OAuth2GrantType = grant_type,
                        OAuth2TokenFormat = format.as_str()
                    );
                }
                if refresh {
                    event!(
                        "OAuth2RefreshTokenIssued",
                        OAuth2ClientID = client,
                        OAuth2Subject = subject,
                        OAuth2GrantType = grant_type
                    );
                }
                if id_token {
                    event!(
                        "OIDCIdentityTokenIssued",
                        OAuth2ClientID = client,
                        OAuth2Subject = subject,
                        OAuth2GrantType = grant_type
                    );
                }
            }
            Seen::Inspected(Parties { client, subject }) => {
                event!(
                    "OAuth2AccessTokenInspected",
                    OAuth2ClientID = client,
                    OAuth2Subject = subject
                );
            }
            Seen::Revoked { client } => event!("OAuth2AccessTokenRevoked", OAuth2ClientID = client),
        }
    }
}

/// Consents were taken back, all of a person's or those that one client has, or one by its name.
pub(crate) fn consents_revoked(client: Option<&str>, subject: Option<&str>) {
    event!("OAuth2ConsentRevoked", OAuth2ClientID = client, OAuth2Subject = subject);
}

/// The token endpoint has refused a request. The client is as the request names it.
pub(crate) fn exchange_refused(client: Option<&str>, grant_type: &'static str, fault: &'static str) {
    event!(
        "OAuth2TokenExchangeError",
        OAuth2ClientID = client,
        OAuth2GrantType = grant_type,
        ErrorReason = fault
    );
}

//! What clients ask directly: tokens, devices, introspection, revocation.

use claviger_core::device::DeviceAuthorization;
use claviger_core::grant::TokenResponse;
use claviger_core::introspect::Introspection;

use super::BASIC;
use crate::openapi::operation::{Field, Operation, field, needed};

/// How a client says who it is in the form.
const CLIENT: [Field; 4] = [
    field("client_id", "For clients that do not use HTTP Basic."),
    field("client_secret", "For `client_secret_post`."),
    field(
        "client_assertion",
        "For `private_key_jwt` and `client_secret_jwt` (RFC 7523).",
    ),
    field(
        "client_assertion_type",
        "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.",
    ),
];

fn asked<'o>(op: Operation<'o>, own: &[Field]) -> Operation<'o> {
    let fields: Vec<Field> = own.iter().chain(&CLIENT).copied().collect();
    op.form(&fields)
        .may_be_too_large()
        .refuses(401, "`invalid_client`: the client did not authenticate.")
        .header(401, "WWW-Authenticate", "If HTTP Basic was tried.")
        .asks_database()
}

pub fn token(op: Operation<'_>) -> Operation<'_> {
    let op = op.named("oauth2TokenExchange", "oAuth2", "Get tokens (RFC 6749 §3.2)");
    asked(
        op,
        &[
            needed("grant_type", "One of `grant_types_supported` of discovery, but for `implicit`."),
            field("code", "For `authorization_code`."),
            field("redirect_uri", "As in the authorization request, if it was there."),
            field("code_verifier", "RFC 7636."),
            field("refresh_token", "For `refresh_token`."),
            field("device_code", "For `urn:ietf:params:oauth:grant-type:device_code`."),
            field("assertion", "For `urn:ietf:params:oauth:grant-type:jwt-bearer`."),
            field("scope", "For the grants without a person, or to narrow a refresh."),
            field("audience", "For the grants without a person, or to narrow. May repeat."),
            field("resource", "RFC 8707. May repeat."),
        ],
    )
    .security(&[BASIC, ""])
    .answer::<TokenResponse>(200, "The tokens.")
    .refuses(
        400,
        "`invalid_request`, `invalid_grant`, `invalid_scope`, `invalid_target`, `unauthorized_client`, `unsupported_grant_type`, \
         and for devices `authorization_pending`, `slow_down`, `access_denied`, `expired_token`.",
    )
    .refuses(403, "`access_denied`: the operator's token hook refuses.")
}

pub fn device(op: Operation<'_>) -> Operation<'_> {
    let op = op.named(
        "oAuth2DeviceFlow",
        "oAuth2",
        "Begin the authorization of a device (RFC 8628 §3.1)",
    );
    asked(
        op,
        &[
            field("scope", "Registered ones, separated by spaces."),
            field("audience", "Registered ones, separated by spaces. May repeat."),
            field("resource", "RFC 8707. May repeat."),
        ],
    )
    .security(&[BASIC, ""])
    .answer::<DeviceAuthorization>(200, "The codes.")
    .refuses(
        400,
        "`invalid_request`, `invalid_scope`, `invalid_target` or `unauthorized_client`.",
    )
}

pub fn introspect(op: Operation<'_>) -> Operation<'_> {
    let op = op
        .named(
            "introspectOAuth2TokenAsClient",
            "oAuth2",
            "What a token stands for (RFC 7662)",
        )
        .about("For confidential clients: about their own tokens, and access tokens whose `aud` has their id.");
    asked(
        op,
        &[
            needed("token", "An access or refresh token."),
            field("token_type_hint", "Not needed: the token says what it is."),
        ],
    )
    .security(&[BASIC, ""])
    .answer::<Introspection>(200, "What it stands for. Everything else is `{\"active\":false}`.")
    .refuses(
        400,
        "`invalid_request`: there is no `token`, or the form cannot be read.",
    )
}

pub fn revoke(op: Operation<'_>) -> Operation<'_> {
    let op = op
        .named("revokeOAuth2Token", "oAuth2", "End a token (RFC 7009)")
        .about("An access token ends alone; a refresh token ends every token of its grant.");
    asked(
        op,
        &[
            needed("token", "An access or refresh token of the client."),
            field("token_type_hint", "Not needed: the token says what it is."),
        ],
    )
    .security(&[BASIC, ""])
    .empty(200, "It has ended, or was not one of this client's.")
    .refuses(
        400,
        "`invalid_request`: there is no `token`, or the form cannot be read.",
    )
}

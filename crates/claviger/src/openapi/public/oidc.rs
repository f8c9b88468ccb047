//! Discovery, keys, userinfo, registration.

use claviger_core::client::registration::Registered;
use claviger_core::discovery;

use super::{ACCESS_TOKEN, INITIAL_TOKEN, REGISTRATION_TOKEN};
use crate::openapi::operation::{Operation, field};
use crate::openapi::schemas::{ClientBody, Document, JsonWebKeySet, UserInfo};

pub fn document(op: Operation<'_>) -> Operation<'_> {
    op.named("getOpenApiDocument", "metadata", "This document")
        .about("OpenAPI 3.1, of what this port serves under its settings.")
        .answer::<Document>(200, "The document.")
}

pub fn jwks(op: Operation<'_>) -> Operation<'_> {
    op.named(
        "discoverJsonWebKeys",
        "wellknown",
        "The keys that verify what this server signs",
    )
    .answer::<JsonWebKeySet>(200, "The public halves.")
    .asks_database()
}

pub fn discover(op: Operation<'_>) -> Operation<'_> {
    op.named(
        "discoverOidcConfiguration",
        "oidc",
        "What this server can do (OpenID Connect Discovery 1.0)",
    )
    .answer::<discovery::Metadata<'_>>(200, "The metadata.")
    .asks_database()
}

pub fn discover_oauth(op: Operation<'_>) -> Operation<'_> {
    op.named(
        "discoverOAuth2Configuration",
        "oAuth2",
        "What this server can do (RFC 8414)",
    )
    .about("The same document as `/.well-known/openid-configuration`.")
    .answer::<discovery::Metadata<'_>>(200, "The metadata.")
    .asks_database()
}

pub fn discover_oauth_at_path(op: Operation<'_>) -> Operation<'_> {
    op.named(
        "discoverOAuth2ConfigurationOfIssuer",
        "oAuth2",
        "What this server can do, for an issuer with a path (RFC 8414 §3.1)",
    )
    .path("path", "The path of the issuer. It may have several segments.")
    .answer::<discovery::Metadata<'_>>(200, "The metadata.")
    .refuses(404, "The issuer has another path.")
    .asks_database()
}

fn userinfo(op: Operation<'_>) -> Operation<'_> {
    op.answer::<UserInfo>(200, "The claims; a signed JWT if the client is registered for one.")
        .text(
            200,
            "application/jwt",
            "The claims; a signed JWT if the client is registered for one.",
        )
        .refuses(
            401,
            "`request_unauthorized` without a token, `invalid_token` with one that does not live.",
        )
        .header(401, "WWW-Authenticate", "`Bearer` (RFC 6750 §3).")
        .refuses(
            403,
            "`insufficient_scope`: the token was not granted `openid` by a person.",
        )
        .header(403, "WWW-Authenticate", "`Bearer` (RFC 6750 §3).")
        .asks_database()
}

pub fn userinfo_by_get(op: Operation<'_>) -> Operation<'_> {
    let op = op.named(
        "getOidcUserInfo",
        "oidc",
        "Claims about the person (OpenID Connect Core §5.3)",
    );
    userinfo(op.security(&[ACCESS_TOKEN]))
}

pub fn userinfo_by_post(op: Operation<'_>) -> Operation<'_> {
    let op = op
        .named(
            "getOidcUserInfoByForm",
            "oidc",
            "Claims about the person, asked for by a form",
        )
        .security(&[ACCESS_TOKEN, ""])
        .form(&[field(
            "access_token",
            "Instead of the header `Authorization` (RFC 6750 §2.2).",
        )])
        .may_be_too_large()
        .refuses(
            400,
            "`invalid_request`: there are several tokens, or the form cannot be read.",
        );
    userinfo(op)
}

const UNACCEPTABLE: &str =
    "`invalid_client_metadata` or `invalid_redirect_uri`: what a stranger may not set, or what makes no sense.";

fn managed(op: Operation<'_>) -> Operation<'_> {
    op.path("id", "`client_id` of the client.")
        .security(&[REGISTRATION_TOKEN])
        .refuses(401, "`invalid_token`, or `request_unauthorized` without one.")
        .header(401, "WWW-Authenticate", "`Bearer` (RFC 6750 §3).")
        .asks_database()
}

pub fn register(op: Operation<'_>) -> Operation<'_> {
    op.named("createOidcDynamicClient", "oidc", "Register a client (RFC 7591)")
        .about("Only where `oidc.dynamic_client_registration.enabled` is set.")
        .json::<ClientBody>()
        .answer::<Registered>(201, "The client. Its secret and token are shown here and never again.")
        .header(201, "Location", "Where the client manages itself.")
        .refuses(400, UNACCEPTABLE)
        .refuses(
            401,
            "The operator wants an initial access token (RFC 7591 §3), and this is none.",
        )
        .header(401, "WWW-Authenticate", "`Bearer` (RFC 6750 §3).")
        .security(&["", INITIAL_TOKEN])
        .asks_database()
}

pub fn read_registration(op: Operation<'_>) -> Operation<'_> {
    managed(op.named("getOidcDynamicClient", "oidc", "Read a registration (RFC 7592)"))
        .answer::<Registered>(200, "The client, with the token that was shown.")
}

pub fn replace_registration(op: Operation<'_>) -> Operation<'_> {
    managed(op.named("setOidcDynamicClient", "oidc", "Replace a registration (RFC 7592)"))
        .about("The answer has a new registration access token, and the one before ends.")
        .json::<ClientBody>()
        .answer::<Registered>(200, "The client.")
        .refuses(400, UNACCEPTABLE)
}

pub fn delete_registration(op: Operation<'_>) -> Operation<'_> {
    managed(op.named("deleteOidcDynamicClient", "oidc", "End a registration (RFC 7592)"))
        .empty(204, "The client is gone, with all that was granted to it.")
}

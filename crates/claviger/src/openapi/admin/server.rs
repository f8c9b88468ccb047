//! Health, version, metrics, introspection, and what ends tokens by the client.

use claviger_core::introspect::Introspection;

use crate::admin::version::Version;
use crate::health::{Healthy, Unready};
use crate::openapi::operation::{Operation, field, needed};
use crate::openapi::schemas::Document;
use crate::v1::FlushRequest;

pub fn alive(op: Operation<'_>) -> Operation<'_> {
    op.named("isAlive", "metadata", "Whether the process answers")
        .about("Says nothing about the database: a server that cannot reach it is still alive.")
        .answer::<Healthy>(200, "It does.")
}

pub fn ready(op: Operation<'_>) -> Operation<'_> {
    op.named("isReady", "metadata", "Whether requests can be served")
        .about("The database answers, its tables are there, and there are keys to sign with.")
        .answer::<Healthy>(200, "They can.")
        .answer::<Unready>(503, "What is wrong, by the name of the check.")
}

pub fn version(op: Operation<'_>) -> Operation<'_> {
    op.named("getVersion", "metadata", "The release that runs")
        .answer::<Version>(200, "The release.")
}

pub fn metrics(op: Operation<'_>) -> Operation<'_> {
    op.named("getPrometheusMetrics", "metadata", "Everything that is counted")
        .text(200, "text/plain", "The text format of Prometheus.")
}

pub fn document(op: Operation<'_>) -> Operation<'_> {
    op.named("getOpenApiDocument", "metadata", "This document")
        .about("OpenAPI 3.1, of what this port serves under its settings.")
        .answer::<Document>(200, "The document.")
}

pub fn introspect(op: Operation<'_>) -> Operation<'_> {
    op.named("introspectOAuth2Token", "oAuth2", "What a token stands for (RFC 7662)")
        .form(&[
            needed("token", "An access or refresh token."),
            field(
                "scope",
                "Scopes, separated by spaces, without all of which the token does not count as active.",
            ),
            field("token_type_hint", "Not needed: the token says what it is."),
        ])
        .may_be_too_large()
        .answer::<Introspection>(
            200,
            "What it stands for. Everything that is no live token is `{\"active\":false}`.",
        )
        .refuses(400, "`invalid_request`: the form cannot be read or is empty.")
        .asks_database()
}

pub fn delete_tokens(op: Operation<'_>) -> Operation<'_> {
    op.named("deleteOAuth2Token", "oAuth2", "End the access tokens of a client")
        .about("Its refresh tokens live on.")
        .needs_query("client_id", "The client. It need not exist any more.")
        .empty(204, "They have ended.")
        .refuses(400, "`invalid_request`: `client_id` is missing.")
        .asks_database()
}

pub fn flush(op: Operation<'_>) -> Operation<'_> {
    op.named("flushInactiveOAuth2Tokens", "oAuth2", "Remove expired rows now")
        .about("Version 1 needs it. The server removes them by itself, a little later.")
        .json::<FlushRequest>()
        .empty(204, "They are removed.")
        .refuses(
            400,
            "`invalid_request`: the body is no JSON object, or `notAfter` is no time.",
        )
        .asks_database()
}

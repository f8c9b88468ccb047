//! Whose assertions are grants (RFC 7523 §2.1).

use claviger_core::trust::{Trust, TrustRequest};

use crate::openapi::operation::Operation;

pub fn list(op: Operation<'_>) -> Operation<'_> {
    op.named("listTrustedOAuth2JwtGrantIssuers", "oAuth2", "List trusted issuers")
        .query("issuer", "Only this issuer.")
        .pages()
        .answer::<Vec<Trust>>(200, "The issuers of the page.")
        .header(200, "Link", "The pages `first` and `next` (RFC 8288).")
        .refuses(
            400,
            "`page_size` is no number, or `page_token` is of another list or too old.",
        )
        .asks_database()
}

pub fn create(op: Operation<'_>) -> Operation<'_> {
    op.named("trustOAuth2JwtGrantIssuer", "oAuth2", "Trust an issuer")
        .about("Its assertions can be exchanged for tokens, by clients with the grant type `urn:ietf:params:oauth:grant-type:jwt-bearer`.")
        .json::<TrustRequest>()
        .answer::<Trust>(201, "The trust.")
        .header(201, "Location", "Its address.")
        .refuses(400, "A member is missing or makes no sense.")
        .refuses(409, "The issuer is trusted for this key and subject already.")
        .asks_database()
}

fn of_trust(op: Operation<'_>) -> Operation<'_> {
    op.path("id", "The trust.")
        .refuses(400, "The id is no UUID.")
        .refuses(404, "There is no such trust.")
        .asks_database()
}

pub fn read(op: Operation<'_>) -> Operation<'_> {
    of_trust(op.named("getTrustedOAuth2JwtGrantIssuer", "oAuth2", "Read a trusted issuer"))
        .answer::<Trust>(200, "The trust.")
}

pub fn delete(op: Operation<'_>) -> Operation<'_> {
    of_trust(op.named("deleteTrustedOAuth2JwtGrantIssuer", "oAuth2", "Trust an issuer no more"))
        .empty(204, "It is trusted no more.")
}

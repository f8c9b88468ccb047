//! Consents that were given, and logins that last.

use crate::admin::sessions::Shown;
use crate::openapi::operation::Operation;

pub fn list_consents(op: Operation<'_>) -> Operation<'_> {
    op.named("listOAuth2ConsentSessions", "oAuth2", "List the consents of a person")
        .needs_query("subject", "The person.")
        .query("login_session_id", "Only consents of this session.")
        .pages()
        .answer::<Vec<Shown<'_>>>(200, "The consents of the page.")
        .header(
            200,
            "Link",
            "The pages `first` and `next` (RFC 8288); absent if the list is empty.",
        )
        .header(200, "X-Total-Count", "How many consents there are in all.")
        .refuses(
            400,
            "`subject` is missing, `page_size` is no number, or `page_token` is of another list or too old.",
        )
        .asks_database()
}

pub fn end_consents(op: Operation<'_>) -> Operation<'_> {
    op.named("revokeOAuth2ConsentSessions", "oAuth2", "End consents")
        .about("With all tokens that they gave. Send `subject` with `client` or `all`, or `consent_request_id` alone.")
        .query("subject", "The person.")
        .query("client", "The client that was granted something.")
        .query("all", "`true` for all clients.")
        .query("consent_request_id", "The one consent.")
        .empty(204, "They have ended.")
        .refuses(400, "`invalid_request`: it is not said which.")
        .asks_database()
}

pub fn end_logins(op: Operation<'_>) -> Operation<'_> {
    op.named("revokeOAuth2LoginSessions", "oAuth2", "End login sessions")
        .about("By `sid`, the clients of the session are told (Back-Channel Logout). By `subject`, nobody is told. Tokens live on.")
        .query("subject", "The person whose sessions shall end.")
        .query("sid", "The one session.")
        .empty(204, "They have ended.")
        .refuses(400, "`invalid_request`: it is not said which.")
        .asks_database()
}

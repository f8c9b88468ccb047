//! `/admin/clients`.

use claviger_core::client::metadata::{LifespansRequest, Metadata};

use crate::openapi::operation::Operation;
use crate::openapi::schemas::{ClientBody, JsonPatch};

const INVALID: &str =
    "`invalid_client_metadata` or `invalid_redirect_uri`, naming the member; or a title, if the body cannot be read.";

const CONTENDED: &str = "Others changed the client all the time. Try again.";

pub fn list(op: Operation<'_>) -> Operation<'_> {
    op.named("listOAuth2Clients", "oAuth2", "List clients")
        .query("client_name", "Only clients of this name.")
        .query("owner", "Only clients of this owner.")
        .pages()
        .answer::<Vec<Metadata>>(200, "The clients of the page, in the order of their ids.")
        .header(
            200,
            "Link",
            "The pages `first` and `next` (RFC 8288); `next` only if there is one.",
        )
        .header(200, "X-Total-Count", "How many clients there are in all.")
        .refuses(
            400,
            "`page_size` is no number, or `page_token` is of another list or too old.",
        )
        .asks_database()
}

pub fn create(op: Operation<'_>) -> Operation<'_> {
    op.named("createOAuth2Client", "oAuth2", "Create a client")
        .json::<ClientBody>()
        .answer::<Metadata>(201, "The client. `client_secret` is shown here and never again.")
        .header(201, "Location", "The client's address.")
        .refuses(400, INVALID)
        .refuses(409, "There is a client with this `client_id`.")
        .asks_database()
}

fn of_client(op: Operation<'_>) -> Operation<'_> {
    op.path("id", "`client_id` of the client.")
        .refuses(404, "There is no such client.")
        .asks_database()
}

pub fn read(op: Operation<'_>) -> Operation<'_> {
    of_client(op.named("getOAuth2Client", "oAuth2", "Read a client")).answer::<Metadata>(200, "The client.")
}

pub fn replace(op: Operation<'_>) -> Operation<'_> {
    of_client(op.named("setOAuth2Client", "oAuth2", "Replace a client"))
        .about("What is not named gets its default. The secret stays, unless a new one is given.")
        .json::<ClientBody>()
        .answer::<Metadata>(200, "The client.")
        .refuses(400, INVALID)
        .refuses(409, CONTENDED)
}

pub fn patch(op: Operation<'_>) -> Operation<'_> {
    of_client(op.named("patchOAuth2Client", "oAuth2", "Change a client"))
        .about("By a JSON Patch (RFC 6902), as a whole or not at all. `client_id` cannot be changed.")
        .json::<Vec<JsonPatch>>()
        .answer::<Metadata>(200, "The client.")
        .refuses(400, "The patch cannot be applied, or what it makes is no valid client.")
        .refuses(409, CONTENDED)
}

pub fn delete(op: Operation<'_>) -> Operation<'_> {
    of_client(op.named("deleteOAuth2Client", "oAuth2", "Delete a client"))
        .about("With all that was granted to it.")
        .empty(204, "It is gone.")
}

pub fn set_lifespans(op: Operation<'_>) -> Operation<'_> {
    of_client(op.named(
        "setOAuth2ClientLifespans",
        "oAuth2",
        "Set the lifespans of a client's tokens",
    ))
    .about("All of them: what is not named is the server's own again.")
    .json::<LifespansRequest>()
    .answer::<Metadata>(200, "The client.")
    .refuses(400, "A lifespan is no duration.")
    .refuses(409, CONTENDED)
}

pub fn rotate_secret(op: Operation<'_>) -> Operation<'_> {
    of_client(op.named("rotateOAuth2ClientSecret", "oAuth2", "Give a client a new secret"))
        .about("The older ones, five at most, authenticate until they are ended.")
        .answer::<Metadata>(200, "The client, with its new secret.")
        .refuses(400, "The client has no secret.")
        .refuses(409, CONTENDED)
}

pub fn end_older_secrets(op: Operation<'_>) -> Operation<'_> {
    of_client(op.named(
        "deleteRotatedOAuth2ClientSecrets",
        "oAuth2",
        "End the older secrets of a client",
    ))
    .answer::<Metadata>(200, "The client.")
    .refuses(409, CONTENDED)
}

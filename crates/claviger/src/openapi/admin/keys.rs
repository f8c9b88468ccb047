//! `/admin/keys`.

use crate::keys::sets::NewKey;
use crate::openapi::operation::Operation;
use crate::openapi::schemas::{JsonWebKey, JsonWebKeySet};

const UNUSABLE: &str = "A key cannot be read or cannot do what it is for, or a name is too long.";

fn of_set(op: Operation<'_>) -> Operation<'_> {
    op.path("set", "The name of the set.").asks_database()
}

fn of_key(op: Operation<'_>) -> Operation<'_> {
    of_set(op).path("kid", "The key's `kid`.")
}

pub fn read(op: Operation<'_>) -> Operation<'_> {
    of_set(op.named("getJsonWebKeySet", "jwk", "Read a key set"))
        .answer::<JsonWebKeySet>(200, "Its keys, with their private members.")
        .refuses(404, "The set has no key.")
}

pub fn create(op: Operation<'_>) -> Operation<'_> {
    of_set(op.named("createJsonWebKeySet", "jwk", "Make a key"))
        .about("It is added to the set.")
        .json::<NewKey>()
        .answer::<JsonWebKeySet>(201, "The new key, with its private members.")
        .header(201, "Location", "The address of the set.")
        .refuses(400, "The algorithm is not supported, or a name is too long.")
        .refuses(409, "The set has a key with this `kid`.")
}

pub fn replace(op: Operation<'_>) -> Operation<'_> {
    of_set(op.named("setJsonWebKeySet", "jwk", "Replace a key set"))
        .about("As a whole or not at all. Without keys it is emptied.")
        .json::<JsonWebKeySet>()
        .answer::<JsonWebKeySet>(200, "The keys.")
        .refuses(400, UNUSABLE)
}

pub fn delete(op: Operation<'_>) -> Operation<'_> {
    of_set(op.named("deleteJsonWebKeySet", "jwk", "Delete a key set")).empty(204, "It is gone, or was not there.")
}

pub fn read_key(op: Operation<'_>) -> Operation<'_> {
    of_key(op.named("getJsonWebKey", "jwk", "Read a key"))
        .answer::<JsonWebKeySet>(200, "A set with this key, private members included.")
        .refuses(404, "There is no such key.")
}

pub fn put_key(op: Operation<'_>) -> Operation<'_> {
    of_key(op.named("setJsonWebKey", "jwk", "Add or replace a key"))
        .about("The `kid` of the path counts only if the body has none.")
        .json::<JsonWebKey>()
        .answer::<JsonWebKey>(200, "The key.")
        .refuses(400, UNUSABLE)
}

pub fn delete_key(op: Operation<'_>) -> Operation<'_> {
    of_key(op.named("deleteJsonWebKey", "jwk", "Delete a key")).empty(204, "It is gone, or was not there.")
}

//! Every parameter of every endpoint: absent, empty, twice, too long, of the wrong type, wrongly encoded, forged, replayed, of
//! another client. One line of a table for each; the answer is the specification's error in the specification's place, never
//! a failure of the server's, and afterwards the request as it should be succeeds: nothing was half done.

mod admin;
mod assertions;
mod authorize;
mod clients;
mod device;
mod documents;
mod logout;
mod requests;
mod stage;
mod table;
mod token;
mod tokens;

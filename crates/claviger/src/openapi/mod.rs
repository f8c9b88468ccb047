//! The OpenAPI document of each port, made from its route table: what is routed is described, and nothing else is.
//!
//! OpenAPI 3.1. A route cannot be named without a description ([`crate::edge::router::Routes::on`]), and the schemas are
//! derived from the types that handlers read and write. `docs/http.md` is written from the same documents.

pub mod admin;
mod document;
#[cfg(test)]
mod markdown;
mod operation;
pub mod public;
#[cfg(test)]
mod reference;
mod schemas;

pub use document::{About, Entry, Listing, Served};
pub use operation::Operation;
pub(crate) use schemas::SessionClaimsShown;

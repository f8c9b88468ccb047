//! The admin port: endpoints for the operator and for the login and consent application.

pub mod clients;
pub mod introspect;
pub mod key_sets;
pub mod keys;
pub mod metrics;
mod paging;
pub mod requests;
pub mod sessions;
pub mod tokens;
pub mod trusts;
pub mod version;

use crate::edge::call::Unreadable;
use crate::edge::problem::{Problem, Resource};

/// JSON that cannot be read has the title of every malformed admin request where clients and keys are managed, not an
/// OAuth code.
fn unreadable(error: Unreadable) -> Problem {
    match error {
        Unreadable::Json(fault) => Resource::Malformed.because(fault.to_string()),
        other => other.into(),
    }
}

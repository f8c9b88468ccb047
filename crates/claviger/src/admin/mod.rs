//! The admin port: endpoints for the operator and for the login and consent application.

pub mod clients;
pub mod keys;
mod paging;

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

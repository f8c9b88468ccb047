//! The admin port: endpoints for the operator and for the login and consent application.

pub mod clients;
pub mod introspect;
pub mod key_sets;
pub mod keys;
pub mod metrics;
mod paging;
pub mod tokens;
pub mod version;

//! The admin port: endpoints for the operator and for the login and consent application.

pub mod introspect;
pub mod key_sets;
pub mod keys;
pub mod metrics;
pub mod tokens;
pub mod version;

//! The admin port: endpoints for the operator and for the login and consent application.

pub mod key_sets;
pub mod keys;
pub mod metrics;
pub mod version;

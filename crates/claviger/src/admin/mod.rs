//! The admin port: endpoints for the operator and for the login and consent application.

pub mod introspect;
pub mod keys;
pub mod tokens;

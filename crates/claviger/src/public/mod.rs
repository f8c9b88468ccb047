//! The public port: endpoints for clients and browsers.

pub mod discovery;
pub mod jwks;

//! The public port: endpoints for clients and browsers.

pub mod jwks;

//! The public port: endpoints for clients and browsers.

pub mod fallback;
pub mod jwks;

//! The public port: endpoints for clients and browsers.

mod client;
pub mod discovery;
pub mod fallback;
pub mod introspect;
pub mod jwks;
pub mod revoke;
pub mod userinfo;

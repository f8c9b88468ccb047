//! The public port: endpoints for clients and browsers.

pub mod authorize;
mod client;
mod cookies;
pub mod dev;
pub mod dev_device;
pub mod device;
pub mod discovery;
pub mod fallback;
pub mod introspect;
pub mod jwks;
pub mod logout;
pub mod register;
pub mod revoke;
pub mod token;
pub mod userinfo;
